//! Where a tile that is not in the gallery belongs on the map: among its nearest neighbours.

/// Neighbours that say where a new tile lies.
pub const PLACED_BY: usize = 8;
/// A neighbour this much less similar than the best counts 1/e as much: similarities of neighbours differ by hundredths.
const SHARPNESS: f32 = 0.01;

/// The average of the neighbours' places, weighted by exp((similarity − best) / 0.01); `None` without neighbours.
#[must_use]
pub fn place(neighbours: impl Iterator<Item = ([f32; 2], f32)> + Clone) -> Option<[f32; 2]> {
    let best = neighbours.clone().map(|(_, similarity)| similarity).reduce(f32::max)?;
    let (mut sum, mut total) = ([0.0; 2], 0.0);
    for (point, similarity) in neighbours {
        let weight = ((similarity - best) / SHARPNESS).exp();
        sum = [sum[0] + weight * point[0], sum[1] + weight * point[1]];
        total += weight;
    }
    Some([sum[0] / total, sum[1] / total])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_meet_in_the_middle_and_the_unlike_do_not_count() {
        let at = |points: &[([f32; 2], f32)]| place(points.iter().copied());
        assert_eq!(at(&[([0.0, 0.0], 0.9), ([1.0, 0.5], 0.9)]), Some([0.5, 0.25]));
        assert_eq!(at(&[([0.2, 0.3], 0.99), ([1.0, 1.0], -1.0)]), Some([0.2, 0.3]));
        // e : 1, by the definition of the weight
        let [x, _] = at(&[([0.0, 0.0], 0.98), ([1.0, 0.0], 0.97)]).unwrap_or_default();
        assert!((x - 1.0 / (1.0 + std::f32::consts::E)).abs() < 1e-4, "{x}");
        assert_eq!(at(&[]), None);
    }
}
