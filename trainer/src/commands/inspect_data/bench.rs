//! The speed of the loader by itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use shared::preprocess::Normalisation;

use super::{InspectDataArgs, Views, warn};
use crate::data::{Loader, LoaderConfig, Mixture};
use crate::report::Reporter;

/// Runs the loader alone and prints its speed.
pub(super) fn run(args: &InspectDataArgs, mixture: Mixture, time: Duration, reporter: &mut Reporter<'_>) -> Result<()> {
    let set = args.views.unwrap_or(Views::MocoV2).set();
    let views = set.views.len();
    let config = LoaderConfig {
        batch: args.batch,
        px: args.px,
        seed: args.seed,
        threads: args.threads,
        samples_per_epoch: mixture.places().max(args.batch),
        normalisation: Normalisation::identity(mixture.bands().len()),
    };
    let loader = Loader::new(Arc::new(mixture), set, config)?;
    let (mut warm, mut samples) = (None, 0);
    for epoch in 0.. {
        for batch in loader.epoch(epoch, 0) {
            let batch = batch?;
            warn(&batch.warnings, reporter);
            // the clock starts with the first batch; the first epoch decodes what later ones find in memory
            let started = *warm.get_or_insert_with(Instant::now);
            samples += batch.n;
            let elapsed = started.elapsed();
            if elapsed >= time {
                let rate = (samples - batch.n) as f64 / elapsed.as_secs_f64();
                reporter.line(&format!(
                    "loader: {rate:.0} samples/s, {:.0} views/s of {} px in {:.1} s ({} threads, epochs begun: {})",
                    rate * views as f64,
                    args.px,
                    elapsed.as_secs_f64(),
                    loader.threads(),
                    epoch + 1
                ));
                return Ok(());
            }
        }
    }
    Ok(())
}
