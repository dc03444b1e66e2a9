//! The data of a run: its sources, opened and checked, and the loader over them.

use super::clusters::{self, WeightedSource};
use crate::config::RunConfig;
use crate::data::{Loader, LoaderConfig, Mixture, Warning};
use crate::error::UsageError;
use crate::eval::{outside_normalisation, sampled};
use crate::report::Reporter;
use crate::views::{ViewSet, view_rng};
use std::path::Path;
use std::sync::Arc;

/// Opens every source, and says what each holds and what could not be read.
pub(super) fn open_sources(config: &RunConfig, reporter: &mut Reporter<'_>) -> anyhow::Result<Mixture> {
    if config.data.is_empty() {
        return Err(UsageError::new(
            "no data to train on\nhint: --data kind=folder,path=tiles (or places, seco, mosaic, series; a tar is read like a folder)",
        )
        .into());
    }
    let mut warnings = Vec::new();
    let mut sources: Vec<WeightedSource> = Vec::new();
    for spec in &config.data {
        let source = spec.clone().for_bands(&config.tiles.bands).open(Path::new(""), &mut warnings)?;
        if source.bands() != &config.tiles.bands {
            return Err(UsageError::new(format!(
                "{} gives the bands {}, the configuration wants {}\nhint: set tiles.bands, or leave bands out of the source",
                source.name(),
                source.bands(),
                config.tiles.bands
            ))
            .into());
        }
        if config.remembers_places() && source.is_redrawn() {
            return Err(UsageError::new(format!(
                "{} draws its windows anew each time, and {} remembers what it saw at each place\nhint: add \
                 placement=grid to that --data",
                source.name(),
                config.name()
            ))
            .into());
        }
        reporter.note(&source.describe());
        let first = |place: usize| source.read(place, &[0], &mut view_rng(0, 0, 0)).ok()?.pop();
        let some = sampled(source.len()).filter_map(first);
        let outside = outside_normalisation(&config.normalisation()?, &config.tiles.bands, some);
        warnings.extend(outside.map(|what| Warning { what: format!("{}: {what}", source.name()), count: 1 }));
        sources.push((source, spec.weight));
    }
    for warning in &warnings {
        reporter.warning(&warning.what);
    }
    Mixture::new(match &config.part {
        Some(part) => clusters::limit(sources, part)?,
        None => sources,
    })
}

/// The loader of a run.
pub(super) fn loader(config: &RunConfig, mixture: Mixture, views: ViewSet) -> anyhow::Result<Loader> {
    let settings = LoaderConfig {
        batch: config.train.batch,
        px: config.train.crop_px_at(0),
        seed: config.run.seed,
        threads: config.run.threads,
        samples_per_epoch: config.run.samples_per_epoch,
        normalisation: config.normalisation()?,
    };
    Loader::new(Arc::new(mixture), views, settings)
}
