//! Solstice in the browser: a page that shows, and workers that compute.
//!
//! The page (feature `ui`) knows no tensors: it speaks the messages of [`engine::protocol`] with a module worker, which
//! owns a device and the model (feature `cpu` or `gpu`; `engine::runtime` alone names Burn). Without features, what is left is plain logic, tested
//! natively: `cargo test -p web --no-default-features`.

pub mod archive;
pub mod decimal;
pub mod engine;
pub mod label;
pub mod map;
pub mod order;
pub mod problem;
pub mod project;
pub mod report;
pub mod scene;
pub mod scope;
pub mod season;
pub mod side_by_side;
pub mod stack;
pub mod state;
pub mod wording;

#[cfg(feature = "ui")]
pub mod app;
#[cfg(feature = "ui")]
pub mod catalogue;
#[cfg(feature = "ui")]
pub mod components;
#[cfg(feature = "ui")]
pub mod compress;
#[cfg(feature = "ui")]
pub mod download;
#[cfg(feature = "ui")]
pub mod fetch;
#[cfg(feature = "ui")]
pub mod kept;
#[cfg(feature = "ui")]
pub mod offline;
#[cfg(feature = "ui")]
pub mod pages;
#[cfg(feature = "ui")]
pub mod pause;
#[cfg(feature = "ui")]
pub mod route;
#[cfg(feature = "ui")]
pub mod session;
#[cfg(feature = "ui")]
pub mod stored;
