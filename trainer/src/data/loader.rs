//! Batches of views, made on all cores ahead of the training step, the same whatever the number of threads.
//!
//! Every random choice of a sample derives from (seed, epoch, its position in the epoch). A sample that cannot be read
//! is replaced by the next place of its source and reported; a source most of whose places fail ends the epoch with an
//! error. Two batches are prepared ahead; that bounds the memory.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow, bail};
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use shared::preprocess::{Normalisation, fit, normalise};

use super::{Mixture, SampleError, Warning};
use crate::views::{Palette, ViewSet, view_rng};

/// Batches that are ready before they are asked for.
const PREFETCH: usize = 2;
/// Places tried in place of one that cannot be read.
const MAX_SUBSTITUTES: usize = 32;

/// What a loader needs to know.
#[derive(Clone, Debug)]
pub struct LoaderConfig {
    /// Samples in a batch.
    pub batch: usize,
    /// Side of the views.
    pub px: usize,
    /// Seed of the run.
    pub seed: u64,
    /// Threads; 0 takes one a core.
    pub threads: usize,
    /// Samples in an epoch; 0 takes the number of places.
    pub samples_per_epoch: usize,
    /// What the encoder expects.
    pub normalisation: Normalisation,
}

/// One batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Every view's values, each `[n, bands, px, px]`, normalised.
    pub views: Vec<Vec<f32>>,
    /// Samples.
    pub n: usize,
    /// Planes.
    pub bands: usize,
    /// Side.
    pub px: usize,
    /// The sample's (source, place).
    pub places: Vec<(usize, usize)>,
    /// The sample's drawn dates, one a slot of the views.
    pub dates: Vec<Vec<usize>>,
    /// Files that could not be read, each reported once in a loader's life.
    pub warnings: Vec<Warning>,
}

/// Makes batches.
pub struct Loader {
    recipe: Arc<BatchRecipe>,
    samples: usize,
    px: AtomicUsize,
    reported: Arc<Mutex<HashSet<String>>>,
}

/// Everything a batch is made from.
struct BatchRecipe {
    mixture: Arc<Mixture>,
    views: ViewSet,
    config: LoaderConfig,
    pool: ThreadPool,
}

impl Loader {
    /// Checks that everything fits together and starts the threads.
    ///
    /// # Errors
    /// When views or sizes are unusable, the normalisation has other bands than the data, or an epoch has no batch.
    pub fn new(mixture: Arc<Mixture>, views: ViewSet, config: LoaderConfig) -> Result<Self> {
        views.check().map_err(|what| anyhow!("{what}\nhint: see the views of the preset"))?;
        if config.batch == 0 || config.px == 0 {
            bail!("batch and px must be above 0\nhint: 256 and 64 are good starts");
        }
        if config.normalisation.bands() != mixture.bands().len() {
            bail!(
                "the normalisation has {} bands, the data {}\nhint: one mean and one std for each band; inspect-data prints them",
                config.normalisation.bands(),
                mixture.bands().len()
            );
        }
        let samples = if config.samples_per_epoch == 0 { mixture.places() } else { config.samples_per_epoch };
        if samples < config.batch {
            bail!(
                "an epoch has {samples} samples, fewer than one batch of {}\nhint: lower batch, or raise samples_per_epoch",
                config.batch
            );
        }
        let pool = ThreadPoolBuilder::new()
            .num_threads(config.threads)
            .thread_name(|index| format!("loader-{index}"))
            .build()
            .context("cannot start the loader's threads\nhint: lower threads")?;
        let px = AtomicUsize::new(config.px);
        let recipe = Arc::new(BatchRecipe { mixture, views, config, pool });
        Ok(Self { recipe, samples, px, reported: Arc::default() })
    }

    /// Batches in an epoch; a last one that would not be full is left out.
    #[must_use]
    pub fn steps_per_epoch(&self) -> usize {
        self.samples / self.recipe.config.batch
    }

    /// Sets the side of the views from the next epoch on.
    pub fn set_px(&self, px: usize) {
        self.px.store(px.max(1), Ordering::Relaxed);
    }

