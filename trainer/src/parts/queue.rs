//! The queue of negative keys (MoCo, He et al. 2020, §3.2).

use crate::parts::initialise::unit_vectors;
use crate::parts::read;
use burn::tensor::{Device, Tensor, TensorData};
use shared::tensors::NamedTensor;

/// A first-in, first-out bank of L2-normalised keys, without gradients.
#[derive(Clone, Debug)]
pub struct NegativeQueue {
    /// `[length, dim]`
    keys: Tensor<2>,
    /// Row that the next key replaces.
    next: usize,
}

impl NegativeQueue {
    /// A queue of random unit vectors.
    #[must_use]
    pub fn random(length: usize, dim: usize, seed: u64, device: &Device) -> Self {
        let values = unit_vectors(length, dim, seed);
        Self { keys: Tensor::from_data(TensorData::new(values, [length, dim]), device), next: 0 }
    }

    /// The negatives, `[length, dim]`.
    #[must_use]
    pub fn keys(&self) -> Tensor<2> {
        self.keys.clone()
    }

    /// Replaces the oldest rows by `keys` `[n, dim]`; the queue's length must be a multiple of n.
    pub fn enqueue(&mut self, keys: Tensor<2>) {
        let [length, dim] = self.keys.dims();
        let [n, _] = keys.dims();
        assert!(n <= length && length % n == 0, "a queue of {length} cannot take batches of {n}");
        let rows = self.next..self.next + n;
        // Taken out, so that nobody else has it and it is written in place.
        let own = std::mem::replace(&mut self.keys, keys.clone());
        self.keys = own.slice_assign([rows, 0..dim], keys);
        self.next = (self.next + n) % length;
    }

    /// Everything needed to go on: the keys under `name.keys`, the position under `name.next`.
    #[must_use]
    pub fn state(&self, name: &str) -> Vec<NamedTensor> {
        let [length, dim] = self.keys.dims();
        let values = read(self.keys.clone());
        vec![
            NamedTensor { name: format!("{name}.keys"), shape: vec![length, dim], values },
            // Exact: a queue has far fewer than 2²⁴ rows.
            NamedTensor { name: format!("{name}.next"), shape: vec![1], values: vec![self.next as f32] },
        ]
    }

    /// The queue that [`Self::state`] was taken of.
    ///
    /// # Errors
    /// When the state is missing or of another size.
    pub fn restore(&mut self, name: &str, state: &shared::tensors::TensorMap) -> anyhow::Result<()> {
        let [length, dim] = self.keys.dims();
        let find = |part: &str| {
            let name = format!("{name}.{part}");
            state.get(&name).ok_or_else(|| anyhow::anyhow!("the checkpoint has no {name:?}"))
        };
        let (keys, next) = (find("keys")?, find("next")?);
        anyhow::ensure!(
            keys.shape == [length, dim] && next.values.len() == 1,
            "queue {name:?} in the checkpoint is {:?}, the run's is {:?}",
            keys.shape,
            [length, dim]
        );
        self.keys = Tensor::from_data(TensorData::new(keys.values.clone(), [length, dim]), &self.keys.device());
        self.next = next.values[0] as usize;
        Ok(())
    }
}
