//! Checkpoints: everything a run needs to go on bit for bit, in one safetensors file that is replaced atomically.

use anyhow::{Context, ensure};
use safetensors::{Dtype, SafeTensors, View};
use serde::{Serialize, de::DeserializeOwned};
use shared::tensors::{NamedTensor, TensorMap, into_map};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::{self, File};
use std::path::Path;

/// Raised with every change of the layout; a file of another version is refused.
const VERSION: u32 = 1;

/// What stands under the key. NOTE: one entry only, since safetensors writes several in an order drawn at random, and equal
/// runs shall give equal files.
#[derive(Serialize, serde::Deserialize)]
struct Versioned<D> {
    version: u32,
    content: D,
}

/// Enough to tell the version of a file whose content this program may not know.
#[derive(serde::Deserialize)]
struct VersionOnly {
    version: u32,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Progress {
    /// Optimiser steps done.
    pub step: usize,
    /// Bits of the sum (f64) of this epoch's losses so far.
    pub epoch_loss_bits: u64,
}

/// Writes tensors and a JSON description under `key` to `path`: to a temporary name first, synced, then renamed.
///
/// # Errors
/// When the disk refuses (full, read-only); an older file at `path` is then untouched.
pub fn write(path: &Path, key: &str, description: &impl Serialize, tensors: &[NamedTensor]) -> anyhow::Result<()> {
    let description = serde_json::to_string(&Versioned { version: VERSION, content: description })?;
    let metadata = HashMap::from([(key.to_owned(), description)]);
    let temporary = path.with_extension("safetensors.tmp");
    let written = (|| -> anyhow::Result<()> {
        let views = tensors.iter().map(|tensor| (tensor.name.as_str(), Floats(tensor)));
        // NOTE: safetensors' own writer to a file makes it unreadable for others.
        fs::write(&temporary, safetensors::serialize(views, Some(metadata))?)?;
        File::open(&temporary)?.sync_all()?;
        Ok(fs::rename(&temporary, path)?)
    })();
    written.with_context(|| {
        // Half a file is of no use to anyone.
        let _ = fs::remove_file(&temporary);
        format!(
            "cannot write {}\nhint: is the disk full or read-only? the previous checkpoint is untouched",
            path.display()
        )
    })
}

/// Reads what [`write`] wrote.
///
/// # Errors
/// When the file is missing, damaged, or of another kind or version.
pub fn read<D: DeserializeOwned>(path: &Path, key: &str) -> anyhow::Result<(D, TensorMap)> {
    let bytes =
        fs::read(path).with_context(|| format!("cannot read {}\nhint: is this the right path?", path.display()))?;
    decode(&bytes, key).with_context(|| {
        format!("{} is not a whole {key} file of this version\nhint: it is damaged or of another kind", path.display())
    })
}

/// [`read`] from memory.
///
/// # Errors
/// When the bytes are damaged, or of another kind or version.
pub fn decode<D: DeserializeOwned>(bytes: &[u8], key: &str) -> anyhow::Result<(D, TensorMap)> {
    let (_, header) = SafeTensors::read_metadata(bytes)?;
    let metadata = header.metadata().clone().unwrap_or_default();
    let description = metadata.get(key).with_context(|| format!("it has no {key:?} entry"))?;
    let VersionOnly { version } = serde_json::from_str(description)?;
    ensure!(version == VERSION, "version {version}, this program reads version {VERSION}");
    let Versioned { content, .. } = serde_json::from_str(description)?;
    let file = SafeTensors::deserialize(bytes)?;
    let tensors = file.iter().map(|(name, view)| {
        ensure!(view.dtype() == Dtype::F32, "tensor {name:?} is {:?}, not F32", view.dtype());
        let values = bytemuck::pod_collect_to_vec(view.data());
        Ok(NamedTensor { name: name.to_owned(), shape: view.shape().to_vec(), values })
    });
    Ok((content, into_map(tensors.collect::<anyhow::Result<_>>()?)))
}

/// A tensor as safetensors wants to see it.
pub(crate) struct Floats<'a>(pub(crate) &'a NamedTensor);

impl View for Floats<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.0.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(bytemuck::cast_slice(&self.0.values))
    }

    fn data_len(&self) -> usize {
        self.0.values.len() * size_of::<f32>()
    }
}
