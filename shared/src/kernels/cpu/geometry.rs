//! The sizes of a convolution, and how its passes read their input.

/// A 2-D convolution without dilation and groups: `[n, ci, h, w]` → `[n, co, oh, ow]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConvShape {
    /// Images.
    pub n: usize,
    /// Input channels.
    pub ci: usize,
    /// Input rows and columns.
    pub size: [usize; 2],
    /// Output channels.
    pub co: usize,
    /// Kernel rows and columns.
    pub kernel: [usize; 2],
    /// Step in rows and columns.
    pub stride: [usize; 2],
    /// Zeros on each side, in rows and columns.
    pub padding: [usize; 2],
}

impl ConvShape {
    /// Output rows and columns; `None` when the kernel does not fit.
    pub(crate) fn output_size(&self) -> Option<[usize; 2]> {
        let along = |axis: usize| {
            let room = (self.size[axis] + 2 * self.padding[axis]).checked_sub(self.kernel[axis])?;
            room.checked_div(self.stride[axis]).map(|steps| steps + 1)
        };
        Some([along(0)?, along(1)?])
    }

    pub(super) fn input_plane(&self) -> usize {
        self.size[0] * self.size[1]
    }

    /// Weights per output channel.
    pub(super) fn depth(&self) -> usize {
        self.ci * self.kernel[0] * self.kernel[1]
    }
}

/// One weight position: where it reads relative to a grid position, and which of the kernel's elements it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tap {
    pub shift: [isize; 2],
    pub element: usize,
}

/// Reading `channels` planes of `size` on a grid: grid position `p` and tap `t` read `p * step + t.shift`, zero
/// outside the plane.
#[derive(Clone, Debug)]
pub(super) struct Gather {
    pub channels: usize,
    pub size: [usize; 2],
    pub grid: [usize; 2],
    pub step: [usize; 2],
    pub taps: Vec<Tap>,
}

impl Gather {
    /// How the forward pass reads `x`.
    pub(super) fn forward(shape: &ConvShape, grid: [usize; 2]) -> Self {
        let mut taps = Vec::with_capacity(shape.kernel[0] * shape.kernel[1]);
        for row in 0..shape.kernel[0] {
            for column in 0..shape.kernel[1] {
                let shift = [row as isize - shape.padding[0] as isize, column as isize - shape.padding[1] as isize];
                taps.push(Tap { shift, element: row * shape.kernel[1] + column });
            }
        }
        Self { channels: shape.ci, size: shape.size, grid, step: shape.stride, taps }
    }

    /// How the input gradient at rows `phase[0] + i * stride[0]` and columns `phase[1] + j * stride[1]` reads the
    /// output gradient of size `output`; no taps when those inputs are used by no output.
    pub(super) fn backward(shape: &ConvShape, output: [usize; 2], phase: [usize; 2]) -> Self {
        // input = output * stride + element - padding, solved for the output.
        let along = |axis: usize| {
            let stride = shape.stride[axis] as isize;
            (0..shape.kernel[axis]).filter_map(move |element| {
                let distance = (phase[axis] + shape.padding[axis]) as isize - element as isize;
                (distance.rem_euclid(stride) == 0).then(|| (distance.div_euclid(stride), element))
            })
        };
        let taps = along(0)
            .flat_map(|(down, row)| {
                along(1)
                    .map(move |(right, column)| Tap { shift: [down, right], element: row * shape.kernel[1] + column })
            })
            .collect();
        let grid = [0, 1].map(|axis| (shape.size[axis] - phase[axis]).div_ceil(shape.stride[axis]));
        Self { channels: shape.co, size: output, grid, step: [1, 1], taps }
    }

    /// Grid positions per image.
    pub(super) fn positions(&self) -> usize {
        self.grid[0] * self.grid[1]
    }

    fn reach(&self, axis: usize) -> [isize; 2] {
        let shifts = || self.taps.iter().map(|tap| tap.shift[axis]);
        [shifts().min().unwrap_or(0), shifts().max().unwrap_or(0)]
    }

    /// How to read `rows` consecutive grid rows: in place when nothing is read outside the planes.
    pub(super) fn window(&self, rows: usize) -> Window {
        let [top, bottom] = self.reach(0);
        let [left, right] = self.reach(1);
        let last = [0, 1].map(|axis| ((self.grid[axis] - 1) * self.step[axis]) as isize);
        let inside = top >= 0
            && left >= 0
            && last[0] + bottom < self.size[0] as isize
            && last[1] + right < self.size[1] as isize;
        let (height, pitch) = if inside {
            (self.size[0], self.size[1])
        } else {
            ((rows - 1) * self.step[0] + (bottom - top) as usize + 1, last[1] as usize + (right - left) as usize + 1)
        };
        Window {
            in_place: inside,
            origin: [top, left],
            height,
            pitch,
            offsets: self
                .taps
                .iter()
                .map(|tap| (tap.shift[0] - top) as usize * pitch + (tap.shift[1] - left) as usize)
                .collect(),
        }
    }
}

