//! Max pooling of square windows, plane by plane.

use super::threads::{Output, for_each};

/// Sizes of a max pooling; padding never wins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolShape {
    /// Images times channels.
    pub planes: usize,
    /// Height and width of a plane.
    pub size: [usize; 2],
    /// Side of the window.
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
}

impl PoolShape {
    /// Height and width of a plane of the output; `None` when no window fits, or one may lie in the padding alone.
    pub(in crate::kernels) fn output_size(&self) -> Option<[usize; 2]> {
        let side = |size: usize| Some((size + 2 * self.padding).checked_sub(self.kernel)? / self.stride + 1);
        let sound = self.kernel > 0 && self.stride > 0 && self.padding * 2 <= self.kernel;
        if !sound || self.size.contains(&0) { None } else { Some([side(self.size[0])?, side(self.size[1])?]) }
    }

    /// The input rows (or columns) under window `index` of `size`.
    fn window(&self, index: usize, size: usize) -> std::ops::Range<usize> {
        let first = index * self.stride;
        first.saturating_sub(self.padding)..(first + self.kernel - self.padding).min(size)
    }

    /// Where in its plane each window's largest value lies, in the plane's order of windows: the first of equals, a
    /// not-a-number before everything.
    fn winners(&self, [height, width]: [usize; 2], plane: &[f32], mut found: impl FnMut(usize, usize)) {
        for row in 0..height {
            let rows = self.window(row, self.size[0]);
            for column in 0..width {
                let columns = self.window(column, self.size[1]);
                let mut best = rows.start * self.size[1] + columns.start;
                let mut value = plane[best];
                for line in rows.clone() {
                    let start = line * self.size[1];
                    for (offset, &candidate) in plane[start + columns.start..start + columns.end].iter().enumerate() {
                        if candidate > value || candidate.is_nan() {
                            (best, value) = (start + columns.start + offset, candidate);
                        }
                    }
                }
                found(row * width + column, best);
            }
        }
    }
}

/// The largest value of every window.
pub(in crate::kernels) fn forward(shape: &PoolShape, output: [usize; 2], x: &[f32]) -> Vec<f32> {
    let (plane, window_count) = (shape.size[0] * shape.size[1], output[0] * output[1]);
    let (result, target) = Output::reserve(shape.planes * window_count);
    for_each(shape.planes, |index| {
        let x = &x[index * plane..(index + 1) * plane];
        // SAFETY: this plane is written by this piece of work alone.
        let to = unsafe { target.part(index * window_count, window_count) };
        shape.winners(output, x, |window, winner| _ = to[window].write(x[winner]));
    });
    // SAFETY: every window of every plane was written.
    unsafe { Output::finish(result, shape.planes * window_count) }
}

/// The gradient of the input: each window's goes to its largest value.
pub(in crate::kernels) fn input_gradient(
    shape: &PoolShape,
    output: [usize; 2],
    x: &[f32],
    gradient: &[f32],
) -> Vec<f32> {
    let (plane, window_count) = (shape.size[0] * shape.size[1], output[0] * output[1]);
    let mut result = vec![0.0; x.len()];
    let target = Output::of(&mut result);
    for_each(shape.planes, |index| {
        let x = &x[index * plane..(index + 1) * plane];
        let gradient = &gradient[index * window_count..(index + 1) * window_count];
        // SAFETY: this plane is written by this piece of work alone, and was zero.
        let to = unsafe { std::slice::from_raw_parts_mut(target.at(index * plane), plane) };
        shape.winners(output, x, |window, winner| to[winner] += gradient[window]);
    });
    result
}
