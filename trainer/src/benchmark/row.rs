//! One line of the report: a task, a split, an encoder and a protocol with what was measured.

use serde::{Deserialize, Serialize};

use crate::eval::Interval;
use crate::study::Spread;

/// Raised with every change of [`Row`].
pub const ROW_VERSION: u32 = 1;

/// What one protocol gave for one encoder on one split of one task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The task's name.
    pub task: String,
    /// The split's name.
    pub split: String,
    /// What the encoder is called.
    pub encoder: String,
    /// The protocol's name.
    pub protocol: String,
    /// The protocol in one sentence.
    pub procedure: String,
    /// Pictures in training, validation and test part.
    pub pictures: [usize; 3],
    /// Side of the input, pixels.
    pub input_px: usize,
    /// How values are normalised.
    pub normalisation: String,
    /// What was measured, the first the most important.
    pub measures: Vec<Measure>,
    /// What is to be known of the figures.
    #[serde(default)]
    pub notes: Vec<String>,
    /// What is not a figure: scores of each class, thresholds, regularisers.
    #[serde(default)]
    pub details: serde_json::Value,
}

/// A score from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// What it is.
    pub name: String,
    /// The score, the mean over the draws where there are several; `None` where there was nothing that it could be of.
    pub value: Option<f64>,
    /// Its bootstrap interval over the test pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
    /// Standard deviation over draws (over n − 1), where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deviation: Option<f64>,
    /// Draws of the training part, or of seeds.
    pub draws: usize,
}

impl Measure {
    /// A score without interval.
    #[must_use]
    pub fn single(name: impl Into<String>, value: Option<f64>) -> Self {
        Self { name: name.into(), value, interval: None, deviation: None, draws: 1 }
    }

    /// A score with its interval.
    #[must_use]
    pub fn with_interval(name: impl Into<String>, value: f64, interval: Option<Interval>) -> Self {
        Self { interval, ..Self::single(name, Some(value)) }
    }

    /// The mean of several draws with their deviation.
    #[must_use]
    pub fn of_draws(name: impl Into<String>, values: &[f64]) -> Self {
        let spread = Spread::of(values);
        Self {
            deviation: spread.filter(|spread| spread.count > 1).map(|spread| spread.deviation),
            draws: values.len(),
            ..Self::single(name, spread.map(|spread| spread.mean))
        }
    }

    /// The score in words: `91.2 % (90.4–91.9)` with an interval, `91.2 ± 0.3 %` with a deviation, and with both.
    #[must_use]
    pub fn text(&self) -> String {
        let per_cent = |share: f64| format!("{:.1}", 100.0 * share);
        match (self.value, self.deviation, self.interval) {
            (None, ..) => "n/a".to_owned(),
            (Some(value), Some(deviation), None) => format!("{} ± {} %", per_cent(value), per_cent(deviation)),
            (Some(value), Some(deviation), Some(Interval { low, high })) => {
                let (value, deviation) = (per_cent(value), per_cent(deviation));
                format!("{value} ± {deviation} % ({}–{})", per_cent(low), per_cent(high))
            }
            (Some(value), None, Some(Interval { low, high })) => {
                format!("{} % ({}–{})", per_cent(value), per_cent(low), per_cent(high))
            }
            (Some(value), None, None) => format!("{} %", per_cent(value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_in_words() {
        let interval = Some(Interval { low: 0.904, high: 0.919 });
        assert_eq!(Measure::with_interval("accuracy", 0.912, interval).text(), "91.2 % (90.4–91.9)");
        assert_eq!(Measure::of_draws("accuracy", &[0.5, 0.7]).text(), "60.0 ± 14.1 %");
        let both = Measure { interval, ..Measure::of_draws("accuracy", &[0.9, 0.92]) };
        assert_eq!(both.text(), "91.0 ± 1.4 % (90.4–91.9)");
        assert_eq!(Measure::of_draws("accuracy", &[0.5]).text(), "50.0 %");
        assert_eq!(Measure::of_draws("accuracy", &[]).text(), "n/a");
    }
}
