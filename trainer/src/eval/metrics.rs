//! Counting right and wrong predictions.

use serde::{Deserialize, Serialize};

/// Share of predictions that equal their label; 0 for none.
#[must_use]
pub fn accuracy(predictions: &[usize], labels: &[usize]) -> f64 {
    let right = predictions.iter().zip(labels).filter(|(prediction, label)| prediction == label).count();
    right as f64 / labels.len().max(1) as f64
}

/// How often each true class was taken for each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// Class names.
    pub classes: Vec<String>,
    /// `[true class][predicted class]`
    pub counts: Vec<Vec<usize>>,
}

/// How well one class is recognised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassScore {
    /// Its name.
    pub class: String,
    /// Tiles that are of this class.
    pub tiles: usize,
    /// Share of them that were recognised; 0 when there are none.
    pub recall: f64,
    /// Share of the tiles taken for this class that are of it; 0 when there are none.
    pub precision: f64,
}

impl Confusion {
    /// Counts pairs; those with a class out of range are left out.
    #[must_use]
    pub fn new(classes: &[String], predictions: &[usize], labels: &[usize]) -> Self {
        let mut counts = vec![vec![0; classes.len()]; classes.len()];
        for (&prediction, &label) in predictions.iter().zip(labels) {
            if let Some(count) = counts.get_mut(label).and_then(|row| row.get_mut(prediction)) {
                *count += 1;
            }
        }
        Self { classes: classes.to_vec(), counts }
    }

    /// Recall and precision of every class.
    #[must_use]
    pub fn class_scores(&self) -> Vec<ClassScore> {
        let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
        let score = |(index, class): (usize, &String)| {
            let tiles = self.counts[index].iter().sum();
            let taken = self.counts.iter().map(|row| row[index]).sum();
            let right = self.counts[index][index];
            ClassScore { class: class.clone(), tiles, recall: share(right, tiles), precision: share(right, taken) }
        };
        self.classes.iter().enumerate().map(score).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_by_hand() {
        let classes = ["field", "sea"].map(String::from);
        let (predictions, labels) = ([0, 0, 1, 1, 1], [0, 1, 1, 1, 0]);
        assert!((accuracy(&predictions, &labels) - 0.6).abs() < 1e-12);
        let confusion = Confusion::new(&classes, &predictions, &labels);
        assert_eq!(confusion.counts, [[1, 1], [1, 2]]);
        let sea = &confusion.class_scores()[1];
        assert_eq!((sea.tiles, sea.recall, sea.precision), (3, 2.0 / 3.0, 2.0 / 3.0));
    }
}
