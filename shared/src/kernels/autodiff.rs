//! The gradients of the kernels, registered as single operations in Burn's autodiff graph.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::ops::{ActivationOps, ConvOptions, FloatTensorOps, ModuleOps};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, TensorMetadata};
use burn::tensor::Shape;

use super::extension::{Extra, SavedNorm, TileGradients, TileKernels};

type Tracked<B, C> = FloatTensor<Autodiff<B, C>>;

/// What a convolution keeps for its gradients: the nodes of `x` and `weight`, stride and padding.
type ConvState = (NodeId, NodeId, [usize; 2], [usize; 2]);

#[derive(Debug)]
struct ConvBackward;

impl ConvBackward {
    fn run<B: TileGradients, const N: usize>(
        ops: Ops<ConvState, N>,
        gradients: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<B>(&ops.node);
        let (x, weight, stride, padding) = ops.state;
        let x = checkpointer.retrieve_node_output::<FloatTensor<B>>(x);
        let weight = checkpointer.retrieve_node_output::<FloatTensor<B>>(weight);
        let wanted = [0, 1, 2].map(|index| ops.parents.get(index).is_some_and(Option::is_some));
        let found = B::conv_gradients(x, weight, gradient, stride, padding, wanted);
        for (parent, value) in ops.parents.into_iter().zip(found) {
            if let (Some(node), Some(value)) = (parent, value) {
                gradients.register::<B>(node.id, value);
            }
        }
    }
}

/// A convolution, and a batch normalisation, with and without its last parent.
macro_rules! backward {
    ($name:ident, $state:ty, [$($parents:literal),+]) => {$(
        impl<B: TileGradients> Backward<B, $parents> for $name {
            type State = $state;

            fn backward(
                self,
                ops: Ops<Self::State, $parents>,
                gradients: &mut Gradients,
                checkpointer: &mut Checkpointer,
            ) {
                Self::run::<B, $parents>(ops, gradients, checkpointer);
            }
        }
    )+};
}

backward!(ConvBackward, ConvState, [2, 3]);

/// What a batch normalisation keeps.
#[derive(Clone, Debug)]
struct NormState<T> {
    x: NodeId,
    gamma: NodeId,
    beta: T,
    mean: T,
    variance: T,
    output: Option<T>,
    groups: usize,
    relu: bool,
    epsilon: f64,
}

#[derive(Debug)]
struct NormBackward;

impl NormBackward {
    fn run<B: TileGradients, const N: usize>(
        ops: Ops<NormState<FloatTensor<B>>, N>,
        gradients: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<B>(&ops.node);
        let state = ops.state;
        let saved = SavedNorm {
            x: checkpointer.retrieve_node_output(state.x),
            gamma: checkpointer.retrieve_node_output(state.gamma),
            beta: state.beta,
            mean: state.mean,
            variance: state.variance,
            output: state.output,
            groups: state.groups,
            relu: state.relu,
            epsilon: state.epsilon,
        };
        for (parent, value) in ops.parents.into_iter().zip(B::norm_gradients(saved, gradient)) {
            if let Some(node) = parent {
                gradients.register::<B>(node.id, value);
            }
        }
    }
}

backward!(NormBackward, NormState<FloatTensor<B>>, [3, 4]);

#[derive(Debug)]
struct PoolBackward;

impl<B: TileGradients> Backward<B, 1> for PoolBackward {
    /// The node of `x`; kernel, stride and padding.
    type State = (NodeId, [usize; 3]);

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let (x, [kernel, stride, padding]) = ops.state;
        let x = checkpointer.retrieve_node_output::<FloatTensor<B>>(x);
        if let [Some(node)] = ops.parents {
            gradients.register::<B>(node.id, B::pool_gradient(x, gradient, kernel, stride, padding));
        }
    }
}

/// Registers an operation on the given tensors: `$state` is evaluated (with `$prep` to checkpoint through) only when
/// a gradient will be asked for.
macro_rules! register {
    ($backend:ty, $backward:ident, $strategy:ty, [$($parent:expr),+], |$prep:ident| $state:expr, $output:expr) => {
        match Backward::<$backend, _>::prepare::<$strategy>($backward, [$($parent.node()),+]).compute_bound().stateful() {
            OpsKind::Tracked(mut $prep) => {
                let state = $state;
                $prep.finish(state, $output)
            }
            OpsKind::UnTracked(prep) => prep.finish($output),
        }
    };
}

