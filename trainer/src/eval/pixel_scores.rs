//! Scores of maps, pixel by pixel: what segmentation and change detection report.
//!
//! Pixels without a label (no data, boundaries that a data set leaves out) are not counted at all. A class that occurs
//! neither in truth nor in prediction has no score and no part in a mean, as in torchmetrics.

use serde::{Deserialize, Serialize};

use super::average_precision::mean;
use super::ratio::ratio;

/// How often each class was taken for each other, over any number of maps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PixelConfusion {
    classes: usize,
    /// `[true class, predicted class]`
    counts: Vec<u64>,
}

/// How well one class is found. `None` where nothing was counted that it could be the share of.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PixelScore {
    /// Share of what was taken for the class that is of it.
    pub precision: Option<f64>,
    /// Share of the class that was found.
    pub recall: Option<f64>,
    /// 2 · right / (2 · right + wrong + missed).
    pub f1: Option<f64>,
    /// Right / (right + wrong + missed).
    pub iou: Option<f64>,
}

impl PixelConfusion {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0; classes * classes] }
    }

    /// Counts a map; `None` in `truth` is left out, as are classes out of range.
    pub fn add(&mut self, truth: impl IntoIterator<Item = Option<usize>>, predicted: impl IntoIterator<Item = usize>) {
        for (truth, predicted) in truth.into_iter().zip(predicted) {
            if let Some(truth) = truth.filter(|truth| *truth < self.classes && predicted < self.classes) {
                self.counts[truth * self.classes + predicted] += 1;
            }
        }
    }

    /// Adds what another one counted of as many classes.
    pub fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(own, other)| *own += other);
    }

    /// Pixels that were counted.
    #[must_use]
    pub fn pixels(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Pixels of a true class.
    #[must_use]
    pub fn pixels_of(&self, class: usize) -> u64 {
        self.counts.iter().skip(class * self.classes).take(self.classes).sum()
    }

    /// Share of pixels that are right (overall accuracy); `None` when none was counted.
    #[must_use]
    pub fn overall_accuracy(&self) -> Option<f64> {
        ratio((0..self.classes).map(|class| self.right(class)).sum(), self.pixels())
    }

    /// The scores of a class.
    #[must_use]
    pub fn class(&self, class: usize) -> PixelScore {
        let (right, truth, taken) = (self.right(class), self.pixels_of(class), self.taken(class));
        PixelScore {
            precision: ratio(right, taken),
            recall: ratio(right, truth),
            f1: ratio(2 * right, truth + taken),
            iou: ratio(right, truth + taken - right),
        }
    }

    /// The scores of every class.
    #[must_use]
    pub fn class_scores(&self) -> Vec<PixelScore> {
        (0..self.classes).map(|class| self.class(class)).collect()
    }

    /// Mean IoU over the classes that occur in truth or prediction.
    #[must_use]
    pub fn mean_iou(&self) -> Option<f64> {
        mean((0..self.classes).filter_map(|class| self.class(class).iou))
    }

    /// Mean F1 over the classes that occur in truth or prediction.
    #[must_use]
    pub fn mean_f1(&self) -> Option<f64> {
        mean((0..self.classes).filter_map(|class| self.class(class).f1))
    }

    fn right(&self, class: usize) -> u64 {
        self.counts[class * self.classes + class]
    }

    fn taken(&self, class: usize) -> u64 {
        self.counts.iter().skip(class).step_by(self.classes.max(1)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_by_hand() {
        let mut confusion = PixelConfusion::new(3);
        let truth = [Some(0), Some(0), Some(1), None, Some(1), Some(7)];
        confusion.add(truth, [0, 1, 1, 0, 1, 1]);
        assert_eq!((confusion.pixels(), confusion.pixels_of(1)), (4, 2));
        let one = confusion.class(1);
        assert_eq!((one.precision, one.recall, one.iou), (Some(2.0 / 3.0), Some(1.0), Some(2.0 / 3.0)));
        assert_eq!(confusion.class(2), PixelScore { precision: None, recall: None, f1: None, iou: None });
        assert_eq!(confusion.mean_iou(), Some((0.5 + 2.0 / 3.0) / 2.0));
        assert_eq!(confusion.overall_accuracy(), Some(0.75));
    }

    #[test]
    fn nothing_but_ignored_pixels_has_no_score() {
        let mut confusion = PixelConfusion::new(2);
        confusion.add([None; 5], [1; 5]);
        assert_eq!((confusion.overall_accuracy(), confusion.mean_iou(), confusion.mean_f1()), (None, None, None));
    }
}
