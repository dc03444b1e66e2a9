//! Image series in NumPy arrays, described by an `index.json` beside them.
//!
//! `index.json` is a list of `{"name", "bands", "dates"}` with, optionally, `"heuristic_clear"` (one flag a date) and
//! `"nodata"`, the value that stands for nothing. `<name>.npy` is `[dates, bands, height, width]` or `[dates, height, width,
//! bands]`. Dates whose pixels are all missing are left out, and so are dates that are not clear unless all of them are wanted.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;
use shared::bands::Bands;

use super::Warning;
use super::frames::{Frame, FrameFiles};
use super::layout::{Layout, PlaceFrames};
use super::npy::{NpyArray, parse_npy};
use super::picture::{Picture, Samples, some_or_none};
use super::store::Store;

/// One array, as `index.json` describes it; other keys are passed over.
#[derive(Deserialize)]
struct Entry {
    name: String,
    bands: Bands,
    dates: Vec<String>,
    #[serde(default)]
    heuristic_clear: Vec<bool>,
    #[serde(default)]
    nodata: Option<f64>,
}

/// Reads every array that has the `wanted` bands (all bands of the first array when none are named).
///
/// Returns the places and their bands.
pub(super) fn read_series(
    store: &Store,
    wanted: Option<&Bands>,
    clear_only: bool,
    warnings: &mut Vec<Warning>,
) -> Result<(Layout, Bands)> {
    let shown = store.root().display().to_string();
    let position = |name: &str| store.names().iter().position(|own| own == name);
    let index = position("index.json").with_context(|| {
        format!("{shown} has no index.json\nhint: it must list name, bands and dates of every array")
    })?;
    let text = store.bytes(index).with_context(|| format!("cannot read {shown}/index.json"))?;
    let entries: Vec<Entry> = serde_json::from_slice(&text).map_err(|error| {
        anyhow!("{shown}/index.json: {error}\nhint: it must be a list of {{\"name\", \"bands\", \"dates\"}}")
    })?;
    let wanted = match (wanted, entries.first()) {
        (Some(bands), _) => bands.clone(),
        (None, Some(first)) => first.bands.clone(),
        (None, None) => {
            bail!("{shown}/index.json lists nothing\nhint: it must be a list of {{\"name\", \"bands\", \"dates\"}}")
        }
    };
    let mut layout = Layout::default();
    for entry in &entries {
        let file = format!("{}.npy", entry.name);
        let pictures = match read_entry(store, position(&file), entry, &wanted) {
            Ok(pictures) => pictures,
            Err(why) => {
                warnings.push(Warning::once(format!("left out {file}: {why}")));
                continue;
            }
        };
        let mut place = PlaceFrames { name: entry.name.clone(), label: None, frames: Vec::new() };
        for (date, (picture, name)) in pictures.into_iter().zip(&entry.dates).enumerate() {
            let clear = entry.heuristic_clear.get(date).copied().unwrap_or(true);
            if (clear || !clear_only) && !is_missing(&picture) {
                place.frames.push(layout.frames.len());
                let name = format!("{}/{name}", entry.name);
                layout.frames.push(Frame { name, files: FrameFiles::Ready(Arc::new(picture)) });
            }
        }
        if place.frames.is_empty() {
            warnings.push(Warning::once(format!("left out {file}: no date is clear")));
        } else {
            layout.places.push(place);
        }
    }
    if layout.places.is_empty() {
        let names: Vec<String> = wanted.iter().map(ToString::to_string).collect();
        bail!("{shown}: no usable array with the bands {}\nhint: see the bands listed in index.json", names.join(", "));
    }
    Ok((layout, wanted))
}

