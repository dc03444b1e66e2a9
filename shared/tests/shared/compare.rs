//! Comparisons against slow loops and closed forms.

use shared::compare::{
    Neighbour, argmax, change_score, cosine, dot, knn_vote, l2_normalise, nearest, nearest_normalised, refined,
    seasonal_similarity, softmax,
};

use crate::pattern;

/// Sums of a few hundred f32 products, in another order than the oracle's.
const TOLERANCE: f32 = 1e-5;

fn vector(seed: usize, width: usize) -> Vec<f32> {
    (0..width).map(|index| pattern(seed * 1000 + index) - 0.5).collect()
}

fn slow_cosine(a: &[f32], b: &[f32]) -> f32 {
    let (mut ab, mut aa, mut bb) = (0.0f64, 0.0f64, 0.0f64);
    for index in 0..a.len() {
        ab += f64::from(a[index]) * f64::from(b[index]);
        aa += f64::from(a[index]).powi(2);
        bb += f64::from(b[index]).powi(2);
    }
    (ab / (aa.sqrt() * bb.sqrt())) as f32
}

#[test]
fn cosine_agrees_with_a_slow_loop() {
    for width in [1, 3, 8, 13, 192, 515] {
        let (a, b) = (vector(1, width), vector(2, width));
        assert!((cosine(&a, &b) - slow_cosine(&a, &b)).abs() < TOLERANCE);
    }
    assert!((cosine(&[3.0, 4.0], &[6.0, 8.0]) - 1.0).abs() < 1e-6);
    assert!((cosine(&[1.0, 0.0], &[-2.0, 0.0]) + 1.0).abs() < 1e-6);
    assert_eq!(cosine(&[1.0, 0.0], &[0.0, 5.0]), 0.0);
    assert_eq!(cosine(&[0.0, 0.0], &[1.0, 1.0]), 0.0);
    assert_eq!(cosine(&[1.0], &[1.0, 1.0]), 0.0);
    assert_eq!(cosine(&[], &[]), 0.0);
    assert!(cosine(&[f32::NAN, 1.0], &[1.0, 1.0]).is_nan());
    assert_eq!(dot(&[1.0, 2.0, 3.0], &[4.0, 5.0]), 14.0);
}

#[test]
fn normalised_vectors_have_length_one() {
    let mut vector = vector(3, 77);
    l2_normalise(&mut vector);
    assert!((dot(&vector, &vector) - 1.0).abs() < TOLERANCE);
    let mut zero = [0.0; 4];
    l2_normalise(&mut zero);
    assert_eq!(zero, [0.0; 4]);
}

#[test]
fn neighbours_agree_with_a_full_sort() {
    let (width, rows) = (24, 300);
    let mut gallery: Vec<f32> = (0..rows).flat_map(|row| vector(row + 10, width)).collect();
    // equal rows: ties go to the smaller index
    gallery.copy_within(5 * width..6 * width, 200 * width);
    gallery.copy_within(5 * width..6 * width, 17 * width);
    let query = vector(15, width); // row 5
    let mut sorted: Vec<(usize, f32)> =
        gallery.chunks(width).enumerate().map(|(index, row)| (index, cosine(&query, row))).collect();
    sorted.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    for k in [1, 2, 3, 20, rows, rows + 5] {
        let found = nearest(&query, &gallery, width, k);
        let expected: Vec<usize> = sorted.iter().take(k).map(|(index, _)| *index).collect();
        assert_eq!(found.iter().map(|neighbour| neighbour.index).collect::<Vec<_>>(), expected);
    }
    assert_eq!(nearest(&query, &gallery, width, 3).iter().map(|n| n.index).collect::<Vec<_>>(), [5, 17, 200]);
}

#[test]
fn unit_vectors_need_the_dot_product_only() {
    let width = 16;
    let rows = (0..40).map(|row| {
        let mut row = vector(row, width);
        l2_normalise(&mut row);
        row
    });
    let gallery: Vec<f32> = rows.flatten().collect();
    let query = &gallery[3 * width..4 * width];
    let (fast, general) = (nearest_normalised(query, &gallery, width, 9), nearest(query, &gallery, width, 9));
    for (fast, general) in fast.iter().zip(&general) {
        assert_eq!(fast.index, general.index);
        assert!((fast.similarity - general.similarity).abs() < TOLERANCE);
    }
}

