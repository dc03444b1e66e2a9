//! The linear head of the user's own classes: learned from a book of marked tiles, applied to any embedding.

use serde::{Deserialize, Serialize};

use super::book::Book;
use super::fit::{REGULARISER, Rows, add, dot, fit, softmax};

/// Slope at which the head counts as learned.
pub(super) const TOLERANCE: f64 = 1e-7;
/// A row that differs from the others' span by less than this share of the largest row adds no direction of its own.
const RANK_TOLERANCE: f64 = 1e-9;
/// Root-mean-square distance of unit rows under which they are the same but for rounding.
const NO_SPREAD: f64 = 1e-7;

/// A linear classifier of embeddings of length 1: probabilities = softmax(weight · e/‖e‖ + bias).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Names of the classes it was learned from, in the order of the lines below.
    pub classes: Vec<String>,
    /// A line for each class, each as wide as an embedding.
    pub weight: Vec<Vec<f32>>,
    /// A number for each class.
    pub bias: Vec<f32>,
}

impl Head {
    /// Learns the classes of `book` that have tiles enough; `None` while fewer than two have.
    #[must_use]
    pub fn learn(book: &Book) -> Option<Self> {
        let lesson = Lesson::of(book)?;
        let parameters = fit(lesson.rows(), REGULARISER, None, TOLERANCE);
        Some(lesson.head(&book.classes, &parameters))
    }

    /// A probability for each of its classes.
    #[must_use]
    pub fn probabilities(&self, embedding: &[f32]) -> Vec<f32> {
        let unit = unit(embedding);
        let score = |(line, bias): (&Vec<f32>, &f32)| {
            let products = line.iter().zip(&unit).map(|(weight, value)| f64::from(*weight) * value);
            products.sum::<f64>() + f64::from(*bias)
        };
        let mut scores: Vec<f64> = self.weight.iter().zip(&self.bias).map(score).collect();
        softmax(&mut scores);
        scores.into_iter().map(|share| share as f32).collect()
    }
}

/// The marked tiles as rows to learn from.
///
/// There are far fewer tiles than numbers in an embedding, and the penalty keeps every weight in the span of the tiles:
/// rows are coordinates in an orthonormal basis of that span, in which learning is fast and the minimum is the same.
pub(super) struct Lesson {
    /// `[rank * width]`
    basis: Vec<Vec<f64>>,
    /// `[examples * rank]`
    values: Vec<f64>,
    /// Index into `taught`, one an example.
    pub labels: Vec<usize>,
    /// Classes of the book that have tiles enough.
    pub taught: Vec<usize>,
    /// Examples of the book, in the order of the rows.
    pub examples: Vec<usize>,
    /// Length of 1 in the rows' coordinates: rows have about unit spread, whatever the embeddings'.
    scale: f64,
    centre: Vec<f64>,
}

impl Lesson {
    /// `None` while fewer than two classes have tiles enough.
    pub fn of(book: &Book) -> Option<Self> {
        let taught = book.taught();
        if taught.len() < 2 {
            return None;
        }
        let place = |class: usize| taught.iter().position(|&taught| taught == class);
        let (mut units, mut labels, mut examples) = (Vec::new(), Vec::new(), Vec::new());
        for (index, example) in book.examples.iter().enumerate() {
            if let Some(label) = place(example.class) {
                units.push(unit(&example.embedding));
                labels.push(label);
                examples.push(index);
            }
        }
        let width = units.first().map_or(0, Vec::len);
        let mut centre = vec![0.0; width];
        units.iter().for_each(|row| add(&mut centre, 1.0 / units.len() as f64, row));
        units.iter_mut().for_each(|row| add(row, -1.0, &centre));
        let spread = (units.iter().map(|row| dot(row, row)).sum::<f64>() / units.len() as f64).sqrt();
        // Tiles that are all alike have no spread but rounding, from which nothing can be learned.
        let (scale, share) = if spread > NO_SPREAD { (spread, 1.0 / spread) } else { (1.0, 0.0) };
        units.iter_mut().flatten().for_each(|value| *value *= share);
        let (basis, values) = orthonormal(&units);
        Some(Self { basis, values, labels, taught, examples, scale, centre })
    }

