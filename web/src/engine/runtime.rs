//! Device, model and gallery behind plain functions: the only file of this crate that names Burn.

use std::ops::Range;

use burn::tensor::Device;
use shared::artifact::{Training, WeightFormat, golden_tile};
use shared::compare::refined;
use shared::embedder::{Embedder, EmbedderError};
use shared::gallery::{Gallery, NO_LABEL};
use shared::leave_one_out::Vote;
use shared::tile::Tile;

use super::clock::now_ms;
use super::protocol::{GalleryCard, MapCard, MetricLine, ModelCard, Neighbour, SelfTest};
use super::units::Wanted;
use crate::problem::Problem;
use crate::scene::doubt;

/// Largest accepted difference to the golden embedding, relative to its largest value: far above rounding, which
/// stays under 1e-4, and far below what one wrong kernel does.
const GOLDEN_TOLERANCE: f32 = 2e-3;
/// Tiles in the chunk that is timed, and how often it runs.
const TIMED_TILES: usize = 8;
const TIMED_RUNS: usize = 2;

/// A model on a device that has proven itself.
pub struct Runtime {
    embedder: Embedder,
    /// Size of the model file.
    bytes: usize,
    /// How the proof went.
    pub self_test: SelfTest,
    /// Milliseconds a tile, warm, in a chunk of eight; none when it was not timed.
    pub ms_per_tile: Option<f64>,
}

impl Runtime {
    /// Opens the device, loads the model, embeds the golden tile, and measures if `is_timed`.
    ///
    /// # Errors
    /// When there is no device, the model is damaged or of another version, or the device computes wrong numbers.
    pub async fn open(model: &[u8], is_timed: bool) -> Result<Self, Problem> {
        let device = open_device().await?;
        let embedder = Embedder::load(model, &device).map_err(|error| unusable(&error))?;
        let started = now_ms();
        let max_relative_error = prove(&embedder).await?;
        let self_test = SelfTest { max_relative_error, first_run_ms: now_ms() - started };
        let ms_per_tile = match is_timed {
            true => Some(measure(&embedder).await.map_err(|error| device_failed(&error))?),
            false => None,
        };
        Ok(Self { embedder, bytes: model.len(), self_test, ms_per_tile })
    }