fn read_entry(store: &Store, file: Option<usize>, entry: &Entry, wanted: &Bands) -> Result<Vec<Picture>, String> {
    let selection = entry.bands.positions(wanted).ok_or("it lacks a wanted band")?;
    let bytes = store.bytes(file.ok_or("there is no such file")?).map_err(|error| error.to_string())?;
    let array = parse_npy(&bytes)?;
    let &[dates, a, b, c] = array.shape.as_slice() else {
        return Err(format!("an array of shape {:?} instead of four sides", array.shape));
    };
    if dates != entry.dates.len() {
        return Err(format!("{dates} pictures for {} dates", entry.dates.len()));
    }
    let bands = entry.bands.len();
    let pictures = if a == bands {
        split(&array, [b, c, bands], true, &selection)
    } else if c == bands {
        split(&array, [a, b, bands], false, &selection)
    } else {
        return Err(format!("an array of shape {:?} for {bands} bands", array.shape));
    };
    Ok(pictures.into_iter().map(|picture| marked(picture, entry.nodata).without_no_numbers()).collect())
}

/// The picture with the samples that stand for nothing marked. Signed numbers without any below zero, but for those, are kept
/// as the unsigned ones of other arrays are.
fn marked(mut picture: Picture, no_data: Option<f64>) -> Picture {
    if let Some(no_data) = no_data {
        let is_mark = |value: f64| value == no_data;
        picture.missing = some_or_none(match &picture.samples {
            Samples::U8(values) => values.iter().map(|&value| is_mark(value.into())).collect(),
            Samples::U16(values) => values.iter().map(|&value| is_mark(value.into())).collect(),
            Samples::I16(values) => values.iter().map(|&value| is_mark(value.into())).collect(),
            // Stored in 32 bits, so compared in them.
            Samples::F32(values) => values.iter().map(|&value| value == no_data as f32).collect(),
        });
    }
    if let Samples::I16(values) = &picture.samples {
        let is_missing = |at: usize| picture.missing.get(at).copied().unwrap_or(false);
        if values.iter().enumerate().all(|(at, value)| *value >= 0 || is_missing(at)) {
            picture.samples = Samples::U16(values.iter().map(|value| (*value).max(0).unsigned_abs()).collect());
        }
    }
    picture
}

/// One picture a date, with the selected bands.
fn split(array: &NpyArray, [height, width, bands]: [usize; 3], planar: bool, selection: &[usize]) -> Vec<Picture> {
    fn pick<T: Copy>(all: &[T], area: usize, bands: usize, planar: bool, selection: &[usize]) -> Vec<Vec<T>> {
        let at = |pixel: usize, band: usize| if planar { band * area + pixel } else { pixel * bands + band };
        let date = |values: &[T]| {
            (0..area)
                .flat_map(|pixel| selection.iter().map(move |&band| at(pixel, band)))
                .map(|index| values[index])
                .collect()
        };
        all.chunks_exact((area * bands).max(1)).map(date).collect()
    }
    let area = height * width;
    let samples: Vec<Samples> = match &array.samples {
        Samples::U8(all) => pick(all, area, bands, planar, selection).into_iter().map(Samples::U8).collect(),
        Samples::U16(all) => pick(all, area, bands, planar, selection).into_iter().map(Samples::U16).collect(),
        Samples::I16(all) => pick(all, area, bands, planar, selection).into_iter().map(Samples::I16).collect(),
        Samples::F32(all) => pick(all, area, bands, planar, selection).into_iter().map(Samples::F32).collect(),
    };
    samples.into_iter().map(|samples| Picture::whole(selection.len(), height, width, samples)).collect()
}

/// Whether no pixel holds a value.
fn is_missing(picture: &Picture) -> bool {
    if picture.missing_share() >= 1.0 {
        return true;
    }
    match &picture.samples {
        Samples::U8(samples) => samples.iter().all(|&value| value == 0),
        Samples::U16(samples) => samples.iter().all(|&value| value == 0),
        Samples::I16(samples) => samples.iter().all(|&value| value == 0),
        Samples::F32(samples) => samples.iter().all(|value| !value.is_finite() || *value == 0.0),
    }
}
