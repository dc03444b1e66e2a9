//! How near an enlarged picture comes to the truth: PSNR and SSIM, on values in [0, 1].

use serde::{Deserialize, Deserializer, Serialize};
use shared::tile::Tile;

/// Side of SSIM's window and the standard deviation of its weights (Wang et al., IEEE TIP 13, 2004).
const WINDOW: usize = 11;
const SIGMA: f64 = 1.5;
/// (0.01)² and (0.03)², the constants for values up to 1.
const C1: f64 = 1e-4;
const C2: f64 = 9e-4;

/// What a picture is worth beside the truth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Peak signal-to-noise ratio over all bands, in dB; infinite, in JSON `null`, for equal pictures.
    #[serde(deserialize_with = "infinite_if_null")]
    pub psnr_db: f64,
    /// The same of luma (ITU-R BT.601), in dB.
    #[serde(deserialize_with = "infinite_if_null")]
    pub psnr_luma_db: f64,
    /// Structural similarity of luma, at most 1.
    pub ssim: f64,
    /// 1 − cosine of the encoder's embeddings, mean over squares of its input size; absent without an encoder.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub feature_distance: Option<f64>,
}

fn infinite_if_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::INFINITY))
}

/// PSNR and SSIM of `picture`, which has the size of `truth`; SSIM is NaN below 11 × 11.
#[must_use]
pub fn quality(picture: &Tile, truth: &Tile) -> Quality {
    let (own, other) = (luma(picture), luma(truth));
    let size = [truth.height(), truth.width()];
    Quality {
        psnr_db: psnr(picture.pixels(), truth.pixels()),
        psnr_luma_db: psnr(&own, &other),
        ssim: ssim(&own, &other, size),
        feature_distance: None,
    }
}

/// Luma by ITU-R BT.601 of red, green and blue; a single band is its own.
#[must_use]
pub fn luma(tile: &Tile) -> Vec<f32> {
    match tile.bands() {
        3 => {
            let rest = tile.plane(1).iter().zip(tile.plane(2));
            tile.plane(0).iter().zip(rest).map(|(r, (g, b))| 0.299 * r + 0.587 * g + 0.114 * b).collect()
        }
        _ => tile.plane(0).to_vec(),
    }
}

/// Peak signal-to-noise ratio in dB for values up to 1; infinite for equal pictures.
#[must_use]
pub fn psnr(own: &[f32], other: &[f32]) -> f64 {
    let squares = own.iter().zip(other).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
    -10.0 * (squares / own.len() as f64).log10()
}

/// Mean structural similarity of two planes of `height` × `width` for values up to 1, over the windows that lie inside,
/// with Gaussian weights and biased covariances; NaN where no window fits.
#[must_use]
pub fn ssim(own: &[f32], other: &[f32], [height, width]: [usize; 2]) -> f64 {
    let mean = |value: &dyn Fn(usize) -> f64| {
        let plane: Vec<f64> = (0..height * width).map(value).collect();
        smooth(&plane, width)
    };
    let (x, y) = (|at: usize| f64::from(own[at]), |at: usize| f64::from(other[at]));
    let (mx, my) = (mean(&x), mean(&y));
    let (xx, yy, xy) = (mean(&|at| x(at) * x(at)), mean(&|at| y(at) * y(at)), mean(&|at| x(at) * y(at)));
    let similarity = |at: usize| {
        let (mx, my) = (mx[at], my[at]);
        let (vx, vy, covariance) = (xx[at] - mx * mx, yy[at] - my * my, xy[at] - mx * my);
        (2.0 * mx * my + C1) * (2.0 * covariance + C2) / ((mx * mx + my * my + C1) * (vx + vy + C2))
    };
    (0..mx.len()).map(similarity).sum::<f64>() / mx.len() as f64
}

/// Gaussian means over the windows that lie inside: rows, then columns.
fn smooth(plane: &[f64], width: usize) -> Vec<f64> {
    let half = (WINDOW / 2) as f64;
    let mut taps: Vec<f64> =
        (0..WINDOW).map(|at| (-(at as f64 - half).powi(2) / (2.0 * SIGMA * SIGMA)).exp()).collect();
    let total: f64 = taps.iter().sum();
    taps.iter_mut().for_each(|tap| *tap /= total);
    let weighted = |values: &mut dyn Iterator<Item = f64>| values.zip(&taps).map(|(value, tap)| value * tap).sum();
    let inner = (width + 1).saturating_sub(WINDOW);
    let across =
        |row: &[f64]| -> Vec<f64> { row.windows(WINDOW).map(|span| weighted(&mut span.iter().copied())).collect() };
    let rows: Vec<f64> = plane.chunks_exact(width).flat_map(across).collect();
    let height = (plane.len() / width + 1).saturating_sub(WINDOW);
    let down = |at: usize| weighted(&mut (0..WINDOW).map(|tap| rows[at + tap * inner]));
    (0..height * inner).map(down).collect()
}
