//! The architectures by name. A family is a file here with a [`Plan`] for each of its members; the network that is built of
//! a plan is the same for all ([`super::spec`]).

mod compact;
mod resnet;

use super::Pooling;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What sets one architecture apart from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The name used in presets, on the command line and in model files.
    pub name: &'static str,
    /// Channels of the stem.
    pub stem: usize,
    /// Base channels of each stage.
    pub widths: &'static [usize],
    /// Residual blocks of each stage.
    pub blocks: &'static [usize],
    /// Output channels of a block over its base: 1 for basic blocks, 4 for bottlenecks.
    pub expansion: usize,
    /// Whether the small stem and the first stage halve the tile, which they do not in a ResNet.
    pub shrinks_early: bool,
    /// What is read out of it where nobody says otherwise.
    pub pooling: Pooling,
    /// Whether torchvision and timm have it, by this name and with these names of weights.
    pub is_torchvisions: bool,
}

/// Makes [`Architecture`] of `Variant is PLAN` lines.
macro_rules! architectures {
    ($($(#[$doc:meta])* $variant:ident is $plan:expr;)+) => {
        /// An encoder architecture.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Architecture {
            $($(#[$doc])* $variant,)+
        }

        impl Architecture {
            /// Every architecture, smallest first.
            pub const ALL: [Self; [$($plan),+].len()] = [$(Self::$variant),+];

            /// What it is made of.
            #[must_use]
            pub fn plan(self) -> &'static Plan {
                match self { $(Self::$variant => const { &$plan },)+ }
            }
        }
    };
}

architectures! {
    /// Stem 24, stages 48-96-192 of one block each.
    CompactXs is compact::XS;
    /// Stem 32, stages 64-128-256 of one block each.
    CompactS is compact::S;
    /// Stem 32, stages 64-128-256 of two blocks each.
    CompactM is compact::M;
    /// ResNet-18, 11 M parameters, 512 features.
    Resnet18 is resnet::RESNET18;
    /// ResNet-34, 21 M parameters, 512 features.
    Resnet34 is resnet::RESNET34;
    /// ResNet-50, 23.5 M parameters, 2048 features.
    Resnet50 is resnet::RESNET50;
}

/// A name that is not an architecture or a stem.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown {kind} {name:?}\nhint: choose one of {choices}")]
pub struct UnknownName {
    kind: &'static str,
    name: String,
    choices: String,
}

impl UnknownName {
    pub(super) fn new(kind: &'static str, name: &str, choices: &[&str]) -> Self {
        Self { kind, name: name.to_owned(), choices: choices.join(", ") }
    }
}

impl Architecture {
    /// The name used in presets, on the command line and in model files.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.plan().name
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Architecture {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let found = Self::ALL.into_iter().find(|architecture| architecture.name() == name);
        found.ok_or_else(|| UnknownName::new("architecture", name, &Self::ALL.map(Self::name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_architecture_is_written_by_the_name_of_its_plan() {
        for architecture in Architecture::ALL {
            let written = serde_json::to_value(architecture).expect("a word");
            assert_eq!(written, architecture.name());
            assert_eq!(architecture.name().parse(), Ok(architecture));
            let Plan { widths, blocks, .. } = architecture.plan();
            assert!(
                widths.len() == blocks.len() && (1..=4).contains(&widths.len()),
                "{architecture}: layer1 to layer4"
            );
        }
    }
}
