//! The run's configuration: what was typed, over the preset, resolved once into a [`RunConfig`] that is saved with the
//! run. Unknown keys are errors.

use crate::data::{SourceSpec, data_table, scalar};
use crate::engine::fit::FitConfig;
use crate::error::UsageError;
use crate::methods::{DncConfig, MethodConfig, Needs, presets};
use crate::pretrain::clusters::PartConfig;
use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use shared::bands::Bands;
use shared::encoder::{Architecture, EncoderConfig, Stem};
use shared::preprocess::Normalisation;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

mod inputs;

/// Everything that a pre-training run depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// The method and its hyper-parameters.
    pub method: MethodConfig,
    /// The network.
    pub encoder: EncoderChoice,
    /// What a tile is.
    pub tiles: TilesConfig,
    /// Optimisation.
    pub train: FitConfig,
    /// Seed, data order and device.
    pub run: RunSettings,
    /// k-NN accuracy during training, when there is labelled data to measure it on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<ProbeConfig>,
    /// Divide and Contrast: what comes after this run, which is then its base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dnc: Option<DncConfig>,
    /// The part of the data that this run is limited to: an expert's cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<PartConfig>,
    /// Where tiles come from: one or more sources, mixed by weight.
    #[serde(default)]
    pub data: Vec<SourceSpec>,
}

/// The network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderChoice {
    /// Which architecture.
    pub architecture: Architecture,
    /// Which first layers.
    pub stem: Stem,
    /// The encoder whose weights it starts from, anything that `trainer evaluate` takes; random weights without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pretrained: Option<PathBuf>,
}

/// Bands and their normalisation, kept with the model from here on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TilesConfig {
    /// Spectral bands, in order.
    pub bands: Bands,
    /// Mean a band, of values on [0, 1].
    pub mean: Vec<f32>,
    /// Standard deviation a band.
    pub std: Vec<f32>,
    /// Side of a tile at evaluation and in the browser.
    pub input_px: usize,
}

/// What does not change the mathematics of a run, and its seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSettings {
    /// Seed of weights, data order and augmentation.
    pub seed: u64,
    /// Places an epoch; 0 takes each place once.
    pub samples_per_epoch: usize,
    /// Threads that decode and augment; 0 takes every core.
    pub threads: usize,
    /// auto, cpu, wgpu, cuda, …
    pub device: String,
}

/// A labelled set for k-NN during training; its labels are never trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeConfig {
    /// Folder or tar of class folders.
    pub path: PathBuf,
    /// Split list of the reference tiles.
    pub train_split: PathBuf,
    /// Split list of the tiles that are classified: a validation split, never the test split.
    pub val_split: PathBuf,
    /// Neighbours.
    pub k: usize,
    /// Epochs between two measurements.
    pub every_epochs: usize,
    /// At most so many tiles of each split are used, evenly spread.
    pub limit: usize,
}

/// What was typed that bears on the configuration.
#[derive(Clone, Debug, Default)]
pub struct Typed {
    /// Name of a preset.
    pub preset: Option<String>,
    /// A configuration file; it may be partial when there is a preset as well.
    pub config: Option<PathBuf>,
    /// `key.path=value` changes, the last word.
    pub set: Vec<String>,
    /// Data sources, `kind=…,path=…`; they replace those of the preset.
    pub data: Vec<String>,
    /// `--pretrained`.
    pub pretrained: Option<PathBuf>,
    /// `--device`.
    pub device: Option<String>,
}

