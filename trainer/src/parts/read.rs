//! What a device holds, as numbers.

use burn::tensor::{Tensor, TensorData};

/// All values of a tensor, row-major, in single precision whatever it is kept in.
#[must_use]
pub fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    values_of(tensor.into_data())
}

/// As [`read`], of what has left the device already.
#[must_use]
pub fn values_of(data: TensorData) -> Vec<f32> {
    data.convert::<f32>().try_into_vec::<f32>().expect("converted to single precision")
}
