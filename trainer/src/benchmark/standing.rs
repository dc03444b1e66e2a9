//! Where a training of the benchmark stands, and its checkpoint.

use std::path::Path;

use anyhow::Result;
use burn::module::Module;
use serde::{Deserialize, Serialize};
use shared::encoder::module_tensors;
use shared::tensors::{NamedTensor, TensorMap};

use crate::engine::checkpoint;
use crate::parts::Adam;

/// What the optimiser's state is kept under.
pub const ADAM: &str = "adam";

/// What a checkpoint says of a training.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Standing {
    /// Epochs that are done.
    pub epochs: usize,
    /// Validation score after every epoch.
    pub validation: Vec<f64>,
    /// Mean loss of every epoch.
    pub losses: Vec<f64>,
    /// The best epoch, from 1, by the validation part.
    pub best: usize,
}

impl Standing {
    /// Whether nothing better has come for as long as `patience` waits; 0 waits for ever.
    pub fn is_over(&self, patience: usize) -> bool {
        patience > 0 && self.best > 0 && self.epochs >= self.best + patience
    }

    /// Writes it with the network as it is now, the best one so far, and the optimiser; the checkpoint before is kept.
    ///
    /// # Errors
    /// When a number is not finite, or the disk refuses.
    pub fn save<M: Module>(
        &self,
        path: &Path,
        key: &str,
        network: &M,
        best: &TensorMap,
        optimiser: &Adam,
    ) -> Result<()> {
        let named = |prefix: &str, tensors: &TensorMap| -> Vec<NamedTensor> {
            let under =
                |tensor: &NamedTensor| NamedTensor { name: format!("{prefix}.{}", tensor.name), ..tensor.clone() };
            tensors.values().map(under).collect()
        };
        let mut tensors = named("now", &module_tensors(network));
        tensors.extend(named("best", best));
        tensors.extend(optimiser.state(ADAM));
        checkpoint::write_keeping(path, key, self, &tensors)
    }
}
