//! Checks that cross crates live in this package's test targets: `numerics` (against PyTorch), `cli` (the trainer as a user
//! meets it, driven in process), `hostile` (damaged files). This library only holds what several need, `fuzz` among them.

pub mod hostile;

use std::path::{Path, PathBuf};

/// The repository's root, whatever the working directory.
#[must_use]
pub fn repository() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().map_or_else(|| package.to_owned(), Path::to_owned)
}
