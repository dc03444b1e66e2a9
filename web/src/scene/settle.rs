//! A patch is no island: what the patches around it are, and what the whole picture is made of, say something of it.
//!
//! The model answers patch by patch, as if each class were as frequent as in its own data. A map is more often right, and its doubts
//! are more honest, when both are taken in: a patch's probabilities are weighted by how frequent each class is in this picture, then
//! mixed with the mean of those around it. Where the neighbours disagree, the mixture is unsure.

/// How much all patches around one weigh, against 1 for its own answer.
const NEIGHBOURS: f32 = 0.5;
/// Rounds of estimating how frequent the classes are.
const ROUNDS: usize = 20;
/// Patches that it is estimated from, at most.
const SAMPLED: usize = 4096;
/// Patches' worth of equal classes that the estimate begins with, as a share of those looked at: what is not seen may still be there.
const EQUAL: f32 = 0.1;
/// The estimate is trusted half, in the logarithm: it stands on the same answers.
const TRUST: f32 = 0.5;

/// A patch's probabilities, with those around it as they are heard.
pub struct Settled {
    own: Vec<f32>,
    others: Vec<f32>,
    heard: usize,
}

impl Settled {
    /// Nobody is heard yet.
    #[must_use]
    pub fn new(own: &[f32], ratios: &[f32]) -> Self {
        let mut weighted = vec![0.0; own.len()];
        add(&mut weighted, own, ratios);
        Self { others: vec![0.0; own.len()], own: weighted, heard: 0 }
    }

    /// Hears one of those around.
    pub fn hear(&mut self, other: &[f32], ratios: &[f32]) {
        add(&mut self.others, other, ratios);
        self.heard += 1;
    }

    /// The mixture; it adds up to 1.
    #[must_use]
    pub fn shares(mut self) -> Vec<f32> {
        if self.heard > 0 {
            let weight = NEIGHBOURS / self.heard as f32;
            let mixed = self.own.iter_mut().zip(&self.others);
            mixed.for_each(|(own, others)| *own = (*own + weight * others) / (1.0 + NEIGHBOURS));
        }
        self.own
    }
}

/// Adds probabilities, each times its ratio, so that what is added has the sum of 1.
fn add(sum: &mut [f32], shares: &[f32], ratios: &[f32]) {
    let total: f32 = shares.iter().zip(ratios).map(|(share, ratio)| share * ratio).sum();
    if total > 0.0 {
        sum.iter_mut().zip(shares.iter().zip(ratios)).for_each(|(sum, (share, ratio))| *sum += share * ratio / total);
    }
}

/// How much more frequent each class is among `rows` than if all were equally so, by expectation and maximisation (Saerens, Latinne and
/// Decaestecker 2002), tempered: 1 for all where nothing is known.
#[must_use]
pub fn prior_ratios<'a>(rows: impl Iterator<Item = &'a [f32]> + Clone, classes: usize) -> Vec<f32> {
    let count = rows.clone().count();
    let step = count.div_ceil(SAMPLED).max(1);
    let sampled: Vec<&[f32]> = rows.step_by(step).collect();
    let mut ratios = vec![1.0; classes];
    if sampled.is_empty() {
        return ratios;
    }
    let equal = EQUAL * sampled.len() as f32;
    for _ in 0..ROUNDS {
        let mut sums = vec![equal / classes as f32; classes];
        sampled.iter().for_each(|row| add(&mut sums, row, &ratios));
        let total: f32 = sums.iter().sum();
        ratios = sums.into_iter().map(|sum| sum / total * classes as f32).collect();
    }
    ratios.into_iter().map(|ratio| ratio.powf(TRUST)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_others_and_without_ratios_an_answer_stays_what_it_is() {
        let shares = Settled::new(&[0.7, 0.2, 0.1], &[1.0; 3]).shares();
        assert!(shares.iter().zip([0.7, 0.2, 0.1]).all(|(found, expected)| (found - expected).abs() < 1e-6));
    }

    #[test]
    fn the_frequency_of_classes_is_found_under_a_confused_model() {
        // A model that is right 7 times in 10 sees nine of the first class to one of the second.
        let rows: Vec<Vec<f32>> = (0..1000)
            .map(|at| if (at / 10 + at % 10 * 7) % 100 < 66 { vec![0.7, 0.3] } else { vec![0.3, 0.7] })
            .collect();
        let ratios = prior_ratios(rows.iter().map(Vec::as_slice), 2);
        // By hand: the share x with 0.7 x / (0.7 x + 0.3 (1 − x)) · 0.66 + 0.3 x / (0.3 x + 0.7 (1 − x)) · 0.34 = x is 0.9; equal ones pull it in.
        assert!(ratios[0] > 1.2 && ratios[1] < 0.75, "{ratios:?}");
        let share = ratios[0].powi(2) / (ratios[0].powi(2) + ratios[1].powi(2));
        assert!((0.72..0.92).contains(&share), "{share}");
        assert_eq!(prior_ratios(std::iter::empty(), 3), [1.0; 3]);
    }

    #[test]
    fn equal_classes_stay_equal() {
        let rows = [[0.9, 0.1], [0.1, 0.9]];
        let ratios = prior_ratios(rows.iter().map(<[f32; 2]>::as_slice), 2);
        assert!(ratios.iter().all(|ratio| (ratio - 1.0).abs() < 1e-3), "{ratios:?}");
    }
}
