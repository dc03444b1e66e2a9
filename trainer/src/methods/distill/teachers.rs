//! The frozen networks that a distillation learns from.

use crate::parts::Mlp;
use crate::parts::projection::l2_normalise;
use burn::tensor::{FloatDType, Tensor};
use shared::encoder::{Encoder, NormMode};
use std::collections::HashMap;

/// A frozen network to learn from.
#[derive(Clone, Debug)]
pub struct Teacher {
    /// On the plain device.
    pub encoder: Encoder,
    /// Its projection, where that is what is predicted.
    pub head: Option<Mlp>,
    /// Width of what [`Self::embed`] gives.
    pub width: usize,
}

impl Teacher {
    /// `[n, bands, px, px]` → `[n, width]`, rows of length 1, with running statistics.
    #[must_use]
    pub fn embed(&self, x: Tensor<4>) -> Tensor<2> {
        let features = self.encoder.forward(x, NormMode::Running).cast(FloatDType::F32);
        l2_normalise(match &self.head {
            Some(head) => head.forward(features, NormMode::Running),
            None => features,
        })
    }
}

/// Everything a student learns from: the base first, then one expert a cluster.
#[derive(Clone, Debug, Default)]
pub struct Teachers {
    /// The base, then the experts.
    pub networks: Vec<Teacher>,
    /// The cluster of each (source, place), where there are experts.
    pub clusters: HashMap<(usize, usize), usize>,
}
