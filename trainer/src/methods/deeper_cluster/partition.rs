//! Which cluster and sub-cluster every place belongs to.

use super::DeeperClusterConfig;
use crate::methods::ClusteringSummary;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use shared::tensors::{NamedTensor, TensorMap};
use std::collections::{BTreeMap, HashMap};

/// Pseudo-labels of all places, numbered as the epoch's context lists them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Partition {
    /// (cluster, sub-cluster); none for a place that could not be read.
    labels: Vec<Option<(usize, usize)>>,
    /// Empty clusters that were re-seeded on the way.
    pub(super) reseeded: usize,
}

impl Partition {
    /// No label for any of `places`.
    pub(super) fn unknown(places: usize) -> Self {
        Self { labels: vec![None; places], reseeded: 0 }
    }

    /// Number of places.
    pub(super) fn places(&self) -> usize {
        self.labels.len()
    }

    /// Gives a place its label.
    pub(super) fn set(&mut self, place: usize, cluster: usize, sub_cluster: usize) {
        self.labels[place] = Some((cluster, sub_cluster));
    }

    /// The label of a place; that of the first cluster where it has none, which the order never draws.
    pub(super) fn get(&self, place: usize) -> (usize, usize) {
        self.labels[place].unwrap_or((0, 0))
    }

    /// `samples` places such that every sub-cluster that is not empty is drawn equally often (DeepCluster §3, "uniform
    /// distribution over the classes"): its members in shuffled passes, all sub-clusters shuffled together.
    pub(super) fn uniform_order(&self, samples: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
        let mut members: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
        for (place, label) in self.labels.iter().enumerate() {
            if let Some(label) = label {
                members.entry(*label).or_default().push(place);
            }
        }
        if members.is_empty() {
            return Vec::new();
        }
        // As equal as whole numbers can be; which clusters get the rest is drawn.
        let (each, rest) = (samples / members.len(), samples % members.len());
        let mut gets_more: Vec<bool> = (0..members.len()).map(|at| at < rest).collect();
        gets_more.shuffle(rng);
        let mut order = Vec::with_capacity(samples);
        for (own, more) in members.values_mut().zip(gets_more) {
            let wanted = each + usize::from(more);
            for drawn in 0..wanted {
                if drawn % own.len() == 0 {
                    own.shuffle(rng);
                }
                order.push(own[drawn % own.len()]);
            }
        }
        order.shuffle(rng);
        order
    }

    /// What is reported of a clustering.
    pub(super) fn summary(&self, before: Option<&Self>, config: &DeeperClusterConfig) -> ClusteringSummary {
        let mut sizes: HashMap<(usize, usize), usize> = HashMap::new();
        self.labels.iter().flatten().for_each(|label| *sizes.entry(*label).or_default() += 1);
        let clusters = config.super_clusters * config.sub_clusters;
        ClusteringSummary {
            clusters,
            empty: clusters - sizes.len(),
            smallest: sizes.values().copied().min().unwrap_or(0),
            largest: sizes.values().copied().max().unwrap_or(0),
            reseeded: self.reseeded,
            stability: before.map(|before| normalised_mutual_information(&self.labels, &before.labels)),
        }
    }

    /// Everything needed to go on.
    pub(super) fn state(&self, name: &str) -> Vec<NamedTensor> {
        // Exact: cluster numbers are far below 2²⁴; −1 is no label.
        let column = |part: &str, pick: fn((usize, usize)) -> usize| NamedTensor {
            name: format!("{name}.{part}"),
            shape: vec![self.labels.len()],
            values: self.labels.iter().map(|label| label.map_or(-1.0, |label| pick(label) as f32)).collect(),
        };
        vec![column("cluster", |label| label.0), column("sub_cluster", |label| label.1)]
    }

    /// The partition that [`Self::state`] was taken of, if there was one.
    pub(super) fn restore(name: &str, state: &TensorMap) -> Option<Self> {
        let column = |part: &str| state.get(&format!("{name}.{part}")).map(|tensor| tensor.values.clone());
        let labels = column("cluster")?.into_iter().zip(column("sub_cluster")?);
        let labels = labels.map(|(cluster, sub)| (cluster >= 0.0).then_some((cluster as usize, sub as usize)));
        Some(Self { labels: labels.collect(), reseeded: 0 })
    }
}

/// Mutual information of two labellings over the geometric mean of their entropies (DeepCluster §4.1): 1 when each
/// tells the other, 0 when neither says anything of the other.
fn normalised_mutual_information<L: Copy + Eq + Ord>(a: &[Option<L>], b: &[Option<L>]) -> f64 {
    let pairs: Vec<(L, L)> = a.iter().zip(b).filter_map(|(a, b)| Some(((*a)?, (*b)?))).collect();
    let total = pairs.len() as f64;
    let (mut joint, mut left, mut right) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for &(a, b) in &pairs {
        *joint.entry((a, b)).or_insert(0.0) += 1.0 / total;
        *left.entry(a).or_insert(0.0) += 1.0 / total;
        *right.entry(b).or_insert(0.0) += 1.0 / total;
    }
    let entropy = |shares: &BTreeMap<L, f64>| -shares.values().map(|p| p * p.ln()).sum::<f64>();
    let mutual: f64 = joint.iter().map(|((a, b), p)| p * (p / (left[a] * right[b])).ln()).sum();
    let scale = (entropy(&left) * entropy(&right)).sqrt();
    if scale > 0.0 { mutual / scale } else { 1.0 }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn partition(labels: &[(usize, usize)]) -> Partition {
        let mut partition = Partition::unknown(labels.len() + 1);
        labels.iter().enumerate().for_each(|(place, label)| partition.set(place, label.0, label.1));
        partition
    }

    #[test]
    fn every_sub_cluster_is_drawn_equally_often_and_evenly_within() {
        let labels: Vec<(usize, usize)> = (0..90).map(|at| if at < 80 { (0, at % 2) } else { (1, 3) }).collect();
        let order = partition(&labels).uniform_order(300, &mut ChaCha8Rng::seed_from_u64(1));
        assert_eq!(order.len(), 300);
        let mut counts = [0; 91];
        order.iter().for_each(|&place| counts[place] += 1);
        for (label, members) in [((0, 0), 40), ((0, 1), 40), ((1, 3), 10)] {
            let own: Vec<usize> = (0..90).filter(|&at| labels[at] == label).map(|at| counts[at]).collect();
            assert_eq!(own.len(), members);
            assert_eq!(own.iter().sum::<usize>(), 100, "{label:?}");
            assert!(own.iter().max().unwrap() - own.iter().min().unwrap() <= 1, "in passes: {own:?}");
        }
        assert_eq!(counts[90], 0, "a place without a label is never drawn");
    }

    #[test]
    fn a_partition_survives_its_state() {
        let own = partition(&[(0, 1), (3, 2), (1, 0)]);
        let state = shared::tensors::into_map(own.state("p"));
        assert_eq!(Partition::restore("p", &state).unwrap(), own);
        assert_eq!(Partition::restore("q", &state), None);
    }

    #[test]
    fn mutual_information_is_one_for_renamed_labels_and_zero_for_independent_ones() {
        let labels = |pick: fn(usize) -> usize| (0..36).map(|at| Some(pick(at))).collect::<Vec<_>>();
        let found = |a: &[Option<usize>], b: &[Option<usize>]| normalised_mutual_information(a, b);
        assert!((found(&labels(|at| at % 3), &labels(|at| 7 - at % 3)) - 1.0).abs() < 1e-12);
        assert!(found(&labels(|at| at % 3), &labels(|at| at / 3 % 4)).abs() < 1e-12);
    }
}