    /// What the model wants of a picture.
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        let manifest = self.embedder.manifest();
        let (means, deviations) = (manifest.normalisation.mean(), manifest.normalisation.std());
        let trained = means.iter().zip(deviations).map(|(mean, deviation)| [*mean, *deviation]).collect();
        Wanted { bands: manifest.bands.clone(), trained }
    }

    /// Side of the square that the encoder sees.
    #[must_use]
    pub fn input_px(&self) -> usize {
        self.embedder.manifest().input_px
    }

    /// Width of an embedding.
    #[must_use]
    pub fn embedding_width(&self) -> usize {
        self.embedder.manifest().embedding_width
    }

    /// What the manifest says, for people.
    #[must_use]
    pub fn card(&self) -> ModelCard {
        let manifest = self.embedder.manifest();
        ModelCard {
            name: manifest.name.clone(),
            architecture: manifest.encoder.architecture.to_string(),
            parameters: manifest.encoder.parameter_count(),
            bands: manifest.bands.iter().map(ToString::to_string).collect(),
            input_px: manifest.input_px,
            embedding_width: manifest.embedding_width,
            subspaces: manifest.subspaces.clone(),
            classes: manifest.classes.clone(),
            calibrated: manifest.calibration_temperature.is_some(),
            temperature: manifest.calibration_temperature,
            method: manifest.training.method.clone(),
            data: manifest.training.data.clone(),
            training: training(&manifest.training),
            multiply_adds: manifest.encoder.multiply_adds(manifest.input_px),
            metrics: manifest
                .metrics
                .iter()
                .map(|metric| MetricLine {
                    name: metric.name.clone(),
                    value: metric.value,
                    protocol: metric.protocol.clone(),
                })
                .collect(),
            licence: manifest.licence.clone(),
            weight_format: weight_format(manifest.weight_format).to_owned(),
            format_version: manifest.format_version,
            bytes: self.bytes as u64,
            sha256: manifest.sha256.clone(),
        }
    }

    /// Raw embeddings, one a tile.
    ///
    /// # Errors
    /// When the device fails or computes NaN.
    pub async fn embed(&self, tiles: &[Tile]) -> Result<Vec<Vec<f32>>, Problem> {
        self.embedder.embed(tiles).await.map_err(|error| device_failed(&error))
    }

    /// Pooled features, one vector a tile, to be read out and projected.
    ///
    /// # Errors
    /// When the device fails or computes NaN.
    pub async fn pooled(&self, tiles: &[Tile]) -> Result<Vec<Vec<f32>>, Problem> {
        self.embedder.pooled(tiles).await.map_err(|error| device_failed(&error))
    }

    /// The embedding that pooled features stand for.
    #[must_use]
    pub fn read_out(&self, pooled: Vec<f32>) -> Vec<f32> {
        self.embedder.read_out(pooled)
    }

    /// Class probabilities of an embedding; none, for a model without classes.
    #[must_use]
    pub fn probabilities(&self, embedding: &[f32]) -> Vec<f32> {
        self.embedder.probabilities(embedding).unwrap_or_default()
    }

    /// Pooled features in each of the model's subspaces, in the order of its card.
    ///
    /// # Errors
    /// When a projection head does not fit the encoder, or computes NaN.
    pub fn projections(&self, pooled: &[f32]) -> Result<Vec<Vec<f32>>, Problem> {
        let subspaces = self.embedder.manifest().subspaces.iter();
        let project = |name: &String| {
            let projection = self.embedder.project(pooled, name);
            projection.filter(|values| values.iter().all(|value| value.is_finite())).ok_or_else(|| {
                Problem::new(
                    "A projection head of the model cannot be used",
                    format!("The head “{name}” does not fit the encoder, or gives values that are not finite."),
                    "Export the model again.",
                )
            })
        };
        subspaces.map(project).collect()
    }

    /// Reads a gallery, which must be this model's.
    ///
    /// # Errors
    /// When it is damaged, or was made by another model.
    pub fn open_gallery(&self, bytes: &[u8], unlike_below: Option<f32>) -> Result<GallerySearch, Problem> {
        let what = "The gallery cannot be used";
        let gallery = open_any_gallery(bytes)?.gallery;
        let manifest = self.embedder.manifest();
        if gallery.manifest.model_sha256 != manifest.sha256 {
            return Err(Problem::new(
                what,
                format!("It was made by another model ({}) than {}.", gallery.manifest.model, manifest.name),
                "Export model and gallery together.",
            ));
        }
        Ok(GallerySearch { known: Known::of(&gallery, unlike_below), gallery })
    }
}

/// Reads a gallery of any model, to look at.
///
/// # Errors
/// When it is damaged, or no gallery.
pub fn open_any_gallery(bytes: &[u8]) -> Result<GallerySearch, Problem> {
    let gallery = Gallery::from_bytes(bytes)
        .map_err(|error| Problem::from_error("The gallery cannot be used", &error, "Export the gallery again."))?;
    Ok(GallerySearch { gallery, known: None })
}

/// A gallery to search.
pub struct GallerySearch {
    gallery: Gallery,
    known: Option<Known>,
}

/// What a picture must be like to count as known: its nearest tile of this rank reaches this similarity.
#[derive(Clone, Copy)]
struct Known {
    rank: usize,
    from: f32,
}

/// Known tiles that are compared with the others to find the limit.
const COMPARED_TILES: usize = 250;

impl Known {
    /// From the gallery's own tiles; for a small gallery, the limit of the nearest tile that came with it.
    fn of(gallery: &Gallery, unlike_below: Option<f32>) -> Option<Self> {
        let step = gallery.count().div_ceil(COMPARED_TILES).max(1);
        let rows = (0..gallery.count()).step_by(step);
        let similarities = rows.filter_map(|row| gallery.similarity_of_rank(row, doubt::KNOWN_RANK)).collect();
        let own = doubt::known_from(similarities).map(|from| Self { rank: doubt::KNOWN_RANK, from });
        own.or(unlike_below.map(|from| Self { rank: 1, from }))
    }
}

