//! Fine-tuning: an encoder and a linear head are trained on labels together, and the state that the validation part likes
//! best is tested.

mod config;
mod epoch;
mod labelled;
mod network;
#[cfg(test)]
mod tests;
mod train;

pub use config::FineTuneConfig;
pub use epoch::some_pictures;
pub use labelled::Labelled;
pub use train::{Tuned, fine_tune};
