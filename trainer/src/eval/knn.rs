//! k nearest neighbours: every training tile votes for its class, the nearest k count.

use anyhow::{Result, ensure};
use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;
use shared::compare::{self, Neighbour, l2_normalise_rows};

use super::features::Embedded;
use super::metrics::accuracy;
use crate::data::LabelledSet;

/// Queries that are compared with all training rows at once.
const QUERIES_AT_ONCE: usize = 256;

/// What "near" means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Cosine of the angle between two vectors.
    Cosine,
    /// Euclidean distance; a neighbour's similarity is then minus the squared distance.
    Euclidean,
}

/// The predicted class of every query by majority vote among its `k` nearest training rows.
///
/// # Errors
/// See [`neighbours`].
pub fn knn(k: usize, metric: Metric, train: &Embedded, queries: &Embedded) -> Result<Vec<usize>> {
    let classes = train.labels.iter().max().map_or(0, |highest| highest + 1);
    let found = neighbours(k, metric, train, queries)?;
    Ok(found.iter().map(|near| majority(near, &train.labels, classes)).collect())
}

/// Share of `queries` (features of `query_set`) whose class wins the vote among their `k` nearest of `train` (features
/// of `train_set`) by cosine; with fewer training tiles all of them vote. NaN when features and sets do not fit.
#[must_use]
pub fn knn_accuracy(k: usize, train: &[f32], train_set: &LabelledSet, queries: &[f32], query_set: &LabelledSet) -> f64 {
    let width = train.len() / train_set.len().max(1);
    let embedded = |values: &[f32], set: &LabelledSet| Embedded::new(values.to_vec(), width, set.labels.clone());
    let measured = embedded(train, train_set).and_then(|train| {
        let queries = embedded(queries, query_set)?;
        Ok(accuracy(&knn(k.clamp(1, train.count()), Metric::Cosine, &train, &queries)?, &queries.labels))
    });
    measured.unwrap_or(f64::NAN)
}

/// The `k` nearest training rows of every query, nearest first, ties by index.
///
/// # Errors
/// When widths differ, or `k` is 0 or exceeds the number of training rows.
pub fn neighbours(k: usize, metric: Metric, train: &Embedded, queries: &Embedded) -> Result<Vec<Vec<Neighbour>>> {
    ensure!(train.width == queries.width, "features of width {} and {}", train.width, queries.width);
    ensure!(
        (1..=train.count()).contains(&k),
        "k = {k} neighbours of {} training tiles\nhint: give k between 1 and the number of training tiles",
        train.count()
    );
    let (width, count) = (train.width, train.count());
    let device = Device::flex();
    let gallery = prepared(train, metric);
    let squares =
        |rows: &[f32]| -> Vec<f32> { rows.chunks_exact(width).map(|row| row.iter().map(|v| v * v).sum()).collect() };
    let lengths = squares(&gallery);
    // [width, count]
    let gallery = Tensor::<2>::from_data(TensorData::new(gallery, [count, width]), &device).transpose();
    let asked = prepared(queries, metric);
    let mut found = Vec::with_capacity(queries.count());
    for block in asked.chunks(QUERIES_AT_ONCE * width) {
        let rows = block.len() / width;
        let block_lengths = squares(block);
        // [rows, width] × [width, count] → [rows, count]
        let products = Tensor::<2>::from_data(TensorData::new(block.to_vec(), [rows, width]), &device);
        let products = products.matmul(gallery.clone()).into_data();
        let products =
            products.as_slice::<f32>().map_err(|error| anyhow::anyhow!("cannot read products: {error:?}"))?;
        found.par_extend(products.par_chunks_exact(count).zip(block_lengths).map(|(row, length)| match metric {
            Metric::Cosine => highest(k, row.iter().copied()),
            Metric::Euclidean => highest(k, row.iter().zip(&lengths).map(|(dot, other)| 2.0 * dot - length - other)),
        }));
    }
    Ok(found)
}

/// The class that [`compare::majority`] gives; every training tile has a class, so that somebody votes.
#[must_use]
pub fn majority(neighbours: &[Neighbour], labels: &[usize], classes: usize) -> usize {
    compare::majority(neighbours, labels, classes).map_or(0, |(class, _)| class)
}

/// Rows as they are compared: of length 1 for the cosine.
fn prepared(rows: &Embedded, metric: Metric) -> Vec<f32> {
    let mut values = rows.values.clone();
    if metric == Metric::Cosine {
        l2_normalise_rows(&mut values, rows.width);
    }
    values
}

/// The `k` highest values with their positions: highest first, ties by position.
fn highest(k: usize, values: impl Iterator<Item = f32>) -> Vec<Neighbour> {
    let mut best: Vec<Neighbour> = Vec::with_capacity(k + 1);
    for (index, similarity) in values.enumerate() {
        if best.len() == k && best.last().is_some_and(|last| similarity <= last.similarity) {
            continue;
        }
        let at = best.partition_point(|other| other.similarity >= similarity);
        best.insert(at, Neighbour { index, similarity });
        best.truncate(k);
    }
    best
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    fn embedded(rows: &[[f32; 2]], labels: &[usize]) -> Embedded {
        Embedded::new(rows.concat(), 2, labels.to_vec()).unwrap()
    }

    #[test]
    fn direction_counts_for_the_cosine_and_place_for_euclid() {
        let train = embedded(&[[10.0, 0.0], [0.0, 1.0]], &[0, 1]);
        let query = embedded(&[[1.0, 0.9]], &[0]);
        assert_eq!(knn(1, Metric::Cosine, &train, &query).unwrap(), [0]);
        assert_eq!(knn(1, Metric::Euclidean, &train, &query).unwrap(), [1]);
    }

    #[test]
    fn a_tied_vote_goes_to_the_more_similar_class() {
        let near = |index, similarity| Neighbour { index, similarity };
        let labels = [2, 1, 1, 2, 0];
        let tied = [near(0, 0.9), near(1, 0.8), near(2, 0.8), near(3, 0.6), near(4, 0.5)];
        assert_eq!(majority(&tied, &labels, 3), 1, "0.8 + 0.8 beats 0.9 + 0.6");
        assert_eq!(majority(&tied[..2], &labels, 3), 2);
    }

    #[test]
    fn too_many_neighbours_are_refused() {
        let train = embedded(&[[1.0, 0.0]], &[0]);
        let error = neighbours(2, Metric::Cosine, &train, &train).unwrap_err().to_string();
        assert!(error.contains("hint:"), "{error}");
    }
}
