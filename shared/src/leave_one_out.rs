//! What a labelled set says of its own rows: each is classified by the vote of its nearest other rows.
//!
//! A linear head has seen the labels of the tiles it was fitted on; leaving a row out of its own vote has not.

use std::ops::Range;

use crate::compare::{Best, Neighbour, dot};

/// Rows that are compared at once with each row of the set, which then is read from memory once for all of them.
const ROWS_AT_ONCE: usize = 8;

/// The outcome of one row's vote.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vote {
    /// The class with most votes; `None` when no neighbour has a class.
    pub class: Option<usize>,
    /// Its share of the votes, 0 to 1.
    pub share: f32,
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
    let mut votes = Vec::with_capacity(rows.len());
    let count = embeddings.len() / width.max(1);
    let row = |index: usize| embeddings.get(index * width..(index + 1) * width).unwrap_or_default();
    for start in rows.clone().step_by(ROWS_AT_ONCE) {
        let queries = start..(start + ROWS_AT_ONCE).min(rows.end);
        let mut best = vec![Best::new(k); queries.len()];
        for (index, other) in embeddings.chunks_exact(width.max(1)).enumerate() {
            for (query, best) in queries.clone().zip(&mut best) {
                if query != index && query < count {
                    best.offer(index, dot(row(query), other));
                }
            }
        }
        votes.extend(best.iter().map(|best| majority(&best.found, labels, classes)));
    }
    votes
}

fn majority(neighbours: &[Neighbour], labels: &[u16], classes: usize) -> Vote {
    // votes and their sum of similarities, for each class
    let mut tally = vec![(0_usize, 0.0_f32); classes];
    let mut voters = 0;
    for neighbour in neighbours {
        let label = labels.get(neighbour.index).map_or(usize::MAX, |&label| usize::from(label));
        if let Some((count, similarity)) = tally.get_mut(label) {
            *count += 1;
            *similarity += neighbour.similarity;
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
    let share = winner.map_or(0.0, |class| tally[class].0 as f32 / voters as f32);
    Vote { class: winner, share }
}
