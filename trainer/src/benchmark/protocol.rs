//! The protocols by name: what can be asked of a task.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::task::Kind;

/// How an encoder is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Votes of 5 and 20 neighbours.
    Knn,
    /// A linear classifier on frozen features.
    Linear,
    /// A linear support vector machine.
    Svm,
    /// The page's head on 1, 5, 10 and 50 labels a class.
    FewShot,
    /// The linear classifier on 1, 10 and 100 % of the labels.
    Fractions,
    /// torchgeo-bench's: five neighbours by Euclidean distance, L-BFGS on features as they are.
    TorchgeoBench,
    /// SeCo's linear protocol: batch normalisation adapts, tested on the validation part.
    SecoLinear,
    /// Encoder and head trained together.
    FineTune,
    /// A U-Net decoder on a frozen encoder.
    Unet,
    /// A decoder of a few ten thousand weights on a frozen encoder.
    Tiny,
    /// The U-Net as SeCo's change detection has it: batch normalisation adapts, last epoch, patches.
    SecoUnet,
    /// A U-Net decoder, the encoder trained with it.
    TunedUnet,
    /// Finding places again at other dates, what moves an embedding, and the month.
    Seasons,
}

impl Protocol {
    /// Every protocol, in the order of the report.
    pub const ALL: [Self; 13] = [
        Self::Knn,
        Self::Linear,
        Self::Svm,
        Self::FewShot,
        Self::Fractions,
        Self::TorchgeoBench,
        Self::SecoLinear,
        Self::FineTune,
        Self::Tiny,
        Self::Unet,
        Self::SecoUnet,
        Self::TunedUnet,
        Self::Seasons,
    ];

    /// What it is called everywhere.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Knn => "knn",
            Self::Linear => "linear",
            Self::Svm => "svm",
            Self::FewShot => "few-shot",
            Self::Fractions => "fractions",
            Self::TorchgeoBench => "torchgeo-bench",
            Self::SecoLinear => "seco-linear",
            Self::FineTune => "fine-tune",
            Self::Unet => "unet",
            Self::Tiny => "tiny",
            Self::SecoUnet => "seco-unet",
            Self::TunedUnet => "tuned-unet",
            Self::Seasons => "seasons",
        }
    }

    /// Whether it can be asked of such a task.
    #[must_use]
    pub fn suits(self, kind: &Kind) -> bool {
        match kind {
            Kind::Scenes { .. } => {
                !matches!(self, Self::Unet | Self::Tiny | Self::SecoUnet | Self::TunedUnet | Self::Seasons)
            }
            Kind::Labels { .. } => matches!(self, Self::Linear),
            Kind::Change { .. } => matches!(self, Self::Unet | Self::Tiny | Self::SecoUnet | Self::TunedUnet),
            Kind::Segmentation { .. } => matches!(self, Self::Unet | Self::Tiny | Self::TunedUnet),
            Kind::Places { .. } => matches!(self, Self::Seasons),
        }
    }

    /// Whether it trains for long, and so is done only when it is asked for.
    #[must_use]
    pub fn is_long(self) -> bool {
        matches!(self, Self::SecoLinear | Self::FineTune | Self::Unet | Self::SecoUnet | Self::TunedUnet)
    }

    /// Whether it needs a network, and not features alone.
    #[must_use]
    pub fn needs_network(self) -> bool {
        matches!(self, Self::SecoLinear | Self::FineTune | Self::TunedUnet)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Protocol {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::name).join(", ");
        Self::ALL.into_iter().find(|own| own.name() == name).ok_or_else(|| format!("one of {}", names()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written_the_same() {
        for protocol in Protocol::ALL {
            assert_eq!(protocol.name().parse(), Ok(protocol));
            assert_eq!(serde_json::to_value(protocol).ok(), Some(serde_json::json!(protocol.name())));
        }
        assert!("unheard-of".parse::<Protocol>().is_err());
    }
}
