//! Divide and Contrast (Tian et al. 2021, arXiv 2105.08054): a base, a partition of the data by what the base has learned,
//! an expert on each part, and a student of all of them. Each phase but the partition is an ordinary run: of
//! [`super::Moclr`] three times over, and of [`super::Distill`].

use super::{DistillConfig, Preset};
use crate::parts::{KMeans, Rows, Similarity};
use crate::views::keyed_rng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

/// Stream of random numbers.
const PARTITION: u64 = u64::from_le_bytes(*b"dividing");

/// Its recipe, whose `[method]` is the base's.
pub(super) const PRESET: Preset = Preset::new(
    "dnc",
    "experts for parts of the data, and a student of all of them",
    "Tian et al. 2021",
    include_str!("../../presets/dnc.toml"),
);

/// What comes after the base, whose settings are the run's own; the preset gives each value its source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DncConfig {
    /// Clusters K, each with an expert.
    pub clusters: usize,
    /// Lloyd iterations.
    pub iterations: usize,
    /// Divide at random instead, into parts of one size: the paper's ablation.
    pub random_partition: bool,
    /// Epochs over the data that the experts share, N2: each gets its cluster's part of the steps.
    pub expert_epochs: usize,
    /// Epochs of the student, N3.
    pub distill_epochs: usize,
    /// Its base learning rate.
    pub distill_learning_rate: f64,
    /// The student; teacher, experts and clusters are filled in.
    pub distill: DistillConfig,
}

impl DncConfig {
    /// Says what is wrong, if anything.
    ///
    /// # Errors
    /// One line and a hint.
    pub fn check(&self) -> Result<(), String> {
        if self.clusters < 2 || [self.iterations, self.expert_epochs, self.distill_epochs].contains(&0) {
            return Err(
                "dnc.clusters must be at least 2, dnc.iterations, expert_epochs and distill_epochs at least 1\nhint: \
                        --set dnc.clusters=5"
                    .into(),
            );
        }
        if self.distill.hidden == 0 || self.distill.dim == 0 {
            return Err(
                "dnc.distill.hidden and dnc.distill.dim must be at least 1\nhint: --set dnc.distill.dim=256".into()
            );
        }
        if !(self.distill_learning_rate > 0.0 && self.distill_learning_rate.is_finite()) {
            return Err(format!(
                "dnc.distill_learning_rate must be above 0, not {}\nhint: --set dnc.distill_learning_rate=0.3",
                self.distill_learning_rate
            ));
        }
        Ok(())
    }

    /// The cluster of each of `rows`, hidden activations of the base's head: cosine k-means (§3.2), or the ablation's draw.
    #[must_use]
    pub fn divide(&self, rows: Rows, seed: u64) -> Vec<usize> {
        let mut rng = keyed_rng(seed, 0, 0, PARTITION);
        if self.random_partition {
            let mut labels: Vec<usize> = (0..rows.count()).map(|row| row % self.clusters).collect();
            labels.shuffle(&mut rng);
            return labels;
        }
        let k_means = KMeans { clusters: self.clusters, iterations: self.iterations, similarity: Similarity::Cosine };
        k_means.run(&rows.normalised(), &mut rng).labels
    }
}

/// How many of `steps` an epoch each expert takes, in proportion to the size of its cluster by largest remainder, and
/// at least one each (§3.2).
#[must_use]
pub fn share_budget(sizes: &[usize], steps: usize) -> Vec<usize> {
    let total: usize = sizes.iter().sum();
    let exact: Vec<f64> = sizes.iter().map(|&size| size as f64 / total.max(1) as f64 * steps as f64).collect();
    let mut shares: Vec<usize> = exact.iter().map(|share| share.floor() as usize).collect();
    let mut by_rest: Vec<usize> = (0..sizes.len()).collect();
    by_rest.sort_by(|&a, &b| exact[b].fract().total_cmp(&exact[a].fract()).then(a.cmp(&b)));
    let missing = steps.saturating_sub(shares.iter().sum());
    by_rest.into_iter().take(missing).for_each(|expert| shares[expert] += 1);
    shares.iter_mut().for_each(|share| *share = (*share).max(1));
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps handed out one by one, each to the expert that is furthest behind its exact share.
    fn one_by_one(sizes: &[usize], steps: usize) -> Vec<usize> {
        let total: usize = sizes.iter().sum();
        let mut shares = vec![0; sizes.len()];
        for _ in 0..steps {
            let lack = |expert: usize| (sizes[expert] * steps) as f64 / total as f64 - shares[expert] as f64;
            let mut most = 0;
            for expert in 1..sizes.len() {
                if lack(expert) > lack(most) + 1e-9 {
                    most = expert;
                }
            }
            shares[most] += 1;
        }
        shares
    }

    #[test]
    fn the_budget_is_shared_as_if_handed_out_step_by_step() {
        for (sizes, steps) in
            [(&[5000, 3000, 8000, 200][..], 63), (&[1, 1, 1], 10), (&[7, 11, 13, 17, 19], 100), (&[100, 0, 50], 30)]
        {
            let shares = share_budget(sizes, steps);
            let slow = one_by_one(sizes, steps);
            let at_least_one: Vec<usize> = slow.iter().map(|&share| share.max(1)).collect();
            assert_eq!(shares, at_least_one, "{sizes:?}");
        }
        assert_eq!(share_budget(&[1000, 1], 10), [10, 1], "the smallest still learns something");
    }
}
