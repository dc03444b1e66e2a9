//! Maps as pictures: where change was found rightly, missed, or made up; and classes in their colours.

use std::path::Path;

use anyhow::{Context, Result};
use image::{ImageFormat, Rgb, RgbImage};

use super::scene::IGNORED;

/// Found and there.
const RIGHT: [u8; 3] = [0, 158, 115];
/// There and not found.
const MISSED: [u8; 3] = [230, 159, 0];
/// Found and not there.
const FALSE: [u8; 3] = [204, 60, 60];
/// Neither.
const NOTHING: [u8; 3] = [24, 24, 28];
/// Without truth.
const UNKNOWN: [u8; 3] = [120, 120, 120];

/// Right in green, missed in orange, false in red, no truth in grey.
///
/// # Errors
/// When the disk refuses.
pub fn write_change(path: &Path, [height, width]: [usize; 2], truth: &[u8], found: &[bool]) -> Result<()> {
    let colour = |at: usize| match (truth[at], found[at]) {
        (IGNORED, _) => UNKNOWN,
        (1, true) => RIGHT,
        (1, false) => MISSED,
        (_, true) => FALSE,
        (_, false) => NOTHING,
    };
    write(path, [height, width], &colour)
}

/// Every pixel in the colour of its class.
///
/// # Errors
/// When the disk refuses.
pub fn write_classes(path: &Path, size: [usize; 2], found: &[usize], colours: &[[u8; 3]]) -> Result<()> {
    write(path, size, &|at| colours.get(found[at]).copied().unwrap_or(UNKNOWN))
}

fn write(path: &Path, [height, width]: [usize; 2], colour: &dyn Fn(usize) -> [u8; 3]) -> Result<()> {
    let (rows, columns) = (u32::try_from(height)?, u32::try_from(width)?);
    let picture = RgbImage::from_fn(columns, rows, |x, y| Rgb(colour(y as usize * width + x as usize)));
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).with_context(|| format!("cannot draw {}", path.display()))?;
    atomic_file::write(path, &bytes.into_inner())
}
