//! Batch normalisation with the statistics of interleaved groups of a batch, what follows it, and its gradients.
//!
//! Statistics are taken in two steps: shares of the pixels by as many cubes as fill the chip, then the shares of each channel in
//! their order, so that the result does not depend on which cube was first. A share's squares are about a value of its own, as
//! squares of values far from zero lose what distinguishes them.

mod passes;

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::layout;
use passes::{
    Fixed, SizesLaunch, join_gradients, join_moments, normalise, normalise_gradient, share_gradients, share_moments,
};

/// Units of a cube.
const UNITS: usize = 256;
/// Cubes that fill a large chip.
const ENOUGH_CUBES: usize = 512;
/// Channels beside each other where shares are summed.
const SUMMED_BESIDE: usize = 32;

/// What stands behind the normalisation, as its gradient must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Mask {
    /// Nothing, or a sum.
    Open,
    /// `max(0, ·)` of the normalised value, which is computed again.
    Normalised,
    /// `max(0, ·)` of a sum: the output says which values passed.
    Output,
}

/// How the pixels of a map are dealt out.
struct Plan {
    dims: [usize; 4],
    groups: usize,
    /// Values in a vector.
    vector: usize,
    beside: usize,
    /// Pixels of a group, of a share, and how many shares.
    rows: usize,
    share: usize,
    shares: usize,
}

impl Plan {
    fn of(dims: [usize; 4], groups: usize) -> Self {
        let [n, channels, height, width] = dims;
        let vector = layout::vector(channels);
        let beside = (channels / vector).next_power_of_two().min(32);
        let rows = n / groups * height * width;
        let across = groups * (channels / vector).div_ceil(beside);
        let lines = UNITS / beside;
        // A cube has four rows for each of its lines at least.
        let shares = ENOUGH_CUBES.div_ceil(across).min(rows.div_ceil(4 * lines)).max(1);
        let share = rows.div_ceil(shares).max(1);
        Self { dims, groups, vector, beside, rows, share, shares: rows.div_ceil(share).max(1) }
    }

    /// Sizes for kernels that move `vector` values at a time.
    fn sizes(&self, vector: usize) -> SizesLaunch {
        let [_, channels, height, width] = self.dims;
        SizesLaunch::new(
            (channels / vector) as u32,
            (height * width) as u32,
            self.groups as u32,
            self.rows as u32,
            self.share as u32,
            self.shares as u32,
        )
    }

    fn fixed(&self, mask: Mask) -> Fixed {
        Fixed { beside: self.beside, whole: self.groups == 1, mask }
    }

    fn share_grid(&self) -> CubeCount {
        let columns = (self.dims[1] / self.vector).div_ceil(self.beside);
        CubeCount::Static(self.shares as u32, self.groups as u32, columns as u32)
    }

    fn total(&self) -> usize {
        self.dims.iter().product::<usize>() / self.vector
    }
}

/// Output, and mean and biased variance of every group, `[groups · c]`.
pub(super) struct Normalised {
    pub output: CubeTensor,
    pub means: CubeTensor,
    pub variances: CubeTensor,
}

/// Moments of the shares of every group, where what made the map wrote them down.
pub(super) struct Parts {
    /// `[groups, shares, 2, c]`
    pub moments: CubeTensor,
    /// Pixels of a share.
    pub share: usize,
}

/// `x` and `shortcut` `[n, c, h, w]`, `gamma` and `beta` `[c]` in single precision; sample `i` is in group `i % groups`.
pub(super) fn forward(
    x: CubeTensor,
    [gamma, beta]: [CubeTensor; 2],
    shortcut: Option<CubeTensor>,
    parts: Option<Parts>,
    groups: usize,
    relu: bool,
    epsilon: f64,
) -> Normalised {
    let kind = layout::float_type(x.dtype).expect("a precision of these kernels");
    let (x, gamma, beta) = (layout::channels_last(x), layout::dense(gamma), layout::dense(beta));
    let shortcut = shortcut.map(layout::channels_last);
    let dims = layout::dims(&x);
    let mut plan = Plan::of(dims, groups);
    let channels = dims[1];
    let [means, variances] = [(); 2].map(|()| layout::plain(&x, &[groups * channels], DType::F32));
    let is_known = parts.is_some();
    let parts = match parts {
        Some(parts) => {
            (plan.share, plan.shares) = (parts.share, plan.rows.div_ceil(parts.share));
            parts.moments
        }
        None => layout::plain(&x, &[groups, plan.shares, 2, channels], DType::F32),
    };
    let output = layout::map(&x, dims, x.dtype);
    if plan.total() == 0 {
        return Normalised { output, means, variances };
    }
    // SAFETY: the buffers are as large as the sizes say.
    unsafe {
        if !is_known {
            share_moments::launch_unchecked(
                &x.client,
                plan.share_grid(),
                CubeDim::new_1d(UNITS as u32),
                plan.vector,
                layout::buffer(&x),
                layout::buffer(&parts),
                plan.sizes(plan.vector),
                plan.fixed(Mask::Open),
                kind,
            );
        }
        join_moments::launch_unchecked(
            &x.client,
            CubeCount::Static(channels.div_ceil(SUMMED_BESIDE) as u32, groups as u32, 1),
            CubeDim::new_1d(UNITS as u32),
            layout::buffer(&parts),
            layout::buffer(&means),
            layout::buffer(&variances),
            plan.sizes(1),
        );
        normalise::launch_unchecked(
            &x.client,
            layout::grid(plan.total().div_ceil(UNITS), 1),
            CubeDim::new_1d(UNITS as u32),
            plan.vector,
            layout::buffer(&x),
            layout::buffer(&gamma),
            layout::buffer(&beta),
            layout::buffer(&means),
            layout::buffer(&variances),
            shortcut.map(|shortcut| layout::buffer(&shortcut)).into(),
            layout::buffer(&output),
            epsilon as f32,
            plan.total() as u32,
            plan.sizes(plan.vector),
            relu,
            kind,
        );
    }
    Normalised { output, means, variances }
}

