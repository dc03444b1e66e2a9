//! What a labelled set says of its own rows: each is classified by the vote of its nearest other rows.
//!
//! A linear head has seen the labels of the tiles it was fitted on; leaving a row out of its own vote has not.

use std::ops::Range;

use crate::compare::{Best, Neighbour, dot, majority};

/// Rows that are compared at once with each row of the set, which then is loaded once for all of them.
const ROWS_AT_ONCE: usize = 4;

/// The outcome of one row's vote.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vote {
    /// The class with most votes; `None` when no neighbour has a class.
    pub class: Option<usize>,
    /// Its share of the votes, 0 to 1.
    pub share: f32,
    /// The nearest other row, labelled or not; `None` when there is none, or no neighbours were asked for.
    pub nearest: Option<Neighbour>,
}

/// For each row in `rows` of `embeddings` (`[count, width]`, rows of length 1), the majority of its `k` nearest *other*
/// rows: one vote each; of classes with equally many, the one whose votes are more similar in sum, then the first.
/// Labels of `classes` or more do not vote. Rows beyond the set have no class.
#[must_use]
pub fn leave_one_out(
    embeddings: &[f32],
    width: usize,
    labels: &[u16],
    classes: usize,
    rows: Range<usize>,
    k: usize,
) -> Vec<Vote> {
    let found = nearest_others(embeddings, width, rows, k);
    found.iter().map(|nearest| vote(nearest, labels, classes)).collect()
}

/// The majority among neighbours that are sorted by similarity, as in [`leave_one_out`].
#[must_use]
pub fn vote(nearest: &[Neighbour], labels: &[u16], classes: usize) -> Vote {
    let (class, share) = majority(nearest, labels, classes).unzip();
    Vote { class, share: share.unwrap_or(0.0), nearest: nearest.first().copied() }
}

/// The `k` most similar *other* rows of each row in `rows` of `embeddings` (`[count, width]`, rows of length 1), most similar
/// first; none for rows beyond the set.
#[must_use]
pub fn nearest_others(embeddings: &[f32], width: usize, rows: Range<usize>, k: usize) -> Vec<Vec<Neighbour>> {
    let width = width.max(1);
    let count = embeddings.len() / width;
    let row = |index: usize| embeddings.get(index * width..(index + 1) * width).unwrap_or_default();
    let mut nearest = Vec::with_capacity(rows.len());
    for start in rows.clone().step_by(ROWS_AT_ONCE) {
        let queries: [usize; ROWS_AT_ONCE] = std::array::from_fn(|at| start + at);
        let query_rows = queries.map(row);
        let mut best = queries.map(|_| Best::new(k));
        for (index, other) in embeddings.chunks_exact(width).enumerate() {
            let similarities = dots(query_rows, other);
            for ((query, best), similarity) in queries.iter().zip(&mut best).zip(similarities) {
                if *query != index && *query < count {
                    best.offer(index, similarity);
                }
            }
        }
        let wanted = (rows.end - start).min(ROWS_AT_ONCE);
        nearest.extend(best.into_iter().take(wanted).map(|best| best.found));
    }
    nearest
}

/// [`dot`] of each of the rows with `other`: the same sums in the same order. An empty row gives zero.
fn dots(rows: [&[f32]; ROWS_AT_ONCE], other: &[f32]) -> [f32; ROWS_AT_ONCE] {
    const LANES: usize = 8;
    if rows.iter().any(|row| row.len() != other.len()) {
        return rows.map(|row| dot(row, other));
    }
    let (blocks, tail) = other.as_chunks::<LANES>();
    let heads = rows.map(|row| &row.as_chunks::<LANES>().0[..blocks.len()]);
    let mut sums = [[0.0_f32; LANES]; ROWS_AT_ONCE];
    for (at, block) in blocks.iter().enumerate() {
        for (sums, head) in sums.iter_mut().zip(heads) {
            for (lane, sum) in sums.iter_mut().enumerate() {
                *sum += head[at][lane] * block[lane];
            }
        }
    }
    std::array::from_fn(|at| {
        let sums = sums[at];
        let pairs = [sums[0] + sums[4], sums[1] + sums[5], sums[2] + sums[6], sums[3] + sums[7]];
        let rest: f32 = rows[at][other.len() - tail.len()..].iter().zip(tail).map(|(x, y)| x * y).sum();
        (pairs[0] + pairs[2]) + (pairs[1] + pairs[3]) + rest
    })
}
