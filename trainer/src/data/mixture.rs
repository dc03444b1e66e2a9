//! Several sources drawn from in fixed shares, every place of a source as often as any other.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use rand::seq::SliceRandom;
use shared::bands::Bands;

use super::Source;
use crate::views::keyed_rng;

const ORDER: u64 = u64::from_le_bytes(*b"epoch_or");
const PLACES: u64 = u64::from_le_bytes(*b"places_o");

/// Sources and their shares.
pub struct Mixture {
    sources: Vec<Box<dyn Source>>,
    /// Sum to 1.
    shares: Vec<f64>,
}

impl Mixture {
    /// Takes sources with weights: shares of the samples relative to each other. Without any weight, sources count by
    /// their places.
    ///
    /// # Errors
    /// When there is none, bands differ, a weight is not above 0, or some sources have one and others none.
    pub fn new(sources: Vec<(Box<dyn Source>, Option<f64>)>) -> Result<Self> {
        let Some((first, _)) = sources.first() else {
            bail!("no data\nhint: name at least one source");
        };
        let weighted = sources.iter().filter(|(_, weight)| weight.is_some()).count();
        if weighted != 0 && weighted != sources.len() {
            bail!("{weighted} of {} sources have a weight\nhint: give every source a weight, or none", sources.len());
        }
        for (source, weight) in &sources {
            if source.bands() != first.bands() {
                bail!(
                    "{} has the bands {}, {} has {}\nhint: sources that are mixed need the same bands; choose them with bands = […]",
                    first.name(),
                    first.bands(),
                    source.name(),
                    source.bands()
                );
            }
            if let Some(weight) = weight.filter(|weight| !(weight.is_finite() && *weight > 0.0)) {
                bail!("{}: a weight must be above 0, not {weight}\nhint: leave the source out instead", source.name());
            }
        }
        let weigh = |(source, weight): (Box<dyn Source>, Option<f64>)| {
            let weight = weight.unwrap_or(source.len() as f64);
            (source, weight)
        };
        let (sources, weights): (Vec<_>, Vec<f64>) = sources.into_iter().map(weigh).unzip();
        let total: f64 = weights.iter().sum();
        Ok(Self { sources, shares: weights.into_iter().map(|weight| weight / total).collect() })
    }

    /// The sources.
    #[must_use]
    pub fn sources(&self) -> &[Box<dyn Source>] {
        &self.sources
    }

    /// The planes of every source.
    #[must_use]
    pub fn bands(&self) -> &Bands {
        self.sources[0].bands()
    }

    /// Places of all sources.
    #[must_use]
    pub fn places(&self) -> usize {
        self.sources.iter().map(|source| source.len()).sum()
    }

    /// The samples of an epoch as (source, place), shuffled.
    ///
    /// A source's places follow each other in shuffled passes that run on from epoch to epoch, so none comes a second
    /// time before all have come once. Depends on nothing but the arguments.
    #[must_use]
    pub fn order(&self, seed: u64, epoch: u64, samples: usize) -> Vec<(usize, usize)> {
        let quotas = self.quotas(samples);
        let mut order: Vec<(usize, usize)> = Vec::with_capacity(samples);
        for (index, (source, &quota)) in self.sources.iter().zip(&quotas).enumerate() {
            let len = source.len() as u64;
            let first = epoch * quota as u64;
            let mut pass: Option<(u64, Vec<usize>)> = None;
            for position in first..first + quota as u64 {
                let number = position / len;
                if pass.as_ref().is_none_or(|(current, _)| *current != number) {
                    let mut places: Vec<usize> = (0..source.len()).collect();
                    places.shuffle(&mut keyed_rng(seed, number, index as u64, PLACES));
                    pass = Some((number, places));
                }
                if let Some((_, places)) = &pass {
                    order.push((index, places[(position % len) as usize]));
                }
            }
        }
        order.shuffle(&mut keyed_rng(seed, epoch, 0, ORDER));
        order
    }

    /// How many samples each source gives, by largest remainder.
    fn quotas(&self, samples: usize) -> Vec<usize> {
        let exact: Vec<f64> = self.shares.iter().map(|share| share * samples as f64).collect();
        let mut quotas: Vec<usize> = exact.iter().map(|value| value.floor() as usize).collect();
        let mut by_rest: Vec<usize> = (0..exact.len()).collect();
        by_rest.sort_by(|&a, &b| exact[b].fract().total_cmp(&exact[a].fract()).then(a.cmp(&b)));
        let missing = samples.saturating_sub(quotas.iter().sum());
        by_rest.into_iter().cycle().take(missing).for_each(|source| quotas[source] += 1);
        quotas
    }

