//! Leave-one-out votes against a loop that sorts everything.

use shared::compare::{Neighbour, l2_normalise_rows, nearest_normalised};
use shared::gallery::NO_LABEL;
use shared::leave_one_out::{Vote, leave_one_out};

use crate::pattern;

const WIDTH: usize = 13;
const COUNT: usize = 61;

fn set() -> (Vec<f32>, Vec<u16>) {
    let mut embeddings: Vec<f32> = (0..COUNT * WIDTH).map(|index| pattern(index) - 0.5).collect();
    l2_normalise_rows(&mut embeddings, WIDTH);
    let labels = (0..COUNT).map(|row| if row % 7 == 3 { NO_LABEL } else { (row * row % 4) as u16 }).collect();
    (embeddings, labels)
}

/// Every pair, sorted; a class's votes counted by scanning.
fn slow(embeddings: &[f32], labels: &[u16], classes: u16, row: usize, k: usize) -> Vote {
    let own = &embeddings[row * WIDTH..][..WIDTH];
    let similarity = |other: usize| -> f64 {
        own.iter().zip(&embeddings[other * WIDTH..][..WIDTH]).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    let mut others: Vec<usize> = (0..COUNT).filter(|&other| other != row).collect();
    others.sort_by(|&a, &b| similarity(b).total_cmp(&similarity(a)));
    let others_by_similarity = others.clone();
    let voters: Vec<usize> = others.into_iter().take(k).filter(|&other| labels[other] < classes).collect();
    let score = |class: u16| {
        let own = voters.iter().filter(|&&voter| labels[voter] == class);
        (own.clone().count(), own.map(|&voter| similarity(voter)).sum::<f64>())
    };
    let best = (0..classes).filter(|&class| score(class).0 > 0).reduce(|best, class| {
        let (a, b) = (score(best), score(class));
        if b.0 > a.0 || (b.0 == a.0 && b.1 > a.1) { class } else { best }
    });
    let share = best.map_or(0.0, |class| score(class).0 as f32 / voters.len() as f32);
    let nearest = others_by_similarity.first().map(|&index| Neighbour { index, similarity: similarity(index) as f32 });
    Vote { class: best.map(usize::from), share, nearest }
}

/// Equal but for the rounding of the similarity, whose sum here is in double precision.
fn assert_same(found: Vote, expected: Vote, what: &str) {
    assert_eq!((found.class, found.share), (expected.class, expected.share), "{what}");
    let (found, expected) = (found.nearest.unwrap(), expected.nearest.unwrap());
    assert_eq!(found.index, expected.index, "{what}");
    assert!((found.similarity - expected.similarity).abs() < 1e-6, "{what}");
}

#[test]
fn votes_agree_with_a_slow_loop() {
    let (embeddings, labels) = set();
    for k in [1, 5, 20] {
        let votes = leave_one_out(&embeddings, WIDTH, &labels, 4, 0..COUNT, k);
        for (row, vote) in votes.iter().enumerate() {
            assert_same(*vote, slow(&embeddings, &labels, 4, row, k), &format!("row {row}, k {k}"));
        }
        // Slabs put together are the whole.
        let slabs: Vec<Vote> = [0..10, 10..27, 27..COUNT]
            .into_iter()
            .flat_map(|rows| leave_one_out(&embeddings, WIDTH, &labels, 4, rows, k))
            .collect();
        assert_eq!(slabs, votes);
    }
}

#[test]
fn a_row_does_not_vote_for_itself_and_nobody_votes_without_labels() {
    // Two directions, each held by two rows with different labels: the nearest other row has the other label.
    let embeddings = [1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0];
    let classes: Vec<_> = leave_one_out(&embeddings, 2, &[0, 1, 2, 3], 4, 0..4, 1).iter().map(|v| v.class).collect();
    assert_eq!(classes, [Some(1), Some(0), Some(3), Some(2)]);
    let nobody = Vote { class: None, share: 0.0, nearest: None };
    let unlabelled = leave_one_out(&embeddings, 2, &[NO_LABEL; 4], 4, 0..2, 3);
    for (vote, index) in unlabelled.iter().zip([1, 0]) {
        assert_eq!(*vote, Vote { nearest: Some(Neighbour { index, similarity: 1.0 }), ..nobody });
    }
    assert_eq!(leave_one_out(&embeddings, 2, &[0; 4], 1, 4..5, 3), [nobody; 1]);
    assert_eq!(leave_one_out(&embeddings, 2, &[0; 4], 1, 0..1, 0), [nobody; 1]);
    assert!(nearest_normalised(&[1.0, 0.0], &embeddings, 2, 0).is_empty());
}