impl RunConfig {
    /// Resolves what was typed.
    ///
    /// # Errors
    /// [`UsageError`] for unknown presets and keys, values that do not fit, and settings that contradict each other.
    pub fn resolve(typed: &Typed) -> anyhow::Result<Self> {
        let mut table = match &typed.preset {
            Some(name) => preset(name)?,
            None => Table::new(),
        };
        if let Some(path) = &typed.config {
            let text = std::fs::read_to_string(path).map_err(|error| {
                UsageError::new(format!("cannot read configuration {}: {error}\nhint: check the path", path.display()))
            })?;
            let own = text.parse::<Table>().map_err(|error| {
                UsageError::new(format!(
                    "{} is no TOML: {}\nhint: see a preset with --print-config",
                    path.display(),
                    error.message()
                ))
            })?;
            merge(&mut table, own);
        }
        if table.is_empty() {
            return Err(UsageError::new(
                "no configuration\nhint: --preset compact (`trainer help pretrain` lists the others), or --config FILE",
            )
            .into());
        }
        if !typed.data.is_empty() {
            let sources = typed.data.iter().map(|source| data_table(source)).collect::<anyhow::Result<Vec<_>>>()?;
            table.insert("data".into(), Value::Array(sources));
        }
        for change in &typed.set {
            apply(&mut table, change)?;
        }
        let mut flag = |section: &str, key: &str, value: String| {
            let own = Table::from_iter([(key.to_owned(), Value::String(value))]);
            merge(&mut table, Table::from_iter([(section.to_owned(), Value::Table(own))]));
        };
        if let Some(path) = &typed.pretrained {
            flag("encoder", "pretrained", path.display().to_string());
        }
        if let Some(device) = &typed.device {
            flag("run", "device", device.clone());
        }
        let config: Self = table.try_into().map_err(|error: toml::de::Error| {
            let message = error.message().trim();
            UsageError::new(format!(
                "configuration: {message}\nhint: --print-config shows every key of a preset and its value"
            ))
        })?;
        config.validate()?;
        Ok(config)
    }

    /// Reads the configuration saved in a run folder.
    ///
    /// # Errors
    /// When it is missing or was written by another version.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}\nhint: is this the folder of a run?", path.display()))?;
        let config: Self = toml::from_str(&text).with_context(|| {
            format!("{} does not fit this program\nhint: it was written by another version", path.display())
        })?;
        config.validate()?;
        Ok(config)
    }

    /// The configuration as TOML, every value spelled out.
    ///
    /// # Errors
    /// Never in practice: every field has a TOML form.
    pub fn to_toml(&self) -> anyhow::Result<String> {
        Ok(toml::to_string_pretty(self)?)
    }

    /// Whether a place must show the same ground each time it is read, because something is remembered of it.
    #[must_use]
    pub fn remembers_places(&self) -> bool {
        self.method.needs().same_ground || self.dnc.is_some() || self.part.is_some()
    }

    /// What the run is called: its method, or that of its phases together.
    #[must_use]
    pub fn name(&self) -> &'static str {
        if self.dnc.is_some() { "dnc" } else { self.method.name() }
    }

    /// The encoder with its bands.
    #[must_use]
    pub fn encoder_config(&self) -> EncoderConfig {
        EncoderConfig {
            architecture: self.encoder.architecture,
            stem: self.encoder.stem,
            bands: self.tiles.bands.len(),
        }
    }

    /// The normalisation of the tiles.
    ///
    /// # Errors
    /// When mean and standard deviation do not fit the bands.
    pub fn normalisation(&self) -> anyhow::Result<Normalisation> {
        Ok(Normalisation::new(self.tiles.mean.clone(), self.tiles.std.clone())?)
    }

    fn validate(&self) -> anyhow::Result<()> {
        let (train, tiles) = (&self.train, &self.tiles);
        let check = |ok: bool, message: String| if ok { Ok(()) } else { Err(UsageError::new(message)) };
        let bands = tiles.bands.len();
        check(
            tiles.mean.len() == bands && tiles.std.len() == bands && tiles.std.iter().all(|std| *std > 0.0),
            format!(
                "tiles.mean and tiles.std need {bands} values, one a band, and std above 0\nhint: `trainer inspect-data` prints them"
            ),
        )?;
        let Needs { queue, norm_splits: splits, .. } = self.method.needs();
        let (batch, queue) = (train.batch, queue.unwrap_or(train.batch));
        check(
            batch > 0 && train.epochs > 0,
            "train.batch and train.epochs must be at least 1\nhint: --set train.epochs=10".into(),
        )?;
        check(
            queue >= batch && queue.is_multiple_of(batch),
            format!(
                "method.queue ({queue}) must be a multiple of train.batch ({batch})\nhint: --set method.queue={}",
                batch * 64
            ),
        )?;
        check(
            splits > 0 && batch.is_multiple_of(splits),
            format!(
                "train.batch ({batch}) must be a multiple of method.norm_splits ({splits})\nhint: --set method.norm_splits=1"
            ),
        )?;
        self.method.check().map_err(UsageError::new)?;
        self.method.check_inputs(&inputs::of(self)).map_err(UsageError::new)?;
        train.optimiser.check().map_err(UsageError::new)?;
        if let Some(dnc) = &self.dnc {
            dnc.check().map_err(UsageError::new)?;
            check(
                self.method.projection(1).is_some(),
                format!(
                    "a [dnc] table needs moclr as its base, not {}\nhint: --preset dnc has both",
                    self.method.name()
                ),
            )?;
        }
        check(
            train.crop_px.first().is_some_and(|(epoch, _)| *epoch == 0)
                && train.crop_px.windows(2).all(|pair| pair[0].0 < pair[1].0)
                && train.crop_px.iter().all(|(_, px)| (8..=1024).contains(px)),
            "train.crop_px must start at epoch 0, rise, and hold sides of 8 to 1024 pixels\nhint: --set train.crop_px=[[0,64]]".into(),
        )?;
        Ok(())
    }
}