    /// Numbers of dates of a place, ascending, each with the share of the samples that lie at such places.
    #[must_use]
    pub fn shares_by_dates(&self) -> Vec<(usize, f64)> {
        shares_by_dates(
            self.sources.iter().map(|source| source.as_ref() as &dyn Source).zip(self.shares.iter().copied()),
        )
    }

    /// One line a source.
    #[must_use]
    pub fn describe(&self) -> Vec<String> {
        let shares = self.shares.iter().map(|share| 100.0 * share);
        let lines = self.sources.iter().map(|source| source.describe()).zip(shares);
        lines.map(|(source, percent)| format!("{source} — {percent:.0} % of the samples")).collect()
    }
}

/// Numbers of dates of a place, ascending, each with the share of the samples that lie at such places; `sources` with their
/// shares, which sum to 1.
pub fn shares_by_dates<'a>(sources: impl Iterator<Item = (&'a dyn Source, f64)>) -> Vec<(usize, f64)> {
    let mut shares = BTreeMap::<usize, f64>::new();
    for (source, share) in sources {
        for place in 0..source.len() {
            *shares.entry(source.dates(place)).or_default() += share / source.len() as f64;
        }
    }
    shares.into_iter().collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;
    use crate::data::SampleError;
    use crate::views::{PixelRange, ViewRng};
    use shared::tile::Tile;

    struct Numbers(usize, Bands);

    impl Source for Numbers {
        fn name(&self) -> &str {
            "numbers"
        }
        fn len(&self) -> usize {
            self.0
        }
        fn bands(&self) -> &Bands {
            &self.1
        }
        fn range(&self) -> PixelRange {
            PixelRange::Open
        }
        fn dates(&self, _: usize) -> usize {
            1
        }
        fn read(&self, place: usize, _: &[usize], _: &mut ViewRng) -> Result<Vec<Tile>, SampleError> {
            Tile::new(3, 1, 1, vec![place as f32; 3])
                .map(|tile| vec![tile])
                .map_err(|error| SampleError::new("x", error))
        }
        fn fingerprints(&self) -> Vec<u64> {
            Vec::new()
        }
        fn read_all(&self) {}
        fn describe(&self) -> String {
            format!("{} numbers", self.0)
        }
    }

    fn numbers(len: usize) -> Box<dyn Source> {
        Box::new(Numbers(len, Bands::rgb()))
    }

    #[test]
    fn every_place_comes_once_before_any_comes_twice_across_epochs() {
        let mixture = Mixture::new(vec![(numbers(10), None)]).unwrap();
        let mut seen = [0; 10];
        for epoch in 0..5 {
            for (_, place) in mixture.order(1, epoch, 4) {
                seen[place] += 1;
            }
        }
        assert_eq!(seen, [2; 10]);
        assert_ne!(mixture.order(1, 0, 10), mixture.order(1, 1, 10));
        assert_ne!(mixture.order(1, 0, 10), mixture.order(2, 0, 10));
        assert_eq!(mixture.order(1, 3, 10), mixture.order(1, 3, 10));
    }

    #[test]
    fn shares_are_kept_exactly() {
        let mixture = Mixture::new(vec![(numbers(7), Some(3.0)), (numbers(1000), Some(1.0))]).unwrap();
        let order = mixture.order(1, 0, 102);
        assert_eq!(order.len(), 102);
        assert_eq!(order.iter().filter(|(source, _)| *source == 0).count(), 77);
        assert_eq!(mixture.describe()[0], "7 numbers — 75 % of the samples");
    }

    #[test]
    fn bands_must_agree() {
        let other: Box<dyn Source> = Box::new(Numbers(2, Bands::sentinel_2_l2a()));
        let error = Mixture::new(vec![(numbers(2), None), (other, None)]).err().unwrap().to_string();
        assert!(error.contains("B04 B03 B02") && error.contains("hint: "), "{error}");
        assert!(Mixture::new(vec![(numbers(2), Some(0.0))]).is_err());
        assert!(Mixture::new(vec![(numbers(2), Some(1.0)), (numbers(2), None)]).is_err());
        assert!(Mixture::new(Vec::new()).is_err());
    }
}
