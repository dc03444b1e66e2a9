//! `trainer seasons`: whether an encoder knows a place again at another date, and what moves its answers.

use std::path::{Path, PathBuf};

use anyhow::Result;
use burn::tensor::Device;
use serde::Serialize;
use shared::encoder::Pooling;
use shared::preprocess::fit;
use shared::tile::Tile;

use crate::checkpoint::{LoadedEncoder, load_encoder};
use crate::data::{Placement, Source, SourceSpec, TileSource, evenly_spaced};
use crate::device;
use crate::error::UsageError;
use crate::eval::{
    BATCH, FeatureSettings, PlaceRetrieval, features_of, image_statistics, mean_distance, mean_distance_of_pairs,
    read_out_rows, retrieve_places, unit_rows,
};
use crate::parts::Frozen;
use crate::report::{Reporter, Table, percent};
use crate::views::{Palette, Recipe, Transform, view_rng};

use super::evaluate::{title, warn};

/// What can be typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  trainer seasons --encoder public/models/compact-s.safetensors --data kind=mosaic,path=muds.tar,keep_places=[a,b]
  trainer seasons --encoder runs/seco --data kind=mosaic,path=months,keep_longitude=[[60,180]] --out seasons

Every picture asks for the other dates of its place among the pictures of all places. Big co-registered pictures are cut
into windows side by side, each a place. Distances are cosine distances over the mean distance of pictures of different
places: 1 is as far as another place, 0 is the same. A model file is read by its readout too, a run by the mean of its
last feature map; both by the projection heads they have (SeCo's subspaces). Random weights and image statistics stand
beside them. Name places that the encoder was not trained on.")]
pub struct SeasonsArgs {
    /// Run folder, encoder file, or exported model
    #[arg(long, value_name = "RUN|FILE")]
    pub encoder: PathBuf,
    /// Places with several dates, for example kind=places,path=places (repeatable)
    #[arg(long, value_name = "KIND=…,PATH=…", required = true)]
    pub data: Vec<String>,
    /// Places that are taken at the most, evenly spread over each source
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(2..))]
    pub places: u32,
    /// Side of the input in pixels [default: what the encoder was trained for]
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u16).range(8..=1024))]
    pub px: Option<u16>,
    /// Seed of the augmentations and of the random weights
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Folder for seasons.json and seasons.md
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Device: auto, cpu, wgpu, cuda, or a name listed by `trainer devices`
    #[arg(long, default_value = "auto")]
    pub device: String,
}