    pub fn rows(&self) -> Rows<'_> {
        Rows { values: &self.values, width: self.basis.len(), labels: &self.labels, classes: self.taught.len() }
    }

    /// All rows but those that `is_left_out` names.
    pub fn without(&self, is_left_out: impl Fn(usize) -> bool) -> (Vec<f64>, Vec<usize>) {
        let width = self.basis.len();
        let kept = |index: &usize| !is_left_out(*index);
        let values = (0..self.labels.len()).filter(kept).flat_map(|index| &self.values[index * width..][..width]);
        (values.copied().collect(), (0..self.labels.len()).filter(kept).map(|index| self.labels[index]).collect())
    }

    /// The most probable label of a row under `parameters`.
    pub fn predict(&self, parameters: &[f64], row: usize) -> usize {
        let (width, classes) = (self.basis.len(), self.taught.len());
        let (weights, bias) = parameters.split_at(width * classes);
        let row = &self.values[row * width..][..width];
        let scores: Vec<f64> = (0..classes).map(|class| bias[class] + dot(row, &weights[class * width..])).collect();
        let best = |best: usize, class: usize| if scores[class] > scores[best] { class } else { best };
        (0..classes).reduce(best).unwrap_or_default()
    }

    /// Back from the basis to embeddings, centre and scale taken into weight and bias.
    pub fn head(&self, names: &[String], parameters: &[f64]) -> Head {
        let classes = self.taught.len();
        let (lines, bias) = parameters.split_at(self.basis.len() * classes);
        let weight = |class: usize| {
            let mut weight = vec![0.0; self.centre.len()];
            for (direction, value) in self.basis.iter().zip(&lines[class * self.basis.len()..]) {
                add(&mut weight, value / self.scale, direction);
            }
            weight
        };
        let weight: Vec<Vec<f64>> = (0..classes).map(weight).collect();
        let bias = weight.iter().zip(bias).map(|(weight, bias)| (bias - dot(weight, &self.centre)) as f32).collect();
        Head {
            classes: self.taught.iter().filter_map(|&class| names.get(class).cloned()).collect(),
            weight: weight.into_iter().map(|line| line.into_iter().map(|value| value as f32).collect()).collect(),
            bias,
        }
    }
}

/// An embedding of length 1; of zeros, when it is nothing but zeros.
fn unit(embedding: &[f32]) -> Vec<f64> {
    let norm = embedding.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    let norm = if norm > 0.0 { norm } else { 1.0 };
    embedding.iter().map(|value| f64::from(*value) / norm).collect()
}

/// Gram and Schmidt, each row twice (once leaves rounding behind): a basis of the rows' span, and the rows in it. A row has
/// no share in directions that came after it.
///
/// # Shapes
/// rows `[n][width]` → basis `[rank][width]`, coordinates `[n * rank]`
fn orthonormal(rows: &[Vec<f64>]) -> (Vec<Vec<f64>>, Vec<f64>) {
    let largest = rows.iter().map(|row| dot(row, row)).fold(0.0, f64::max).sqrt();
    let (mut basis, mut ranks) = (Vec::<Vec<f64>>::new(), Vec::with_capacity(rows.len()));
    for row in rows {
        let mut rest = row.clone();
        for _ in 0..2 {
            for direction in &basis {
                let share = dot(direction, &rest);
                add(&mut rest, -share, direction);
            }
        }
        let norm = dot(&rest, &rest).sqrt();
        if norm > RANK_TOLERANCE * largest {
            rest.iter_mut().for_each(|value| *value /= norm);
            basis.push(rest);
        }
        ranks.push(basis.len());
    }
    let coordinate = |row: &[f64], rank: usize, at: usize| if at < rank { dot(row, &basis[at]) } else { 0.0 };
    let values = rows.iter().zip(ranks).flat_map(|(row, rank)| (0..basis.len()).map(move |at| (row, rank, at)));
    let values = values.map(|(row, rank, at)| coordinate(row, rank, at)).collect();
    (basis, values)
}