    /// Side of the views of an epoch started now.
    #[must_use]
    pub fn px(&self) -> usize {
        self.px.load(Ordering::Relaxed)
    }

    /// Every (source, place), source by source.
    #[must_use]
    pub fn places(&self) -> Vec<(usize, usize)> {
        let sources = self.recipe.mixture.sources().iter().enumerate();
        sources.flat_map(|(index, source)| (0..source.len()).map(move |place| (index, place))).collect()
    }

    /// The fingerprints of all pictures that have been read, source by source.
    #[must_use]
    pub fn fingerprints(&self) -> Vec<u64> {
        self.recipe.mixture.sources().iter().flat_map(|source| source.fingerprints()).collect()
    }

    /// Reads every picture of every source once, for its fingerprint.
    pub fn read_all(&self) {
        self.recipe.pool.install(|| self.recipe.mixture.sources().iter().for_each(|source| source.read_all()));
    }

    /// The first date of each of `places`, fitted to `px`, as an encoder sees it at evaluation, without augmentation.
    #[must_use]
    pub fn middle_crops(&self, places: &[(usize, usize)], px: usize) -> MiddleCrops {
        let bands = self.recipe.mixture.bands().len();
        let mut values = vec![0.0; places.len() * bands * px * px];
        let failures = self.recipe.pool.install(|| {
            let targets = values.par_chunks_exact_mut(bands * px * px);
            targets.zip(places).map(|(target, &place)| self.recipe.middle_crop(place, px, target)).collect()
        });
        MiddleCrops { values, bands, px, failures }
    }

    /// Number of threads that make samples.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.recipe.pool.current_num_threads()
    }

    /// The batches of an epoch from `first_step` on, being made in the background as soon as this returns.
    #[must_use]
    pub fn epoch(&self, epoch: usize, first_step: usize) -> LoaderEpoch {
        self.epoch_in(epoch, first_step, None)
    }

    /// As [`Self::epoch`], with the (source, place) of every sample given instead of drawn.
    #[must_use]
    pub fn epoch_in(&self, epoch: usize, first_step: usize, order: Option<Vec<(usize, usize)>>) -> LoaderEpoch {
        let (sender, receiver) = sync_channel(PREFETCH.saturating_sub(1));
        let recipe = Arc::clone(&self.recipe);
        let (samples, steps, px) = (self.samples, self.steps_per_epoch(), self.px());
        let worker = std::thread::spawn(move || {
            let order = order.unwrap_or_else(|| recipe.mixture.order(recipe.config.seed, epoch as u64, samples));
            for step in first_step..steps {
                let made = recipe.make(epoch as u64, step, px, &order);
                let failed = made.is_err();
                if sender.send(made).is_err() || failed {
                    return;
                }
            }
        });
        LoaderEpoch { receiver: Some(receiver), worker: Some(worker), reported: Arc::clone(&self.reported) }
    }
}

/// What [`Loader::middle_crops`] read.
#[derive(Clone, Debug)]
pub struct MiddleCrops {
    /// `[n, bands, px, px]`, normalised; zeros where a tile could not be read.
    pub values: Vec<f32>,
    /// Planes.
    pub bands: usize,
    /// Side.
    pub px: usize,
    /// What was wrong with each place, if anything.
    pub failures: Vec<Option<SampleError>>,
}

impl BatchRecipe {
    /// The first date of a place, fitted and normalised.
    fn middle_crop(&self, (source, place): (usize, usize), px: usize, target: &mut [f32]) -> Option<SampleError> {
        let source = &self.mixture.sources()[source];
        // A place that is remembered is the same each time: nothing is drawn.
        let mut rng = view_rng(self.config.seed, 0, place as u64);
        let read = source.read(place, &[0], &mut rng).and_then(|mut tiles| {
            let mut tile = fit(&tiles.swap_remove(0), px);
            normalise(&mut tile, &self.config.normalisation).map_err(|error| SampleError::new(source.name(), error))?;
            target.copy_from_slice(tile.pixels());
            Ok(())
        });
        read.err()
    }

