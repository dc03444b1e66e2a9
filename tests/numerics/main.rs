//! Our numbers against PyTorch's. The generator of every golden is `tests/reference/goldens.py`.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod clustering;
mod devices;
mod dnc;
mod encoders;
mod kernels;
mod marta;
mod pattern;
mod schedules;
mod seco;
mod steps;
mod superres;
