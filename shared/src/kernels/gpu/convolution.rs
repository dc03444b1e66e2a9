//! Convolution and its data gradient as one implicit matrix product, channels last.
//!
//! A row of the product is a pixel of the output, a column a channel of it, and the sum runs over the taps of the window and the
//! channels of the input; the windows are never written out. A cube computes a tile of rows and columns: it fetches what the next
//! 16 terms of the sum need while it multiplies those at hand, which lie in shared memory.
//!
//! The data gradient is the same product with the window turned round. At stride `s` only every `s`-th tap meets a pixel of the
//! gradient, and which ones depends on the place modulo `s` alone: rows are counted per such class, so that nothing is multiplied
//! by zero.

mod product;

use burn_cubecl::tensor::CubeTensor;
use cubecl::client::Client;
use cubecl::prelude::*;

use super::{input, layout};
use product::{Fixed, SizesLaunch, Tiling, convolve};

/// Terms of the sum that are in shared memory at a time.
pub(super) const DEPTH: usize = 16;

/// What follows the product.
#[derive(Default)]
pub(super) struct Epilogue {
    /// Added to every channel, `[co]`.
    pub bias: Option<CubeTensor>,
    /// Added to the map, of its shape.
    pub shortcut: Option<CubeTensor>,
    /// `max(0, ·)` at the end.
    pub relu: bool,
}

/// Sizes of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Window {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub padding: [usize; 2],
}

impl Window {
    /// A window of one pixel.
    pub(super) const POINT: Self = Self { kernel: [1, 1], stride: [1, 1], padding: [0, 0] };

    /// Of a map of `size`; `None` where the window does not fit.
    pub(super) fn output(&self, size: [usize; 2]) -> Option<[usize; 2]> {
        let along = |axis: usize| {
            let room = (size[axis] + 2 * self.padding[axis]).checked_sub(self.kernel[axis])?;
            (self.stride[axis] > 0).then(|| room / self.stride[axis] + 1)
        };
        Some([along(0)?, along(1)?])
    }
}

/// `x` `[n, ci, h, w]`, `weight` `[co, ci, kh, kw]` → `[n, co, oh, ow]`, channels last.
pub(super) fn forward(
    x: CubeTensor,
    weight: CubeTensor,
    window: Window,
    output: [usize; 2],
    end: Epilogue,
) -> CubeTensor {
    let [n, _, ..] = layout::dims(&x);
    let [co, ci, ..] = layout::dims(&weight);
    let taps = window.kernel.iter().product::<usize>();
    launch(x, weight, [n, co, output[0], output[1]], [ci * taps, taps], window, Way::Forward(Box::new(end))).map
}

/// As [`forward`], without anything behind it, and the moments of the shares of every group: sample `i` is in group
/// `i % groups`.
pub(super) fn forward_with_moments(
    x: CubeTensor,
    weight: CubeTensor,
    window: Window,
    output: [usize; 2],
    groups: usize,
) -> Convolved {
    let [n, ..] = layout::dims(&x);
    let [co, ci, ..] = layout::dims(&weight);
    let taps = window.kernel.iter().product::<usize>();
    launch(x, weight, [n, co, output[0], output[1]], [ci * taps, taps], window, Way::Grouped(groups))
}

/// A map, and what [`forward_with_moments`] says of it.
pub(super) struct Convolved {
    pub map: CubeTensor,
    /// `[groups, shares, 2, channels]`: means and sums of squared deviations of [`share`] pixels each, in the order of samples in
    /// a group.
    pub parts: Option<CubeTensor>,
}

/// Pixels of a share, where the output has `rows` pixels and `columns` channels; a group's last share may have fewer.
pub(super) fn share(rows: usize, columns: usize, client: &Client) -> usize {
    Tiling::of(rows, columns, client).rows
}

/// What a launch computes.
enum Way {
    Forward(Box<Epilogue>),
    Grouped(usize),
    DataGradient,
}

/// The gradient of a convolution by its input of `size`: `gradient` `[n, co, oh, ow]` → `[n, ci, h, w]`, channels last.
pub(super) fn data_gradient(gradient: CubeTensor, weight: CubeTensor, window: Window, size: [usize; 2]) -> CubeTensor {
    let [n, ..] = layout::dims(&gradient);
    let [_, ci, ..] = layout::dims(&weight);
    let taps = window.kernel.iter().product::<usize>();
    launch(gradient, weight, [n, ci, size[0], size[1]], [taps, ci * taps], window, Way::DataGradient).map
}

fn launch(
    x: CubeTensor,
    weight: CubeTensor,
    out: [usize; 4],
    [weight_by_column, weight_by_channel]: [usize; 2],
    window: Window,
    way: Way,
) -> Convolved {
    let turned = matches!(way, Way::DataGradient);
    let (end, groups) = match way {
        Way::Forward(end) => (*end, None),
        Way::Grouped(groups) => (Epilogue::default(), Some(groups)),
        Way::DataGradient => (Epilogue::default(), None),
    };
    let dtype = x.dtype;
    let kind = layout::float_type(dtype).expect("a precision of these kernels");
    let [n, channels, ..] = layout::dims(&x);
    // A few channels are read one by one, as they lie; moving them would cost more.
    let x = if layout::vector(channels) == 4 { layout::channels_last(x) } else { x };
    let weight = layout::dense(weight);
    let output = layout::map(&x, out, dtype);
    let [_, columns, out_height, out_width] = out;
    let steps = if turned { window.stride } else { [1, 1] };
    // The first class has the most places.
    let rows = n / groups.unwrap_or(1) * out_height.div_ceil(steps[0]) * out_width.div_ceil(steps[1]);
    let classes = groups.unwrap_or(steps[0] * steps[1]);
    if rows * columns == 0 {
        return Convolved { map: output, parts: None };
    }
    let tiling = Tiling::of(rows * classes, columns, &x.client);
    let column_tiles = columns.div_ceil(tiling.columns);
    let tiles = rows.div_ceil(tiling.rows);
    let parts = groups.map(|groups| layout::plain(&x, &[groups, tiles, 2, columns], burn::tensor::DType::F32));
    let sizes = SizesLaunch::new(
        n as u32,
        input::argument(&x),
        columns as u32,
        out_height as u32,
        out_width as u32,
        weight_by_column as u32,
        weight_by_channel as u32,
        column_tiles as u32,
        groups.unwrap_or(1) as u32,
    );
    let fixed = Fixed { tiling, window, turned, relu: end.relu, grouped: groups.is_some() };
    let shortcut = end.shortcut.map(layout::channels_last);
    // SAFETY: the buffers are as large as the sizes say, and the kernel minds the edges of its tiles.
    unsafe {
        convolve::launch_unchecked(
            &x.client,
            layout::grid(tiles, column_tiles * classes),
            CubeDim::new_1d(tiling.units() as u32),
            layout::vector(channels),
            layout::vector(columns),
            layout::buffer(&x),
            layout::buffer(&weight),
            end.bias.map(|bias| layout::buffer(&layout::dense(bias))).into(),
            shortcut.map(|shortcut| layout::buffer(&shortcut)).into(),
            layout::buffer(&output),
            parts.as_ref().map(layout::buffer).into(),
            sizes,
            fixed,
            kind,
        );
    }
    Convolved { map: output, parts }
}
