//! Checks of `shared` from outside, in one binary: against PyTorch and Pillow, slow loops and old files.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod allocation;
mod bands_and_tiles;
mod compare;
#[cfg(feature = "flex")]
mod embedder;
mod leave_one_out;
mod old_files;
mod preprocess;
#[cfg(feature = "pytorch")]
mod pytorch;

/// A committed file.
fn fixture(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// A repeatable value from 0 to 1 for every `index`, the formula of the reference scripts: n / 255.
fn pattern(index: usize) -> f32 {
    ((index as u64 * 2_654_435_761) >> 13 & 255) as f32 / 255.0
}
