//! Many feature vectors on a device, in chunks, so that nothing of the size of all of them is ever made beside them.

use super::read;
use crate::parts::projection::l2_normalise;
use burn::tensor::{Device, Int, Tensor, TensorData};
use std::ops::Range;

/// Rows a chunk.
const CHUNK: usize = 4096;

/// Vectors `[count, width]`, chunk by chunk.
#[derive(Clone, Debug)]
pub struct Rows {
    /// Each `[at most CHUNK, width]`, none empty.
    chunks: Vec<Tensor<2>>,
    count: usize,
    width: usize,
}

impl Rows {
    /// `values` is row-major, a multiple of `width` long; its memory is given back as it becomes tensors, so that never
    /// more than a chunk is held twice.
    #[must_use]
    pub fn new(mut values: Vec<f32>, width: usize, device: &Device) -> Self {
        let count = values.len() / width;
        let mut chunks = Vec::new();
        while !values.is_empty() {
            let part = values.split_off((values.len() - 1) / (CHUNK * width) * CHUNK * width);
            values.shrink_to_fit();
            let shape = [part.len() / width, width];
            chunks.push(Tensor::from_data(TensorData::new(part, shape), device));
        }
        chunks.reverse();
        Self { chunks, count, width }
    }

    /// Number of vectors.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Values of a vector.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// The chunks in order, each `[n, width]`.
    pub fn chunks(&self) -> impl Iterator<Item = &Tensor<2>> {
        self.chunks.iter()
    }

    /// Every chunk through `change`, which keeps the number of rows: `[n, width]` → `[n, another width]`.
    #[must_use]
    pub fn map(self, change: impl Fn(Tensor<2>) -> Tensor<2>) -> Self {
        let chunks: Vec<Tensor<2>> = self.chunks.into_iter().map(change).collect();
        let width = chunks.first().map_or(self.width, |chunk| chunk.dims()[1]);
        Self { chunks, count: self.count, width }
    }

    /// Every row at length 1.
    #[must_use]
    pub fn normalised(self) -> Self {
        self.map(l2_normalise)
    }

    /// The rows with these indices, which ascend.
    #[must_use]
    pub fn subset(&self, indices: &[usize]) -> Self {
        let spans = self.chunks.iter().zip(self.spans());
        let picked = spans.filter_map(|(chunk, span)| {
            let from = indices.partition_point(|&index| index < span.start);
            let to = indices.partition_point(|&index| index < span.end);
            let own: Vec<i32> = indices[from..to].iter().map(|&index| (index - span.start) as i32).collect();
            let count = own.len();
            (count > 0).then(|| {
                let own = Tensor::<1, Int>::from_data(TensorData::new(own, [count]), &chunk.device());
                chunk.clone().select(0, own)
            })
        });
        Self { chunks: picked.collect(), count: indices.len(), width: self.width }
    }

    /// All values, row-major: `[count, width]`.
    #[must_use]
    pub fn values(&self) -> Vec<f32> {
        self.chunks.iter().flat_map(|chunk| read(chunk.clone())).collect()
    }

    /// Which rows each chunk holds.
    fn spans(&self) -> impl Iterator<Item = Range<usize>> {
        let mut start = 0;
        self.chunks.iter().map(move |chunk| {
            let span = start..start + chunk.dims()[0];
            start = span.end;
            span
        })
    }
}
