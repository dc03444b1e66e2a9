//! The running statistics of a batch normalisation.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::layout;

/// Units of a cube.
const UNITS: usize = 64;

/// `old · (1 - momentum) + momentum · mean over the groups`, of means and (times `unbias`) of variances.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments, reason = "buffers of a kernel")]
fn blend_both(
    means: &[f32],
    variances: &[f32],
    old_mean: &[f32],
    old_variance: &[f32],
    new_mean: &mut [f32],
    new_variance: &mut [f32],
    channels: u32,
    groups: u32,
    momentum: f32,
    unbias: f32,
) {
    let channel = ABSOLUTE_POS as u32;
    if channel < channels {
        let mut mean = 0.0f32;
        let mut variance = 0.0f32;
        for group in 0..groups {
            mean += means[(group * channels + channel) as usize];
            variance += variances[(group * channels + channel) as usize];
        }
        let share = momentum / f32::cast_from(groups);
        let at = channel as usize;
        new_mean[at] = old_mean[at] * (1.0f32 - momentum) + mean * share;
        new_variance[at] = old_variance[at] * (1.0f32 - momentum) + variance * unbias * share;
    }
}

/// `old` and the result are mean and variance, `[c]`; `fresh` those of every group, `[groups · c]`.
pub(super) fn blend(
    old: [CubeTensor; 2],
    [means, variances]: [CubeTensor; 2],
    momentum: f64,
    unbias: f64,
) -> [CubeTensor; 2] {
    let [old_mean, old_variance] = old.map(layout::dense);
    let channels = old_mean.meta.shape()[0];
    let groups = means.meta.shape()[0] / channels;
    let new = [(); 2].map(|()| layout::plain(&means, &[channels], DType::F32));
    // SAFETY: the buffers are as large as the sizes say.
    unsafe {
        blend_both::launch_unchecked(
            &means.client,
            CubeCount::Static(channels.div_ceil(UNITS) as u32, 1, 1),
            CubeDim::new_1d(UNITS as u32),
            layout::buffer(&means),
            layout::buffer(&variances),
            layout::buffer(&old_mean),
            layout::buffer(&old_variance),
            layout::buffer(&new[0]),
            layout::buffer(&new[1]),
            channels as u32,
            groups as u32,
            momentum as f32,
            unbias as f32,
        );
    }
    new
}
