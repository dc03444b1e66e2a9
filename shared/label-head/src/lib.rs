//! A linear head that is learned from a few labelled embeddings: the page's "label it yourself", and the trainer's few-shot
//! figures.
//!
//! There are far fewer tiles than numbers in an embedding, and the penalty keeps every weight in the span of the tiles:
//! rows are coordinates in an orthonormal basis of that span, in which learning is fast and the minimum is the same.

pub mod fit;

use fit::{REGULARISER, Rows, add, dot, fit, softmax};

/// Slope at which the head counts as learned.
pub const TOLERANCE: f64 = 1e-7;
/// A row that differs from the others' span by less than this share of the largest row adds no direction of its own.
const RANK_TOLERANCE: f64 = 1e-9;
/// Root-mean-square distance of unit rows under which they are the same but for rounding.
const NO_SPREAD: f64 = 1e-7;

/// Labelled embeddings as rows to learn from.
#[derive(Clone, Debug)]
pub struct Lesson {
    /// `[rank * width]`
    basis: Vec<Vec<f64>>,
    /// `[embeddings * rank]`
    values: Vec<f64>,
    labels: Vec<usize>,
    classes: usize,
    /// Length of 1 in the rows' coordinates: rows have about unit spread, whatever the embeddings'.
    scale: f64,
    centre: Vec<f64>,
}

impl Lesson {
    /// Embeddings of any length, each with a label below `classes`; every class has one.
    #[must_use]
    pub fn new(embeddings: &[&[f32]], labels: Vec<usize>, classes: usize) -> Self {
        let mut units: Vec<Vec<f64>> = embeddings.iter().map(|embedding| unit(embedding)).collect();
        let width = units.first().map_or(0, Vec::len);
        let mut centre = vec![0.0; width];
        units.iter().for_each(|row| add(&mut centre, 1.0 / units.len() as f64, row));
        units.iter_mut().for_each(|row| add(row, -1.0, &centre));
        let spread = (units.iter().map(|row| dot(row, row)).sum::<f64>() / units.len().max(1) as f64).sqrt();
        // Tiles that are all alike have no spread but rounding, from which nothing can be learned.
        let (scale, share) = if spread > NO_SPREAD { (spread, 1.0 / spread) } else { (1.0, 0.0) };
        units.iter_mut().flatten().for_each(|value| *value *= share);
        let (basis, values) = orthonormal(&units);
        Self { basis, values, labels, classes, scale, centre }
    }

    /// Label of every row.
    #[must_use]
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// The rows in the basis of their span.
    #[must_use]
    pub fn rows(&self) -> Rows<'_> {
        Rows { values: &self.values, width: self.basis.len(), labels: &self.labels, classes: self.classes }
    }

    /// All rows but those that `is_left_out` names.
    #[must_use]
    pub fn without(&self, is_left_out: impl Fn(usize) -> bool) -> (Vec<f64>, Vec<usize>) {
        let width = self.basis.len();
        let kept = |index: &usize| !is_left_out(*index);
        let values = (0..self.labels.len()).filter(kept).flat_map(|index| &self.values[index * width..][..width]);
        (values.copied().collect(), (0..self.labels.len()).filter(kept).map(|index| self.labels[index]).collect())
    }

    /// The most probable label of a row under `parameters`.
    #[must_use]
    pub fn predict(&self, parameters: &[f64], row: usize) -> usize {
        let width = self.basis.len();
        let (weights, bias) = parameters.split_at(width * self.classes);
        let row = &self.values[row * width..][..width];
        let scores: Vec<f64> =
            (0..self.classes).map(|class| bias[class] + dot(row, &weights[class * width..])).collect();
        let best = |best: usize, class: usize| if scores[class] > scores[best] { class } else { best };
        (0..self.classes).reduce(best).unwrap_or_default()
    }

    /// Learns the classes: a line of weights for each, as wide as an embedding, and a bias for each.
    #[must_use]
    pub fn learn(&self) -> (Vec<Vec<f32>>, Vec<f32>) {
        self.head(&fit(self.rows(), REGULARISER, None, TOLERANCE))
    }

    /// Parameters of a fit as a line of weights for each class and a bias for each: back from the basis to embeddings,
    /// centre and scale taken into weight and bias.
    #[must_use]
    pub fn head(&self, parameters: &[f64]) -> (Vec<Vec<f32>>, Vec<f32>) {
        let (lines, bias) = parameters.split_at(self.basis.len() * self.classes);
        let weight = |class: usize| {
            let mut weight = vec![0.0; self.centre.len()];
            for (direction, value) in self.basis.iter().zip(&lines[class * self.basis.len()..]) {
                add(&mut weight, value / self.scale, direction);
            }
            weight
        };
        let weight: Vec<Vec<f64>> = (0..self.classes).map(weight).collect();
        let bias = weight.iter().zip(bias).map(|(weight, bias)| (bias - dot(weight, &self.centre)) as f32).collect();
        (weight.into_iter().map(|line| line.into_iter().map(|value| value as f32).collect()).collect(), bias)
    }
}

/// softmax(weight · e/‖e‖ + bias): a probability for each class of a head.
#[must_use]
pub fn probabilities(weight: &[Vec<f32>], bias: &[f32], embedding: &[f32]) -> Vec<f32> {
    let unit = unit(embedding);
    let score = |(line, bias): (&Vec<f32>, &f32)| {
        let products = line.iter().zip(&unit).map(|(weight, value)| f64::from(*weight) * value);
        products.sum::<f64>() + f64::from(*bias)
    };
    let mut scores: Vec<f64> = weight.iter().zip(bias).map(score).collect();
    softmax(&mut scores);
    scores.into_iter().map(|share| share as f32).collect()
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