/// The presets of `trainer pretrain`; distillation has a command of its own.
#[must_use]
pub fn preset_names() -> Vec<&'static str> {
    presets().filter(|preset| preset.command == "pretrain").map(|preset| preset.name).collect()
}

fn preset(name: &str) -> anyhow::Result<Table> {
    let names: Vec<&str> = presets().map(|preset| preset.name).collect();
    let found = presets()
        .find(|preset| preset.name == name)
        .ok_or_else(|| UsageError::new(format!("no preset {name:?}\nhint: choose one of {}", names.join(", "))))?;
    Ok(found.text.parse::<Table>()?)
}

/// Lays `over` on `base`, table by table. A table of another kind (a step schedule over a cosine) takes the old one's
/// place: the two share no keys.
fn merge(base: &mut Table, over: Table) {
    let is_another = |old: &Table, new: &Table| {
        ["kind", "name"].iter().any(|tag| new.get(*tag).is_some_and(|new| old.get(*tag) != Some(new)))
    };
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) if !is_another(old, &new) => merge(old, new),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// `train.epochs=10`: the value is TOML, or plain text when it is no TOML.
fn apply(table: &mut Table, change: &str) -> anyhow::Result<()> {
    let (path, value) = change.split_once('=').filter(|(path, _)| !path.trim().is_empty()).ok_or_else(|| {
        UsageError::new(format!("--set {change:?} has no `key=value` form\nhint: --set train.epochs=10"))
    })?;
    let keys: Vec<&str> = path.trim().split('.').collect();
    let mut at = table;
    for key in &keys[..keys.len() - 1] {
        at = at.get_mut(*key).and_then(Value::as_table_mut).ok_or_else(|| {
            UsageError::new(format!(
                "--set {change:?}: there is no table {key:?}\nhint: --print-config shows every key"
            ))
        })?;
    }
    let last = keys[keys.len() - 1];
    let known: Vec<&str> = at.keys().map(String::as_str).collect();
    ensure!(
        at.contains_key(last),
        UsageError::new(format!("--set {change:?}: there is no key {last:?}\nhint: here are {}", known.join(", ")))
    );
    at.insert(last.to_owned(), scalar(value.trim()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::schedule::Schedule;

    #[test]
    fn a_table_of_another_kind_replaces_the_presets() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("own.toml");
        std::fs::write(&file, "[train]\nschedule = { kind = \"cosine\", warmup_epochs = 2.0 }\n").expect("a file");
        let typed = Typed { preset: Some("seco".into()), config: Some(file), ..Typed::default() };
        let config = RunConfig::resolve(&typed).expect("resolves");
        assert_eq!(config.train.schedule, Schedule::Cosine { warmup_epochs: 2.0 });
        assert_eq!(config.train.epochs, 200, "the rest is the preset's");
    }

    #[test]
    fn what_was_typed_is_over_the_file_and_the_file_over_the_preset() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("own.toml");
        std::fs::write(&file, "[train]\nepochs = 7\nbatch = 64\n[method]\nqueue = 640\n").expect("a file");
        let typed = Typed {
            preset: Some("seco".into()),
            config: Some(file),
            set: vec!["train.epochs=9".into()],
            device: Some("cpu".into()),
            ..Typed::default()
        };
        let config = RunConfig::resolve(&typed).expect("resolves");
        assert_eq!((config.train.epochs, config.train.batch, config.train.learning_rate), (9, 64, 0.03));
        assert_eq!(config.run.device, "cpu");
        let again: RunConfig = toml::from_str(&config.to_toml().expect("prints")).expect("reads");
        assert_eq!(again, config);
    }
}
