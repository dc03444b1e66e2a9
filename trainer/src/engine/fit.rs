//! The training loop: batches in, optimiser steps, events out. It knows no method by name.

use super::checkpoint::{self, NotFinite, Progress};
use super::divergence;
use super::event::Event;
use super::optimiser::{Optimiser, OptimiserConfig};
use super::place_features::place_features;
use super::schedule::Schedule;
use crate::data::{Batch, Loader};
use crate::methods::{ClusteringSummary, Encode, EpochContext, EpochPlan, Generated, Method, StepContext};
use crate::parts::{Frozen, values_of};
use anyhow::{bail, ensure};
use burn::optim::GradientsParams;
use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use shared::kernels::{self, computes_together};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Precision of the encoder's arithmetic; weights, losses and normalisation are f32 in either case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// Single precision throughout.
    F32,
    /// Convolutions in bfloat16 (CUDA's tensor cores).
    Bf16,
}

/// How a method is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FitConfig {
    /// Epochs in all.
    pub epochs: usize,
    /// Places a step.
    pub batch: usize,
    /// Base learning rate.
    pub learning_rate: f64,
    /// How it falls.
    pub schedule: Schedule,
    /// The optimiser with its other numbers, a table by its name.
    #[serde(flatten)]
    pub optimiser: OptimiserConfig,
    /// Precision of the encoder.
    pub precision: Precision,
    /// Side of a crop by epoch: `[[0, 32], [40, 64]]` is 32 pixels from epoch 0 and 64 from epoch 40 on.
    pub crop_px: Vec<(usize, usize)>,
    /// Seconds between checkpoints inside an epoch (there is one at the end of every epoch too).
    pub checkpoint_secs: u64,
}

impl FitConfig {
    /// Side of a crop in `epoch`.
    #[must_use]
    pub fn crop_px_at(&self, epoch: usize) -> usize {
        let passed = self.crop_px.iter().take_while(|(from, _)| *from <= epoch);
        passed.last().or(self.crop_px.first()).map_or(64, |(_, px)| *px)
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every epoch is done.
    Finished,
    /// It was asked to stop; the checkpoint holds its state.
    Interrupted,
}

/// k-NN accuracy of the encoder on a labelled set, if it is due after `epoch`.
pub type OnlineAccuracy<'a> = dyn FnMut(&dyn Frozen, usize) -> anyhow::Result<Option<f64>> + 'a;

/// Writes the tiles that were generated after an epoch; the picture's path inside the run folder.
pub type WritePictures<'a> = dyn FnMut(&Generated, usize) -> anyhow::Result<PathBuf> + 'a;

/// Puts on record what the loader has read; called before each checkpoint, so that none knows more than the record.
pub type WriteRecord<'a> = dyn FnMut(&Loader) -> anyhow::Result<()> + 'a;

/// A run in progress.
pub struct Fit<'a> {
    /// What is trained.
    pub method: Box<dyn Method>,
    /// Its optimiser.
    pub optimiser: Optimiser,
    /// Where batches come from.
    pub loader: Loader,
    /// How it is trained.
    pub config: &'a FitConfig,
    /// The plain device (without autodiff).
    pub device: Device,
    /// The checkpoint file.
    pub checkpoint: PathBuf,
    /// Set to stop after the current step.
    pub stop: &'a AtomicBool,
    /// What is printed and logged.
    pub on_event: &'a mut dyn FnMut(Event) -> anyhow::Result<()>,
    /// Evaluation during training.
    pub probe: &'a mut OnlineAccuracy<'a>,
    /// Where generated tiles go.
    pub pictures: &'a mut WritePictures<'a>,
    /// Where it is written what was trained on.
    pub record: &'a mut WriteRecord<'a>,
}

/// A step whose numbers are still on the device: loss, spread, the parts by name, and accuracies.
struct Launched {
    step: usize,
    epoch: usize,
    lr: f64,
    parts: Vec<&'static str>,
    numbers: Tensor<1>,
}

