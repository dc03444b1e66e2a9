//! The model file: one safetensors file with a manifest in its metadata, made to be fetched by a browser.
//!
//! Tensors are grouped by prefix: `encoder.` (torchvision's names), `readout.weight` and `readout.bias` (from pooled
//! features to the embedding, where the pooling is more than a mean), `head.weight` and `head.bias` (a linear classifier
//! on the raw embedding), `projection.<subspace>.` (the heads of the pre-training method, on the mean of the last map). The metadata key `solstice`
//! holds the [`Manifest`] as JSON. One checksum covers the manifest and the tensors.

mod container;
mod manifest;
mod parts;
pub(crate) mod sealed;
#[cfg(test)]
pub(crate) mod tests;
mod weights;

use std::collections::BTreeMap;

use container::Container;
use sealed::SealedManifest;

pub(crate) use container::{Element, RawTensor};
pub(crate) use weights::floats;

pub use container::ContainerError;
pub use manifest::{FORMAT_VERSION, Golden, Manifest, Metric, Training, golden_tile};
pub use parts::{LinearHead, Projection, Readout};
pub use weights::WeightFormat;

use crate::tensors::NamedTensor;

/// What is wrong with a model file or a gallery, or with the parts of one to be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArtifactError {
    /// Cut short, not this kind of file, or damaged in its structure.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// A safetensors file, but not a Solstice model or gallery.
    #[error(
        "a safetensors file without the manifest of a Solstice model or gallery\nhint: give a file written by `trainer export`"
    )]
    MissingManifest,
    /// A manifest that does not parse.
    #[error("unreadable manifest: {0}\nhint: the file is damaged or was written by another program; export it again")]
    InvalidManifest(String),
    /// Written by a later version.
    #[error(
        "format {found} is from the future: this program reads up to {supported}\nhint: update Solstice, or export the file again with this version"
    )]
    FromTheFuture {
        /// The file's version.
        found: u64,
        /// The latest version that this code reads.
        supported: u32,
    },
    /// The content is not what was written.
    #[error(
        "checksum mismatch: the file says {expected}, its content gives {found}\nhint: the file is damaged; fetch or copy it again"
    )]
    ChecksumMismatch {
        /// What the manifest says.
        expected: String,
        /// What the content gives.
        found: String,
    },
    /// Fields of the manifest contradict each other.
    #[error("contradictory manifest: {0}\nhint: export it again")]
    Inconsistent(String),
    /// A tensor with other dimensions than the manifest implies.
    #[error(
        "tensor {name:?} has shape {found:?}, not {expected:?}\nhint: the weights belong to another architecture or number of bands"
    )]
    WrongShape {
        /// Name in the file.
        name: String,
        /// What it has.
        found: Vec<usize>,
        /// What the manifest implies.
        expected: Vec<usize>,
    },
    /// A tensor of another element type than the weight format implies.
    #[error("tensor {name:?} holds {found}, not {expected}\nhint: export it again")]
    WrongElement {
        /// Name in the file.
        name: String,
        /// What it holds.
        found: String,
        /// What the weight format implies.
        expected: String,
    },
    /// A tensor that the manifest implies is not there.
    #[error("tensor {name:?} is missing\nhint: the weights belong to another architecture; export it again")]
    MissingTensor {
        /// Name it should have in the file.
        name: String,
    },
    /// A tensor that nothing in the manifest accounts for.
    #[error("unexpected tensor {name:?}\nhint: the weights belong to another architecture; export it again")]
    UnexpectedTensor {
        /// Name in the file.
        name: String,
    },
    /// A weight that is NaN or infinite, or too large for the weight format.
    #[error(
        "tensor {name:?} holds a value that is not finite\nhint: the training run diverged, or f16 is too small for it: try f32"
    )]
    NonFinite {
        /// Name in the file.
        name: String,
    },
}