#[test]
fn odd_requests_have_no_neighbours() {
    assert!(nearest(&[1.0], &[1.0, 2.0], 2, 3).is_empty());
    assert!(nearest(&[], &[1.0], 0, 3).is_empty());
    assert!(nearest(&[1.0], &[1.0], 1, 0).is_empty());
    let with_nan = nearest(&[1.0, 0.0], &[f32::NAN, 0.0, 0.5, 0.5], 2, 5);
    assert_eq!(with_nan.iter().map(|neighbour| neighbour.index).collect::<Vec<_>>(), [1]);
}

#[test]
fn seasons_are_compared_pairwise() {
    let dates = vec![vec![1.0, 0.0], vec![1.0, 1.0], vec![0.0, 2.0]];
    let half = 0.5f32.sqrt();
    let expected = [[1.0, half, 0.0], [half, 1.0, half], [0.0, half, 1.0]];
    for (found, expected) in seasonal_similarity(&dates).iter().flatten().zip(expected.as_flattened()) {
        assert!((found - expected).abs() < 1e-6);
    }
    assert!((change_score(&dates[0], &dates[2]) - 1.0).abs() < 1e-6);
    assert!(change_score(&dates[1], &[2.0, 2.0]).abs() < 1e-6);
    assert!((change_score(&[1.0], &[-1.0]) - 2.0).abs() < 1e-6);
}

#[test]
fn votes_are_weighted_by_similarity() {
    let neighbour = |index, similarity| Neighbour { index, similarity };
    let neighbours = [neighbour(0, 0.9), neighbour(1, 0.5), neighbour(2, 0.5), neighbour(9, 1.0)];
    let labels = [1usize, 0, 0];
    let equal = knn_vote(&neighbours, &labels, 3, f32::INFINITY);
    assert!((equal[0] - 2.0 / 3.0).abs() < 1e-6 && (equal[1] - 1.0 / 3.0).abs() < 1e-6 && equal[2] == 0.0);
    // e^(0.9/T) against 2 e^(0.5/T)
    let weighted = knn_vote(&neighbours, &labels, 3, 0.1);
    let expected = 4.0f32.exp() / (4.0f32.exp() + 2.0);
    assert!((weighted[1] - expected).abs() < TOLERANCE);
    assert_eq!(knn_vote::<u16>(&neighbours, &[], 2, 0.1), [0.0, 0.0]);
    // a temperature so low that plain exponentials would overflow
    assert!((knn_vote(&neighbours, &labels, 2, 1e-4)[1] - 1.0).abs() < 1e-6);
}

#[test]
fn softmax_has_its_closed_forms() {
    for probability in softmax(&[2.0; 4], 1.0) {
        assert!((probability - 0.25).abs() < 1e-6);
    }
    let two = softmax(&[3.0, 1.0], 2.0);
    assert!((two[0] - 1.0 / (1.0 + (-1.0f32).exp())).abs() < 1e-6);
    let extreme = softmax(&[1e30, -1e30], 1.0);
    assert_eq!(extreme, [1.0, 0.0]);
    assert!(softmax(&[], 1.0).is_empty());
    assert_eq!(argmax(&[0.1, 0.7, f32::NAN, 0.7]), Some(1));
    assert_eq!(argmax(&[f32::NAN]), None);
}

#[test]
fn examples_pull_and_push() {
    let (east, north, far_east) = ([2.0, 0.0], [0.0, 3.0], [500.0, 0.0]);
    assert_eq!(refined(&[&east], &[]), Some(vec![1.0, 0.0]));
    // Directions count, not lengths: the mean of east, east and north.
    let mean = refined(&[&east, &far_east, &north], &[]).unwrap();
    assert!((mean[0] - 2.0 / 3.0).abs() < 1e-6 && (mean[1] - 1.0 / 3.0).abs() < 1e-6, "{mean:?}");
    assert_eq!(refined(&[&east], &[&north]), Some(vec![1.0, -0.5]));
    assert_eq!(refined(&[], &[&north]), None);
    assert_eq!(refined(&[&east], &[&[1.0]]), None);
}
