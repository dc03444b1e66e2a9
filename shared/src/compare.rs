//! Comparisons between embeddings on plain slices: cosine, nearest neighbours, seasonal similarity, change, votes.
//!
//! Nothing here panics: vectors of unequal or zero length have similarity 0; a NaN stays a NaN and is never a neighbour.

use serde::{Deserialize, Serialize};

/// Vectors shorter than this are treated as zero: they have no direction.
const MIN_NORM: f32 = 1e-12;

/// One row of a gallery and how similar it is to the query.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Neighbour {
    /// Row of the gallery, counted from 0.
    pub index: usize,
    /// Cosine, −1 to 1.
    pub similarity: f32,
}

/// Scales `vector` to length 1; a zero vector stays zero.
pub fn l2_normalise(vector: &mut [f32]) {
    let norm = dot(vector, vector).sqrt();
    if norm >= MIN_NORM {
        for value in vector {
            *value /= norm;
        }
    }
}

/// Scales each row of `[rows, width]` to length 1.
pub fn l2_normalise_rows(rows: &mut [f32], width: usize) {
    for row in rows.chunks_mut(width.max(1)) {
        l2_normalise(row);
    }
}

/// Cosine of the angle between `a` and `b`, −1 to 1; 0 when one is zero or their lengths differ.
#[must_use]
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    if a.len() != b.len() {
        return 0.0;
    }
    let norms = (dot(a, a) * dot(b, b)).sqrt();
    // not `>=`, so that a NaN comes out as a NaN
    if norms < MIN_NORM { 0.0 } else { (dot(a, b) / norms).clamp(-1.0, 1.0) }
}

/// Sum of products; eight running sums, so that compilers vectorise it. Extra values of the longer slice are ignored.
#[must_use]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 8;
    let len = a.len().min(b.len());
    let (a, b) = (&a[..len], &b[..len]);
    let (heads_a, tail_a) = a.as_chunks::<LANES>();
    let (heads_b, tail_b) = b.as_chunks::<LANES>();
    let mut sums = [0.0f32; LANES];
    for (x, y) in heads_a.iter().zip(heads_b) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    let tail: f32 = tail_a.iter().zip(tail_b).map(|(x, y)| x * y).sum();
    let pairs = [sums[0] + sums[4], sums[1] + sums[5], sums[2] + sums[6], sums[3] + sums[7]];
    (pairs[0] + pairs[2]) + (pairs[1] + pairs[3]) + tail
}

/// The `k` rows of `gallery` (`[rows, width]`) most similar to `query` (`[width]`) by cosine: most similar first, ties by
/// index. Fewer when the gallery is smaller; none when `query` does not have `width` values.
#[must_use]
pub fn nearest(query: &[f32], gallery: &[f32], width: usize, k: usize) -> Vec<Neighbour> {
    nearest_by(query, gallery, width, k, cosine)
}

/// As [`nearest`], for vectors of length 1, whose cosine is their dot product: a third of the work.
#[must_use]
pub fn nearest_normalised(query: &[f32], gallery: &[f32], width: usize, k: usize) -> Vec<Neighbour> {
    nearest_by(query, gallery, width, k, dot)
}

fn nearest_by(
    query: &[f32],
    gallery: &[f32],
    width: usize,
    k: usize,
    similarity: impl Fn(&[f32], &[f32]) -> f32,
) -> Vec<Neighbour> {
    if width == 0 || query.len() != width || k == 0 {
        return Vec::new();
    }
    let rows = gallery.len() / width;
    let mut best = Best::new(k.min(rows));
    for (index, row) in gallery.chunks_exact(width).enumerate() {
        best.offer(index, similarity(query, row));
    }
    best.found
}

/// Keeps the best of the rows that are offered to it, in ascending order of their indices.
#[derive(Clone, Debug)]
pub(crate) struct Best {
    k: usize,
    /// At most `k`, most similar first, ties by index.
    pub(crate) found: Vec<Neighbour>,
}

impl Best {
    pub(crate) fn new(k: usize) -> Self {
        Self { k, found: Vec::with_capacity(k + 1) }
    }

    pub(crate) fn offer(&mut self, index: usize, similarity: f32) {
        let is_full = self.found.len() == self.k;
        if similarity.is_nan() || (is_full && self.found.last().is_none_or(|last| similarity <= last.similarity)) {
            return;
        }
        // rows come in ascending order, so an equal one goes behind those already there
        let at = self.found.partition_point(|other| other.similarity >= similarity);
        self.found.insert(at, Neighbour { index, similarity });
        self.found.truncate(self.k);
    }
}

/// Cosine between every pair of the embeddings of one place at its dates: `[dates][dates]`, symmetric, 1 on the diagonal.
#[must_use]
pub fn seasonal_similarity(dates: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let mut matrix = vec![vec![1.0; dates.len()]; dates.len()];
    for (row, a) in dates.iter().enumerate() {
        for (column, b) in dates.iter().enumerate().take(row) {
            let similarity = cosine(a, b);
            matrix[row][column] = similarity;
            matrix[column][row] = similarity;
        }
    }
    matrix
}