impl<B: TileGradients, C: CheckpointStrategy> TileKernels for Autodiff<B, C> {
    fn tile_conv2d(
        x: Tracked<B, C>,
        weight: Tracked<B, C>,
        bias: Extra<Self>,
        stride: [usize; 2],
        padding: [usize; 2],
    ) -> Tracked<B, C> {
        let bias = bias.into_option();
        let plain = bias.as_ref().map(|bias| bias.primitive());
        if !B::differentiates_conv(x.primitive(), weight.primitive(), plain, stride, padding) {
            return Self::conv2d(x, weight, bias, ConvOptions::new(stride, padding, [1, 1], 1));
        }
        let primitive = |tensor: &Tracked<B, C>| tensor.primitive().clone();
        let plain_bias = Extra::from_option(bias.as_ref().map(primitive));
        let output = B::tile_conv2d(primitive(&x), primitive(&weight), plain_bias, stride, padding);
        match bias {
            Some(bias) => register!(
                B,
                ConvBackward,
                C,
                [x, weight, bias],
                |prep| (prep.checkpoint(&x), prep.checkpoint(&weight), stride, padding),
                output
            ),
            None => register!(
                B,
                ConvBackward,
                C,
                [x, weight],
                |prep| (prep.checkpoint(&x), prep.checkpoint(&weight), stride, padding),
                output
            ),
        }
    }

    fn tile_conv2d_moments(
        x: Tracked<B, C>,
        weight: Tracked<B, C>,
        stride: [usize; 2],
        padding: [usize; 2],
        groups: usize,
    ) -> (Tracked<B, C>, Tracked<B, C>) {
        let primitive = |tensor: &Tracked<B, C>| tensor.primitive().clone();
        let (output, moments) = B::tile_conv2d_moments(primitive(&x), primitive(&weight), stride, padding, groups);
        let output = match B::differentiates_conv(x.primitive(), weight.primitive(), None, stride, padding) {
            true => register!(
                B,
                ConvBackward,
                C,
                [x, weight],
                |prep| (prep.checkpoint(&x), prep.checkpoint(&weight), stride, padding),
                output
            ),
            false => Self::conv2d(x, weight, None, ConvOptions::new(stride, padding, [1, 1], 1)),
        };
        (output, Self::from_inner(moments))
    }

    fn tile_batch_norm(
        x: Tracked<B, C>,
        gamma: Tracked<B, C>,
        beta: Tracked<B, C>,
        residual: Extra<Self>,
        moments: Extra<Self>,
        share: usize,
        groups: usize,
        relu: bool,
        epsilon: f64,
    ) -> (Tracked<B, C>, Tracked<B, C>, Tracked<B, C>) {
        let residual = residual.into_option();
        let maps = [Some(x.primitive()), residual.as_ref().map(|residual| residual.primitive())];
        if !B::differentiates_norm(maps, [gamma.primitive(), beta.primitive()]) {
            let dims: [usize; 4] = x.shape().dims();
            let [n, channels, height, width] = dims;
            let grouped = Self::float_reshape(x, Shape::new([n / groups, groups * channels, height, width]));
            let many = |values: Tracked<B, C>| match groups {
                1 => values,
                _ => Self::float_repeat_dim(values, 0, groups),
            };
            let result = Self::batch_norm_train(grouped, many(gamma), many(beta), epsilon);
            let output = Self::float_reshape(result.output, Shape::new(dims));
            let sum = match residual {
                Some(residual) => Self::float_add(output, residual),
                None => output,
            };
            let output = if relu { Self::relu(sum) } else { sum };
            return (output, result.mean, result.variance);
        }
        let primitive = |tensor: &Tracked<B, C>| tensor.primitive().clone();
        let (output, mean, variance) = B::tile_batch_norm(
            primitive(&x),
            primitive(&gamma),
            primitive(&beta),
            Extra::from_option(residual.as_ref().map(primitive)),
            Extra::from_option(moments.into_option().as_ref().map(primitive)),
            share,
            groups,
            relu,
            epsilon,
        );
        let state = |x: NodeId, gamma: NodeId, joined: bool| NormState {
            x,
            gamma,
            beta: beta.primitive().clone(),
            mean: mean.clone(),
            variance: variance.clone(),
            output: (relu && joined).then(|| output.clone()),
            groups,
            relu,
            epsilon,
        };
        let result = output.clone();
        let result = match residual {
            Some(residual) => register!(
                B,
                NormBackward,
                C,
                [x, gamma, beta, residual],
                |prep| state(prep.checkpoint(&x), prep.checkpoint(&gamma), true),
                result
            ),
            None => register!(
                B,
                NormBackward,
                C,
                [x, gamma, beta],
                |prep| state(prep.checkpoint(&x), prep.checkpoint(&gamma), false),
                result
            ),
        };
        (result, Self::from_inner(mean), Self::from_inner(variance))
    }

    fn tile_max_pool2d(x: Tracked<B, C>, kernel: usize, stride: usize, padding: usize) -> Tracked<B, C> {
        if !B::differentiates_pool(x.primitive(), kernel, stride, padding) {
            return Self::max_pool2d(x, [kernel; 2], [stride; 2], [padding; 2], [1, 1], false);
        }
        let output = B::tile_max_pool2d(x.primitive().clone(), kernel, stride, padding);
        register!(B, PoolBackward, C, [x], |prep| (prep.checkpoint(&x), [kernel, stride, padding]), output)
    }
}
