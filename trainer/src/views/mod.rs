//! Views: what augmentation makes of a tile before the encoder sees it; the random generator is always an argument.
//!
//! Parameters mean what they mean in torchvision, whose results the operations are tested against. Two things differ,
//! because tiles are not only display pictures:
//! - **No silent clipping.** torchvision clamps to [0, 1] after every colour operation. Here that is done only for
//!   [`PixelRange::Display`] (8-bit red-green-blue, where 255 is a hard ceiling and a clipped value is one that the
//!   camera could have recorded). Reflectance and standardised values ([`PixelRange::Open`]) have no ceiling: snow and
//!   cloud exceed 1, standardised values are negative, and clamping would erase just those.
//! - **Colour is for colours.** Saturation, hue and grey exist for red, green and blue only and leave every other band
//!   set as it is. Brightness scales all bands; contrast blends with the mean of the grey picture (red, green, blue) or
//!   each band with its own mean (any other set). The random numbers are drawn in any case.

pub mod blur;
pub mod colour;
pub mod geometry;
#[cfg(test)]
mod golden;
mod recipe;
mod view_set;

pub use recipe::{Recipe, Transform};
pub use view_set::{ViewSet, ViewSpec, draw_dates};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use shared::bands::Bands;

/// The generator behind every random choice of the data path.
pub type ViewRng = ChaCha8Rng;

/// The generator of sample `index` of `epoch` in the run with this `seed`: the same wherever and whenever it is made.
#[must_use]
pub fn view_rng(seed: u64, epoch: u64, index: u64) -> ViewRng {
    keyed_rng(seed, epoch, index, u64::from_le_bytes(*b"viewdraw"))
}

/// A generator keyed by four numbers; `purpose` keeps streams apart whose other numbers agree.
pub(crate) fn keyed_rng(seed: u64, first: u64, second: u64, purpose: u64) -> ViewRng {
    let mut key = [0u8; 32];
    for (bytes, number) in key.chunks_exact_mut(8).zip([seed, first, second, purpose]) {
        bytes.copy_from_slice(&number.to_le_bytes());
    }
    ViewRng::from_seed(key)
}

/// Whether values have a ceiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PixelRange {
    /// 8-bit display pictures on [0, 1]: colour operations saturate, as torchvision's do.
    Display,
    /// Reflectance or standardised values: nothing is clipped.
    Open,
}

impl PixelRange {
    /// `value`, clamped where there is a ceiling.
    #[inline]
    #[must_use]
    pub(crate) fn limit(self, value: f32) -> f32 {
        match self {
            Self::Display => value.clamp(0.0, 1.0),
            Self::Open => value,
        }
    }
}

/// What the operations must know of a tile beyond its values.
#[derive(Clone, Copy, Debug)]
pub struct Palette<'a> {
    /// Whether the planes are exactly red, green, blue.
    pub rgb: bool,
    /// Whether values have a ceiling.
    pub range: PixelRange,
    /// What an erased pixel becomes, one value a band: the normalisation's mean, so that the encoder sees 0.
    pub fill: &'a [f32],
}

impl<'a> Palette<'a> {
    /// For tiles with these `bands`; 8-bit sources have a ceiling only when they are red, green, blue.
    #[must_use]
    pub fn new(bands: &Bands, range: PixelRange, fill: &'a [f32]) -> Self {
        let rgb = bands.is_rgb();
        Self { rgb, range: if rgb { range } else { PixelRange::Open }, fill }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    #[test]
    fn generators_depend_on_every_number() {
        let first = |seed, epoch, index| view_rng(seed, epoch, index).random::<u64>();
        assert_eq!(first(1, 2, 3), first(1, 2, 3));
        let all = [first(1, 2, 3), first(0, 2, 3), first(1, 0, 3), first(1, 2, 0), first(3, 2, 1)];
        for (at, value) in all.iter().enumerate() {
            assert!(!all[..at].contains(value));
        }
    }

    #[test]
    fn only_display_pictures_have_a_ceiling() {
        let multispectral = Bands::sentinel_2_l2a();
        assert_eq!(Palette::new(&multispectral, PixelRange::Display, &[]).range, PixelRange::Open);
        assert_eq!(Palette::new(&Bands::rgb(), PixelRange::Display, &[]).range, PixelRange::Display);
        assert_eq!(PixelRange::Open.limit(1.5), 1.5);
        assert_eq!(PixelRange::Display.limit(-0.5), 0.0);
    }
}
