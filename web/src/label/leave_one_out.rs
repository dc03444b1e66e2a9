//! How good is the head on tiles it has not learned from? Each marked tile is named by a head learned from all the others.
//!
//! Above [`MAX_PARTS`] tiles, so many heads would take too long: then tiles are left out in as many groups instead.

use label_head::TOLERANCE;
use label_head::fit::{REGULARISER, Rows, fit};
use serde::{Deserialize, Serialize};

use super::book::Book;
use super::head::{Head, Lesson};

/// Heads that are learned at most.
pub const MAX_PARTS: usize = 200;
/// Slope that is left: far too small to change which class is the most probable.
const PART_TOLERANCE: f64 = 1e-5;

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Tiles that were left out, and named.
    pub tiles: usize,
    /// How many heads were learned for it: as many as tiles, or [`MAX_PARTS`].
    pub parts: usize,
    /// Tiles named as they are marked.
    pub right: usize,
    /// Tiles of the most frequent class: what somebody gets right who always says that.
    pub majority: usize,
    /// Examples of the book that were named otherwise, with the class of the book that they were given.
    pub doubtful: Vec<(usize, usize)>,
}

/// The work, to be done in slices.
pub struct LeaveOneOut {
    lesson: Lesson,
    whole: Vec<f64>,
    next_part: usize,
    report: LeftOut,
}

impl LeaveOneOut {
    /// `None` while there is nothing to learn.
    #[must_use]
    pub fn new(book: &Book) -> Option<Self> {
        let lesson = Lesson::of(book)?;
        let whole = fit(lesson.rows.rows(), REGULARISER, None, TOLERANCE);
        let tiles = lesson.rows.labels().len();
        let counts = (0..lesson.taught.len()).map(|class| lesson.rows.labels().iter().filter(|&&l| l == class).count());
        let majority = counts.max().unwrap_or_default();
        let report = LeftOut { tiles, parts: tiles.min(MAX_PARTS), majority, ..LeftOut::default() };
        Some(Self { lesson, whole, next_part: 0, report })
    }

    /// The head of all tiles.
    #[must_use]
    pub fn head(&self, classes: &[String]) -> Head {
        self.lesson.head(classes, self.lesson.rows.head(&self.whole))
    }

    /// Parts done and in all.
    #[must_use]
    pub fn progress(&self) -> (usize, usize) {
        (self.next_part, self.report.parts)
    }

    /// Leaves out one more tile (or group of them); the report, once all are done.
    pub fn step(&mut self) -> Option<&LeftOut> {
        if self.next_part < self.report.parts {
            self.leave_out(self.next_part);
            self.next_part += 1;
        }
        (self.next_part == self.report.parts).then_some(&self.report)
    }

    fn leave_out(&mut self, part: usize) {
        let lesson = &self.lesson;
        let is_left_out = |row: usize| row % self.report.parts == part;
        let (values, labels) = lesson.rows.without(is_left_out);
        let rows = lesson.rows.rows();
        // A class that a group has taken away whole cannot be learned, so cannot be named either.
        let present: Vec<usize> = (0..rows.classes).filter(|class| labels.contains(class)).collect();
        let parameters = if present.len() == rows.classes {
            let rows = Rows { values: &values, labels: &labels, ..rows };
            // The head of all tiles is near: from there it is a few steps.
            fit(rows, REGULARISER, Some(&self.whole), PART_TOLERANCE)
        } else {
            let place = |label: &usize| present.iter().position(|class| class == label).unwrap_or_default();
            let labels: Vec<usize> = labels.iter().map(place).collect();
            let few = Rows { values: &values, labels: &labels, classes: present.len(), ..rows };
            spread_out(&fit(few, REGULARISER, None, PART_TOLERANCE), rows, &present)
        };
        for row in (0..lesson.rows.labels().len()).filter(|&row| is_left_out(row)) {
            let found = lesson.rows.predict(&parameters, row);
            if found == lesson.rows.labels()[row] {
                self.report.right += 1;
            } else {
                self.report.doubtful.push((lesson.examples[row], lesson.taught[found]));
            }
        }
    }
}

/// Parameters of the classes that were there, among those of all; what was not there is never the most probable.
fn spread_out(parameters: &[f64], rows: Rows<'_>, present: &[usize]) -> Vec<f64> {
    let mut all = vec![0.0; (rows.width + 1) * rows.classes];
    let (weights, bias) = all.split_at_mut(rows.width * rows.classes);
    bias.fill(f64::NEG_INFINITY);
    let (lines, few) = parameters.split_at(rows.width * present.len());
    for (at, &class) in present.iter().enumerate() {
        weights[class * rows.width..][..rows.width].copy_from_slice(&lines[at * rows.width..][..rows.width]);
        bias[class] = few[at];
    }
    all
}