/// What a search found.
pub struct Found {
    /// Nearest tiles, best first.
    pub neighbours: Vec<Neighbour>,
    /// True when even the known tiles nearest to it are hardly like it.
    pub is_unlike: bool,
}

impl GallerySearch {
    /// What the page needs to show it.
    #[must_use]
    pub fn card(&self) -> GalleryCard {
        let manifest = &self.gallery.manifest;
        GalleryCard {
            tiles: self.gallery.count(),
            tile_px: manifest.atlas.tile_px,
            columns: manifest.atlas.columns,
            rows: manifest.atlas.rows,
            files: manifest.atlas.files.clone(),
            credit: manifest.credit.clone(),
        }
    }

    /// The `k` tiles nearest to an embedding.
    #[must_use]
    pub fn nearest(&self, embedding: &[f32], k: usize) -> Found {
        let mut found = self.gallery.nearest(embedding, k.max(self.known.map_or(0, |known| known.rank)));
        let is_unlike = self
            .known
            .is_some_and(|known| found.get(known.rank - 1).is_none_or(|neighbour| neighbour.similarity < known.from));
        found.truncate(k);
        Found { neighbours: self.named(found), is_unlike }
    }

    /// The `k` tiles nearest to one of the gallery's own, itself left out.
    #[must_use]
    pub fn nearest_to_row(&self, row: usize, k: usize) -> Vec<Neighbour> {
        let Some(embedding) = self.gallery.embedding(row) else { return Vec::new() };
        let mut found = self.gallery.nearest(embedding, k + 1);
        found.retain(|neighbour| neighbour.index != row);
        found.truncate(k);
        self.named(found)
    }

    /// The `k` tiles most like those of `more` and least like those of `less`, these left out.
    #[must_use]
    pub fn nearest_to_examples(&self, more: &[usize], less: &[usize], k: usize) -> Vec<Neighbour> {
        let rows = |rows: &[usize]| rows.iter().filter_map(|&row| self.gallery.embedding(row)).collect::<Vec<_>>();
        let Some(query) = refined(&rows(more), &rows(less)) else { return Vec::new() };
        let mut found = self.gallery.nearest(&query, k + more.len() + less.len());
        found.retain(|neighbour| !more.contains(&neighbour.index) && !less.contains(&neighbour.index));
        found.truncate(k);
        self.named(found)
    }

    /// What the `k` nearest other tiles of each of `rows` vote for, and the nearest of them: classes (u16), shares (f32), rows
    /// (u32, all ones for none) and similarities (f32), little endian.
    #[must_use]
    pub fn votes(&self, rows: Range<usize>, k: usize) -> [Vec<u8>; 4] {
        let votes = self.gallery.votes(rows, k);
        let class = |class: Option<usize>| class.map_or(NO_LABEL, |class| class as u16).to_le_bytes();
        let classes = votes.iter().flat_map(|vote| class(vote.class)).collect();
        let nearest = |vote: &Vote| vote.nearest.map_or(u32::MAX, |near| near.index as u32).to_le_bytes();
        let similarity = |vote: &Vote| vote.nearest.map_or(0.0, |near| near.similarity).to_le_bytes();
        [
            classes,
            votes.iter().flat_map(|vote| vote.share.to_le_bytes()).collect(),
            votes.iter().flat_map(nearest).collect(),
            votes.iter().flat_map(similarity).collect(),
        ]
    }

    /// What a map says of the gallery.
    #[must_use]
    pub fn map_card(&self, runtime: Option<&Runtime>) -> MapCard {
        let manifest = &self.gallery.manifest;
        let in_use = runtime.map(|runtime| &runtime.embedder.manifest().sha256);
        MapCard {
            gallery: self.card(),
            classes: manifest.classes.clone(),
            layout: manifest.layout.clone(),
            model: manifest.model.clone(),
            is_of_model_in_use: in_use == Some(&manifest.model_sha256),
        }
    }

    /// What a map draws: both layouts (f32), labels (u16), names (one a line), little endian.
    #[must_use]
    pub fn map_parts(&self) -> Vec<Vec<u8>> {
        let points = |points: &[[f32; 2]]| points.as_flattened().iter().flat_map(|value| value.to_le_bytes()).collect();
        let labels = self.gallery.labels.iter().flat_map(|label| label.to_le_bytes()).collect();
        let names: Vec<String> = self.gallery.manifest.names.iter().map(|name| name.replace('\n', " ")).collect();
        vec![points(&self.gallery.points), points(&self.gallery.points_pca), labels, names.join("\n").into_bytes()]
    }

