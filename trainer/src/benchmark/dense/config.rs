//! The recipes of decoders.

use serde::Serialize;

use super::decoder::DecoderKind;
use super::network::TrunkPart;
use crate::engine::schedule::Schedule;

/// Channels of the tiny decoder.
pub const TINY_CHANNELS: usize = 32;

/// How a decoder is trained.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DenseConfig {
    /// Which one.
    pub decoder: DecoderKind,
    /// What of the trunk is trained with it.
    pub trunk: TrunkPart,
    /// Epochs at the most.
    pub epochs: usize,
    /// Epochs without a better validation score after which it ends; never where 0.
    pub patience: usize,
    /// Patches a step.
    pub batch: usize,
    /// Side of a patch, pixels.
    pub patch_px: usize,
    /// Side of the windows that whole pictures are seen through.
    pub window_px: usize,
    /// Rate of the decoder.
    pub learning_rate: f64,
    /// Every stage below has this share of the rate of the one above it.
    pub layer_decay: f64,
    /// What matrices and kernels lose each step, times the rate.
    pub weight_decay: f64,
    /// How the rate falls.
    pub schedule: Schedule,
    /// Whether patches are mirrored and turned.
    pub is_turned: bool,
    /// Whether the best epoch by validation is tested, or the last one.
    pub takes_best: bool,
}

impl DenseConfig {
    /// Ours on a frozen trunk.
    #[must_use]
    pub fn frozen(decoder: DecoderKind) -> Self {
        Self {
            decoder,
            trunk: TrunkPart::Frozen,
            epochs: 60,
            patience: 15,
            batch: 16,
            patch_px: 128,
            window_px: 256,
            learning_rate: 1e-3,
            layer_decay: 1.0,
            weight_decay: 1e-2,
            schedule: Schedule::Cosine { warmup_epochs: 1.0 },
            is_turned: true,
            takes_best: true,
        }
    }

    /// Ours, the trunk trained with the decoder.
    #[must_use]
    pub fn tuned() -> Self {
        Self { trunk: TrunkPart::Whole, layer_decay: 0.7, ..Self::frozen(DecoderKind::Unet) }
    }

    /// SeCo's change detection: U-Net, patches of 96 pixels, Adam 1e-3, 100 epochs, the last one; batch normalisation adapts.
    #[must_use]
    pub fn seco() -> Self {
        Self {
            trunk: TrunkPart::StatisticsOnly,
            epochs: 100,
            patience: 0,
            batch: 32,
            patch_px: 96,
            window_px: 96,
            weight_decay: 0.0,
            schedule: Schedule::Constant,
            is_turned: false,
            takes_best: false,
            ..Self::frozen(DecoderKind::Unet)
        }
    }

    /// The recipe in one sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let trunk = match self.trunk {
            TrunkPart::Frozen => "frozen encoder",
            TrunkPart::StatisticsOnly => "frozen weights whose batch normalisation adapts",
            TrunkPart::Whole => "encoder trained with the decoder",
        };
        let decoder = match self.decoder {
            DecoderKind::Unet => "U-Net decoder".to_owned(),
            DecoderKind::Tiny(width) => format!("decoder of {width} channels"),
        };
        let end = if self.takes_best {
            format!("early stopping after {} epochs, best epoch by the validation part", self.patience)
        } else {
            "last epoch, the validation part learned from too (so that only the threshold .5 is unseen)".to_owned()
        };
        format!(
            "{trunk}, {decoder} on the maps of all stages; random patches of {} px{}, AdamW rate {}, weight decay {}, batch {}, \
             at most {} epochs; {end}; whole pictures through windows of {} px that overlap by half",
            self.patch_px,
            if self.is_turned { " mirrored and turned" } else { "" },
            self.learning_rate,
            self.weight_decay,
            self.batch,
            self.epochs,
            self.window_px
        )
    }
}
