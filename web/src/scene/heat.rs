//! Places like one place, as colours and as a list.

use crate::order;

/// What similarities are coloured by: from the picture's middle to the place itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// The similarity that half of the picture is under: the darkest colour.
    pub low: f32,
}

impl Scale {
    /// The scale of some similarities; NaN is left out.
    #[must_use]
    pub fn of(similarities: &[f32]) -> Self {
        let mut finite: Vec<f32> = similarities.iter().copied().filter(|value| value.is_finite()).collect();
        let middle = finite.len() / 2;
        let low = if finite.is_empty() { 0.0 } else { *finite.select_nth_unstable_by(middle, f32::total_cmp).1 };
        // All alike: something has to be dark.
        Self { low: low.min(0.999) }
    }

    /// How far along the colours a similarity is, 0 to 1.
    #[must_use]
    pub fn share(self, similarity: f32) -> f64 {
        f64::from((similarity - self.low) / (1.0 - self.low)).clamp(0.0, 1.0)
    }
}

/// The direction that examples of length 1 stand for (Rocchio 1971): the mean of those wanted minus half that of those not wanted, brought
/// to length 1; `None` when none is wanted, or they cancel out.
#[must_use]
pub fn refined(more: &[&[f32]], less: &[&[f32]]) -> Option<Vec<f32>> {
    let mut query = vec![0.0_f32; more.first()?.len()];
    for (examples, weight) in [(more, 1.0), (less, -0.5)] {
        let each = weight / examples.len().max(1) as f32;
        for example in examples {
            query.iter_mut().zip(*example).for_each(|(sum, value)| *sum += each * value);
        }
    }
    let length = query.iter().map(|value| value * value).sum::<f32>().sqrt();
    (length > 1e-6).then(|| query.into_iter().map(|value| value / length).collect())
}

/// The `k` most similar patches other than the examples `own`, best first, ties in reading order.
#[must_use]
pub fn best(similarities: &[f32], own: &[usize], k: usize) -> Vec<(usize, f32)> {
    let others = similarities.iter().copied().enumerate();
    let mut found: Vec<(usize, f32)> =
        others.filter(|(patch, value)| !own.contains(patch) && value.is_finite()).collect();
    order::sort_by(&mut found, |a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    found.truncate(k);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_dark_and_the_place_itself_bright() {
        let scale = Scale::of(&[1.0, f32::NAN, 0.2, 0.4, 0.6, 0.0]);
        assert_eq!(scale, Scale { low: 0.4 });
        assert_eq!((scale.share(0.1), scale.share(1.0)), (0.0, 1.0));
        assert!((scale.share(0.7) - 0.5).abs() < 1e-6);
        assert!(Scale::of(&[1.0, 1.0]).share(1.0) > 0.99);
        assert_eq!(Scale::of(&[f32::NAN]).low, 0.0);
    }

    #[test]
    fn the_best_are_sorted_without_the_place_itself() {
        let similarities = [0.5, 1.0, f32::NAN, 0.9, 0.5];
        assert_eq!(best(&similarities, &[1], 3), [(3, 0.9), (0, 0.5), (4, 0.5)]);
        assert_eq!(best(&similarities, &[1], 1), [(3, 0.9)]);
        assert_eq!(best(&similarities, &[1, 3], 1), [(0, 0.5)]);
    }

    #[test]
    fn examples_stand_for_a_direction_between_them_and_away_from_others() {
        let close = |found: Option<Vec<f32>>, expected: [f32; 2]| {
            let found = found.unwrap_or_default();
            assert!(found.len() == 2 && found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
        };
        let (east, north): (&[f32], &[f32]) = (&[1.0, 0.0], &[0.0, 1.0]);
        close(refined(&[east], &[]), [1.0, 0.0]);
        close(refined(&[east, north], &[]), [0.5_f32.sqrt(), 0.5_f32.sqrt()]);
        close(refined(&[east], &[north]), [0.8_f32.sqrt(), -0.2_f32.sqrt()]);
        assert_eq!(refined(&[], &[north]), None);
        assert_eq!(refined(&[north, north], &[&[0.0, 2.0]]), None, "they cancel out");
    }
}
