//! What a run's events add up to: the numbers behind the CSV file and the curves.

use crate::engine::event::Event;

/// One optimiser step.
#[derive(Clone, Debug, PartialEq)]
pub struct StepPoint {
    /// Steps taken so far, this one included.
    pub step: usize,
    /// Epoch it belongs to, counted from 0.
    pub epoch: usize,
    /// Total loss.
    pub loss: f64,
    /// The loss's named parts.
    pub parts: Vec<(String, f64)>,
    /// Learning rate that was used.
    pub learning_rate: f64,
    /// Tiles that went through the encoder a second.
    pub tiles_per_sec: f64,
    /// Spread of the embeddings: 1 healthy, 0 collapsed.
    pub spread: f64,
    /// How often the positive was the most similar key.
    pub contrastive_accuracy: f64,
    /// k-NN accuracy measured right after this step.
    pub knn_accuracy: Option<f64>,
}

/// The end of one epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochPoint {
    /// Last step of the epoch.
    pub step: usize,
    /// The epoch, counted from 0.
    pub epoch: usize,
    /// Mean loss over the epoch.
    pub loss: f64,
    /// k-NN accuracy, when it was measured.
    pub knn_accuracy: Option<f64>,
}

/// Everything that can be drawn of a run, oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Steps.
    pub steps: Vec<StepPoint>,
    /// Epochs.
    pub epochs: Vec<EpochPoint>,
    /// Steps an epoch has, 0 while unknown.
    pub steps_per_epoch: usize,
    /// The method's name, for titles.
    pub method: String,
}

impl History {
    /// Takes in one event.
    pub fn add(&mut self, event: &Event) {
        match event {
            Event::RunStarted { method, steps_per_epoch, .. } => {
                self.steps_per_epoch = *steps_per_epoch;
                self.method = method.clone();
            }
            Event::Step { step, epoch, loss, parts, lr, tiles_per_sec, spread, contrastive_accuracy, .. } => {
                self.steps.push(StepPoint {
                    step: *step,
                    epoch: *epoch,
                    loss: *loss,
                    parts: parts.clone(),
                    learning_rate: *lr,
                    tiles_per_sec: *tiles_per_sec,
                    spread: *spread,
                    contrastive_accuracy: *contrastive_accuracy,
                    knn_accuracy: None,
                });
            }
            Event::EpochEnded { epoch, loss, knn_accuracy, .. } => {
                let step = self.steps.last().map_or(0, |point| point.step);
                if let Some(last) = self.steps.last_mut() {
                    last.knn_accuracy = *knn_accuracy;
                }
                self.epochs.push(EpochPoint { step, epoch: *epoch, loss: *loss, knn_accuracy: *knn_accuracy });
            }
            Event::Checkpoint { .. }
            | Event::Progress { .. }
            | Event::Clustered { .. }
            | Event::Generated { .. }
            | Event::Resumed { .. }
            | Event::Warning { .. }
            | Event::Finished { .. }
            | Event::Interrupted { .. } => {}
        }
    }

    /// The last k-NN accuracy that was measured.
    #[must_use]
    pub fn last_knn(&self) -> Option<f64> {
        self.epochs.iter().rev().find_map(|point| point.knn_accuracy)
    }

    /// Column names of `metrics.csv`.
    #[must_use]
    pub fn csv_head(&self) -> String {
        let parts: String =
            self.steps.first().into_iter().flat_map(|point| &point.parts).map(|(name, _)| format!(",{name}")).collect();
        let fixed = "step,epoch,loss,learning_rate,tiles_per_sec,spread,contrastive_accuracy,knn_accuracy";
        format!("{fixed}{parts}\n")
    }
}

impl StepPoint {
    /// This step as a line of `metrics.csv`; epochs are counted from 1 there, as in the progress line.
    #[must_use]
    pub fn csv_row(&self) -> String {
        let knn = self.knn_accuracy.map(|value| value.to_string()).unwrap_or_default();
        let parts: String = self.parts.iter().map(|(_, value)| format!(",{value}")).collect();
        format!(
            "{},{},{},{},{:.1},{:.4},{:.4},{knn}{parts}\n",
            self.step,
            self.epoch + 1,
            self.loss,
            self.learning_rate,
            self.tiles_per_sec,
            self.spread,
            self.contrastive_accuracy
        )
    }
}