    fn named(&self, found: Vec<shared::compare::Neighbour>) -> Vec<Neighbour> {
        let name = |found: shared::compare::Neighbour| Neighbour {
            index: found.index,
            name: self.gallery.manifest.names[found.index].clone(),
            class: self.gallery.class(found.index).unwrap_or("unknown").to_owned(),
            similarity: found.similarity,
        };
        found.into_iter().map(name).collect()
    }
}

#[cfg(not(feature = "gpu"))]
async fn open_device() -> Result<Device, Problem> {
    Ok(Device::flex())
}

/// Initialised once a worker: a second initialisation is an error.
#[cfg(feature = "gpu")]
async fn open_device() -> Result<Device, Problem> {
    Device::wgpu_options().init_async().await.map_err(|error| {
        Problem::from_error("WebGPU could not be opened", &error, "Use the CPU, or update the browser and its drivers.")
    })
}

/// Largest difference to the golden embedding, relative to its largest value.
async fn prove(embedder: &Embedder) -> Result<f32, Problem> {
    let Some(golden) = &embedder.manifest().golden else {
        return Err(Problem::new(
            "The model carries no reference to prove the device with",
            "Its manifest has no golden embedding.",
            "Export it again with this release.",
        ));
    };
    let difference = embedder.self_test(golden).await.map_err(|error| device_failed(&error))?;
    let largest = golden.embedding.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let relative = difference / largest.max(f32::MIN_POSITIVE);
    if relative <= GOLDEN_TOLERANCE {
        return Ok(relative);
    }
    Err(Problem::new(
        "This device computes wrong numbers",
        format!(
            "The golden tile's embedding is off by {relative:.1e} of its largest value; {GOLDEN_TOLERANCE:.0e} is allowed."
        ),
        "Use the other device; updating the browser or the graphics driver may help.",
    ))
}

/// Milliseconds a tile in a warm chunk; the first run, which may compile kernels, is not counted.
async fn measure(embedder: &Embedder) -> Result<f64, EmbedderError> {
    let manifest = embedder.manifest();
    let tiles: Vec<Tile> =
        (0..TIMED_TILES as u32).map(|seed| golden_tile(seed, manifest.bands.len(), manifest.input_px)).collect();
    embedder.embed(&tiles).await?;
    let mut best = f64::INFINITY;
    for _ in 0..TIMED_RUNS {
        let started = now_ms();
        embedder.embed(&tiles).await?;
        best = best.min(now_ms() - started);
    }
    Ok(best / TIMED_TILES as f64)
}

fn unusable(error: &EmbedderError) -> Problem {
    Problem::from_error("The model cannot be used", error, "Export it again with this release.")
}

fn device_failed(error: &EmbedderError) -> Problem {
    let (what, remedy) = ("The device failed", "Try again on the other device.");
    match error {
        EmbedderError::Device(chain) => {
            // A chain of "Caused by" lines and a backtrace: people need its end.
            let mut lines =
                chain.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("Backtrace"));
            let cause =
                lines.next_back().map(|line| line.trim_start_matches("Caused by: ")).unwrap_or("no reason given");
            Problem::new(what, format!("It was lost or has run out of memory ({cause})."), remedy)
        }
        _ => Problem::from_error(what, error, remedy),
    }
}

/// How long a model was trained, as far as its manifest says.
fn training(training: &Training) -> String {
    match (training.epochs, training.steps) {
        (0, 0) => String::new(),
        (epochs, 0) => format!("{epochs} epochs, seed {}", training.seed),
        (epochs, steps) => format!("{epochs} epochs, {steps} steps in all, seed {}", training.seed),
    }
}

const fn weight_format(format: WeightFormat) -> &'static str {
    match format {
        WeightFormat::F32 => "32-bit floats",
        WeightFormat::F16 => "16-bit floats",
        WeightFormat::Int8 => "8-bit integers",
    }
}
