//! InfoNCE within a batch, as MoCLR has it (Tian et al. 2021, §3.1): the other samples' targets are the negatives.

use burn::tensor::{Int, Tensor, activation::log_softmax};

/// The mean loss of a batch, and how often the own target was the most similar.
#[derive(Clone, Debug)]
pub struct BatchContrast {
    /// Mean cross-entropy over the batch, `[1]`.
    pub loss: Tensor<1>,
    /// Share of samples whose own target has the highest logit, `[1]`, without gradient.
    pub accuracy: Tensor<1>,
}

/// Cross-entropy of each row of `online` picking its own row of `target` among all of them.
///
/// # Shapes
/// `online` and `target` `[n, d]`, L2-normalised; the logits are `[n, n]`. Only `online` should carry gradients.
pub fn batch_contrast(online: Tensor<2>, target: Tensor<2>, temperature: f64) -> BatchContrast {
    let [n, _] = online.dims();
    let logits = online.matmul(target.transpose()) / temperature;
    let own = Tensor::<1, Int>::arange(0..n as i64, &logits.device()).reshape([n, 1]);
    let accuracy = logits.clone().without_autodiff().argmax(1).equal(own.clone()).float().mean();
    let loss = log_softmax(logits, 1).gather(1, own).mean().neg();
    BatchContrast { loss, accuracy }
}
