//! Whether an encoder knows a place again at another date, and what moves its answers, beside what has learned nothing.

use anyhow::Result;
use burn::tensor::Device;
use serde::Serialize;
use shared::encoder::Pooling;
use shared::preprocess::fit;
use shared::tile::Tile;
use std::path::Path;

use super::features::{BATCH, FeatureSettings, features_of};
use super::place_retrieval::{PlaceRetrieval, mean_distance, mean_distance_of_pairs, retrieve_places, unit_rows};
use super::readout::read_out_rows;
use super::statistics::image_statistics;
use crate::data::{Placement, Source, SourceSpec, TileSource, evenly_spaced};
use crate::encoder_file::LoadedEncoder;
use crate::error::UsageError;
use crate::parts::Frozen;
use crate::report::Reporter;
use crate::views::{Palette, Recipe, Transform, view_rng};

/// What is asked.
pub struct Seasons<'a> {
    /// The encoder.
    pub loaded: &'a LoadedEncoder,
    /// Sources of places with several dates, as they are typed.
    pub data: &'a [String],
    /// Places of each that are taken at the most.
    pub places: usize,
    /// Side of the input.
    pub px: usize,
    /// Seed of the augmentations and of the random weights.
    pub seed: u64,
    /// Where it is computed.
    pub device: &'a Device,
}

/// The answer.
#[derive(Debug)]
pub struct SeasonsFound {
    /// What each source says of itself.
    pub sources: Vec<String>,
    /// Places that were compared.
    pub places: usize,
    /// Their pictures.
    pub pictures: usize,
    /// The encoder's spaces, then those of what has learned nothing.
    pub spaces: Vec<SpaceScores>,
}

impl Seasons<'_> {
    /// Reads the pictures, embeds them in every space, and compares.
    ///
    /// # Errors
    /// For sources of other bands or without a second date, or unreadable pictures.
    pub fn measure(&self, reporter: &mut Reporter<'_>) -> Result<SeasonsFound> {
        let &Self { loaded, px, seed, device, .. } = self;
        let sources = open(self, reporter)?;
        let pictures = Pictures::read(&sources, self)?;
        let encoder = loaded.encoder(device)?;
        let spaces = [learned(&encoder, loaded, &pictures, px, device)?, {
            let random = Frozen::untrained(&encoder, seed, device);
            baselines(random.as_ref(), loaded, &pictures, px, device)?
        }];
        Ok(SeasonsFound {
            sources: sources.iter().map(|source| source.describe()).collect(),
            places: pictures.places.last().map_or(0, |last| last + 1),
            pictures: pictures.clean.len(),
            spaces: spaces.into_iter().flatten().map(|space| space.score(&pictures.places)).collect(),
        })
    }
}

/// What was found in one space.
#[derive(Debug, Serialize)]
pub struct SpaceScores {
    /// What it is called.
    pub space: String,
    /// How surely a place is found again in it.
    pub retrieval: PlaceRetrieval,
    /// Mean distance over that of different places: season first, then what was done to the pictures.
    pub moved: Vec<(String, f64)>,
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

fn open(asked: &Seasons<'_>, reporter: &mut Reporter<'_>) -> Result<Vec<TileSource>> {
    let mut sources = Vec::new();
    let mut warnings = Vec::new();
    for text in asked.data {
        let mut spec = SourceSpec::typed(Path::new(text))?.for_bands(&asked.loaded.description.bands);
        // Places are compared over their dates: each must be the same ground every time.
        spec.placement = Placement::Grid;
        let source = spec.open_tiles(Path::new(""), &mut warnings)?;
        if source.bands() != &asked.loaded.description.bands {
            return Err(UsageError::new(format!(
                "{} has the bands {}, the encoder reads {}\nhint: pick them with bands=[…]",
                source.name(),
                source.bands(),
                asked.loaded.description.bands
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
    reporter.data_warnings(&warnings);
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
    fn read(sources: &[TileSource], asked: &Seasons<'_>) -> Result<Self> {
        let &Seasons { loaded, px, places, seed, .. } = asked;
        let changes = changes();
        let mut pictures = Self { clean: Vec::new(), places: Vec::new(), changed: Vec::new() };
        pictures.changed = changes.iter().map(|(name, _)| (*name, Vec::new())).collect();
        let mut place_number = 0;
        for source in sources {
            let mean = loaded.description.normalisation.mean();
            let palette = Palette::new(source.bands(), source.range(), mean);
            for place in evenly_spaced(source.len(), places).filter(|&place| source.dates(place) > 1) {
                let dates: Vec<usize> = (0..source.dates(place)).collect();
                let mut rng = view_rng(seed, 0, place_number as u64);
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

    fn score(&self, places: &[usize]) -> SpaceScores {
        let (rows, width) = (&self.clean, self.width);
        let apart = mean_distance_of_pairs(rows, width, |a, b| places[a] != places[b]);
        let season = mean_distance_of_pairs(rows, width, |a, b| places[a] == places[b]);
        let changed = self.changed.iter().map(|(name, after)| ((*name).to_owned(), mean_distance(rows, after, width)));
        let moved = std::iter::once(("season".to_owned(), season)).chain(changed);
        SpaceScores {
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
