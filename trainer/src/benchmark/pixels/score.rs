//! What maps are worth: change by thresholds, classes by a confusion.

use std::path::Path;

use anyhow::Result;

use super::super::dense::{IGNORED, Item, Scene, write_change, write_classes};
use super::super::row::Measure;
use super::super::task::{Kind, PixelClass};
use crate::eval::{DRAWS, PixelConfusion, Thresholds, bootstrap, ratio};

/// What is asked of every pixel.
pub enum Question<'a> {
    /// Whether it has changed.
    Change,
    /// Of which of these classes it is.
    Classes(&'a [PixelClass]),
}

/// What was found on test pictures so far.
pub struct Scores<'a> {
    question: Question<'a>,
    /// Of all pictures together.
    half: Thresholds,
    /// At the threshold that the validation part of each fold likes best.
    best: PixelConfusion,
    /// Thresholds of the folds.
    thresholds: Vec<f64>,
    /// Of each picture: at .5 for change.
    pictures: Vec<PixelConfusion>,
}

impl<'a> Question<'a> {
    /// That of a task.
    #[must_use]
    pub fn of(kind: &'a Kind) -> Self {
        match kind {
            Kind::Segmentation { classes, .. } => Self::Classes(classes),
            _ => Self::Change,
        }
    }

    /// Planes that a decoder answers with.
    #[must_use]
    pub fn outputs(&self) -> usize {
        match self {
            Self::Change => 1,
            Self::Classes(classes) => classes.len(),
        }
    }

    /// How good an answer to some scenes is, from 0 to 1, and the threshold that it is good at.
    ///
    /// # Errors
    /// Those of `answers`.
    pub fn validate(
        &self,
        scenes: impl Iterator<Item = Result<(std::sync::Arc<Scene>, Vec<f32>)>>,
    ) -> Result<(f64, f64)> {
        match self {
            Self::Change => {
                let mut counts = Thresholds::default();
                for scene in scenes {
                    let (scene, found) = scene?;
                    scene.classes.iter().zip(found).for_each(|(class, found)| counts.add(truth(*class), found));
                }
                let best = counts.best();
                Ok((counts.at(best).f1.unwrap_or(0.0), best))
            }
            Self::Classes(classes) => {
                let mut confusion = PixelConfusion::new(classes.len());
                for scene in scenes {
                    let (scene, found) = scene?;
                    confusion.add(labels(&scene), most_likely(&found, classes.len()));
                }
                Ok((mean_iou(&confusion, classes).unwrap_or(0.0), 0.5))
            }
        }
    }
}

impl<'a> Scores<'a> {
    /// Nothing found yet.
    #[must_use]
    pub fn new(question: Question<'a>) -> Self {
        let classes = question.outputs().max(2);
        Self {
            question,
            half: Thresholds::default(),
            best: PixelConfusion::new(classes),
            thresholds: Vec::new(),
            pictures: Vec::new(),
        }
    }

    /// A new fold begins, with this threshold.
    pub fn begin_fold(&mut self, threshold: f64) {
        self.thresholds.push(threshold);
    }