impl Fit<'_> {
    /// Trains from `progress` to the last epoch, or until asked to stop.
    ///
    /// # Errors
    /// When a batch cannot be read, the loss or a weight is no finite number, or a checkpoint cannot be written.
    pub fn run(&mut self, mut progress: Progress) -> anyhow::Result<Outcome> {
        let steps_per_epoch = self.loader.steps_per_epoch();
        ensure!(
            steps_per_epoch > 0,
            "the data has fewer places than one batch of {}\nhint: --set train.batch=…, or set train.samples_per_epoch",
            self.config.batch
        );
        let total = steps_per_epoch * self.config.epochs;
        let started = Instant::now();
        let mut saved = Instant::now();
        let mut rate = Rate::new(self.config.batch);
        let first_epoch = progress.step / steps_per_epoch;
        for epoch in first_epoch..self.config.epochs {
            let epoch_started = Instant::now();
            self.loader.set_px(self.config.crop_px_at(epoch));
            let first_step = progress.step % steps_per_epoch;
            let plan = self.begin_epoch(epoch, first_step > 0)?;
            let mut batches = self.loader.epoch_in(epoch, first_step, plan.order);
            rate.restart();
            let mut launched = VecDeque::new();
            while progress.step < (epoch + 1) * steps_per_epoch {
                let Some(batch) = batches.next() else { bail!("the loader ended before the epoch") };
                let batch = batch?;
                for warning in &batch.warnings {
                    (self.on_event)(Event::Warning { what: warning.what.clone(), count: warning.count })?;
                }
                let lr = self.config.schedule.learning_rate(
                    self.config.learning_rate,
                    progress.step,
                    steps_per_epoch,
                    self.config.epochs,
                );
                let context =
                    StepContext { step: progress.step, total_steps: total, places: &batch.places, dates: &batch.dates };
                self.method.begin_step(&context)?;
                let (parts, numbers) = self.step(batch, lr);
                progress.step += 1;
                launched.push_back(Launched { step: progress.step, epoch, lr, parts, numbers });
                let last = progress.step == (epoch + 1) * steps_per_epoch;
                let stops = self.stop.load(Ordering::SeqCst) && !last;
                let is_due = saved.elapsed() > Duration::from_secs(self.config.checkpoint_secs) && !last;
                // A graphics device computes this step while the numbers of the one before are read.
                let ahead = usize::from(computes_together(&self.device) && !(last || stops || is_due));
                while launched.len() > ahead
                    && let Some(step) = launched.pop_front()
                {
                    self.settle(step, &mut progress, &mut rate, total)?;
                }
                if stops {
                    self.save(progress)?;
                    (self.on_event)(Event::Interrupted { step: progress.step })?;
                    return Ok(Outcome::Interrupted);
                }
                if is_due {
                    self.save(progress)?;
                    saved = Instant::now();
                }
            }
            drop(batches);
            let loss = f64::from_bits(progress.epoch_loss_bits) / steps_per_epoch as f64;
            progress.epoch_loss_bits = 0;
            let knn_accuracy = (self.probe)(self.method.query().frozen().as_ref(), epoch)?;
            self.end_epoch(epoch, loss)?;
            let secs = epoch_started.elapsed().as_secs_f64();
            (self.on_event)(Event::EpochEnded { epoch, loss, knn_accuracy, secs })?;
            self.save(progress)?;
            saved = Instant::now();
            rate.restart();
            if self.stop.load(Ordering::SeqCst) && epoch + 1 < self.config.epochs {
                (self.on_event)(Event::Interrupted { step: progress.step })?;
                return Ok(Outcome::Interrupted);
            }
        }
        (self.on_event)(Event::Finished { steps: progress.step, secs: started.elapsed().as_secs_f64() })?;
        Ok(Outcome::Finished)
    }

    /// Asks the method what it wants of `epoch`, and lets it see all places.
    fn begin_epoch(&mut self, epoch: usize, is_begun: bool) -> anyhow::Result<EpochPlan> {
        let began = Instant::now();
        let places = self.loader.places();
        let (loader, device, on_event) = (&self.loader, &self.device, &mut *self.on_event);
        let mut embed = |px: usize, encode: &Encode<'_>| place_features(loader, device, &places, px, encode, on_event);
        let samples = loader.steps_per_epoch() * self.config.batch;
        let mut context =
            EpochContext { epoch, is_begun, samples, places: &places, px: loader.px(), embed: &mut embed };
        let plan = self.method.begin_epoch(&mut context)?;
        if !plan.fresh_parameters.is_empty() {
            self.optimiser.forget(&plan.fresh_parameters);
        }
        if let Some(found) = plan.clustering.clone() {
            let ClusteringSummary { clusters, empty, smallest, largest, reseeded, stability } = found;
            let secs = began.elapsed().as_secs_f64();
            (self.on_event)(Event::Clustered { epoch, clusters, empty, smallest, largest, reseeded, stability, secs })?;
        }
        Ok(plan)
    }

    /// Lets the method say what there is to say of `epoch`, whose mean loss was `loss`.
    fn end_epoch(&mut self, epoch: usize, loss: f64) -> anyhow::Result<()> {
        let end = self.method.end_epoch(loss)?;
        if let Some(generated) = &end.generated {
            let path = (self.pictures)(generated, epoch)?;
            (self.on_event)(Event::Generated { epoch, path, spread: generated.spread })?;
        }
        for what in end.warnings {
            (self.on_event)(Event::Warning { what: format!("epoch {}: {what}", epoch + 1), count: 1 })?;
        }
        Ok(())
    }

    /// Forward, backward, optimiser; then the method's further networks, if it has any. The names of the parts, and loss,
    /// spread, parts and accuracies.
    fn step(&mut self, batch: Batch, lr: f64) -> (Vec<&'static str>, Tensor<1>) {
        let shape = [batch.n, batch.bands, batch.px, batch.px];
        let views = batch.views.into_iter().map(|values| {
            let view = Tensor::<4>::from_data(TensorData::new(values, shape), &self.device);
            match self.config.precision {
                Precision::F32 => view,
                Precision::Bf16 => view.cast(FloatDType::BF16),
            }
        });
        let mut losses = self.method.losses(views.collect());
        let gradients = losses.total.backward();
        let network = self.method.query().clone();
        let gradients = GradientsParams::from_grads(gradients, &network);
        let network = self.optimiser.step(lr, network, gradients);
        self.method.set_query(network);
        losses.parts.extend(self.method.end_step(lr));
        let mut numbers = vec![losses.total.without_autodiff(), kernels::spread(losses.embeddings)];
        numbers.extend(losses.parts.iter().map(|(_, loss)| loss.clone()));
        numbers.extend(losses.accuracy);
        (losses.parts.iter().map(|(name, _)| *name).collect(), kernels::lined_up(numbers))
    }

    /// Reads the numbers of a step back, in one transfer, and tells them.
    fn settle(
        &mut self,
        launched: Launched,
        progress: &mut Progress,
        rate: &mut Rate,
        total: usize,
    ) -> anyhow::Result<()> {
        let Launched { step, epoch, lr, parts, numbers } = launched;
        let values: Vec<f64> = values_of(numbers.into_data()).into_iter().map(f64::from).collect();
        let (loss, spread) = (values[0], values[1]);
        let (losses, accuracies) = values[2..].split_at(parts.len());
        if let Some(loss) = losses.iter().chain([&loss]).find(|loss| !loss.is_finite()) {
            // It was computed with the weights of the step before.
            return Err(divergence::explain(&self.checkpoint, &format!("the loss is {loss}"), step - 1));
        }
        progress.epoch_loss_bits = (f64::from_bits(progress.epoch_loss_bits) + loss).to_bits();
        let tiles_per_sec = rate.tick();
        (self.on_event)(Event::Step {
            step,
            epoch,
            loss,
            parts: parts.into_iter().map(str::to_owned).zip(losses.iter().copied()).collect(),
            lr,
            tiles_per_sec,
            eta_secs: ((total - step) * self.config.batch) as f64 / tiles_per_sec,
            spread,
            contrastive_accuracy: accuracies.iter().sum::<f64>() / accuracies.len() as f64,
        })
    }

    fn save(&mut self, progress: Progress) -> anyhow::Result<()> {
        let mut tensors = self.method.query().state("query");
        tensors.extend(self.method.state());
        tensors.extend(self.optimiser.state());
        (self.record)(&self.loader)?;
        let written = checkpoint::write_keeping(&self.checkpoint, "checkpoint", &progress, &tensors);
        written.map_err(|error| match error.downcast::<NotFinite>() {
            Ok(NotFinite { tensor, value }) => {
                divergence::explain(&self.checkpoint, &format!("{tensor} holds {value}"), progress.step)
            }
            Err(error) => error,
        })?;
        (self.on_event)(Event::Checkpoint { step: progress.step, path: self.checkpoint.clone() })
    }
}

/// Tiles a second over the recent steps.
struct Rate {
    tiles: usize,
    last: Instant,
    secs_a_step: Option<f64>,
}

impl Rate {
    fn new(tiles: usize) -> Self {
        Self { tiles, last: Instant::now(), secs_a_step: None }
    }

    /// After a pause that was no training.
    fn restart(&mut self) {
        self.last = Instant::now();
    }

    fn tick(&mut self) -> f64 {
        let secs = self.last.elapsed().as_secs_f64();
        self.last = Instant::now();
        let smooth = self.secs_a_step.map_or(secs, |old| 0.95 * old + 0.05 * secs);
        self.secs_a_step = Some(smooth);
        self.tiles as f64 / smooth.max(1e-9)
    }
}
