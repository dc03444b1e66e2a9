//! Checkpoints: everything a run needs to go on where it was, in one safetensors file that is replaced atomically and holds
//! finite numbers only. The checkpoint before it stays beside it.
//!
//! On the CPU a run that goes on from a checkpoint gives bit for bit what it would have given; a GPU's sums may differ in
//! their order.

use anyhow::{Context, bail, ensure};
use safetensors::{Dtype, SafeTensors, View};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use shared::tensors::{NamedTensor, TensorMap, into_map};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Raised with every change of the layout; a later one than this program's is refused.
const VERSION: u32 = 2;

/// What stands in place of the checksum while it is computed.
const NO_CHECKSUM: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What stands under the key. NOTE: one entry only, since safetensors writes several in an order drawn at random, and equal
/// runs shall give equal files.
#[derive(Serialize)]
struct Versioned<'a, D> {
    version: u32,
    /// SHA-256 of this text, with zeros here, and of every tensor.
    sha256: &'a str,
    content: D,
}

/// The content alone; that of version 1 is the same.
#[derive(serde::Deserialize)]
struct Content<D> {
    content: D,
}

/// Enough to tell the version of a file whose content this program may not know.
#[derive(serde::Deserialize)]
struct Sealed {
    version: u32,
    /// Version 1 has none.
    sha256: Option<String>,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Progress {
    /// Optimiser steps done.
    pub step: usize,
    /// Bits of the sum (f64) of this epoch's losses so far.
    pub epoch_loss_bits: u64,
}

/// A tensor that must not be kept.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("tensor {tensor} holds {value}\nhint: lower train.learning_rate")]
pub struct NotFinite {
    /// Its name.
    pub tensor: String,
    /// Its first value that is no finite number.
    pub value: f32,
}

/// What a run goes on from.
#[derive(Debug)]
pub struct Newest<D> {
    /// What the file says of itself.
    pub content: D,
    /// Its tensors.
    pub tensors: TensorMap,
    /// What is wrong with the newest file, where this is the one before it.
    pub warning: Option<String>,
}

/// The name under which the file before the one at `path` stays.
#[must_use]
pub fn previous_of(path: &Path) -> PathBuf {
    path.with_extension("previous.safetensors")
}

/// Writes tensors and a JSON description under `key` to `path`, whole or not at all.
///
/// # Errors
/// [`NotFinite`]; or when the disk refuses (full, read-only). An older file at `path` is then untouched.
pub fn write(path: &Path, key: &str, description: &impl Serialize, tensors: &[NamedTensor]) -> anyhow::Result<()> {
    atomic_file::write(path, &encode(key, description, tensors)?)
}

/// Like [`write`]; the file that was at `path` stays at [`previous_of`] it.
///
/// # Errors
/// As [`write`].
pub fn write_keeping(
    path: &Path,
    key: &str,
    description: &impl Serialize,
    tensors: &[NamedTensor],
) -> anyhow::Result<()> {
    atomic_file::write_keeping(path, &previous_of(path), &encode(key, description, tensors)?)
}

fn encode(key: &str, description: &impl Serialize, tensors: &[NamedTensor]) -> anyhow::Result<Vec<u8>> {
    for tensor in tensors {
        if let Some(&value) = tensor.values.iter().find(|value| !value.is_finite()) {
            bail!(NotFinite { tensor: tensor.name.clone(), value });
        }
    }
    let text = |sha256| serde_json::to_string(&Versioned { version: VERSION, sha256, content: description });
    let unsealed = text(NO_CHECKSUM)?;
    let parts = tensors.iter().map(|tensor| (tensor.name.as_str(), &tensor.shape[..], bytes_of(tensor)));
    let sha256 = checksum(&unsealed, parts);
    let metadata = HashMap::from([(key.to_owned(), text(&sha256)?)]);
    let views = tensors.iter().map(|tensor| (tensor.name.as_str(), Floats(tensor)));
    Ok(safetensors::serialize(views, Some(metadata))?)
}

/// SHA-256 of the description and of every tensor by name, in hexadecimal digits.
fn checksum<'a>(description: &str, tensors: impl Iterator<Item = (&'a str, &'a [usize], &'a [u8])>) -> String {
    let mut tensors: Vec<_> = tensors.collect();
    tensors.sort_by_key(|(name, ..)| *name);
    let mut hash = Sha256::new();
    hash.update(description);
    for (name, shape, values) in tensors {
        hash.update(format!("\n{name} {shape:?}\n"));
        hash.update(values);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
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

/// The newest whole file of those that [`write_keeping`] left at `path`; nothing where it never wrote. A damaged one is
/// set aside under another name, so that the whole one before it stays until there is a newer one.
///
/// # Errors
/// When no file is whole, or one cannot be read or renamed.
pub fn read_newest<D: DeserializeOwned>(path: &Path, key: &str) -> anyhow::Result<Option<Newest<D>>> {
    let previous = previous_of(path);
    if !path.exists() && !previous.exists() {
        return Ok(None);
    }
    let damage = match fs::read(path) {
        Ok(bytes) => match decode(&bytes, key) {
            Ok((content, tensors)) => return Ok(Some(Newest { content, tensors, warning: None })),
            Err(damage) => Some(damage),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let shown = path.display();
    let (content, tensors) = read(&previous, key).with_context(|| match &damage {
        Some(damage) => format!("{shown} is damaged ({damage:#}), and no whole one is before it\nhint: start again"),
        None => format!("{shown} is missing, and no whole one is before it\nhint: start again"),
    })?;
    let warning = match damage {
        Some(damage) => {
            let aside = path.with_extension("damaged.safetensors");
            fs::rename(path, &aside).with_context(|| format!("cannot rename {shown}"))?;
            let (aside, previous) = (aside.display(), previous.display());
            format!("{shown} is damaged ({damage:#}) and now called {aside}: going on from {previous}")
        }
        None => format!("{shown} is missing: going on from {}", previous.display()),
    };
    Ok(Some(Newest { content, tensors, warning: Some(warning) }))
}

/// [`read`] from memory.
///
/// # Errors
/// When the bytes are damaged, or of another kind or version.
pub fn decode<D: DeserializeOwned>(bytes: &[u8], key: &str) -> anyhow::Result<(D, TensorMap)> {
    let (_, header) = SafeTensors::read_metadata(bytes)?;
    let metadata = header.metadata().clone().unwrap_or_default();
    let description = metadata.get(key).with_context(|| format!("it has no {key:?} entry"))?;
    let Sealed { version, sha256 } = serde_json::from_str(description)?;
    ensure!((1..=VERSION).contains(&version), "version {version}, this program reads versions 1 to {VERSION}");
    let file = SafeTensors::deserialize(bytes)?;
    if version > 1 {
        let sha256 = sha256.context("it has no checksum")?;
        let views: Vec<_> = file.iter().collect();
        let parts = views.iter().map(|(name, view)| (*name, view.shape(), view.data()));
        let found = checksum(&description.replacen(&sha256, NO_CHECKSUM, 1), parts);
        ensure!(found == sha256, "it does not have its checksum");
    }
    let Content { content } = serde_json::from_str(description)?;
    let tensors = file.iter().map(|(name, view)| {
        ensure!(view.dtype() == Dtype::F32, "tensor {name:?} is {:?}, not F32", view.dtype());
        let values = bytemuck::pod_collect_to_vec(view.data());
        Ok(NamedTensor { name: name.to_owned(), shape: view.shape().to_vec(), values })
    });
    Ok((content, into_map(tensors.collect::<anyhow::Result<_>>()?)))
}

fn bytes_of(tensor: &NamedTensor) -> &[u8] {
    bytemuck::cast_slice(&tensor.values)
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
        Cow::Borrowed(bytes_of(self.0))
    }

    fn data_len(&self) -> usize {
        self.0.values.len() * size_of::<f32>()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    fn tensor(name: &str, values: &[f32]) -> NamedTensor {
        NamedTensor { name: name.to_owned(), shape: vec![values.len()], values: values.to_vec() }
    }

    fn progress(step: usize) -> Progress {
        Progress { step, epoch_loss_bits: 1.5_f64.to_bits() }
    }

    #[test]
    fn a_file_with_any_byte_changed_is_refused() {
        let tensors = [tensor("b", &[1.0, -2.0]), tensor("a", &[0.5])];
        let whole = encode("checkpoint", &progress(12), &tensors).unwrap();
        let (read, map): (Progress, _) = decode(&whole, "checkpoint").unwrap();
        assert_eq!((read, map["b"].values[1], map.len()), (progress(12), -2.0, 2));
        let blanks = whole[8..].iter().position(|&byte| byte == b'}').unwrap();
        for at in 0..whole.len() {
            for mask in [1, 0x20] {
                let mut bytes = whole.clone();
                bytes[at] ^= mask;
                let decoded = decode::<Progress>(&bytes, "checkpoint");
                // Only the padding behind the header may change unseen.
                let is_padding = at > blanks && whole[at] == b' ';
                assert!(decoded.is_err() || is_padding, "byte {at}: {:?}", char::from(whole[at]));
            }
        }
        for end in 0..whole.len() {
            assert!(decode::<Progress>(&whole[..end], "checkpoint").is_err(), "cut at {end}");
        }
    }

    #[test]
    fn the_first_layout_is_still_read() {
        let description = r#"{"version":1,"content":{"step":7,"epoch_loss_bits":0}}"#;
        let metadata = HashMap::from([("checkpoint".to_owned(), description.to_owned())]);
        let values = tensor("a", &[3.0]);
        let bytes = safetensors::serialize([("a", Floats(&values))], Some(metadata.clone())).unwrap();
        let (read, map): (Progress, _) = decode(&bytes, "checkpoint").unwrap();
        assert_eq!((read.step, map["a"].values[0]), (7, 3.0));
        for version in ["2", "3"] {
            let other = description.replace(r#""version":1"#, &format!(r#""version":{version}"#));
            let metadata = HashMap::from([("checkpoint".to_owned(), other)]);
            let bytes = safetensors::serialize([("a", Floats(&values))], Some(metadata)).unwrap();
            assert!(decode::<Progress>(&bytes, "checkpoint").is_err(), "version {version} without a checksum");
        }
    }

    #[test]
    fn numbers_that_are_none_are_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        write_keeping(&path, "checkpoint", &progress(1), &[tensor("a", &[1.0])]).unwrap();
        let before = fs::read(&path).unwrap();
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let refused = write_keeping(&path, "checkpoint", &progress(2), &[tensor("a", &[1.0, value])]).unwrap_err();
            assert_eq!(refused.downcast_ref::<NotFinite>().unwrap().tensor, "a");
        }
        assert_eq!(fs::read(&path).unwrap(), before);
        assert!(!previous_of(&path).exists());
    }

    #[test]
    fn the_one_before_a_damaged_file_is_read_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        let newest = || read_newest::<Progress>(&path, "checkpoint");
        assert!(newest().unwrap().is_none());
        for step in 1..=3 {
            write_keeping(&path, "checkpoint", &progress(step), &[tensor("a", &[step as f32])]).unwrap();
        }
        let found = newest().unwrap().unwrap();
        assert_eq!((found.content.step, found.warning), (3, None));
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        let found = newest().unwrap().unwrap();
        let warning = found.warning.unwrap();
        assert_eq!((found.content.step, found.tensors["a"].values[0]), (2, 2.0));
        assert!(warning.contains("is damaged") && warning.contains("checkpoint.previous.safetensors"), "{warning}");
        // It is not the damaged file that the next write keeps.
        write_keeping(&path, "checkpoint", &progress(4), &[tensor("a", &[4.0])]).unwrap();
        let (kept, _): (Progress, _) = read(&previous_of(&path), "checkpoint").unwrap();
        assert_eq!(kept.step, 2);
        fs::write(&path, b"").unwrap();
        fs::write(previous_of(&path), b"").unwrap();
        assert!(format!("{:#}", newest().unwrap_err()).contains("no whole one is before it"));
    }
}
