//! The running statistics of batch normalisations.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::layout;

/// Units of a cube.
const UNITS: usize = 64;
/// Layers of a launch at most: more make kernels that take long to compile.
const MOST: usize = 48;

/// Means and variances of one layer.
#[derive(CubeLaunch, CubeType)]
struct Blended {
    means: Box<[f32]>,
    variances: Box<[f32]>,
    old_mean: Box<[f32]>,
    old_variance: Box<[f32]>,
    new_mean: Box<[f32]>,
    new_variance: Box<[f32]>,
    channels: u32,
    /// Groups of each batch.
    groups: u32,
    unbias: f32,
}

/// `old ← old · (1 - momentum) + momentum · mean over the groups of a batch`, batch after batch, of means and (times `unbias`) of
/// variances. Layers are counted by the second axis of the launch.
#[cube(launch_unchecked)]
fn blend_all(layers: &mut Sequence<Blended>, batches: u32, momentum: f32) {
    let count = layers.len();
    #[unroll]
    for i in 0..count {
        let layer = layers.index_mut(i);
        let channel = CUBE_POS_X * comptime!(UNITS as u32) + UNIT_POS;
        if CUBE_POS_Y == comptime!(i as u32) && channel < layer.channels {
            let at = channel as usize;
            let share = momentum / f32::cast_from(layer.groups);
            let mut mean = layer.old_mean[at];
            let mut variance = layer.old_variance[at];
            for batch in 0..batches {
                let mut means = 0.0f32;
                let mut variances = 0.0f32;
                for group in 0..layer.groups {
                    let from = ((batch * layer.groups + group) * layer.channels + channel) as usize;
                    means += layer.means[from];
                    variances += layer.variances[from];
                }
                mean = mean * (1.0f32 - momentum) + means * share;
                variance = variance * (1.0f32 - momentum) + variances * layer.unbias * share;
            }
            layer.new_mean[at] = mean;
            layer.new_variance[at] = variance;
        }
    }
}

/// A layer's running mean and variance, `[c]`, and those of every group of every batch, `[batches · groups · c]`.
pub(super) struct Layer {
    pub old: [CubeTensor; 2],
    pub fresh: [CubeTensor; 2],
    pub unbias: f64,
}

/// The running means and variances after the batches.
pub(super) fn blend(layers: Vec<Layer>, momentum: f64, batches: usize) -> Vec<[CubeTensor; 2]> {
    let Some(first) = layers.first() else { return Vec::new() };
    let client = first.old[0].client.clone();
    let together = layout::together(&first.old[0], 6).min(MOST);
    let mut results = Vec::with_capacity(layers.len());
    for part in layers.chunks(together) {
        let mut slots = SequenceArg::new();
        let mut widest = 0;
        for layer in part {
            let channels = layer.old[0].meta.shape().num_elements();
            let groups = layer.fresh[0].meta.shape().num_elements() / channels / batches;
            let new = [(); 2].map(|()| layout::plain(&layer.old[0], &[channels], DType::F32));
            let [old_mean, old_variance] = layer.old.clone().map(layout::dense);
            slots.push(BlendedLaunch::new(
                layout::buffer(&layer.fresh[0]),
                layout::buffer(&layer.fresh[1]),
                layout::buffer(&old_mean),
                layout::buffer(&old_variance),
                layout::buffer(&new[0]),
                layout::buffer(&new[1]),
                channels as u32,
                groups as u32,
                layer.unbias as f32,
            ));
            widest = widest.max(channels);
            results.push(new);
        }
        // SAFETY: the buffers are as large as the sizes say.
        unsafe {
            blend_all::launch_unchecked(
                &client,
                CubeCount::Static(widest.div_ceil(UNITS) as u32, part.len() as u32, 1),
                CubeDim::new_1d(UNITS as u32),
                slots,
                batches as u32,
                momentum as f32,
            );
        }
    }
    results
}
