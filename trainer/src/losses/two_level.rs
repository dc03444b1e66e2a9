//! DeeperCluster's loss (Caron et al. 2019, §3.3): which super-class, and which sub-class inside the own super-class.

use burn::tensor::{Int, Tensor, activation::log_softmax};

/// The two cross-entropies, and how often each was right.
#[derive(Clone, Debug)]
pub struct TwoLevel {
    /// Mean cross-entropy over the super-classes, `[1]`; 0 with a single one.
    pub super_loss: Tensor<1>,
    /// Mean cross-entropy over the sub-classes of the own super-class, `[1]`; 0 with a single one.
    pub sub_loss: Tensor<1>,
    /// Share of tiles whose super-class has the highest logit, `[1]`, without gradient.
    pub super_accuracy: Tensor<1>,
    /// The same for the sub-class among those of the own super-class.
    pub sub_accuracy: Tensor<1>,
}

/// Both cross-entropies of a batch; the loss is their sum.
///
/// # Shapes
/// - `super_logits` `[n, s]`
/// - `sub_logits` `[n, s · k]`: the k sub-classes of super-class 0, then those of 1, …
/// - `super_class` `[n]` below s, `sub_class` `[n]` below k
pub fn two_level(
    super_logits: Tensor<2>,
    sub_logits: Tensor<2>,
    super_class: Tensor<1, Int>,
    sub_class: Tensor<1, Int>,
) -> TwoLevel {
    let [n, s] = super_logits.dims();
    let k = sub_logits.dims()[1] / s;
    // [n, s · k] → [n, s, k] → the own super-class's row, [n, k]
    let own = super_class.clone().reshape([n, 1, 1]).expand([n, 1, k]);
    let inside = sub_logits.reshape([n, s, k]).gather(1, own).reshape([n, k]);
    let (super_loss, super_accuracy) = cross_entropy(super_logits, super_class);
    let (sub_loss, sub_accuracy) = cross_entropy(inside, sub_class);
    TwoLevel { super_loss, sub_loss, super_accuracy, sub_accuracy }
}

/// Mean cross-entropy of `logits` `[n, c]`, and the share of rows whose own class is the highest.
fn cross_entropy(logits: Tensor<2>, class: Tensor<1, Int>) -> (Tensor<1>, Tensor<1>) {
    let [n, _] = logits.dims();
    let class = class.reshape([n, 1]);
    let right = logits.clone().without_autodiff().argmax(1).equal(class.clone()).float().mean();
    (log_softmax(logits, 1).gather(1, class).mean().neg(), right)
}
