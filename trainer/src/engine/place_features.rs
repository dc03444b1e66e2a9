//! Features of every place without augmentation: what clustering and distillation look at between steps.

use super::event::Event;
use crate::data::{Loader, Warning};
use crate::methods::{Encode, PlaceFeatures};
use anyhow::ensure;
use burn::tensor::{Device, Tensor, TensorData};

/// Tiles encoded at once.
const SURVEYED: usize = 256;

/// Encodes the middle crop of each of `places`, fitted to `px`, a few hundred at a time; tiles that cannot be read become
/// warnings.
///
/// # Errors
/// When a feature is not a finite number.
pub fn place_features(
    loader: &Loader,
    device: &Device,
    places: &[(usize, usize)],
    px: usize,
    encode: &Encode<'_>,
    on_event: &mut dyn FnMut(Event) -> anyhow::Result<()>,
) -> anyhow::Result<PlaceFeatures> {
    let mut found = PlaceFeatures { values: Vec::new(), width: 0, is_known: Vec::with_capacity(places.len()) };
    let mut failures = Vec::new();
    for part in places.chunks(SURVEYED) {
        let middle = loader.middle_crops(part, px);
        let shape = [part.len(), middle.bands, middle.px, middle.px];
        let features = encode(Tensor::from_data(TensorData::new(middle.values, shape), device));
        found.width = features.dims()[1];
        found.values.reserve_exact(if found.values.is_empty() { places.len() * found.width } else { 0 });
        found.values.extend(features.into_data().convert::<f32>().try_into_vec::<f32>()?);
        found.is_known.extend(middle.failures.iter().map(Option::is_none));
        failures.extend(middle.failures.into_iter().flatten());
        let done = found.is_known.len();
        on_event(Event::Progress { what: "tiles embedded".to_owned(), done, total: places.len() })?;
    }
    ensure!(
        found.values.iter().all(|value| value.is_finite()),
        "the encoder gives features that are not numbers\nhint: lower train.learning_rate in the run's config.toml; where --resume ends here again, rename \
         checkpoint.previous.safetensors to checkpoint.safetensors first"
    );
    for warning in Warning::of_pictures(&failures) {
        on_event(Event::Warning { what: warning.what, count: warning.count })?;
    }
    Ok(found)
}
