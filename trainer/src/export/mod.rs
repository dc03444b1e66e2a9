//! A trained encoder on its way out: the model file for the browser, a gallery of embedded tiles, ONNX, and PyTorch.

mod atlas;
mod card;
mod gallery;
mod model;
pub mod onnx;
mod projection;
mod pytorch;

pub use atlas::{Thumbnails, thumbnails};
pub use gallery::{GALLERY_FILE, GalleryContent, build_gallery, order_by_place, pick_balanced, write_gallery};
pub use model::{Agreement, agreement, embed, error_bound, model_bytes};
pub use projection::{principal_components, tsne};
pub use pytorch::write_pytorch;
