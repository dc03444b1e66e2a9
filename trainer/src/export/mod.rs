//! A trained encoder on its way out: the model file for the browser, a gallery of embedded tiles, ONNX, and PyTorch.

mod atlas;
mod card;
mod embedded;
mod gallery;
mod job;
mod model;
pub mod onnx;
mod projection;
mod pytorch;
mod readout_and_head;
mod rows;
mod tuned;

pub use atlas::{Thumbnails, display_planes, thumbnails};
pub use embedded::Embedding;
pub use gallery::{GALLERY_FILE, GalleryContent, build_gallery, order_by_place, pick_balanced, write_gallery};
pub use job::Export;
pub use model::{Agreement, agreement, embed, error_bound, model_bytes};
pub use projection::{principal_components, tsne};
pub use pytorch::write_pytorch;
pub use tuned::TunedModel;
