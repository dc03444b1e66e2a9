//! Bilinear enlargement of feature maps that gradients go back through.

use burn::tensor::{Tensor, TensorData};
use shared::preprocess::{Filter, resize_matrix};

/// `[n, c, h, w]` → `[n, c, height, width]`, PyTorch's `interpolate(mode="bilinear", align_corners=False)` where neither side
/// shrinks: one product of matrices a side.
#[must_use]
pub fn enlarge(x: Tensor<4>, [height, width]: [usize; 2]) -> Tensor<4> {
    let [n, c, h, w] = x.dims();
    let device = x.device();
    // [input, output]
    let matrix = |input: usize, output: usize| {
        let rows = TensorData::new(resize_matrix(input, output, Filter::Triangle), [output, input]);
        Tensor::<2>::from_data(rows, &device).transpose()
    };
    let x = match w == width {
        true => x,
        false => x.reshape([n * c * h, w]).matmul(matrix(w, width)).reshape([n, c, h, width]),
    };
    if h == height {
        return x;
    }
    let x = x.swap_dims(2, 3).reshape([n * c * width, h]).matmul(matrix(h, height));
    x.reshape([n, c, width, height]).swap_dims(2, 3)
}
