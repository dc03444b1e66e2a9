//! A map as the kernels read it that lay windows over it.

use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::layout;

/// Sizes and strides of a map, in elements.
#[derive(CubeLaunch, CubeType, Clone, Copy)]
pub(super) struct Input {
    pub channels: u32,
    pub height: u32,
    pub width: u32,
    pub by_image: u32,
    pub by_channel: u32,
    pub by_row: u32,
    pub by_column: u32,
}

/// What a launch says of a map.
pub(super) fn argument(map: &CubeTensor) -> InputLaunch {
    let [_, channels, height, width] = layout::dims(map).map(|size| size as u32);
    let strides = map.meta.strides();
    let [by_image, by_channel, by_row, by_column] = [0, 1, 2, 3].map(|axis| strides[axis] as u32);
    InputLaunch::new(channels, height, width, by_image, by_channel, by_row, by_column)
}

/// Whether a pixel is inside the map, and at which offset from its image's first value.
#[cube]
pub(super) fn pixel_at(y: i32, x: i32, input: &Input) -> (bool, u32) {
    let inside = y >= 0i32 && x >= 0i32 && y < input.height as i32 && x < input.width as i32;
    (inside, y as u32 * input.by_row + x as u32 * input.by_column)
}
