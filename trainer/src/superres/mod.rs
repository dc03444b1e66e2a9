//! Super-resolution without pairs of pictures: a generator is fitted to one picture, with a prior migrated from another
//! date of the same place (MIP, after Wang et al.), and what it is measured against: interpolation, and the plain deep
//! image prior (Ulyanov et al., CVPR 2018).
//!
//! Everything here works on [`Tile`](shared::tile::Tile)s on the unit scale and knows neither files nor the terminal, but for
//! [`job`].

mod blend;
mod camera;
mod degradation;
mod fitting;
mod hourglass;
mod job;
mod metrics;
mod objective;
mod panel;
mod prior;

pub use blend::{Blend, windows};
pub use camera::Camera;
pub use degradation::{Resampler, enlarge, project_back, reduce};
pub use fitting::{Fitting, Standing, hourglass_shape};
pub use hourglass::{Hourglass, HourglassShape};
pub use job::{Job, Named, Pictures};
pub use metrics::{Quality, luma, psnr, quality, ssim};
pub use objective::Objective;
pub use panel::{nearest, side_by_side};
pub use prior::{Prior, gain, matched};

use serde::{Deserialize, Serialize};

/// How a picture is enlarged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Keys' cubic convolution.
    Bicubic,
    /// Lanczos with three lobes.
    Lanczos,
    /// A regression on the registered other date: bicubic, and the reference's detail times one gain a band, that of the
    /// regression in the finest octave that both show. No network, and nearly all of what the migrated prior gains.
    Detail,
    /// Deep image prior.
    Dip,
    /// Migrated image prior.
    Mip,
}

impl Mode {
    /// What it is called on the command line and in file names.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bicubic => "bicubic",
            Self::Lanczos => "lanczos",
            Self::Detail => "detail",
            Self::Dip => "dip",
            Self::Mip => "mip",
        }
    }

    /// Whether it needs a reference picture.
    #[must_use]
    pub fn needs_reference(self) -> bool {
        matches!(self, Self::Detail | Self::Mip)
    }

    /// Whether a generator is fitted.
    #[must_use]
    pub fn is_fitted(self) -> bool {
        matches!(self, Self::Dip | Self::Mip)
    }
}

/// The numbers of a fit. The authors' are 128 channels, 5 levels, learning rate 1e-4 and up to 10 000 steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How many times larger each side becomes.
    pub scale: usize,
    /// Largest number of optimiser steps a window.
    pub steps: usize,
    /// Adam's learning rate.
    pub learning_rate: f64,
    /// Channels of the generator.
    pub channels: usize,
    /// Times that the generator halves its input.
    pub levels: usize,
    /// Standard deviation of what is added to the noise at every step.
    pub jitter: f64,
    /// Weight of the reference's detail beside the fidelity to the picture.
    pub texture: f64,
    /// Share of the picture's pixels that are kept out of the loss and decide when to stop.
    pub held_out: f64,
    /// Steps without progress on those pixels after which a fit stops.
    pub patience: usize,
    /// Seed of weights, noise and held-out pixels.
    pub seed: u64,
}

impl Settings {
    /// Says what is wrong, if anything.
    ///
    /// # Errors
    /// One line and a hint.
    pub fn check(&self) -> Result<(), String> {
        if self.steps == 0 || self.channels == 0 || !(1..=6).contains(&self.levels) || self.patience == 0 {
            return Err(
                "steps, channels and patience must be at least 1, levels 1 to 6\nhint: leave out what you are not \
                        sure of"
                    .into(),
            );
        }
        let is_weight = |value: f64| value.is_finite() && value >= 0.0;
        if !(is_weight(self.learning_rate)
            && self.learning_rate > 0.0
            && is_weight(self.jitter)
            && is_weight(self.texture))
        {
            return Err(
                "the learning rate must be above 0, jitter and texture weight at least 0\nhint: --learning-rate 0.01"
                    .into(),
            );
        }
        if !(self.held_out > 0.0 && self.held_out <= 0.5) {
            return Err(format!(
                "the held-out share must be above 0 and at most 0.5, not {}\nhint: --held-out 0.05",
                self.held_out
            ));
        }
        Ok(())
    }
}