/// What a forward pass left.
pub(super) struct Saved {
    pub x: CubeTensor,
    pub gamma: CubeTensor,
    pub beta: CubeTensor,
    pub means: CubeTensor,
    pub variances: CubeTensor,
    /// Where [`Mask::Output`] needs it.
    pub output: Option<CubeTensor>,
    pub mask: Mask,
    pub groups: usize,
    pub epsilon: f64,
}

/// Gradients by `x`, γ, β, and the shortcut where it is another than the incoming one.
pub(super) struct Gradients {
    pub x: CubeTensor,
    pub gamma: CubeTensor,
    pub beta: CubeTensor,
    pub shortcut: Option<CubeTensor>,
}

pub(super) fn backward(saved: Saved, gradient: CubeTensor) -> Gradients {
    let kind = layout::float_type(saved.x.dtype).expect("a precision of these kernels");
    let x = layout::channels_last(saved.x);
    let gradient = layout::channels_last(gradient);
    let output = saved.output.map(layout::channels_last);
    let (gamma, beta) = (layout::dense(saved.gamma), layout::dense(saved.beta));
    let dims = layout::dims(&x);
    let plan = Plan::of(dims, saved.groups);
    let channels = dims[1];
    let parts = layout::plain(&x, &[saved.groups, plan.shares, 2, channels], DType::F32);
    let sums = layout::plain(&x, &[saved.groups, 2, channels], DType::F32);
    let [by_gamma, by_beta] = [(); 2].map(|()| layout::plain(&x, &[channels], DType::F32));
    let by_x = layout::map(&x, dims, x.dtype);
    // A sum without `max(0, ·)` passes the gradient as it is.
    let shortcut = (saved.mask == Mask::Output).then(|| layout::map(&x, dims, x.dtype));
    let found = |shortcut| Gradients { x: by_x.clone(), gamma: by_gamma.clone(), beta: by_beta.clone(), shortcut };
    if plan.total() == 0 {
        return found(shortcut);
    }
    let fixed = plan.fixed(saved.mask);
    // SAFETY: the buffers are as large as the sizes say.
    unsafe {
        share_gradients::launch_unchecked(
            &x.client,
            plan.share_grid(),
            CubeDim::new_1d(UNITS as u32),
            plan.vector,
            layout::buffer(&x),
            layout::buffer(&gradient),
            output.as_ref().map(layout::buffer).into(),
            layout::buffer(&gamma),
            layout::buffer(&beta),
            layout::buffer(&saved.means),
            layout::buffer(&saved.variances),
            layout::buffer(&parts),
            saved.epsilon as f32,
            plan.sizes(plan.vector),
            fixed,
            kind,
        );
        join_gradients::launch_unchecked(
            &x.client,
            CubeCount::Static(channels.div_ceil(SUMMED_BESIDE) as u32, 1, 1),
            CubeDim::new_1d(UNITS as u32),
            layout::buffer(&parts),
            layout::buffer(&sums),
            layout::buffer(&by_gamma),
            layout::buffer(&by_beta),
            plan.sizes(1),
        );
        normalise_gradient::launch_unchecked(
            &x.client,
            layout::grid(plan.total().div_ceil(UNITS), 1),
            CubeDim::new_1d(UNITS as u32),
            plan.vector,
            layout::buffer(&x),
            layout::buffer(&gradient),
            output.as_ref().map(layout::buffer).into(),
            layout::buffer(&gamma),
            layout::buffer(&beta),
            layout::buffer(&saved.means),
            layout::buffer(&saved.variances),
            layout::buffer(&sums),
            layout::buffer(&by_x),
            shortcut.as_ref().map(layout::buffer).into(),
            saved.epsilon as f32,
            plan.total() as u32,
            plan.sizes(plan.vector),
            fixed,
            kind,
        );
    }
    found(shortcut)
}
