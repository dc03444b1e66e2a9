//! How a sharp picture becomes the coarse one that was seen: an anti-aliased reduction, with its gradient.
//!
//! A reduction is a sum over rows and one over columns, so it is two small matrices. Unlike a strided convolution they are
//! exact for every scale and at the borders, and they are the project's one change of size.

use burn::tensor::{Device, Tensor, TensorData};
use shared::preprocess::{Filter, resize_matrix, resize_with};
use shared::tile::Tile;

/// The filter of the reduction, as in the authors' code.
const REDUCTION: Filter = Filter::Lanczos2;
/// The filter of the enlargement that the generator's residual is added to.
const ENLARGEMENT: Filter = Filter::Bicubic;

/// `tile` at `height` × `width`, smaller than before.
#[must_use]
pub fn reduce(tile: &Tile, height: usize, width: usize) -> Tile {
    resize_with(tile, height, width, REDUCTION)
}

/// `tile` at `height` × `width`, larger than before.
#[must_use]
pub fn enlarge(tile: &Tile, height: usize, width: usize) -> Tile {
    resize_with(tile, height, width, ENLARGEMENT)
}

/// One step of iterative back-projection (Irani and Peleg 1991): what `fine` lacks of `low` when it is reduced, enlarged
/// and added.
#[must_use]
pub fn project_back(fine: &Tile, low: &Tile) -> Tile {
    let reduced = reduce(fine, low.height(), low.width());
    let mut lack = low.clone();
    subtract(&mut lack, &reduced);
    let lack = enlarge(&lack, fine.height(), fine.width());
    let mut result = fine.clone();
    for band in 0..fine.bands() {
        result.plane_mut(band).iter_mut().zip(lack.plane(band)).for_each(|(value, lack)| *value += lack);
    }
    result
}

/// What is left of `tile` when it went through `height` × `width`: the detail that a coarser picture does not have.
pub(super) fn detail(tile: &Tile, height: usize, width: usize) -> Tile {
    let coarse = enlarge(&reduce(tile, height, width), tile.height(), tile.width());
    let mut detail = tile.clone();
    subtract(&mut detail, &coarse);
    detail
}

/// `tile` − `other`, which has the same size.
fn subtract(tile: &mut Tile, other: &Tile) {
    for band in 0..tile.bands() {
        tile.plane_mut(band).iter_mut().zip(other.plane(band)).for_each(|(value, other)| *value -= other);
    }
}

/// A change of size that gradients pass through.
#[derive(Clone, Debug)]
pub struct Resampler {
    /// `[height', height]`
    rows: Tensor<2>,
    /// `[width, width']`
    columns: Tensor<2>,
}

impl Resampler {
    /// From one size to another; tensors and `device` are both plain or both with autodiff.
    #[must_use]
    pub fn new(from: [usize; 2], to: [usize; 2], filter: Filter, device: &Device) -> Self {
        let matrix = |side: usize| {
            let values = resize_matrix(from[side], to[side], filter);
            Tensor::<2>::from_data(TensorData::new(values, [to[side], from[side]]), device)
        };
        Self { rows: matrix(0), columns: matrix(1).transpose() }
    }

    /// The reduction of a sharp picture.
    #[must_use]
    pub fn reduction(from: [usize; 2], to: [usize; 2], device: &Device) -> Self {
        Self::new(from, to, REDUCTION, device)
    }

    /// The enlargement of a coarse picture.
    #[must_use]
    pub fn enlargement(from: [usize; 2], to: [usize; 2], device: &Device) -> Self {
        Self::new(from, to, ENLARGEMENT, device)
    }

    /// `[n, c, h, w]` → `[n, c, h', w']`
    #[must_use]
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [n, c, h, w] = x.dims();
        let ([height, _], [_, width]) = (self.rows.dims(), self.columns.dims());
        let x = x.reshape([n * c * h, w]).matmul(self.columns.clone()).reshape([n * c, h, width]);
        self.rows.clone().unsqueeze::<3>().matmul(x).reshape([n, c, height, width])
    }
}
