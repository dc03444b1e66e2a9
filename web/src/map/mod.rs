//! The map of a gallery as plain logic: places, picking, selections, colours, drawing into a picture.
//!
//! Nothing here knows the browser: `pages/explore` shows it, and the tests run natively.

pub mod camera;
pub mod colour;
pub mod data;
pub mod dates;
pub mod density;
pub mod export;
pub mod grid;
pub mod history;
pub mod palette;
pub mod place;
pub mod raster;
pub mod selection;
pub mod shape;
pub mod thumbnails;
