//! Finding a place again at another date among all places, and how far a change of the picture moves its embedding: what
//! season-invariance and season-sensitivity mean in numbers.

use rayon::prelude::*;
use shared::compare::{dot, l2_normalise_rows};

/// How well places are found again.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct PlaceRetrieval {
    /// Share of pictures whose most similar other picture shows the same place.
    pub rank_1: f64,
    /// Mean over the pictures of the average precision with which all other dates of their place are found.
    pub mean_average_precision: f64,
    /// Pictures of places with at least two dates.
    pub queries: usize,
}

/// Rows brought to length 1; a row of zeros stays.
#[must_use]
pub fn unit_rows(values: &[f32], width: usize) -> Vec<f32> {
    let mut rows = values.to_vec();
    l2_normalise_rows(&mut rows, width);
    rows
}

/// Each picture asks for the other dates of its place among all other pictures, by cosine; of equals, the wrong ones come
/// first. `rows` are `[n, width]` of length 1, `places[i]` is the place of row i.
#[must_use]
pub fn retrieve_places(rows: &[f32], width: usize, places: &[usize]) -> PlaceRetrieval {
    let scores: Vec<(bool, f64)> =
        (0..places.len()).into_par_iter().filter_map(|query| average_precision(rows, width, places, query)).collect();
    let queries = scores.len();
    let mean = |sum: f64| sum / queries.max(1) as f64;
    PlaceRetrieval {
        rank_1: mean(scores.iter().filter(|(first, _)| *first).count() as f64),
        mean_average_precision: mean(scores.iter().map(|(_, precision)| precision).sum()),
        queries,
    }
}

/// Whether the first answer is right, and the average precision; `None` for a place with a single date.
fn average_precision(rows: &[f32], width: usize, places: &[usize], query: usize) -> Option<(bool, f64)> {
    let own = &rows[query * width..][..width];
    let others = rows.chunks_exact(width).zip(places).enumerate().filter(|(index, _)| *index != query);
    let mut ranked: Vec<(f32, bool)> =
        others.map(|(_, (row, place))| (dot(own, row), *place == places[query])).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut found = 0;
    let mut sum = 0.0;
    for (rank, (_, is_right)) in ranked.iter().enumerate() {
        if *is_right {
            found += 1;
            sum += f64::from(found) / (rank + 1) as f64;
        }
    }
    (found > 0).then(|| (ranked[0].1, sum / f64::from(found)))
}

/// Mean cosine distance between the pairs of rows of `before` and `after`, `[n, width]` each, of length 1.
#[must_use]
pub fn mean_distance(before: &[f32], after: &[f32], width: usize) -> f64 {
    let pairs = before.chunks_exact(width).zip(after.chunks_exact(width));
    let count = before.len() / width;
    pairs.map(|(a, b)| 1.0 - f64::from(dot(a, b))).sum::<f64>() / count.max(1) as f64
}

/// Mean cosine distance over the pairs of rows that `is_pair` takes; 0 without any.
#[must_use]
pub fn mean_distance_of_pairs(rows: &[f32], width: usize, is_pair: impl Fn(usize, usize) -> bool + Sync) -> f64 {
    let n = rows.len() / width;
    let of_row = |a: usize| {
        let pairs = (a + 1..n).filter(|&b| is_pair(a, b));
        pairs.fold((0.0, 0_usize), |(sum, count), b| {
            (sum + 1.0 - f64::from(dot(&rows[a * width..][..width], &rows[b * width..][..width])), count + 1)
        })
    };
    // In the order of the rows, so that the sum does not depend on the number of threads.
    let sums: Vec<(f64, usize)> = (0..n).into_par_iter().map(of_row).collect();
    let (sum, count) = sums.iter().fold((0.0, 0), |(sum, count), row| (sum + row.0, count + row.1));
    sum / count.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Unit vectors at these angles.
    fn at(degrees: &[f32]) -> Vec<f32> {
        degrees.iter().flat_map(|angle| [angle.to_radians().cos(), angle.to_radians().sin()]).collect()
    }

    #[test]
    fn average_precision_by_hand() {
        // Place 0 at 0°, 10°, 50°; place 1 at 20° and 60°.
        let rows = at(&[0.0, 10.0, 50.0, 20.0, 60.0]);
        let found = retrieve_places(&rows, 2, &[0, 0, 0, 1, 1]);
        // 0°: right (10), wrong (20), right (50) → (1 + 2/3) / 2. 10°: both at 10° away: the wrong one (20) counts first,
        // then 0 right, 50 right → (1/2 + 2/3) / 2. 50°: wrong (60), wrong (20), right, right → (1/3 + 2/4) / 2.
        // 20°: 10, 0 | 50, then 60 → 1/4. 60°: 50, then 20 → 1/2.
        let expected = [5.0 / 6.0, 7.0 / 12.0, 5.0 / 12.0, 0.25, 0.5];
        let mean = expected.iter().sum::<f64>() / 5.0;
        assert!((found.mean_average_precision - mean).abs() < 1e-9, "{found:?} is not {mean}");
        assert!((found.rank_1 - 0.2).abs() < 1e-12);
        assert_eq!(found.queries, 5);
    }

    #[test]
    fn places_with_one_date_ask_nothing_but_stand_in_the_way() {
        let rows = at(&[0.0, 10.0, 4.0]);
        let found = retrieve_places(&rows, 2, &[0, 0, 1]);
        assert_eq!(found.queries, 2);
        assert!((found.mean_average_precision - 0.5).abs() < 1e-12 && found.rank_1.abs() < 1e-12);
        assert_eq!(retrieve_places(&rows, 2, &[0, 1, 2]).queries, 0);
    }

    #[test]
    fn distances_are_cosines_and_lengths_do_not_count() {
        let rows = unit_rows(&[3.0, 0.0, 0.0, 0.5, -2.0, 0.0, 0.0, 0.0], 2);
        assert_eq!(rows, [1.0, 0.0, 0.0, 1.0, -1.0, 0.0, 0.0, 0.0]);
        assert!((mean_distance(&rows[..4], &rows[2..6], 2) - 1.0).abs() < 1e-9);
        let rows = at(&[0.0, 60.0, 90.0]);
        let all = mean_distance_of_pairs(&rows, 2, |_, _| true);
        let expected = (0.5 + 1.0 + 1.0 - 30.0_f64.to_radians().cos()) / 3.0;
        assert!((all - expected).abs() < 1e-6, "{all}");
        assert!(mean_distance_of_pairs(&rows, 2, |_, _| false).abs() < 1e-12);
    }
}
