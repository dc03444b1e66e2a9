//! InfoNCE: cross-entropy of the positive among positive and negatives (van den Oord et al. 2018, eq. 4; MoCo eq. 1).

use burn::tensor::{Tensor, activation::log_softmax};
use shared::kernels::contrast;

/// The loss, and how often the positive won.
#[derive(Clone, Debug)]
pub struct InfoNce {
    /// Mean cross-entropy over the batch, `[1]`.
    pub loss: Tensor<1>,
    /// Share of queries whose positive has the highest logit, `[1]`, without gradient.
    pub accuracy: Tensor<1>,
}

/// InfoNCE of `query` against one positive each and shared negatives.
///
/// # Shapes
/// - `query`, `positive`: `[n, d]`, L2-normalised
/// - each of `negatives`: `[m, d]`, L2-normalised; the logits are `[n, 1 + Σ m]`
///
/// Only `query` should carry gradients.
pub fn info_nce(query: Tensor<2>, positive: Tensor<2>, negatives: &[Tensor<2>], temperature: f64) -> InfoNce {
    let plain = |x: &Tensor<2>| x.clone().without_autodiff();
    let banks: Vec<Tensor<2>> = negatives.iter().map(plain).collect();
    if let Some(found) = contrast(&plain(&query), &plain(&positive), &banks, temperature) {
        let [n, _] = query.dims();
        // A number whose gradient by the query is the loss's, moved to the loss's value.
        let slope = (query * found.gradients.autodiff()).sum() / n as f64;
        let rest = found.losses.mean() - slope.clone().without_autodiff();
        return InfoNce { loss: slope + rest.autodiff(), accuracy: found.wins.mean() };
    }
    // [n, d] · [n, d] → [n, 1]
    let positive = (query.clone() * positive).sum_dim(1);
    let mut logits = vec![positive.clone()];
    // [n, d] × [d, m] → [n, m]
    logits.extend(negatives.iter().map(|bank| query.clone().matmul(bank.clone().transpose())));
    let hardest = logits[1..].iter().map(|part| part.clone().without_autodiff().max_dim(1)).reduce(Tensor::max_pair);
    let accuracy = match hardest {
        Some(hardest) => positive.without_autodiff().greater(hardest).float().mean(),
        None => positive.without_autodiff().ones_like().mean(),
    };
    let logits = Tensor::cat(logits, 1) / temperature;
    let [n, _] = logits.dims();
    // The positive is column 0.
    let loss = log_softmax(logits, 1).slice([0..n, 0..1]).mean().neg();
    InfoNce { loss, accuracy }
}
