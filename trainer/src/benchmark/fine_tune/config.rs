//! The recipes of fine-tuning.

use serde::Serialize;

use crate::engine::schedule::Schedule;
use crate::views::{Recipe, Transform};

/// What of the encoder is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoder {
    /// Everything.
    Whole,
    /// Nothing but the running statistics of its batch normalisation, which follow the new pictures: what SeCo's published
    /// linear figures are made with.
    StatisticsOnly,
}

/// How an encoder is fine-tuned.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FineTuneConfig {
    /// What of the encoder is trained.
    pub encoder: Encoder,
    /// Epochs at the most.
    pub epochs: usize,
    /// The epoch that it ends after, where it is not all of them: the rate falls as if it were.
    pub ends_after: Option<usize>,
    /// Epochs without a better validation accuracy after which it ends; never where 0.
    pub patience: usize,
    /// Pictures a step.
    pub batch: usize,
    /// Rate of the head.
    pub learning_rate: f64,
    /// Every stage below the head has this share of the rate of the one above it.
    pub layer_decay: f64,
    /// What matrices and kernels lose each step, times the rate.
    pub weight_decay: f64,
    /// Share of the target that is spread over all classes.
    pub label_smoothing: f64,
    /// How the rate falls.
    pub schedule: Schedule,
    /// What is done to training pictures.
    pub view: Recipe,
    /// Whether the best epoch by validation is tested, or the last one.
    pub takes_best: bool,
}

impl FineTuneConfig {
    /// Ours.
    #[must_use]
    pub fn ours() -> Self {
        Self {
            encoder: Encoder::Whole,
            epochs: 60,
            ends_after: None,
            patience: 20,
            batch: 64,
            learning_rate: 2e-3,
            layer_decay: 0.75,
            weight_decay: 0.05,
            label_smoothing: 0.1,
            schedule: Schedule::Cosine { warmup_epochs: 3.0 },
            view: Recipe(vec![
                Transform::RandomResizedCrop { scale: [0.6, 1.0], ratio: [0.8, 1.25] },
                Transform::FlipHorizontal { p: 0.5 },
                Transform::Rotate90 { p: 0.75 },
                Transform::ColourJitter { brightness: 0.1, contrast: 0.1, saturation: 0.1, hue: 0.02, p: 0.5 },
            ]),
            takes_best: true,
        }
    }

    /// SeCo's linear protocol: Adam 1e-3, batches of 32, 100 epochs, a tenth of the rate from epochs 60 and 80 on, pictures
    /// at their own size without augmentation, the last epoch.
    #[must_use]
    pub fn seco_linear() -> Self {
        Self {
            encoder: Encoder::StatisticsOnly,
            epochs: 100,
            ends_after: None,
            patience: 0,
            batch: 32,
            learning_rate: 1e-3,
            layer_decay: 1.0,
            weight_decay: 0.0,
            label_smoothing: 0.0,
            schedule: Schedule::Step { epochs: vec![60, 80], factor: 0.1 },
            view: Recipe(Vec::new()),
            takes_best: false,
        }
    }

    /// Says what is wrong, if anything.
    ///
    /// # Errors
    /// One line and a hint.
    pub fn check(&self) -> Result<(), String> {
        let shares = [self.layer_decay, 1.0 - self.label_smoothing];
        let is_fine = self.epochs > 0
            && self.batch > 1
            && self.learning_rate > 0.0
            && self.weight_decay >= 0.0
            && shares.iter().all(|share| *share > 0.0 && *share <= 1.0);
        if !is_fine {
            return Err(
                "fine-tuning needs epochs, a batch of 2 or more, a learning rate above 0, and shares from 0 to 1\n\
                        hint: --epochs 20 --rate 0.001"
                    .to_owned(),
            );
        }
        self.view.check().map_err(|what| format!("{what}\nhint: see the presets"))
    }

    /// The recipe in one sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let what = match self.encoder {
            Encoder::Whole => {
                format!("encoder and linear head trained together, layer-wise rate decay {}", self.layer_decay)
            }
            Encoder::StatisticsOnly => "linear head on frozen weights whose batch normalisation adapts".to_owned(),
        };
        let end = if self.takes_best {
            format!("early stopping after {} epochs, best epoch by the validation part", self.patience)
        } else {
            "last epoch".to_owned()
        };
        let view = if self.view.0.is_empty() { "no augmentation" } else { "random crops, flips, turns, slight colour" };
        format!(
            "{what}; AdamW rate {}, weight decay {}, batch {}, at most {} epochs, label smoothing {}, {view}; {end}",
            self.learning_rate, self.weight_decay, self.batch, self.epochs, self.label_smoothing
        )
    }
}
