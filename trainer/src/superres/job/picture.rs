//! Reading, checking and writing the pictures of an enlargement.

use crate::data::{Samples, decode};
use crate::error::UsageError;
use crate::superres::{Camera, reduce};
use anyhow::{Context, Result, anyhow};
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use shared::tile::Tile;
use std::fs;
use std::path::Path;

/// Smallest side of an input: three halvings leave a pixel of it.
const SMALLEST: usize = 8;

/// What is named on the command line.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    /// Picture to enlarge.
    pub input: &'a Path,
    /// How many times larger each side becomes.
    pub scale: usize,
    /// The same place at another date.
    pub reference: Option<&'a Path>,
    /// What should come out.
    pub truth: Option<&'a Path>,
    /// Take the input for the truth, and enlarge what a reduction leaves of it.
    pub reduce: bool,
    /// What it is reduced by, where that is not the reduction that is inverted; its noise is drawn from the seed.
    pub camera: Option<(Camera, u64)>,
}

/// Everything that is read.
#[derive(Debug)]
pub struct Pictures {
    /// What is enlarged.
    pub low: Tile,
    /// What should come out, if it is known.
    pub truth: Option<Tile>,
    /// The same place at another date, of the size that comes out.
    pub reference: Option<Tile>,
}

impl Pictures {
    /// Reads what the command line names.
    ///
    /// # Errors
    /// When a file cannot be read, or sizes and bands do not fit each other.
    pub fn read(named: &Named<'_>) -> Result<Self> {
        let scale = named.scale;
        let input = read(named.input)?;
        let (low, truth) = if named.reduce {
            let [height, width] = reduced_size(named.input, &input, scale)?;
            let reduced = match named.camera {
                Some((camera, seed)) => camera.picture(&input, scale, seed)?,
                None => reduce(&input, height, width),
            };
            (stored(&reduced)?, Some(input))
        } else {
            (input, named.truth.map(read).transpose()?)
        };
        if low.height().min(low.width()) < SMALLEST {
            return Err(UsageError::new(format!(
                "{} is {} x {}, too small to be enlarged\nhint: {SMALLEST} x {SMALLEST} is the least",
                named.input.display(),
                low.height(),
                low.width()
            ))
            .into());
        }
        let reference = named.reference.map(read).transpose()?;
        for (path, picture) in [(named.truth, &truth), (named.reference, &reference)] {
            if let (Some(path), Some(picture)) = (path, picture) {
                check(path, picture, &low, scale)?;
            }
        }
        Ok(Self { low, truth, reference })
    }
}

fn reduced_size(path: &Path, input: &Tile, scale: usize) -> Result<[usize; 2]> {
    let (height, width) = (input.height(), input.width());
    if height.is_multiple_of(scale) && width.is_multiple_of(scale) {
        return Ok([height / scale, width / scale]);
    }
    Err(UsageError::new(format!(
        "{} is {height} x {width}, which {scale} does not divide\nhint: cut it to {} x {}",
        path.display(),
        height - height % scale,
        width - width % scale
    ))
    .into())
}

fn check(path: &Path, picture: &Tile, low: &Tile, scale: usize) -> Result<()> {
    let expected = [low.bands(), low.height() * scale, low.width() * scale];
    let found = [picture.bands(), picture.height(), picture.width()];
    if found == expected {
        return Ok(());
    }
    let said = |[bands, height, width]: [usize; 3]| format!("{height} x {width} with {bands} bands");
    Err(UsageError::new(format!(
        "{} is {}, not {}\nhint: truth and reference show the place of the input, --scale times larger",
        path.display(),
        said(found),
        said(expected)
    ))
    .into())
}

/// Reads an 8-bit picture of one or three bands.
fn read(path: &Path) -> Result<Tile> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}\nhint: check the path", path.display()))?;
    let picture =
        decode(&bytes).map_err(|error| anyhow!("cannot use {}: {error}\nhint: {}", path.display(), error.hint))?;
    if !matches!(picture.samples, Samples::U8(_)) || ![1, 3].contains(&picture.bands) {
        return Err(UsageError::new(format!(
            "{} has {} bands of {} samples\nhint: convert it to 8-bit red, green and blue, or grey",
            path.display(),
            picture.bands,
            picture.kind()
        ))
        .into());
    }
    Ok(picture.tile(0)?)
}

/// `tile` as an 8-bit picture holds it.
///
/// # Errors
/// When it is empty.
pub(super) fn stored(tile: &Tile) -> Result<Tile> {
    Ok(Tile::from_interleaved_u8(tile.bands(), tile.height(), tile.width(), &tile.to_interleaved_u8())?)
}

/// Writes `tile` as a PNG.
///
/// # Errors
/// When the disk refuses.
pub(super) fn write(path: &Path, tile: &Tile) -> Result<()> {
    let colour = if tile.bands() == 3 { ExtendedColorType::Rgb8 } else { ExtendedColorType::L8 };
    let mut png = Vec::new();
    let (width, height) = (u32::try_from(tile.width())?, u32::try_from(tile.height())?);
    PngEncoder::new(&mut png).write_image(&tile.to_interleaved_u8(), width, height, colour)?;
    atomic_file::write(path, &png)
}
