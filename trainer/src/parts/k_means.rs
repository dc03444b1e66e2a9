//! k-means by Lloyd's algorithm, on the device and in chunks.
//!
//! Beside the vectors themselves it holds the centroids and one block of similarities of at most 64 MiB, so a million
//! vectors of 512 values (1.9 GiB) are clustered well within 4 GiB.

use super::{Rows, read};
use burn::tensor::{Int, Tensor, TensorData};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Similarities computed at once: rows × clusters.
const BLOCK: usize = 1 << 24;
/// By how much a re-seeded centroid and the one it was taken from are moved apart (DeeperCluster's released code).
const APART: f32 = 1e-7;

/// What makes a centroid the nearest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Similarity {
    /// The smallest Euclidean distance; a centroid is the mean of its rows.
    Euclidean,
    /// The largest cosine; a centroid is the mean of its rows brought to length 1. Rows must have length 1.
    Cosine,
}

/// How clusters are sought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KMeans {
    /// Clusters k.
    pub clusters: usize,
    /// Lloyd iterations.
    pub iterations: usize,
    /// What is near.
    pub similarity: Similarity,
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Clusters {
    /// `[k, width]`, row-major.
    pub centroids: Vec<f32>,
    /// The cluster of each row: that of the nearest of `centroids`, the first of equals.
    pub labels: Vec<usize>,
    /// Rows a cluster.
    pub sizes: Vec<usize>,
    /// Empty clusters that were re-seeded on the way.
    pub reseeded: usize,
}

impl KMeans {
    /// Clusters `rows`, starting at distinct rows drawn from `rng`; fewer clusters than asked for when there are fewer
    /// rows.
    #[must_use]
    pub fn run(&self, rows: &Rows, rng: &mut ChaCha8Rng) -> Clusters {
        let k = self.clusters.min(rows.count());
        let mut first = rand::seq::index::sample(rng, rows.count(), k).into_vec();
        first.sort_unstable();
        let start = rows.subset(&first).values();
        self.run_from(rows, start, rng)
    }

    /// As [`Self::run`] from given centroids `[k, width]`; `rng` is used for empty clusters only.
    #[must_use]
    pub fn run_from(&self, rows: &Rows, start: Vec<f32>, rng: &mut ChaCha8Rng) -> Clusters {
        let mut found = Clusters { centroids: start, labels: Vec::new(), sizes: Vec::new(), reseeded: 0 };
        for _ in 0..self.iterations {
            let (sums, sizes) = self.sums(rows, &found.centroids);
            found.centroids = self.means(sums, &sizes, rows.width());
            found.reseeded += reseed(&mut found.centroids, &sizes, rows.width(), rng);
        }
        found.labels = self.assign(rows, &found.centroids);
        found.sizes = vec![0; found.centroids.len() / rows.width().max(1)];
        found.labels.iter().for_each(|&label| found.sizes[label] += 1);
        found
    }

    /// The nearest of `centroids` `[k, width]` for each row, the first of equals.
    #[must_use]
    pub fn assign(&self, rows: &Rows, centroids: &[f32]) -> Vec<usize> {
        let mut labels = Vec::with_capacity(rows.count());
        self.each_block(rows, centroids, |_, nearest| {
            labels.extend(nearest.into_data().iter::<i32>().map(|label| label as usize));
        });
        labels
    }

    /// Sum and number of the rows of each cluster.
    fn sums(&self, rows: &Rows, centroids: &[f32]) -> (Vec<f32>, Vec<usize>) {
        let k = centroids.len() / rows.width().max(1);
        let mut sums: Option<Tensor<2>> = None;
        let mut sizes: Option<Tensor<1>> = None;
        self.each_block(rows, centroids, |block, nearest| {
            let [n, _] = block.dims();
            // [n] → [n, k], 1 in the column of the own cluster
            let columns = Tensor::<1, Int>::arange(0..k as i64, &block.device()).reshape([1, k]);
            let own = nearest.reshape([n, 1]).expand([n, k]).equal(columns.expand([n, k])).float();
            // [k, n] × [n, width] → [k, width]
            let (sum, size) = (own.clone().transpose().matmul(block), own.sum_dim(0).reshape([k]));
            sums = Some(sums.take().map_or(sum.clone(), |before| before + sum));
            sizes = Some(sizes.take().map_or(size.clone(), |before| before + size));
        });
        let sizes = sizes.map_or_else(Vec::new, read).into_iter().map(|size| size as usize).collect();
        (sums.map_or_else(Vec::new, read), sizes)
    }

    /// Hands every block of rows `[n, width]` with the nearest centroids `[n]` to `take`.
    fn each_block(&self, rows: &Rows, centroids: &[f32], mut take: impl FnMut(Tensor<2>, Tensor<1, Int>)) {
        let width = rows.width();
        let k = centroids.len() / width.max(1);
        let mut on_device: Option<(Tensor<2>, Tensor<2>)> = None;
        for chunk in rows.chunks() {
            let (transposed, halves) = on_device.get_or_insert_with(|| {
                let all = Tensor::<2>::from_data(TensorData::new(centroids.to_vec(), [k, width]), &chunk.device());
                // |x − c|² falls as x·c − |c|²/2 rises; unit centroids all have the same half.
                let halves = match self.similarity {
                    Similarity::Euclidean => all.clone().powi_scalar(2).sum_dim(1).reshape([1, k]) * 0.5,
                    Similarity::Cosine => Tensor::zeros([1, k], &chunk.device()),
                };
                (all.transpose(), halves)
            });
            let [count, _] = chunk.dims();
            let step = (BLOCK / k.max(1)).clamp(1, count);
            for start in (0..count).step_by(step) {
                let n = step.min(count - start);
                let block = chunk.clone().narrow(0, start, n);
                // [n, width] × [width, k] → [n, k] → [n]
                let nearest = (block.clone().matmul(transposed.clone()) - halves.clone()).argmax(1).reshape([n]);
                take(block, nearest);
            }
        }
    }

    /// The centroids of sums; those of empty clusters are left to [`reseed`].
    fn means(&self, mut sums: Vec<f32>, sizes: &[usize], width: usize) -> Vec<f32> {
        for (centroid, &size) in sums.chunks_exact_mut(width).zip(sizes) {
            centroid.iter_mut().for_each(|value| *value /= size.max(1) as f32);
            if self.similarity == Similarity::Cosine {
                shared::compare::l2_normalise(centroid);
            }
        }
        sums
    }
}

/// Puts every empty cluster's centroid beside that of a cluster drawn among those that have rows, and moves the two
/// apart by [`APART`] in alternating directions. Returns how many were empty.
fn reseed(centroids: &mut [f32], sizes: &[usize], width: usize, rng: &mut ChaCha8Rng) -> usize {
    let filled: Vec<usize> = (0..sizes.len()).filter(|&cluster| sizes[cluster] > 0).collect();
    let empty = (0..sizes.len()).filter(|&cluster| sizes[cluster] == 0);
    let mut reseeded = 0;
    for cluster in empty {
        if filled.is_empty() {
            break;
        }
        let source = filled[rng.random_range(0..filled.len())];
        for at in 0..width {
            let shift = if at % 2 == 0 { -APART } else { APART };
            let value = centroids[source * width + at];
            centroids[cluster * width + at] = value + shift;
            centroids[source * width + at] = value - shift;
        }
        reseeded += 1;
    }
    reseeded
}
