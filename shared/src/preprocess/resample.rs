//! Separable resampling, the kernel behind every change of size.

use std::ops::Range;

use crate::tile::Tile;

/// What a pixel's neighbours weigh in a change of size, by their distance; widened when shrinking, against aliasing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// The triangle of bilinear interpolation.
    Triangle,
    /// Keys' cubic with a = −1/2 (IEEE ASSP 29, 1981), Pillow's `BICUBIC`.
    Bicubic,
    /// The sinc windowed by its own second lobe: what deep image priors are shrunk with.
    Lanczos2,
    /// The sinc windowed by its own third lobe, Pillow's `LANCZOS`.
    Lanczos3,
}

impl Filter {
    /// Distance from which on nothing counts.
    fn radius(self) -> f64 {
        match self {
            Self::Triangle => 1.0,
            Self::Bicubic | Self::Lanczos2 => 2.0,
            Self::Lanczos3 => 3.0,
        }
    }

    /// Weight at `distance`, which is not negative, before a span is brought to the sum 1.
    fn weight(self, distance: f64) -> f64 {
        match self {
            _ if distance >= self.radius() => 0.0,
            Self::Triangle => 1.0 - distance,
            Self::Bicubic if distance < 1.0 => (1.5 * distance - 2.5) * distance * distance + 1.0,
            Self::Bicubic => ((-0.5 * distance + 2.5) * distance - 4.0) * distance + 2.0,
            Self::Lanczos2 | Self::Lanczos3 => sinc(distance) * sinc(distance / self.radius()),
        }
    }
}

/// sin(πx) / πx
fn sinc(x: f64) -> f64 {
    let angle = std::f64::consts::PI * x;
    if x == 0.0 { 1.0 } else { angle.sin() / angle }
}

/// How one side of the output is made of one side of the input.
pub(super) struct Axis {
    /// For each output position, the input positions that it is a weighted sum of; never empty.
    spans: Vec<Range<usize>>,
    /// The weights of all spans, one after the other; those of a span sum to 1.
    weights: Vec<f32>,
}

impl Axis {
    /// All of `input_len` values → `output_len` values by a triangle.
    pub(super) fn whole(input_len: usize, output_len: usize) -> Self {
        Self::part(input_len, output_len, 0, output_len)
    }

    /// All of `input_len` values → `output_len` values by `filter`.
    pub(super) fn filtered(input_len: usize, output_len: usize, filter: Filter) -> Self {
        Self::spans(input_len, output_len, 0, output_len, filter)
    }

    /// `[outputs, input_len]`, row-major.
    pub(super) fn matrix(&self, input_len: usize) -> Vec<f32> {
        let mut matrix = vec![0.0; self.outputs() * input_len];
        let mut weights = self.weights.as_slice();
        for (row, span) in matrix.chunks_exact_mut(input_len).zip(&self.spans) {
            let (own, rest) = weights.split_at(span.len());
            weights = rest;
            row[span.clone()].copy_from_slice(own);
        }
        matrix
    }

    /// The `len` input values from `start` on → `output_len` values; nothing outside that window is read.
    pub(super) fn window(start: usize, len: usize, output_len: usize) -> Self {
        let mut axis = Self::whole(len, output_len);
        axis.spans.iter_mut().for_each(|span| *span = span.start + start..span.end + start);
        axis
    }

    /// Only the outputs `first .. first + count` of `input_len` values → `output_len` values, by a triangle.
    pub(super) fn part(input_len: usize, output_len: usize, first: usize, count: usize) -> Self {
        Self::spans(input_len, output_len, first, count, Filter::Triangle)
    }

    fn spans(input_len: usize, output_len: usize, first: usize, count: usize, filter: Filter) -> Self {
        let scale = input_len as f64 / output_len as f64; // input positions an output position
        let unit = scale.max(1.0); // the filter's own unit: wider than a pixel when shrinking
        let support = filter.radius() * unit;
        let mut axis = Self { spans: Vec::with_capacity(count), weights: Vec::with_capacity(3 * count) };
        let mut own = Vec::new();
        for output in first..first + count {
            let center = scale * (output as f64 + 0.5); // in input positions, pixel edges at whole numbers
            // truncation and clamping as Pillow and torch do, so that the same pixels take part
            let from = (center - support + 0.5).max(0.0) as usize;
            let to = ((center + support + 0.5) as usize).min(input_len);
            own.clear();
            own.extend((from..to).map(|at| filter.weight((at as f64 + 0.5 - center).abs() / unit)));
            let total: f64 = own.iter().sum();
            // pixels at the very foot of the filter are left out, so that a NaN there does no harm
            let head = own.iter().take_while(|weight| **weight == 0.0).count();
            let tail = own.iter().rev().take_while(|weight| **weight == 0.0).count();
            axis.spans.push(from + head..to - tail);
            axis.weights.extend(own[head..own.len() - tail].iter().map(|weight| (weight / total) as f32));
        }
        axis
    }

    fn outputs(&self) -> usize {
        self.spans.len()
    }

    /// The input positions that any output reads.
    fn reads(&self) -> Range<usize> {
        // spans are in ascending order
        let start = self.spans.first().map_or(0, |span| span.start);
        start..self.spans.last().map_or(start, |span| span.end)
    }

    /// `[input]` → `[outputs]`
    fn apply(&self, input: &[f32], output: &mut [f32]) {
        let mut weights = self.weights.as_slice();
        for (target, span) in output.iter_mut().zip(&self.spans) {
            let (own, rest) = weights.split_at(span.len());
            weights = rest;
            *target = match (&input[span.clone()], own) {
                // growing, and not changing at all, need no loop
                ([a], [u]) => a * u,
                ([a, b], [u, v]) => a * u + b * v,
                ([a, b, c], [u, v, w]) => a * u + b * v + c * w,
                (values, weights) => values.iter().zip(weights).map(|(value, weight)| value * weight).sum(),
            };
        }
    }
}

/// Resamples both sides: each row to its new width, then each column to its new height, as Pillow does.
///
/// # Shapes
/// `[bands, h, w]` → `[bands, rows.outputs, columns.outputs]`
pub(super) fn resample(tile: &Tile, rows: &Axis, columns: &Axis) -> Tile {
    let (height, width) = (rows.outputs(), columns.outputs());
    let read = rows.reads();
    let mut narrowed = vec![0.0f32; read.len() * width]; // [rows read, width], one band at a time
    let mut pixels = vec![0.0f32; tile.bands() * height * width];
    for (band, output) in pixels.chunks_exact_mut(height * width).enumerate() {
        let input = &tile.plane(band)[read.start * tile.width()..read.end * tile.width()];
        for (row, target) in input.chunks_exact(tile.width()).zip(narrowed.chunks_exact_mut(width)) {
            columns.apply(row, target);
        }
        let mut weights = rows.weights.iter();
        for (span, target) in rows.spans.iter().zip(output.chunks_exact_mut(width)) {
            let sources = narrowed[(span.start - read.start) * width..].chunks_exact(width);
            for (source, weight) in sources.take(span.len()).zip(&mut weights) {
                target.iter_mut().zip(source).for_each(|(sum, value)| *sum += weight * value);
            }
        }
    }
    Tile::from_parts(tile.bands(), height, width, pixels)
}
