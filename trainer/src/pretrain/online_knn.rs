//! k-NN accuracy during pre-training: labels are looked at, never trained on.

use crate::config::{ProbeConfig, RunConfig};
use crate::data::LabelledSet;
use crate::eval;
use crate::parts::Frozen;
use burn::tensor::Device;
use shared::preprocess::Normalisation;

/// The labelled sets, read once; without a `[probe]` table there is nothing to measure.
pub struct OnlineKnn {
    sets: Option<(ProbeConfig, LabelledSet, LabelledSet)>,
    normalisation: Normalisation,
    px: usize,
    epochs: usize,
    device: Device,
}

impl OnlineKnn {
    /// Opens the splits that the configuration names.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn open(config: &RunConfig, device: &Device) -> anyhow::Result<Self> {
        let sets = match &config.probe {
            None => None,
            Some(probe) => {
                // What cannot be read is named when the training sources are opened.
                let mut warnings = Vec::new();
                let mut open = |split| LabelledSet::open(&probe.path, Some(split), &config.tiles.bands, &mut warnings);
                let mut train = open(&probe.train_split)?.thinned(probe.limit);
                let mut val = open(&probe.val_split)?.thinned(probe.limit);
                LabelledSet::share_classes(&mut [&mut train, &mut val]);
                Some((probe.clone(), train, val))
            }
        };
        Ok(Self {
            sets,
            normalisation: config.normalisation()?,
            px: config.tiles.input_px,
            epochs: config.train.epochs,
            device: device.clone(),
        })
    }

    /// k-NN accuracy of `encoder` if a measurement is due after `epoch` (the last is always due).
    ///
    /// # Errors
    /// When a tile cannot be read.
    pub fn measure(&mut self, encoder: &dyn Frozen, epoch: usize) -> anyhow::Result<Option<f64>> {
        let Some((probe, train, val)) = &self.sets else { return Ok(None) };
        let due = (epoch + 1).is_multiple_of(probe.every_epochs.max(1)) || epoch + 1 == self.epochs;
        if !due {
            return Ok(None);
        }
        let embed = |set: &LabelledSet| eval::features(encoder, set, &self.normalisation, self.px, &self.device);
        let accuracy = eval::knn_accuracy(probe.k, &embed(train)?, train, &embed(val)?, val);
        Ok(Some(accuracy))
    }
}
