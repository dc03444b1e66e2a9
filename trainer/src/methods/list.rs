//! The list of methods. Nothing else in the program names them all: a new one is a line here, and its file.

use super::{
    DeeperCluster, DeeperClusterConfig, Definition, Distill, DistillConfig, Exported, Inputs, Marta, MartaConfig,
    Method, Moclr, MoclrConfig, Moco, MocoConfig, MocoTp, Needs, Outline, Preset, Seco, SecoConfig, Setup,
};
use crate::parts::mlp::MlpShape;
use crate::views::Recipe;
use serde::{Deserialize, Serialize};
use shared::encoder::EncoderConfig;

/// Makes [`MethodConfig`] of `Variant(hyper-parameters) is definition` lines, and hands every question to the definition.
macro_rules! methods {
    ($($(#[$doc:meta])* $variant:ident($config:ty) is $definition:ty;)+) => {
        /// Which method, with its hyper-parameters; the defaults of a preset are its paper's.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "name", rename_all = "kebab-case")]
        pub enum MethodConfig {
            $($(#[$doc])* $variant($config),)+
        }

        /// The recipes of each method.
        const PRESETS: &[&[Preset]] = &[$(<$definition>::PRESETS),+];

        impl MethodConfig {
            /// The name used in presets and reports.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => <$definition>::NAME,)+ }
            }

            /// See [`Definition::init`].
            #[must_use]
            pub fn init(&self, setup: Setup<'_>) -> Box<dyn Method> {
                match self { $(Self::$variant(config) => <$definition>::init(config.clone(), setup),)+ }
            }

            /// See [`Definition::needs`].
            #[must_use]
            pub fn needs(&self) -> Needs {
                match self { $(Self::$variant(config) => <$definition>::needs(config),)+ }
            }

            /// See [`Definition::outline`].
            #[must_use]
            pub fn outline(&self, encoder: &EncoderConfig, batch: usize) -> Outline {
                match self { $(Self::$variant(config) => <$definition>::outline(config, encoder, batch),)+ }
            }

            /// See [`Definition::exported`].
            #[must_use]
            pub fn exported(&self, bands: usize) -> Exported {
                match self { $(Self::$variant(config) => <$definition>::exported(config, bands),)+ }
            }

            /// See [`Definition::check`].
            ///
            /// # Errors
            /// With what is wrong, and a hint.
            pub fn check(&self) -> Result<(), String> {
                match self { $(Self::$variant(config) => <$definition>::check(config),)+ }
            }

            /// See [`Definition::check_inputs`].
            ///
            /// # Errors
            /// With what is wrong, and a hint.
            pub fn check_inputs(&self, inputs: &Inputs<'_>) -> Result<(), String> {
                match self { $(Self::$variant(config) => <$definition>::check_inputs(config, inputs),)+ }
            }

            /// See [`Definition::warnings`].
            #[must_use]
            pub fn warnings(&self) -> Vec<String> {
                match self { $(Self::$variant(config) => <$definition>::warnings(config),)+ }
            }

            /// See [`Definition::distillation`].
            #[must_use]
            pub fn distillation(&self) -> Option<&DistillConfig> {
                match self { $(Self::$variant(config) => <$definition>::distillation(config),)+ }
            }

            /// See [`Definition::projection`].
            #[must_use]
            pub fn projection(&self, width: usize) -> Option<MlpShape> {
                match self { $(Self::$variant(config) => <$definition>::projection(config, width),)+ }
            }

            /// See [`Definition::studied_view`].
            pub fn studied_view(&mut self) -> Option<&mut Recipe> {
                match self { $(Self::$variant(config) => <$definition>::studied_view(config),)+ }
            }
        }

        /// Every method's name as its definition has it, beside its variant.
        #[cfg(test)]
        const NAMES: &[(&str, &str)] = &[$((<$definition>::NAME, stringify!($variant))),+];
    };
}

methods! {
    /// MoCo-v2: every picture its own class, two augmented views of one date.
    MocoV2(MocoConfig) is Moco;
    /// MoCo-v2 with temporal positives: the two views come from two dates of a place.
    MocoTp(MocoConfig) is MocoTp;
    /// Seasonal Contrast: three subspaces over three dates.
    Seco(SecoConfig) is Seco;
    /// DeeperCluster: turns and hierarchical clusters as pseudo-labels; DeepCluster and RotNet by its settings.
    DeeperCluster(DeeperClusterConfig) is DeeperCluster;
    /// MoCLR: Divide and Contrast's base, contrast within the batch against a momentum target.
    Moclr(MoclrConfig) is Moclr;
    /// Distillation of one encoder, or of a base and its experts, into another.
    Distill(DistillConfig) is Distill;
    /// MARTA GANs: a discriminator of real and generated tiles as the encoder.
    Marta(MartaConfig) is Marta;
}

/// Every recipe, method by method.
pub fn presets() -> impl Iterator<Item = &'static Preset> {
    PRESETS.iter().copied().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_method_is_written_by_the_name_that_its_definition_gives_it() {
        for (name, variant) in NAMES {
            let camel: String = name.split('-').map(|word| word[..1].to_uppercase() + &word[1..]).collect();
            assert_eq!(camel, *variant);
        }
        for preset in presets() {
            let table: toml::Table = preset.text.parse().expect("TOML");
            let name = table["method"]["name"].as_str().expect("a name");
            let own = PRESETS.iter().position(|own| own.contains(preset)).expect("it is listed");
            assert_eq!(name, NAMES[own].0, "{} lies with another method", preset.name);
        }
    }

    #[test]
    fn no_two_recipes_have_one_name() {
        let names: BTreeSet<&str> = presets().map(|preset| preset.name).collect();
        assert_eq!(names.len(), presets().count());
    }
}
