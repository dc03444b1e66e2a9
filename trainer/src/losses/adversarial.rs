//! The two sides of a generative adversarial network (Goodfellow et al. 2014), and MARTA GANs' feature matching (Lin et
//! al. 2017, §III-A).

use burn::tensor::{Tensor, activation::log_sigmoid};

/// Mean binary cross-entropy of `logits` `[n, 1]` with the label "real" for all of them, or "generated": `[1]`.
///
/// With "real" on generated tiles this is the generator's non-saturating loss.
pub fn binary_cross_entropy(logits: Tensor<2>, is_real: bool) -> Tensor<1> {
    let logits = if is_real { logits } else { logits.neg() };
    log_sigmoid(logits).mean().neg()
}

/// ‖E f(real) − E f(generated)‖², the expectations over the batch: `[1]`.
///
/// NOTE: as in the paper; the released code pairs real and generated samples at random instead.
///
/// # Shapes
/// `real` and `generated` `[n, width]`, of any number of rows each
pub fn feature_matching(real: Tensor<2>, generated: Tensor<2>) -> Tensor<1> {
    (real.mean_dim(0) - generated.mean_dim(0)).powi_scalar(2).sum()
}