/// The pictures that are compared, and what was done to each.
struct Pictures {
    /// Clean, fitted to the encoder's side.
    clean: Vec<Tile>,
    /// The place of each.
    places: Vec<usize>,
    /// What was done, and to every picture of [`Self::clean`] in order.
    changed: Vec<(&'static str, Vec<Tile>)>,
}

/// What was found in one space.
#[derive(Debug, Serialize)]
struct Found {
    space: String,
    retrieval: PlaceRetrieval,
    /// Mean distance over that of different places: season first, then what was done to the pictures.
    moved: Vec<(String, f64)>,
}

/// Runs the command.
///
/// # Errors
/// For bad usage, unreadable files, places without a second date, or a disk that refuses.
pub fn run(args: SeasonsArgs, reporter: &mut Reporter<'_>) -> Result<()> {
    let loaded = load_encoder(&args.encoder)?;
    let px = args.px.map_or(loaded.description.input_px, usize::from);
    let resolved = device::resolve(&args.device)?;
    let sources = open(&args, &loaded, reporter)?;
    let pictures = Pictures::read(&sources, &loaded, px, &args)?;
    reporter.note(&format!("device: {} ({})", resolved.name, resolved.reason));
    let encoder = loaded.encoder(&resolved.device)?;
    let spaces = [learned(&encoder, &loaded, &pictures, px, &resolved.device)?, {
        let random = Frozen::untrained(&encoder, args.seed, &resolved.device);
        baselines(random.as_ref(), &loaded, &pictures, px, &resolved.device)?
    }];
    let found: Vec<Found> = spaces.into_iter().flatten().map(|space| space.score(&pictures.places)).collect();
    let names: Vec<String> = sources.iter().map(|source| source.describe()).collect();
    let table = table(&found);
    let place_count = pictures.places.last().map_or(0, |last| last + 1);
    let what = format!("{}: {place_count} places, {} pictures, {px} px", title(&loaded), pictures.clean.len());
    reporter.line(&what);
    reporter.table(&table);
    if let Some(folder) = &args.out {
        let json = serde_json::json!({ "encoder": title(&loaded), "data": names, "px": px, "seed": args.seed,
            "places": place_count, "pictures": pictures.clean.len(), "spaces": found });
        let markdown = format!("# Seasons\n\n{what}\n\n{}\n\n{}", names.join("\n\n"), table.markdown());
        atomic_file::write(&folder.join("seasons.json"), serde_json::to_string_pretty(&json)?.as_bytes())?;
        atomic_file::write(&folder.join("seasons.md"), markdown.as_bytes())?;
        reporter.note(&format!("wrote seasons.json and seasons.md to {}", folder.display()));
    }
    Ok(())
}

fn open(args: &SeasonsArgs, loaded: &LoadedEncoder, reporter: &mut Reporter<'_>) -> Result<Vec<TileSource>> {
    let mut sources = Vec::new();
    let mut warnings = Vec::new();
    for text in &args.data {
        let mut spec = SourceSpec::typed(Path::new(text))?;
        // Places are compared over their dates: each must be the same ground every time.
        spec.placement = Placement::Grid;
        let source = spec.open_tiles(Path::new(""), &mut warnings)?;
        if source.bands() != &loaded.description.bands {
            return Err(UsageError::new(format!(
                "{} has the bands {}, the encoder reads {}\nhint: pick them with bands=[…]",
                source.name(),
                source.bands(),
                loaded.description.bands
            ))
            .into());
        }
        if (0..source.len()).all(|place| source.dates(place) < 2) {
            return Err(UsageError::new(format!(
                "{} has one date a place\nhint: name places with several dates, as kind=places, seco, mosaic or series",
                source.name()
            ))
            .into());
        }
        reporter.note(&source.describe());
        sources.push(source);
    }
    warn(&warnings, reporter);
    Ok(sources)
}

/// What is done to the pictures, beside the season: the views of contrastive learning, each by itself and always.
fn changes() -> [(&'static str, Transform); 5] {
    [
        ("crop", Transform::RandomResizedCrop { scale: [0.2, 1.0], ratio: [0.75, 4.0 / 3.0] }),
        ("colour", Transform::ColourJitter { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1, p: 1.0 }),
        ("stretch", Transform::Stretch { black: 0.1, white: 0.2, gamma: 1.5, between: 0.25, p: 1.0 }),
        ("blur", Transform::Blur { sigma_min: 1.0, sigma_max: 1.0, p: 1.0 }),
        ("flip", Transform::FlipHorizontal { p: 1.0 }),
    ]
}

impl Pictures {
    fn read(sources: &[TileSource], loaded: &LoadedEncoder, px: usize, args: &SeasonsArgs) -> Result<Self> {
        let changes = changes();
        let mut pictures = Self { clean: Vec::new(), places: Vec::new(), changed: Vec::new() };
        pictures.changed = changes.iter().map(|(name, _)| (*name, Vec::new())).collect();
        let mut place_number = 0;
        for source in sources {
            let mean = loaded.description.normalisation.mean();
            let palette = Palette::new(source.bands(), source.range(), mean);
            for place in evenly_spaced(source.len(), args.places as usize).filter(|&place| source.dates(place) > 1) {
                let dates: Vec<usize> = (0..source.dates(place)).collect();
                let mut rng = view_rng(args.seed, 0, place_number as u64);
                for tile in source.read(place, &dates, &mut rng)? {
                    for ((_, transform), (_, changed)) in changes.iter().zip(&mut pictures.changed) {
                        changed.push(Recipe(vec![transform.clone()]).apply(&tile, px, palette, &mut rng)?);
                    }
                    pictures.clean.push(fit(&tile, px));
                    pictures.places.push(place_number);
                }
                place_number += 1;
            }
        }
        Ok(pictures)
    }
}

/// Vectors of all pictures in one space: the clean ones, then each change.
struct Space {
    name: String,
    width: usize,
    clean: Vec<f32>,
    changed: Vec<(&'static str, Vec<f32>)>,
}

impl Space {
    fn of<'a>(
        name: impl Into<String>,
        width: usize,
        parts: impl IntoIterator<Item = (&'static str, Vec<f32>)> + 'a,
    ) -> Self {
        let mut parts = parts.into_iter().map(|(what, values)| (what, unit_rows(&values, width)));
        let clean = parts.next().map(|(_, clean)| clean).unwrap_or_default();
        Self { name: name.into(), width, clean, changed: parts.collect() }
    }

    fn score(&self, places: &[usize]) -> Found {
        let (rows, width) = (&self.clean, self.width);
        let apart = mean_distance_of_pairs(rows, width, |a, b| places[a] != places[b]);
        let season = mean_distance_of_pairs(rows, width, |a, b| places[a] == places[b]);
        let changed = self.changed.iter().map(|(name, after)| ((*name).to_owned(), mean_distance(rows, after, width)));
        let moved = std::iter::once(("season".to_owned(), season)).chain(changed);
        Found {
            space: self.name.clone(),
            retrieval: retrieve_places(rows, width, places),
            moved: moved.map(|(name, distance)| (name, distance / apart.max(f64::MIN_POSITIVE))).collect(),
        }
    }
}

/// Features of all pictures and of what was done to them, one list a part: `[n, width]` each.
fn embedded(
    encoder: &dyn Frozen,
    loaded: &LoadedEncoder,
    pictures: &Pictures,
    pooling: Pooling,
    px: usize,
    device: &Device,
) -> Result<Vec<(&'static str, Vec<f32>)>> {
    let settings =
        FeatureSettings { normalisation: &loaded.description.normalisation, px, batch: BATCH, pooling, device };
    let parts = std::iter::once(("clean", &pictures.clean)).chain(pictures.changed.iter().map(|(n, t)| (*n, t)));
    let of = |(name, tiles): (&'static str, &Vec<Tile>)| {
        Ok((name, features_of(encoder, tiles.len(), |index| Ok(tiles[index].clone()), settings, |_| {})?))
    };
    parts.map(of).collect()
}

/// The spaces of the encoder: its readout where it has one, the last feature map's mean, its projection heads.
fn learned(
    encoder: &dyn Frozen,
    loaded: &LoadedEncoder,
    pictures: &Pictures,
    px: usize,
    device: &Device,
) -> Result<Vec<Space>> {
    let pooling = if loaded.readout.is_some() { Pooling::Moments } else { Pooling::Mean };
    let pooled = embedded(encoder, loaded, pictures, pooling, px, device)?;
    let (width, mean_width) = (encoder.width(pooling), encoder.width(Pooling::Mean));
    let mean = |values: &[f32]| -> Vec<f32> {
        values.chunks_exact(width).flat_map(|row| &row[..mean_width]).copied().collect()
    };
    let mut spaces = Vec::new();
    if let Some(readout) = &loaded.readout {
        let through = pooled.iter().map(|(name, values)| (*name, read_out_rows(values, width, readout)));
        spaces.push(Space::of("embedding", readout.bias.len(), through.collect::<Vec<_>>()));
    }
    let means: Vec<(&'static str, Vec<f32>)> = pooled.iter().map(|(name, values)| (*name, mean(values))).collect();
    spaces.push(Space::of("mean of the last feature map", mean_width, means.clone()));
    for projection in &loaded.projections {
        let project = |values: &[f32]| -> Option<Vec<Vec<f32>>> {
            values.chunks_exact(mean_width).map(|row| projection.apply(row)).collect()
        };
        let projected: Option<Vec<_>> =
            means.iter().map(|(name, values)| Some((*name, project(values)?.concat()))).collect();
        let (Some(projected), Some(width)) = (projected, projection.apply(&vec![0.0; mean_width]).map(|row| row.len()))
        else {
            anyhow::bail!("projection {:?} does not fit the encoder\nhint: the file is damaged", projection.name);
        };
        spaces.push(Space::of(format!("subspace {}", projection.name), width, projected));
    }
    Ok(spaces)
}

/// What has learned nothing: random weights, and statistics of each band.
fn baselines(
    random: &dyn Frozen,
    loaded: &LoadedEncoder,
    pictures: &Pictures,
    px: usize,
    device: &Device,
) -> Result<Vec<Space>> {
    let pooled = embedded(random, loaded, pictures, Pooling::Mean, px, device)?;
    let of = |tiles: &[Tile]| -> Vec<f32> { tiles.iter().flat_map(image_statistics).collect() };
    let changed = pictures.changed.iter().map(|(name, tiles)| (*name, of(tiles)));
    let statistics: Vec<(&'static str, Vec<f32>)> =
        std::iter::once(("clean", of(&pictures.clean))).chain(changed).collect();
    let width = statistics[0].1.len() / pictures.clean.len().max(1);
    Ok(vec![
        Space::of("random weights, mean of the last feature map", random.width(Pooling::Mean), pooled),
        Space::of("image statistics", width, statistics),
    ])
}

fn table(found: &[Found]) -> Table {
    let moved = found.first().map(|found| &found.moved[..]).unwrap_or_default();
    let head = ["space", "rank-1", "mAP"].map(str::to_owned).into_iter();
    let mut table = Table::new(head.chain(moved.iter().map(|(name, _)| name.clone())));
    for found in found {
        let PlaceRetrieval { rank_1, mean_average_precision, .. } = found.retrieval;
        let scores = [found.space.clone(), percent(rank_1), percent(mean_average_precision)];
        table.row(scores.into_iter().chain(found.moved.iter().map(|(_, distance)| format!("{distance:.3}"))));
    }
    table
}
