//! The tensors of the `flex` backend as plain values.

use burn::backend::Flex;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{DType, TensorData};

/// The `flex` backend's tensor.
pub(super) type Values = FloatTensor<Flex>;

/// A tensor in the order its shape says, without gaps.
pub(super) fn dense(tensor: &Values) -> Values {
    tensor.to_contiguous()
}

/// The values of a [`dense`] single-precision tensor.
pub(super) fn slice(tensor: &Values) -> &[f32] {
    tensor.as_slice::<f32>().expect("a dense single-precision tensor")
}

/// A tensor of these values.
pub(super) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Values {
    Values::from_data(TensorData::new(values, shape))
}

pub(super) fn all_single(tensors: &[&Values]) -> bool {
    tensors.iter().all(|tensor| tensor.dtype() == DType::F32)
}
