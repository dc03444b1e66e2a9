//! Solstice in the browser: a page that shows, and workers that compute.
//!
//! The page (feature `ui`) knows no tensors: it speaks the messages of [`engine::protocol`] with a module worker, which
//! owns a device and the model (feature `cpu` or `gpu`; [`engine::runtime`] alone names Burn).

pub mod engine;
pub mod problem;

#[cfg(feature = "ui")]
pub mod app;
#[cfg(feature = "ui")]
pub mod catalogue;
#[cfg(feature = "ui")]
pub mod components;
#[cfg(feature = "ui")]
pub mod download;
#[cfg(feature = "ui")]
pub mod fetch;
#[cfg(feature = "ui")]
pub mod pages;
#[cfg(feature = "ui")]
pub mod route;
#[cfg(feature = "ui")]
pub mod session;
#[cfg(feature = "ui")]
pub mod state;
