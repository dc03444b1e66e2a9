//! The speed of the loader by itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use shared::preprocess::Normalisation;

use super::{Weighted, warn};
use crate::data::{Loader, LoaderConfig, Mixture, Source};
use crate::report::Reporter;
use crate::views::ViewSet;

/// What is loaded.
pub struct LoaderSpeed {
    /// Dates and augmentations of a sample.
    pub views: ViewSet,
    /// Samples a batch.
    pub batch: usize,
    /// Side of a view.
    pub px: usize,
    /// Of the data order and the augmentations.
    pub seed: u64,
    /// Threads; 0 takes one a core.
    pub threads: usize,
}

impl LoaderSpeed {
    /// Runs the loader alone for so long, and prints its speed.
    ///
    /// # Errors
    /// When a batch cannot be read.
    pub fn measure(self, sources: Vec<Weighted>, time: Duration, reporter: &mut Reporter<'_>) -> Result<()> {
        let boxed = sources.into_iter().map(|(source, weight)| (Box::new(source) as Box<dyn Source>, weight)).collect();
        let mixture = Mixture::new(boxed)?;
        let views = self.views.views.len();
        let config = LoaderConfig {
            batch: self.batch,
            px: self.px,
            seed: self.seed,
            threads: self.threads,
            samples_per_epoch: mixture.places().max(self.batch),
            normalisation: Normalisation::identity(mixture.bands().len()),
        };
        let loader = Loader::new(Arc::new(mixture), self.views, config)?;
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
                        self.px,
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
}
