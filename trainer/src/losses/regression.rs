//! DnC's distillation loss (Tian et al. 2021, §3.3): half the squared distance to a target of length 1.

use burn::tensor::Tensor;

/// Mean over the batch of ½‖prediction − target‖², `[1]`. The prediction is taken as it is, not brought to length 1.
///
/// # Shapes
/// Both `[n, d]`; the rows of `target` have length 1 and carry no gradient.
pub fn half_squared_distance(prediction: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
    let [n, _] = prediction.dims();
    (prediction - target).powi_scalar(2).sum() / (2 * n) as f64
}
