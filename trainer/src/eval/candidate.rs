//! Anything that can be evaluated, made ready for it.

use super::readout::Reading;
use crate::data::SourceSpec;
use crate::encoder_file::Evaluable;
use crate::error::UsageError;
use crate::parts::Frozen;
use anyhow::Result;
use burn::tensor::Device;
use shared::bands::Bands;
use shared::encoder::Pooling;
use shared::preprocess::Normalisation;
use std::path::Path;

/// What is evaluated, as a [`Subject`](super::Subject) wants it.
pub struct Candidate<'a> {
    evaluable: &'a Evaluable,
    /// What it is called in the results.
    pub name: String,
    /// What its planes are.
    pub bands: &'a Bands,
    /// Their normalisation.
    pub normalisation: &'a Normalisation,
    /// Side of the input.
    pub px: usize,
    /// How its feature maps become features.
    pub reading: Reading<'a>,
}

impl<'a> Candidate<'a> {
    /// `evaluable` at this side, read in this way and with so many values at most, or as it was trained and as is usual.
    ///
    /// # Errors
    /// [`UsageError`] for what a discriminator has not.
    pub fn of(
        evaluable: &'a Evaluable,
        asked: Option<usize>,
        readout: Option<Pooling>,
        width: Option<usize>,
    ) -> Result<Self> {
        Ok(match evaluable {
            Evaluable::Encoder(loaded) => Self {
                evaluable,
                name: loaded.title(),
                bands: &loaded.description.bands,
                normalisation: &loaded.description.normalisation,
                px: asked.unwrap_or(loaded.description.input_px),
                reading: loaded.reading(readout, width)?,
            },
            Evaluable::Discriminator(loaded) => {
                let description = &loaded.description;
                let px = description.discriminator.px;
                if asked.is_some_and(|asked| asked != px) || readout.is_some() || width.is_some() {
                    return Err(UsageError::new(format!(
                        "a discriminator of MARTA GANs is read out of its fusion layer at {px} px\nhint: leave --px, \
                         --readout and --width away"
                    ))
                    .into());
                }
                Self {
                    evaluable,
                    name: format!("marta discriminator ({} epochs)", description.training.epochs),
                    bands: &description.bands,
                    normalisation: &description.normalisation,
                    px,
                    reading: Reading::Fused,
                }
            }
        })
    }

    /// The network on `device`.
    ///
    /// # Errors
    /// When the weights do not fit it.
    pub fn frozen(&self, device: &Device) -> Result<Box<dyn Frozen>> {
        Ok(match self.evaluable {
            Evaluable::Encoder(loaded) => Box::new(loaded.encoder(device)?),
            Evaluable::Discriminator(loaded) => Box::new(loaded.discriminator(device)?),
        })
    }
}

/// The last part of a path, or of a typed source's: results travel, folders of this machine do not.
#[must_use]
pub fn data_name(path: &Path) -> String {
    let path = &SourceSpec::typed(path).map_or_else(|_| path.to_owned(), |spec| spec.path);
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}
