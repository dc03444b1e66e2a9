//! Starting a run from the weights of an encoder instead of random ones.

use crate::config::RunConfig;
use crate::data::{Loader, evenly_spaced};
use crate::encoder_file::{LoadedEncoder, load_encoder};
use crate::error::UsageError;
use crate::methods::Method;
use anyhow::{Context, Result};
use burn::tensor::{Device, Tensor, TensorData};
use shared::encoder::EncoderConfig;
use shared::tensors::into_map;
use std::path::PathBuf;

/// Tiles from which the batch normalisation of a folded encoder is set up anew.
const TILES: usize = 256;

/// The encoder that a run starts from.
#[derive(Debug)]
pub struct Pretrained {
    loaded: LoadedEncoder,
    path: PathBuf,
}

/// Reads the encoder that `config` names, if it names one.
///
/// # Errors
/// When it cannot be read, or is another architecture or of other bands than the configuration's.
pub fn read(config: &RunConfig) -> Result<Option<Pretrained>> {
    let Some(path) = config.encoder.pretrained.clone() else { return Ok(None) };
    let loaded = load_encoder(&path)?;
    let (found, wanted) = (loaded.description.encoder, config.encoder_config());
    let shown = path.display();
    let mismatch = if config.method.exported(wanted.bands).discriminator.is_some() {
        format!(
            "{shown}: MARTA GANs' own discriminator takes no encoder's weights\nhint: --set method.discriminator=encoder"
        )
    } else if found != wanted {
        let named = |what: &EncoderConfig| format!("{} ({} stem, {} bands)", what.architecture, what.stem, what.bands);
        format!(
            "{shown} is {}, and this run trains {}\nhint: --set encoder.architecture={} --set encoder.stem={}, and data of its bands",
            named(&found),
            named(&wanted),
            found.architecture,
            found.stem
        )
    } else {
        return Ok(Some(Pretrained { loaded, path }));
    };
    Err(UsageError::new(mismatch).into())
}

impl Pretrained {
    /// What it is, in a line.
    #[must_use]
    pub fn describe(&self) -> String {
        let training = &self.loaded.description.training;
        format!("starting from {}: {}, {} steps", self.path.display(), training.method, training.steps)
    }

    /// What is different between what it was trained on and what it will be, a sentence each.
    ///
    /// # Errors
    /// When the configuration's normalisation does not fit its bands.
    pub fn warnings(&self, config: &RunConfig) -> Result<Vec<String>> {
        let (own, shown) = (&self.loaded.description, self.path.display());
        let mut warnings = Vec::new();
        if own.bands != config.tiles.bands {
            warnings.push(format!(
                "{shown} was trained on the bands {}, and this run has {} (hint: --set tiles.bands, if that is not meant)",
                own.bands, config.tiles.bands
            ));
        }
        if own.normalisation != config.normalisation()? {
            warnings.push(format!(
                "{shown} was trained with another normalisation (hint: unless the data differ, tiles.mean = {:?} and \
                 tiles.std = {:?} are its own)",
                own.normalisation.mean(),
                own.normalisation.std()
            ));
        }
        Ok(warnings)
    }

    /// Puts its weights into every encoder of `method`, the query network's and those that follow it. Heads and queues
    /// stay as they were drawn.
    ///
    /// # Errors
    /// When no tile can be read to set up the batch normalisation of an exported model.
    pub fn start(&self, method: &mut dyn Method, loader: &Loader, px: usize, device: &Device) -> Result<()> {
        let weights = self.loaded.trainable(|| tiles(loader, px, device))?;
        let mut state = into_map(method.query().state("query"));
        state.extend(into_map(method.state()));
        for (name, tensor) in &mut state {
            // query.encoder.conv1.weight, key.encoder.…, target.encoder.…
            if let Some(own) = name.split_once(".encoder.").and_then(|(_, own)| weights.get(own)) {
                tensor.values.clone_from(&own.values);
            }
        }
        let query = method.query().clone().restore("query", &state)?;
        method.set_query(query);
        method.restore(&state)
    }
}

/// Some tiles of the run, `[n, bands, px, px]`.
fn tiles(loader: &Loader, px: usize, device: &Device) -> Result<Tensor<4>> {
    let places = loader.places();
    let some: Vec<_> = evenly_spaced(places.len(), TILES).map(|index| places[index]).collect();
    let crops = loader.middle_crops(&some, px);
    let size = crops.bands * px * px;
    let read = crops.values.chunks_exact(size).zip(&crops.failures).filter(|(_, failure)| failure.is_none());
    let values: Vec<f32> = read.flat_map(|(tile, _)| tile.iter().copied()).collect();
    let n = values.len() / size;
    (n > 0).then_some(()).context("none of the tiles can be read\nhint: `trainer inspect-data` lists what is wrong")?;
    let data = TensorData::new(values, [n, crops.bands, px, px]);
    Ok(Tensor::from_data(data, &device.clone().without_autodiff()))
}