    /// Counts the answer to a scene, and writes its map into `folder`.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn add(&mut self, item: &Item, scene: &Scene, found: &[f32], folder: &Path) -> Result<()> {
        let path = folder.join(format!("{}.png", item.name.replace('/', "_")));
        match self.question {
            Question::Change => {
                let mut own = PixelConfusion::new(2);
                own.add(labels(scene), found.iter().map(|share| usize::from(*share >= 0.5)));
                self.pictures.push(own);
                scene.classes.iter().zip(found).for_each(|(class, share)| self.half.add(truth(*class), *share));
                let threshold = self.thresholds.last().copied().unwrap_or(0.5);
                let decided: Vec<bool> = found.iter().map(|share| f64::from(*share) >= threshold).collect();
                self.best.add(labels(scene), decided.iter().map(|found| usize::from(*found)));
                write_change(&path, scene.size(), &scene.classes, &decided)
            }
            Question::Classes(classes) => {
                let decided = most_likely(found, classes.len());
                let mut own = PixelConfusion::new(classes.len());
                own.add(labels(scene), decided.iter().copied());
                self.best.merge(&own);
                self.pictures.push(own);
                let colours: Vec<[u8; 3]> = classes.iter().map(|class| class.colour).collect();
                write_classes(&path, scene.size(), &decided, &colours)
            }
        }
    }

    /// The figures, and what is no figure.
    #[must_use]
    pub fn finish(&self, seed: u64) -> (Vec<Measure>, serde_json::Value) {
        let interval = |score: &(dyn Fn(&PixelConfusion) -> Option<f64> + Sync)| {
            bootstrap(self.pictures.len(), DRAWS, seed, |rows| {
                let mut all = PixelConfusion::new(self.question.outputs().max(2));
                rows.iter().for_each(|&row| all.merge(&self.pictures[row]));
                score(&all)
            })
        };
        match self.question {
            Question::Change => {
                let (half, best) = (self.half.at(0.5), self.best.class(1));
                let f1 = Measure { interval: interval(&|all| all.class(1).f1), ..Measure::single("F1 at .5", half.f1) };
                let measures = vec![
                    f1,
                    Measure::single("IoU at .5", half.iou),
                    Measure::single("precision at .5", half.precision),
                    Measure::single("recall at .5", half.recall),
                    Measure::single("F1 at the validation part's threshold", best.f1),
                    Measure::single("IoU at the validation part's threshold", best.iou),
                ];
                let (pixels, changed) = self.half.pixels();
                let share = ratio(changed, pixels);
                (
                    measures,
                    serde_json::json!({ "thresholds": self.thresholds, "pixels": pixels, "changed_share": share }),
                )
            }
            Question::Classes(classes) => {
                let all = &self.best;
                let mean = Measure {
                    interval: interval(&|all| mean_iou(all, classes)),
                    ..Measure::single("mIoU", mean_iou(all, classes))
                };
                let kept = || classes.iter().zip(all.class_scores()).filter(|(class, _)| !class.is_left_out);
                let f1: Vec<f64> = kept().filter_map(|(_, score)| score.f1).collect();
                let mean_f1 = (!f1.is_empty()).then(|| f1.iter().sum::<f64>() / f1.len() as f64);
                let measures = vec![
                    mean,
                    Measure::single("mean F1", mean_f1),
                    Measure::single("overall accuracy", all.overall_accuracy()),
                ];
                let each: serde_json::Map<String, serde_json::Value> = classes
                    .iter()
                    .zip(all.class_scores())
                    .enumerate()
                    .map(|(at, (class, score))| {
                        let scores = serde_json::json!({ "scores": score, "pixels": all.pixels_of(at) });
                        (class.name.clone(), scores)
                    })
                    .collect();
                (measures, serde_json::json!({ "classes": each, "pixels": all.pixels() }))
            }
        }
    }
}

/// Mean over the classes that occur and are not left out.
fn mean_iou(confusion: &PixelConfusion, classes: &[PixelClass]) -> Option<f64> {
    let kept = classes.iter().zip(confusion.class_scores()).filter(|(class, _)| !class.is_left_out);
    let scores: Vec<f64> = kept.filter_map(|(_, score)| score.iou).collect();
    (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64)
}

fn truth(class: u8) -> Option<bool> {
    (class != IGNORED).then_some(class == 1)
}

fn labels(scene: &Scene) -> impl Iterator<Item = Option<usize>> {
    scene.classes.iter().map(|&class| (class != IGNORED).then_some(usize::from(class)))
}

/// The class with the highest share of every pixel: `[classes · pixels]` → `[pixels]`.
fn most_likely(shares: &[f32], classes: usize) -> Vec<usize> {
    let area = shares.len() / classes.max(1);
    let best = |at: usize| {
        (1..classes)
            .fold(0, |best, class| if shares[class * area + at] > shares[best * area + at] { class } else { best })
    };
    (0..area).map(best).collect()
}
