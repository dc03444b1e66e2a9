//! What can be set of a distillation.

use crate::views::Recipe;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What the student is asked to predict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// The encoder's pooled features: every encoder has them.
    Features,
    /// The output of the projection head of a MoCLR run, as in the paper.
    Projection,
}

/// Which picture the teachers see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Targets {
    /// The student's own view, at every step.
    View,
    /// The middle crop, once for the whole run: 0.2 points less in the paper, and a teacher that costs nothing
    /// afterwards.
    Centre,
}

/// Hyper-parameters; the presets give each its source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DistillConfig {
    /// The teacher: a run folder, an encoder file, an exported model, or a PyTorch state dict.
    pub teacher: PathBuf,
    /// DnC's experts, one a cluster; none for a single teacher.
    pub experts: Vec<PathBuf>,
    /// The file that says which cluster each place belongs to; empty without experts.
    pub clusters: PathBuf,
    /// What is predicted.
    pub layer: Layer,
    /// What the teachers see.
    pub targets: Targets,
    /// Side of the middle crops; unused with targets = view.
    pub centre_px: usize,
    /// Hidden units of the student's projection and of each regressor.
    pub hidden: usize,
    /// Width of the student's projection.
    pub dim: usize,
    /// What the base's part of the loss is multiplied by; 0 leaves the base out (the paper's ablation).
    pub base_weight: f64,
    /// What the expert's part is multiplied by.
    pub expert_weight: f64,
    /// Groups in which a batch is normalised; 1 is none, as in the paper.
    pub norm_splits: usize,
    /// What is done to a tile before the student sees it.
    pub view: Recipe,
}
