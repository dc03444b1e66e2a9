//! Dual coordinate descent with shrinking (Hsieh et al. 2008, "A dual coordinate descent method for large-scale linear
//! SVM", algorithm 3), as in liblinear: each row's weight α is brought to its minimum in turn.

use super::{Rows, SvmSettings, add_scaled, dot};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Weights and bias that separate the rows with `signs` 1 from those with −1, and whether the tolerance was reached.
pub(super) fn separate(rows: &Rows, signs: &[f64], settings: SvmSettings, seed: u64) -> (Vec<f64>, bool) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let slack = 0.5 / settings.c;
    let mut weights = vec![0.0; rows.width + 1];
    let mut alphas = vec![0.0; signs.len()];
    let mut active: Vec<usize> = (0..signs.len()).collect();
    let mut shrink_above = f64::INFINITY;
    for _ in 0..settings.max_passes {
        active.shuffle(&mut rng);
        let (mut highest, mut lowest) = (f64::NEG_INFINITY, f64::INFINITY);
        let mut kept = Vec::with_capacity(active.len());
        for &at in &active {
            let (row, sign) = (rows.row(at), signs[at]);
            let gradient = sign * (dot(row, &weights) + weights[rows.width]) - 1.0 + slack * alphas[at];
            if alphas[at] <= 0.0 && gradient > shrink_above {
                continue;
            }
            kept.push(at);
            let projected = if alphas[at] <= 0.0 { gradient.min(0.0) } else { gradient };
            highest = highest.max(projected);
            lowest = lowest.min(projected);
            if projected.abs() > 1e-12 {
                let moved = (alphas[at] - gradient / (rows.squares[at] + slack)).max(0.0);
                add_scaled(&mut weights, (moved - alphas[at]) * sign, row);
                alphas[at] = moved;
            }
        }
        let is_whole = kept.len() == signs.len();
        active = kept;
        if highest - lowest <= settings.tolerance {
            if is_whole {
                return (weights, true);
            }
            // What was set aside is looked at once more before the end.
            active = (0..signs.len()).collect();
            shrink_above = f64::INFINITY;
            continue;
        }
        shrink_above = if highest > 0.0 { highest } else { f64::INFINITY };
    }
    (weights, false)
}
