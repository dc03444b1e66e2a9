//! A container whose metadata is a versioned manifest, and whose content is covered by a checksum inside that manifest.
//!
//! The checksum is computed over the manifest's text with the checksum left empty, and over all tensors. On reading, the
//! very characters in the file are hashed, so the JSON needs no canonical form.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::ArtifactError;
use super::container::{Container, RawTensor};

/// A manifest that can be sealed.
pub(crate) trait SealedManifest: Serialize + DeserializeOwned {
    /// The metadata key it lies under.
    const KEY: &'static str;
    /// The version that this code writes; versions from 1 to this are read. The field is called `format_version`.
    const VERSION: u32;

    /// The field `sha256`.
    fn sha256(&mut self) -> &mut String;
}

/// Reads a container and its manifest and verifies the checksum.
pub(crate) fn open<M: SealedManifest>(bytes: &[u8]) -> Result<(M, BTreeMap<String, RawTensor<'_>>), ArtifactError> {
    let container = Container::read(bytes, M::KEY)?;
    let text = container.text.as_deref().ok_or(ArtifactError::MissingManifest)?;
    let (mut manifest, covered) = parse::<M>(text)?;
    let found = container.digest(&covered);
    if found != *manifest.sha256() {
        return Err(ArtifactError::ChecksumMismatch { expected: std::mem::take(manifest.sha256()), found });
    }
    Ok((manifest, container.tensors))
}

/// Reads the text in a file: the version first, so that nothing else of a later format needs to be understood.
///
/// Returns the manifest and the text that the checksum covers.
pub(super) fn parse<M: SealedManifest>(text: &str) -> Result<(M, String), ArtifactError> {
    #[derive(Deserialize)]
    struct Version {
        format_version: u64,
    }
    let invalid = |error: serde_json::Error| ArtifactError::InvalidManifest(error.to_string());
    let found = serde_json::from_str::<Version>(text).map_err(invalid)?.format_version;
    if found > u64::from(M::VERSION) {
        return Err(ArtifactError::FromTheFuture { found, supported: M::VERSION });
    }
    if found == 0 {
        return Err(ArtifactError::InvalidManifest("there is no format version 0".into()));
    }
    let mut manifest: M = serde_json::from_str(text).map_err(invalid)?;
    let sha256 = manifest.sha256();
    if sha256.len() != 64 || !sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(ArtifactError::InvalidManifest("its checksum is not 64 hexadecimal digits".into()));
    }
    let covered = text.replacen(sha256.as_str(), "", 1);
    Ok((manifest, covered))
}

/// Puts the checksum into the manifest and both into a file.
pub(crate) fn seal<M: SealedManifest>(
    mut manifest: M,
    tensors: BTreeMap<String, RawTensor<'_>>,
) -> Result<Vec<u8>, ArtifactError> {
    let to_text = |manifest: &M| {
        serde_json::to_string(manifest).map_err(|error| ArtifactError::InvalidManifest(error.to_string()))
    };
    let mut container = Container { text: None, tensors };
    manifest.sha256().clear();
    *manifest.sha256() = container.digest(&to_text(&manifest)?);
    container.text = Some(to_text(&manifest)?);
    Ok(container.write(M::KEY)?)
}
