//! The gradients of the CPU kernels, registered as single operations in Burn's autodiff graph.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::ops::{ActivationOps, ConvOptions, FloatTensorOps, ModuleOps};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Flex, TensorMetadata};

use super::cpu::{convolution, normalisation, pooling, weight_gradient};
use super::flex::{Extra, TileKernels, conv_shape, norm_shape, pool_shape};
use super::values::{Values, all_single, dense, slice, tensor};

type Tracked<C> = FloatTensor<Autodiff<Flex, C>>;

/// What a convolution keeps for its gradients: the nodes of `x` and `weight`, stride and padding.
type ConvState = (NodeId, NodeId, [usize; 2], [usize; 2]);

#[derive(Debug)]
struct ConvBackward;

impl ConvBackward {
    fn run<const N: usize>(ops: Ops<ConvState, N>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
        let gradient = gradients.consume::<Flex>(&ops.node);
        let (x, weight, stride, padding) = ops.state;
        let x = checkpointer.retrieve_node_output::<Values>(x);
        let weight = checkpointer.retrieve_node_output::<Values>(weight);
        let wanted = [0, 1, 2].map(|index| ops.parents.get(index).is_some_and(Option::is_some));
        let found = conv_gradients(&x, &weight, &gradient, stride, padding, wanted);
        for (parent, value) in ops.parents.into_iter().zip([found.x, found.weight, found.bias]) {
            if let (Some(node), Some(value)) = (parent, value) {
                gradients.register::<Flex>(node.id, value);
            }
        }
    }
}

impl Backward<Flex, 2> for ConvBackward {
    type State = ConvState;

    fn backward(self, ops: Ops<ConvState, 2>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
        Self::run(ops, gradients, checkpointer);
    }
}

impl Backward<Flex, 3> for ConvBackward {
    type State = ConvState;

    fn backward(self, ops: Ops<ConvState, 3>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
        Self::run(ops, gradients, checkpointer);
    }
}

/// Gradients of a convolution, each computed only when asked for.
struct ConvGradients {
    x: Option<Values>,
    weight: Option<Values>,
    bias: Option<Values>,
}

fn conv_gradients(
    x: &Values,
    weight: &Values,
    gradient: &Values,
    stride: [usize; 2],
    padding: [usize; 2],
    wanted: [bool; 3],
) -> ConvGradients {
    let (x, weight, gradient) = (dense(x), dense(weight), dense(gradient));
    let (shape, output) = conv_shape(&x, &weight, stride, padding).expect("sizes that the forward pass accepted");
    let [dx, dw, db] = wanted;
    ConvGradients {
        x: dx.then(|| {
            let values = convolution::input_gradient(&shape, output, slice(&weight), slice(&gradient));
            tensor(values, [shape.n, shape.ci, shape.size[0], shape.size[1]])
        }),
        weight: dw.then(|| {
            let values = weight_gradient::weight_gradient(&shape, output, slice(&x), slice(&gradient));
            tensor(values, [shape.co, shape.ci, shape.kernel[0], shape.kernel[1]])
        }),
        bias: db.then(|| tensor(weight_gradient::bias_gradient(&shape, output, slice(&gradient)), [shape.co])),
    }
}

/// What a batch normalisation keeps: the nodes of `x` and `gamma`, mean, variance, what followed, and epsilon.
type NormState = (NodeId, NodeId, Values, Values, Followed, f64);

/// [`normalisation::Relu`] with its values.
#[derive(Clone, Debug)]
enum Followed {
    Nothing,
    /// `beta`.
    Relu(Values),
    /// The output.
    SumAndRelu(Values),
}

#[derive(Debug)]
struct NormBackward;

impl NormBackward {
    fn run<const N: usize>(ops: Ops<NormState, N>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
        let gradient = gradients.consume::<Flex>(&ops.node);
        let (x, gamma, mean, variance, followed, epsilon) = ops.state;
        let x = checkpointer.retrieve_node_output::<Values>(x);
        let gamma = checkpointer.retrieve_node_output::<Values>(gamma);
        let dims: [usize; 4] = x.shape().dims();
        let (x, gamma, dense_gradient) = (dense(&x), dense(&gamma), dense(&gradient));
        let relu = match &followed {
            Followed::Nothing => normalisation::Relu::None,
            Followed::Relu(beta) => normalisation::Relu::Alone(slice(beta)),
            Followed::SumAndRelu(output) => normalisation::Relu::Joined(slice(output)),
        };
        let saved = normalisation::Saved {
            x: slice(&x),
            gamma: slice(&gamma),
            mean: slice(&mean),
            variance: slice(&variance),
            relu,
            epsilon,
        };
        let shape = norm_shape(&x);
        let found = normalisation::backward(shape, &saved, slice(&dense_gradient));
        let channels = [shape.channels];
        let residual = found.residual.map_or(gradient, |values| tensor(values, dims));
        let found = [tensor(found.x, dims), tensor(found.gamma, channels), tensor(found.beta, channels), residual];
        for (parent, value) in ops.parents.into_iter().zip(found) {
            if let Some(node) = parent {
                gradients.register::<Flex>(node.id, value);
            }
        }
    }
}

impl Backward<Flex, 3> for NormBackward {
    type State = NormState;

    fn backward(self, ops: Ops<NormState, 3>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
        Self::run(ops, gradients, checkpointer);
    }
}

impl Backward<Flex, 4> for NormBackward {
    type State = NormState;

