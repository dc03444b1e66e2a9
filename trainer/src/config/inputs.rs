//! The settings that a method may have to agree with.

use super::RunConfig;
use crate::engine::fit::Precision;
use crate::methods::Inputs;

/// Those of `config`.
pub(super) fn of(config: &RunConfig) -> Inputs<'_> {
    Inputs {
        crop_px: &config.train.crop_px,
        input_px: config.tiles.input_px,
        mean: &config.tiles.mean,
        std: &config.tiles.std,
        batch: config.train.batch,
        is_single_precision: config.train.precision == Precision::F32,
    }
}
