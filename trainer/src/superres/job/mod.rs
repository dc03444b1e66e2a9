//! Enlargements as files: pictures read, windows fitted and kept, PNGs and numbers written. The same job again goes on where it
//! was interrupted.

mod measured;
mod picture;
mod run;

pub use picture::{Named, Pictures};
pub use run::Job;
