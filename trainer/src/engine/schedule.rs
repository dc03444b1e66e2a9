//! Learning-rate schedules as closed formulas of the step.

use serde::{Deserialize, Serialize};

/// How the learning rate falls over a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// Half a cosine from the base rate to zero over the run, per step (MoCo-v2), after a linear warm-up.
    Cosine {
        /// Epochs of linear warm-up from zero.
        warmup_epochs: f64,
    },
    /// The base rate after a linear warm-up, then in a straight line to zero over the last epochs (warm-up, stable, decay:
    /// Zhai et al. 2022; Hägele et al. 2024). Until the decay begins, nothing depends on how many epochs there will be: a run
    /// is made longer by raising `train.epochs` in its config.toml and resuming a checkpoint from before.
    Stable {
        /// Epochs of linear warm-up from zero.
        warmup_epochs: f64,
        /// Epochs of decay at the end.
        decay_epochs: f64,
    },
    /// Multiplied by `factor` at the start of each of `epochs` (SeCo: 0.1 at 120 and 160 of 200).
    Step {
        /// Epochs, from 0, at whose start the rate falls.
        epochs: Vec<usize>,
        /// What it is multiplied by.
        factor: f64,
    },
    /// The base rate throughout.
    Constant,
}

impl Schedule {
    /// The learning rate of step `step` (from 0) of a run of `epochs` × `steps_per_epoch`.
    #[must_use]
    pub fn learning_rate(&self, base: f64, step: usize, steps_per_epoch: usize, epochs: usize) -> f64 {
        let epoch = step as f64 / steps_per_epoch as f64;
        match self {
            Self::Constant => base,
            Self::Step { epochs, factor } => {
                let passed = epochs.iter().filter(|&&at| step / steps_per_epoch >= at).count();
                base * factor.powi(i32::try_from(passed).unwrap_or(i32::MAX))
            }
            Self::Cosine { warmup_epochs } | Self::Stable { warmup_epochs, .. } if epoch < *warmup_epochs => {
                base * epoch / warmup_epochs
            }
            Self::Stable { decay_epochs, .. } => base * ((epochs as f64 - epoch) / decay_epochs).min(1.0),
            Self::Cosine { warmup_epochs } => {
                let progress = (epoch - warmup_epochs) / (epochs as f64 - warmup_epochs);
                base * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn step_schedule_falls_at_seco_epochs() {
        let schedule = Schedule::Step { epochs: vec![120, 160], factor: 0.1 };
        let rate = |epoch: usize| schedule.learning_rate(0.03, epoch * 10, 10, 200);
        assert!((rate(119) - 0.03).abs() < 1e-12);
        assert!((rate(120) - 0.003).abs() < 1e-12);
        assert!((rate(160) - 0.0003).abs() < 1e-12);
        assert!((schedule.learning_rate(0.03, 1199, 10, 200) - 0.03).abs() < 1e-12, "the last step of epoch 119");
    }

    #[test]
    fn a_stable_rate_knows_the_length_of_the_run_only_at_its_end() {
        let schedule = Schedule::Stable { warmup_epochs: 2.0, decay_epochs: 10.0 };
        let rate = |step: usize, epochs: usize| schedule.learning_rate(0.5, step, 10, epochs);
        for (step, expected) in [(0, 0.0), (10, 0.25), (20, 0.5), (899, 0.5), (900, 0.5), (950, 0.25), (999, 0.005)] {
            assert!((rate(step, 100) - expected).abs() < 1e-12, "step {step}");
        }
        assert!((0..900).all(|step| (rate(step, 100) - rate(step, 300)).abs() < 1e-15));
    }

    #[test]
    fn cosine_has_its_closed_form_values() {
        let schedule = Schedule::Cosine { warmup_epochs: 0.0 };
        let rate = |step: usize| schedule.learning_rate(1.0, step, 10, 100);
        assert!((rate(0) - 1.0).abs() < 1e-12);
        assert!((rate(500) - 0.5).abs() < 1e-12);
        assert!((rate(250) - 0.853_553_390_593_273_8).abs() < 1e-12);
        let warm = Schedule::Cosine { warmup_epochs: 2.0 };
        assert!((warm.learning_rate(1.0, 10, 10, 100) - 0.5).abs() < 1e-12, "half of the warm-up");
    }
}
