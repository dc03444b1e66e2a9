//! The gradients of the kernels on these devices.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Cube, TensorMetadata};
use burn::tensor::Shape;
use burn_cubecl::tensor::CubeTensor;

use super::{MapKernels, as_map, convolves, normalises, pools, window};
use crate::kernels::extension::{SavedNorm, TileGradients};
use crate::kernels::gpu::convolution::Window;
use crate::kernels::gpu::normalisation::{self, Mask, Saved};
use crate::kernels::gpu::{convolution, layout, pooling, rows, weight_gradient};

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

/// What a linear layer keeps: the nodes of `x` and weight, and the output where `max(0, ·)` stood behind it.
#[derive(Debug)]
struct LinearBackward;

impl Backward<Cube, 3> for LinearBackward {
    type State = (NodeId, NodeId, Option<CubeTensor>);

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
        let gradient = gradients.consume::<Cube>(&ops.node);
        let (x, weight, output) = ops.state;
        let x = checkpointer.retrieve_node_output::<CubeTensor>(x);
        let weight = checkpointer.retrieve_node_output::<CubeTensor>(weight);
        let [by_x, by_weight, by_bias] = ops.parents;
        let [gradient, sums] = rows::passed_and_summed(gradient, output);
        let gradient = as_map(gradient);
        let matrix = |map: CubeTensor| {
            let [rows, columns, ..] = layout::dims(&map);
            Cube::float_reshape(map, Shape::new([rows, columns]))
        };
        if let Some(node) = by_x {
            let found = convolution::data_gradient(gradient.clone(), as_map(weight), Window::POINT, [1, 1]);
            gradients.register::<Cube>(node.id, matrix(found));
        }
        if let Some(node) = by_weight {
            let found = weight_gradient::weight_gradient(as_map(x), gradient, Window::POINT);
            gradients.register::<Cube>(node.id, matrix(found));
        }
        if let Some(node) = by_bias {
            gradients.register::<Cube>(node.id, sums);
        }
    }
}

#[derive(Debug)]
struct UnitRowsBackward;

impl Backward<Cube, 1> for UnitRowsBackward {
    /// The rows, and the lengths they had.
    type State = [CubeTensor; 2];

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<Cube>(&ops.node);
        if let [Some(node)] = ops.parents {
            gradients.register::<Cube>(node.id, rows::unit_rows_gradient(ops.state, gradient));
        }
    }
}

#[derive(Debug)]
struct KnownSlopeBackward;

impl Backward<Cube, 1> for KnownSlopeBackward {
    type State = CubeTensor;

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<Cube>(&ops.node);
        if let [Some(node)] = ops.parents {
            let rows = ops.state.meta.shape()[0];
            gradients.register::<Cube>(node.id, rows::scaled(ops.state, gradient, (rows as f64).recip()));
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

    fn map_linear(x: Tracked<C>, weight: Tracked<C>, bias: Tracked<C>, relu: bool) -> Tracked<C> {
        let primitive = |tensor: &Tracked<C>| tensor.primitive().clone();
        let output = Cube::map_linear(primitive(&x), primitive(&weight), primitive(&bias), relu);
        match LinearBackward.prepare::<C>([x.node(), weight.node(), bias.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&x), prep.checkpoint(&weight), relu.then(|| output.clone()));
                prep.finish(state, output)
            }
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }

    fn map_unit_rows(x: Tracked<C>) -> Tracked<C> {
        let [y, lengths] = rows::unit_rows(x.primitive().clone());
        match UnitRowsBackward.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish([y.clone(), lengths], y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn map_known_slope(x: Tracked<C>, slope: Tracked<C>, value: Tracked<C>) -> Tracked<C> {
        let (slope, value) = (slope.primitive().clone(), value.primitive().clone());
        match KnownSlopeBackward.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(slope, value),
            OpsKind::UnTracked(prep) => prep.finish(value),
        }
    }
}