/// A model: its manifest and its weights in f32, whatever the file stores.
#[derive(Clone, Debug, PartialEq)]
pub struct Artifact {
    /// What the model is.
    pub manifest: Manifest,
    /// Weights by torchvision's names, in the order of [`EncoderConfig::tensor_shapes`](crate::encoder::EncoderConfig::tensor_shapes).
    pub encoder: Vec<NamedTensor>,
    /// From pooled features to the embedding; present exactly when the manifest's pooling is not the mean.
    pub readout: Option<Readout>,
    /// Linear classifier; present exactly when the manifest names classes.
    pub head: Option<LinearHead>,
    /// Projection heads by subspace.
    pub projections: Vec<Projection>,
}

impl Artifact {
    /// The bytes of the model file, the same for the same model. The manifest's version, subspaces, weight format and
    /// checksum are set here.
    ///
    /// # Errors
    /// When a weight is missing, superfluous, of another shape than the architecture has, or not finite; or when the
    /// manifest's fields contradict each other or the parts.
    pub fn to_bytes(&self, format: WeightFormat) -> Result<Vec<u8>, ArtifactError> {
        let manifest = Manifest {
            format_version: FORMAT_VERSION,
            subspaces: self.projections.iter().map(|projection| projection.name.clone()).collect(),
            weight_format: format,
            ..self.manifest.clone()
        };
        manifest.check()?;
        let mut tensors = BTreeMap::new();
        let mut expected: BTreeMap<_, _> = manifest.encoder_shapes().into_iter().collect();
        for tensor in &self.encoder {
            let name = format!("encoder.{}", tensor.name);
            match expected.remove(&tensor.name) {
                None => return Err(ArtifactError::UnexpectedTensor { name }),
                Some(expected) if expected != tensor.shape => {
                    return Err(ArtifactError::WrongShape { name, found: tensor.shape.clone(), expected });
                }
                Some(_) => weights::store(&mut tensors, name, tensor, format)?,
            }
        }
        if let Some((name, _)) = expected.pop_first() {
            return Err(ArtifactError::MissingTensor { name: format!("encoder.{name}") });
        }
        parts::store_readout(&mut tensors, self.readout.as_ref(), &manifest)?;
        parts::store_head(&mut tensors, self.head.as_ref(), &manifest)?;
        parts::store_projections(&mut tensors, &self.projections, &manifest)?;
        sealed::seal(manifest, tensors)
    }

    /// Reads a model file from untrusted bytes. Nothing is allocated that the bytes do not hold (8-bit weights grow
    /// fourfold).
    ///
    /// # Errors
    /// Each kind of damage has its own; a file from a later version is recognised before anything else in its manifest.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ArtifactError> {
        read(bytes, Manifest::encoder_shapes)
    }

    /// The manifest alone, without its checksum being verified: for a list of models.
    ///
    /// # Errors
    /// When the container or the manifest is damaged or from a later version.
    pub fn manifest_of(bytes: &[u8]) -> Result<Manifest, ArtifactError> {
        let text = Container::read(bytes, Manifest::KEY)?.text.ok_or(ArtifactError::MissingManifest)?;
        let (manifest, _) = sealed::parse::<Manifest>(&text)?;
        manifest.check()?;
        Ok(manifest)
    }
}

/// [`Artifact::from_bytes`] with the expected encoder tensors as an argument, so that tests can use tiny ones.
fn read(
    bytes: &[u8],
    encoder_shapes: impl Fn(&Manifest) -> Vec<(String, Vec<usize>)>,
) -> Result<Artifact, ArtifactError> {
    let (manifest, mut tensors) = sealed::open::<Manifest>(bytes)?;
    manifest.check()?;
    let format = manifest.weight_format;
    let mut encoder = Vec::new();
    for (name, shape) in encoder_shapes(&manifest) {
        encoder.push(weights::load(&mut tensors, &format!("encoder.{name}"), &name, Some(&shape), format)?);
    }
    let readout = parts::load_readout(&mut tensors, &manifest)?;
    let head = parts::load_head(&mut tensors, &manifest)?;
    let projections = parts::load_projections(&mut tensors, &manifest)?;
    if let Some((name, _)) = tensors.pop_first() {
        return Err(ArtifactError::UnexpectedTensor { name });
    }
    Ok(Artifact { manifest, encoder, readout, head, projections })
}