    fn make(&self, epoch: u64, step: usize, px: usize, order: &[(usize, usize)]) -> Result<Batch> {
        let n = self.config.batch;
        let bands = self.mixture.bands().len();
        let len = bands * px * px;
        let first = step * n;
        let mut views = vec![vec![0.0f32; n * len]; self.views.views.len()];
        // one item a sample: where each of its views goes
        let mut targets: Vec<Vec<&mut [f32]>> = (0..n).map(|_| Vec::with_capacity(views.len())).collect();
        for view in &mut views {
            view.chunks_exact_mut(len).zip(&mut targets).for_each(|(slice, sample)| sample.push(slice));
        }
        let made: Vec<Result<Made>> = self.pool.install(|| {
            targets
                .par_iter_mut()
                .with_max_len(1)
                .enumerate()
                .map(|(at, targets)| self.make_sample(epoch, first + at, order[first + at], px, targets))
                .collect()
        });
        let (places, dates) = (Vec::with_capacity(n), Vec::with_capacity(n));
        let mut batch = Batch { views: Vec::new(), n, bands, px, places, dates, warnings: Vec::new() };
        let mut failed: BTreeMap<String, usize> = BTreeMap::new();
        for sample in made {
            let sample = sample?;
            batch.places.push(sample.place);
            batch.dates.push(sample.dates);
            sample.failures.into_iter().for_each(|error| *failed.entry(error.to_string()).or_default() += 1);
        }
        batch.warnings = failed.into_iter().map(|(what, count)| Warning { what, count }).collect();
        batch.views = views;
        Ok(batch)
    }

    /// Writes every view of one sample into its `targets`, `[bands, px, px]` each.
    fn make_sample(
        &self,
        epoch: u64,
        index: usize,
        (source_index, place): (usize, usize),
        px: usize,
        targets: &mut [&mut [f32]],
    ) -> Result<Made> {
        let source = &self.mixture.sources()[source_index];
        let normalisation = &self.config.normalisation;
        let palette = Palette::new(source.bands(), source.range(), normalisation.mean());
        let mut failures = Vec::new();
        for attempt in 0..source.len().min(MAX_SUBSTITUTES) {
            let place = (place + attempt) % source.len();
            let mut rng = view_rng(self.config.seed, epoch, index as u64);
            let dates = self.views.dates(source.dates(place), &mut rng);
            match source.read(place, &dates, &mut rng) {
                Err(error) => failures.push(error),
                Ok(tiles) => {
                    let views = self.views.make(&tiles, px, palette, &mut rng)?;
                    for (mut view, target) in views.into_iter().zip(targets) {
                        normalise(&mut view, normalisation)?;
                        target.copy_from_slice(view.pixels());
                    }
                    return Ok(Made { place: (source_index, place), dates, failures });
                }
            }
        }
        let first = failures.first().map(ToString::to_string).unwrap_or_default();
        bail!(
            "{}: {} places in a row cannot be read; {first}\nhint: inspect-data lists the damaged files",
            source.name(),
            failures.len()
        )
    }
}

/// What became of one sample.
struct Made {
    place: (usize, usize),
    dates: Vec<usize>,
    failures: Vec<SampleError>,
}

/// The batches of one epoch, in order; dropping it stops the work.
pub struct LoaderEpoch {
    receiver: Option<Receiver<Result<Batch>>>,
    worker: Option<JoinHandle<()>>,
    reported: Arc<Mutex<HashSet<String>>>,
}

impl Iterator for LoaderEpoch {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut next = self.receiver.as_ref()?.recv().ok();
        if let (Some(Ok(batch)), Ok(mut reported)) = (&mut next, self.reported.lock()) {
            batch.warnings.retain(|warning| reported.insert(warning.what.clone()));
        }
        if next.is_none() && self.worker.take().is_some_and(|worker| worker.join().is_err()) {
            return Some(Err(anyhow!(
                "a loader thread stopped\nhint: this is a fault of the program; please report it"
            )));
        }
        next
    }
}

impl Drop for LoaderEpoch {
    fn drop(&mut self) {
        // a worker that waits to hand over a batch sees the closed channel and ends
        self.receiver = None;
        if let Some(worker) = self.worker.take() {
            let _ended = worker.join();
        }
    }
}
