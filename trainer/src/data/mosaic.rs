//! Turning places into areas from which windows are cut.

use std::sync::Arc;

use anyhow::{Result, bail};
use rayon::prelude::*;

use super::layout::PlaceFrames;
use super::picture::Picture;
use super::source::{TileSource, Windows};
use super::spec::SourceSpec;
use super::windows::{AreaWindows, WindowRule};
use super::{SampleError, Warning};

/// Decodes every picture (they must all stay in memory), drops what cannot be used, and finds the windows.
pub(super) fn cut_windows(
    spec: &SourceSpec,
    source: &mut TileSource,
    px: usize,
    shown: &str,
    warnings: &mut Vec<Warning>,
) -> Result<()> {
    let rule = WindowRule {
        px,
        extent: spec.extent_longitude,
        keep: spec.keep_longitude.clone(),
        skip: spec.skip_longitude.clone(),
        min_date_std: spec.min_date_std,
        min_share: spec.min_share,
    };
    let decoded: Vec<_> = (0..source.frames.len()).into_par_iter().map(|index| source.frames.picture(index)).collect();
    if source.frames.cache().is_full() {
        bail!(
            "the mosaics in {shown} need more than {} MiB of memory when decoded\nhint: raise cache_mib, or give fewer dates or areas",
            spec.cache_mib
        );
    }
    let mut areas: Vec<PlaceFrames> = Vec::new();
    let mut windows = Windows { px, placement: spec.placement, areas: Vec::new(), cells: Vec::new() };
    let mut unusable = Vec::new();
    for place in &source.places {
        let (frames, pictures) = usable_dates(source, place, &decoded, &mut unusable);
        if frames.is_empty() {
            continue;
        }
        let area = AreaWindows::new(&rule, &pictures);
        windows.cells.extend(area.cells().iter().map(|&(top, left)| (areas.len(), top, left)));
        windows.areas.push(area);
        areas.push(PlaceFrames { frames, ..place.clone() });
    }
    warnings.extend(Warning::of_pictures(&unusable));
    if windows.cells.is_empty() {
        bail!(
            "no window of {px} px in {shown} has content\nhint: lower min_share or window_px, or widen keep_longitude"
        );
    }
    source.places = areas;
    source.windows = Some(windows);
    Ok(())
}

/// The dates of an area that can be read and have the size of the first one that can.
fn usable_dates(
    source: &TileSource,
    place: &PlaceFrames,
    decoded: &[Result<Arc<Picture>, SampleError>],
    unusable: &mut Vec<SampleError>,
) -> (Vec<usize>, Vec<Arc<Picture>>) {
    let mut frames = Vec::new();
    let mut pictures: Vec<Arc<Picture>> = Vec::new();
    for &frame in &place.frames {
        let picture = match &decoded[frame] {
            Ok(picture) => picture,
            Err(error) => {
                unusable.push(error.clone());
                continue;
            }
        };
        let own = (picture.height, picture.width);
        let size = pictures.first().map_or(own, |first| (first.height, first.width));
        if own == size {
            frames.push(frame);
            pictures.push(Arc::clone(picture));
        } else {
            let why = format!("{} x {} pixels, the other dates of its area have {} x {}", own.0, own.1, size.0, size.1);
            unusable.push(SampleError::new(source.frames.name(frame), why));
        }
    }
    (frames, pictures)
}
