//! The gradients of the kernels on these devices.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Cube, TensorMetadata};
use burn::tensor::Shape;
use burn_cubecl::tensor::CubeTensor;

use super::{MapKernels, convolves, normalises, pools, window};
use crate::kernels::extension::{SavedNorm, TileGradients};
use crate::kernels::gpu::normalisation::{self, Mask, Saved};
use crate::kernels::gpu::{convolution, layout, pooling, weight_gradient};

impl TileGradients for Cube {
    fn differentiates_conv(
        x: &CubeTensor,
        weight: &CubeTensor,
        bias: Option<&CubeTensor>,
        stride: [usize; 2],
        padding: [usize; 2],
    ) -> bool {
        convolves(x, weight, bias, stride, padding).is_some()
    }

    fn differentiates_norm(maps: [Option<&CubeTensor>; 2], parameters: [&CubeTensor; 2]) -> bool {
        normalises(maps, parameters)
    }

    fn differentiates_pool(x: &CubeTensor, kernel: usize, stride: usize, padding: usize) -> bool {
        pools(x, kernel, stride, padding).is_some()
    }

    fn conv_gradients(
        x: CubeTensor,
        weight: CubeTensor,
        gradient: CubeTensor,
        stride: [usize; 2],
        padding: [usize; 2],
        [dx, dw, db]: [bool; 3],
    ) -> [Option<CubeTensor>; 3] {
        let window = window(&weight, stride, padding);
        let gradient = layout::channels_last(gradient);
        let [_, co, ..] = layout::dims(&gradient);
        let [_, _, height, width] = layout::dims(&x);
        let by_bias = db.then(|| {
            let sum = (0..4).filter(|&axis| axis != 1).fold(gradient.clone(), Cube::float_sum_dim);
            Cube::float_reshape(sum, Shape::new([co]))
        });
        let by_x = dx.then(|| convolution::data_gradient(gradient.clone(), weight, window, [height, width]));
        let by_weight = dw.then(|| weight_gradient::weight_gradient(x, gradient, window));
        [by_x, by_weight, by_bias]
    }

    fn norm_gradients(saved: SavedNorm<Self>, gradient: CubeTensor) -> [CubeTensor; 4] {
        let mask = match (saved.relu, &saved.output) {
            (false, _) => Mask::Open,
            (true, None) => Mask::Normalised,
            (true, Some(_)) => Mask::Output,
        };
        let inputs = Saved {
            x: saved.x,
            gamma: saved.gamma,
            beta: saved.beta,
            means: saved.mean,
            variances: saved.variance,
            output: saved.output.filter(|_| mask == Mask::Output),
            mask,
            groups: saved.groups,
            epsilon: saved.epsilon,
        };
        let found = normalisation::backward(inputs, gradient.clone());
        [found.x, found.gamma, found.beta, found.shortcut.unwrap_or(gradient)]
    }

    fn pool_gradient(x: CubeTensor, gradient: CubeTensor, kernel: usize, stride: usize, padding: usize) -> CubeTensor {
        pooling::max_pool_gradient(x, gradient, [kernel, stride, padding])
    }
}

#[derive(Debug)]
struct MeansBackward;

impl Backward<Cube, 1> for MeansBackward {
    /// The shape of the map.
    type State = [usize; 4];

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<Cube>(&ops.node);
        if let [Some(node)] = ops.parents {
            gradients.register::<Cube>(node.id, pooling::means_gradient(gradient, ops.state));
        }
    }
}

type Tracked<C> = FloatTensor<Autodiff<Cube, C>>;

impl<C: CheckpointStrategy> MapKernels for Autodiff<Cube, C> {
    fn map_means(map: Tracked<C>) -> Tracked<C> {
        let dims: [usize; 4] = map.shape().dims();
        let output = pooling::means(map.primitive().clone());
        match MeansBackward.prepare::<C>([map.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(dims, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }
}