/// Planes from which a block of grid rows is read without looking at borders.
#[derive(Debug)]
pub(super) struct Window {
    /// The input itself serves; otherwise [`Window::fill`] makes a copy surrounded by zeros.
    pub in_place: bool,
    /// The input row and column, relative to `first grid row * step`, at which a copy starts.
    origin: [isize; 2],
    pub height: usize,
    pub pitch: usize,
    /// Per tap, from the place of a grid position to the element it reads.
    pub offsets: Vec<usize>,
}

impl Window {
    pub(super) fn plane(&self) -> usize {
        self.height * self.pitch
    }

    /// Where the grid position at `row` (counted from the block's first row, `first_row`) and `column` is read, from
    /// the start of a plane.
    pub(super) fn place(&self, gather: &Gather, first_row: usize, row: usize, column: usize) -> usize {
        let [down, right] = gather.step;
        if self.in_place {
            let top = (first_row + row) * down + self.origin[0] as usize;
            top * self.pitch + column * right + self.origin[1] as usize
        } else {
            row * down * self.pitch + column * right
        }
    }

    /// Copies consecutive planes of the input (`source`, any number of whole planes) into `target`, from the input row
    /// that belongs to grid row `first_row`, zeros where there is none.
    pub(super) fn fill(&self, gather: &Gather, first_row: usize, source: &[f32], target: &mut [f32]) {
        let [height, width] = gather.size;
        let top = (first_row * gather.step[0]) as isize + self.origin[0];
        let left = self.origin[1];
        // Rows and columns of the copy that exist in the input.
        let inside = |start: isize, input: usize, copy: usize| {
            let end = (input as isize - start).clamp(0, copy as isize) as usize;
            (-start).clamp(0, end as isize) as usize..end
        };
        let (rows, columns) = (inside(top, height, self.height), inside(left, width, self.pitch));
        target.fill(0.0);
        if rows.is_empty() || columns.is_empty() {
            return;
        }
        let from = [rows.start.wrapping_add_signed(top), columns.start.wrapping_add_signed(left)];
        let part =
            Part { width, pitch: self.pitch, from, to: [rows.start, columns.start], size: [rows.len(), columns.len()] };
        let planes = source.chunks_exact(height * width).zip(target.chunks_exact_mut(self.plane()));
        // The usual widths are known sizes to the compiler, which spares a call per row.
        match if columns.len() == width { width } else { 0 } {
            2 => planes.for_each(|(input, copy)| part.copy_known::<2>(input, copy)),
            4 => planes.for_each(|(input, copy)| part.copy_known::<4>(input, copy)),
            8 => planes.for_each(|(input, copy)| part.copy_known::<8>(input, copy)),
            16 => planes.for_each(|(input, copy)| part.copy_known::<16>(input, copy)),
            32 => planes.for_each(|(input, copy)| part.copy_known::<32>(input, copy)),
            _ => planes.for_each(|(input, copy)| part.copy(input, copy)),
        }
    }
}

/// A rectangle of a plane (rows of `width`) that is copied to a plane with rows of `pitch`.
struct Part {
    width: usize,
    pitch: usize,
    from: [usize; 2],
    to: [usize; 2],
    size: [usize; 2],
}

impl Part {
    fn copy(&self, input: &[f32], copy: &mut [f32]) {
        let inputs = input[self.from[0] * self.width..].chunks(self.width);
        let copies = copy[self.to[0] * self.pitch..].chunks_mut(self.pitch);
        for (input, copy) in inputs.zip(copies).take(self.size[0]) {
            copy[self.to[1]..self.to[1] + self.size[1]]
                .copy_from_slice(&input[self.from[1]..self.from[1] + self.size[1]]);
        }
    }

    /// The same for whole rows of width `W`.
    #[inline(always)]
    fn copy_known<const W: usize>(&self, input: &[f32], copy: &mut [f32]) {
        let (inputs, _) = input.as_chunks::<W>();
        let copies = copy[self.to[0] * self.pitch..].chunks_mut(self.pitch);
        for (input, copy) in inputs[self.from[0]..self.from[0] + self.size[0]].iter().zip(copies) {
            if let Some(copy) = copy[self.to[1]..].first_chunk_mut::<W>() {
                *copy = *input;
            }
        }
    }
}
