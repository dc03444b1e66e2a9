//! InfoNCE: cross-entropy of the positive among positive and negatives (van den Oord et al. 2018, eq. 4; MoCo eq. 1).

use burn::tensor::{Tensor, TensorData, activation::log_softmax};
use shared::kernels::{contrast, loss_of};

pub use shared::kernels::Negatives;

/// The loss, and how often the positive won.
#[derive(Clone, Debug)]
pub struct InfoNce {
    /// Mean cross-entropy over the batch, `[1]`.
    pub loss: Tensor<1>,
    /// Share of queries whose positive has the highest logit, `[1]`, without gradient.
    pub accuracy: Tensor<1>,
}

/// InfoNCE of `query` against one positive each and shared negatives, some of which may not count for a query's own row.
///
/// # Shapes
/// - `query`, `positive`: `[n, d]`, L2-normalised
/// - the keys of each of `negatives`: `[m, d]`, L2-normalised; the logits are `[n, 1 + Σ m]`
///
/// Only `query` should carry gradients.
pub fn info_nce(query: Tensor<2>, positive: Tensor<2>, negatives: &[Negatives], temperature: f64) -> InfoNce {
    let plain = |x: &Tensor<2>| x.clone().without_autodiff();
    let banks: Vec<Negatives> =
        negatives.iter().map(|bank| Negatives { keys: plain(&bank.keys), ..bank.clone() }).collect();
    match contrast(&plain(&query), &plain(&positive), &banks, temperature) {
        Some(found) => {
            let [loss, accuracy] = loss_of(query, found);
            InfoNce { loss, accuracy }
        }
        None => by_operations(query, positive, negatives, temperature),
    }
}

/// [`info_nce`] of Burn's own operations alone, with all logits at once: any device, any precision.
pub fn by_operations(query: Tensor<2>, positive: Tensor<2>, negatives: &[Negatives], temperature: f64) -> InfoNce {
    // [n, d] · [n, d] → [n, 1]
    let positive = (query.clone() * positive).sum_dim(1);
    let mut logits = vec![positive.clone()];
    // [n, d] × [d, m] → [n, m]
    logits.extend(negatives.iter().map(|bank| {
        let logits = query.clone().matmul(bank.keys.clone().transpose());
        match bank.skips_own.contains(&true) {
            true => logits.clone() + left_out(&bank.skips_own, &logits),
            false => logits,
        }
    }));
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

/// What takes the own rows that are left out from `logits` `[n, m]`: a number there that no exponential survives, else 0.
fn left_out(skips_own: &[bool], logits: &Tensor<2>) -> Tensor<2> {
    let [n, m] = logits.dims();
    let mut values = vec![0.0_f32; n * m];
    for (row, _) in skips_own.iter().enumerate().filter(|(_, skips)| **skips) {
        values[row * m + row] = -1e9;
    }
    let penalty = Tensor::from_data(TensorData::new(values, [n, m]), &logits.device().without_autodiff());
    if logits.device().is_autodiff() { penalty.autodiff() } else { penalty }
}