/// How much a place changed between two dates: 1 − cosine, from 0 (the same direction) through 1 to 2 (opposite).
#[must_use]
pub fn change_score(before: &[f32], after: &[f32]) -> f32 {
    1.0 - cosine(before, after)
}

/// Share of the vote that each of `classes` gets from `neighbours`, summing to 1: neighbour i votes for
/// `labels[i.index]` with weight exp(similarity / `temperature`). `f32::INFINITY` gives each neighbour one equal vote,
/// and so does a temperature that is not positive. Neighbours without a label or with one out of range do not vote; all
/// shares are 0 when nobody does.
#[must_use]
pub fn knn_vote<L: Copy + Into<usize>>(
    neighbours: &[Neighbour],
    labels: &[L],
    classes: usize,
    temperature: f32,
) -> Vec<f32> {
    let sharpness = if temperature > 0.0 { 1.0 / temperature } else { 0.0 };
    let label = |neighbour: &Neighbour| labels.get(neighbour.index).map(|&label| label.into());
    let voters = || neighbours.iter().filter_map(|n| Some((n.similarity, label(n).filter(|label| *label < classes)?)));
    // subtracting the highest keeps the exponentials in range and does not change the shares
    let highest = voters().map(|(similarity, _)| similarity).fold(f32::NEG_INFINITY, f32::max);
    let mut shares = vec![0.0; classes];
    for (similarity, label) in voters() {
        shares[label] += ((similarity - highest) * sharpness).exp();
    }
    let total: f32 = shares.iter().sum();
    if total > 0.0 {
        shares.iter_mut().for_each(|share| *share /= total);
    }
    shares
}

/// The class that most of `neighbours` have, and its share of the votes; of classes with equally many, the one whose votes
/// are more similar in sum, then the first. Neighbours without a label or with one out of range do not vote; `None` when
/// nobody does.
#[must_use]
pub fn majority<L: Copy + Into<usize>>(neighbours: &[Neighbour], labels: &[L], classes: usize) -> Option<(usize, f32)> {
    // votes and their sum of similarities, for each class
    let mut tally = vec![(0_usize, 0.0_f64); classes];
    let mut voters = 0;
    for neighbour in neighbours {
        let label = labels.get(neighbour.index).map_or(usize::MAX, |&label| label.into());
        if let Some((count, similarity)) = tally.get_mut(label) {
            *count += 1;
            *similarity += f64::from(neighbour.similarity);
            voters += 1;
        }
    }
    let mut winner: Option<usize> = None;
    for (class, vote) in tally.iter().enumerate().filter(|(_, (count, _))| *count > 0) {
        let is_ahead = |best: usize| vote.0 > tally[best].0 || (vote.0 == tally[best].0 && vote.1 > tally[best].1);
        if winner.is_none_or(is_ahead) {
            winner = Some(class);
        }
    }
    winner.map(|class| (class, tally[class].0 as f32 / voters as f32))
}

/// The query that examples stand for (Rocchio 1971): the mean direction of those wanted minus half that of those not
/// wanted, `[width]`. Examples of any length; `None` when none is wanted or they are of different widths.
#[must_use]
pub fn refined(wanted: &[&[f32]], unwanted: &[&[f32]]) -> Option<Vec<f32>> {
    const UNWANTED_WEIGHT: f32 = 0.5;
    let width = wanted.first()?.len();
    let mut query = vec![0.0; width];
    for (examples, weight) in [(wanted, 1.0), (unwanted, -UNWANTED_WEIGHT)] {
        for example in examples {
            if example.len() != width {
                return None;
            }
            let mut unit = example.to_vec();
            l2_normalise(&mut unit);
            query.iter_mut().zip(unit).for_each(|(sum, value)| *sum += weight * value / examples.len() as f32);
        }
    }
    Some(query)
}

/// Probabilities from logits: exp(logit / `temperature`), normalised to sum 1. A temperature that is not a positive
/// number counts as 1.
#[must_use]
pub fn softmax(logits: &[f32], temperature: f32) -> Vec<f32> {
    let temperature = if temperature > 0.0 && temperature.is_finite() { temperature } else { 1.0 };
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut probabilities: Vec<f32> = logits.iter().map(|logit| ((logit - highest) / temperature).exp()).collect();
    let total: f32 = probabilities.iter().sum();
    probabilities.iter_mut().for_each(|probability| *probability /= total);
    probabilities
}

/// Index of the largest value, the first of equals; `None` for an empty slice or one of NaN only.
#[must_use]
pub fn argmax(values: &[f32]) -> Option<usize> {
    let mut best: Option<usize> = None;
    for (index, value) in values.iter().enumerate() {
        if !value.is_nan() && best.is_none_or(|best| *value > values[best]) {
            best = Some(index);
        }
    }
    best
}