    fn backward(self, ops: Ops<NormState, 4>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
        Self::run(ops, gradients, checkpointer);
    }
}

#[derive(Debug)]
struct PoolBackward;

impl Backward<Flex, 1> for PoolBackward {
    /// The node of `x`; kernel, stride and padding.
    type State = (NodeId, [usize; 3]);

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
        let gradient = gradients.consume::<Flex>(&ops.node);
        let (x, [kernel, stride, padding]) = ops.state;
        let x = dense(&checkpointer.retrieve_node_output::<Values>(x));
        let (shape, output) = pool_shape(&x, kernel, stride, padding).expect("sizes that the forward pass accepted");
        if let [Some(node)] = ops.parents {
            let values = pooling::input_gradient(&shape, output, slice(&x), slice(&dense(&gradient)));
            let dims: [usize; 4] = x.shape().dims();
            gradients.register::<Flex>(node.id, tensor(values, dims));
        }
    }
}

/// Registers an operation on the given tensors: `$state` is evaluated (with `$prep` to checkpoint through) only when
/// a gradient will be asked for.
macro_rules! register {
    ($backward:ident, $strategy:ty, [$($parent:expr),+], |$prep:ident| $state:expr, $output:expr) => {
        match $backward.prepare::<$strategy>([$($parent.node()),+]).compute_bound().stateful() {
            OpsKind::Tracked(mut $prep) => {
                let state = $state;
                $prep.finish(state, $output)
            }
            OpsKind::UnTracked(prep) => prep.finish($output),
        }
    };
}

impl<C: CheckpointStrategy> TileKernels for Autodiff<Flex, C> {
    fn tile_conv2d(
        x: Tracked<C>,
        weight: Tracked<C>,
        bias: Extra<Self>,
        stride: [usize; 2],
        padding: [usize; 2],
    ) -> Tracked<C> {
        let bias = bias.into_option();
        let parts = [Some(&x), Some(&weight), bias.as_ref()];
        let single = parts.into_iter().flatten().all(|part| all_single(&[part.primitive()]));
        if !single || conv_shape(x.primitive(), weight.primitive(), stride, padding).is_none() {
            return Self::conv2d(x, weight, bias, ConvOptions::new(stride, padding, [1, 1], 1));
        }
        let primitive = |tensor: &Tracked<C>| tensor.primitive().clone();
        let plain_bias = Extra::from_option(bias.as_ref().map(primitive));
        let output = Flex::tile_conv2d(primitive(&x), primitive(&weight), plain_bias, stride, padding);
        match bias {
            Some(bias) => register!(
                ConvBackward,
                C,
                [x, weight, bias],
                |prep| (prep.checkpoint(&x), prep.checkpoint(&weight), stride, padding),
                output
            ),
            None => register!(
                ConvBackward,
                C,
                [x, weight],
                |prep| (prep.checkpoint(&x), prep.checkpoint(&weight), stride, padding),
                output
            ),
        }
    }

    fn tile_batch_norm(
        x: Tracked<C>,
        gamma: Tracked<C>,
        beta: Tracked<C>,
        residual: Extra<Self>,
        relu: bool,
        epsilon: f64,
    ) -> (Tracked<C>, Tracked<C>, Tracked<C>) {
        let residual = residual.into_option();
        let parts = [Some(&x), Some(&gamma), Some(&beta), residual.as_ref()];
        if !parts.into_iter().flatten().all(|part| all_single(&[part.primitive()])) {
            let result = Self::batch_norm_train(x, gamma, beta, epsilon);
            let sum = match residual {
                Some(residual) => Self::float_add(result.output, residual),
                None => result.output,
            };
            let output = if relu { Self::relu(sum) } else { sum };
            return (output, result.mean, result.variance);
        }
        let primitive = |tensor: &Tracked<C>| tensor.primitive().clone();
        let (output, mean, variance) = Flex::tile_batch_norm(
            primitive(&x),
            primitive(&gamma),
            primitive(&beta),
            Extra::from_option(residual.as_ref().map(primitive)),
            relu,
            epsilon,
        );
        let followed = match (relu, &residual) {
            (false, _) => Followed::Nothing,
            (true, None) => Followed::Relu(dense(beta.primitive())),
            (true, Some(_)) => Followed::SumAndRelu(output.clone()),
        };
        let (kept_mean, kept_variance) = (mean.clone(), variance.clone());
        let output = match residual {
            Some(residual) => register!(
                NormBackward,
                C,
                [x, gamma, beta, residual],
                |prep| (prep.checkpoint(&x), prep.checkpoint(&gamma), kept_mean, kept_variance, followed, epsilon),
                output
            ),
            None => register!(
                NormBackward,
                C,
                [x, gamma, beta],
                |prep| (prep.checkpoint(&x), prep.checkpoint(&gamma), kept_mean, kept_variance, followed, epsilon),
                output
            ),
        };
        (output, Self::from_inner(mean), Self::from_inner(variance))
    }

    fn tile_max_pool2d(x: Tracked<C>, kernel: usize, stride: usize, padding: usize) -> Tracked<C> {
        if pool_shape(x.primitive(), kernel, stride, padding).is_none() {
            return Self::max_pool2d(x, [kernel; 2], [stride; 2], [padding; 2], [1, 1], false);
        }
        let output = Flex::tile_max_pool2d(x.primitive().clone(), kernel, stride, padding);
        register!(PoolBackward, C, [x], |prep| (prep.checkpoint(&x), [kernel, stride, padding]), output)
    }
}
