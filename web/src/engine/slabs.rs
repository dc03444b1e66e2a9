//! How a batch is cut into slabs, which go to whichever worker is free.

use std::ops::Range;

/// The encoder's largest chunk, and the largest slab.
pub const CHUNK_TILES: usize = 32;
/// Slabs become smaller towards the end of a batch, so that all workers finish together: by whole chunks of this size.
const SMALL_CHUNK_TILES: usize = 8;
/// Files that are read and sent together: bounds memory, whatever the size of the files.
const MAX_SLAB_BYTES: f64 = 16.0 * 1024.0 * 1024.0;
/// A slab that brings down this many workers is not given to another one.
const MAX_STRIKES: u32 = 2;

/// Some tiles of a batch, by their positions in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slab {
    /// The positions.
    pub tiles: Range<usize>,
    strikes: u32,
}

/// What is left of a batch.
#[derive(Debug)]
pub struct Slabs {
    /// Bytes of every file.
    sizes: Vec<f64>,
    next: usize,
    returned: Vec<Slab>,
}

impl Slabs {
    /// A whole batch, by the sizes of its files in bytes.
    #[must_use]
    pub const fn new(sizes: Vec<f64>) -> Self {
        Self { sizes, next: 0, returned: Vec::new() }
    }

    /// How many workers have something to do: one for each begun chunk.
    #[must_use]
    pub fn useful_workers(&self) -> usize {
        (self.sizes.len() - self.next).div_ceil(CHUNK_TILES)
    }

    /// True when everything has been taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.next >= self.sizes.len() && self.returned.is_empty()
    }

    /// The next slab, when `workers` share the batch.
    pub fn take(&mut self, workers: usize) -> Option<Slab> {
        if let Some(slab) = self.returned.pop() {
            return Some(slab);
        }
        let rest = self.sizes.len() - self.next;
        if rest == 0 {
            return None;
        }
        let share = match workers {
            0 | 1 => CHUNK_TILES,
            // Half of a fair share: what is slow to start or to compute takes fewer.
            workers => (rest / (2 * workers)).next_multiple_of(SMALL_CHUNK_TILES).clamp(SMALL_CHUNK_TILES, CHUNK_TILES),
        };
        let start = self.next;
        let mut bytes = 0.0;
        for size in self.sizes[start..].iter().take(share) {
            bytes += size;
            if bytes > MAX_SLAB_BYTES && self.next > start {
                break;
            }
            self.next += 1;
        }
        Some(Slab { tiles: start..self.next, strikes: 0 })
    }

    /// Takes back a slab whose worker died, for another one. False when that has happened too often.
    pub fn give_back(&mut self, mut slab: Slab) -> bool {
        slab.strikes += 1;
        let is_worth_another = slab.strikes < MAX_STRIKES;
        self.returned.push(slab);
        is_worth_another
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    fn all(sizes: Vec<f64>, workers: usize) -> Vec<Range<usize>> {
        let mut slabs = Slabs::new(sizes);
        std::iter::from_fn(|| slabs.take(workers).map(|slab| slab.tiles)).collect()
    }

    #[test]
    fn every_tile_is_taken_once_in_order_and_nothing_is_larger_than_a_chunk() {
        for count in [0, 1, 31, 32, 33, 64, 100, 256, 1000] {
            for workers in 1..=8 {
                let taken = all(vec![1e4; count], workers);
                assert_eq!(taken.iter().flat_map(Clone::clone).collect::<Vec<_>>(), (0..count).collect::<Vec<_>>());
                assert!(taken.iter().all(|slab| !slab.is_empty() && slab.len() <= CHUNK_TILES));
            }
        }
    }

    #[test]
    fn one_worker_gets_whole_chunks_and_several_get_small_ones_in_the_end() {
        assert_eq!(all(vec![1.0; 70], 1), [0..32, 32..64, 64..70]);
        let shared = all(vec![1.0; 256], 2);
        assert_eq!(shared[0], 0..32);
        assert!(shared.iter().rev().take(2).all(|slab| slab.len() <= 8), "{shared:?}");
        assert_eq!(Slabs::new(vec![1.0; 32]).useful_workers(), 1);
        assert_eq!(Slabs::new(vec![1.0; 33]).useful_workers(), 2);
    }

    #[test]
    fn large_files_go_in_smaller_slabs_and_an_enormous_one_alone() {
        let megabyte = 1024.0 * 1024.0;
        assert_eq!(all(vec![6.0 * megabyte; 5], 1), [0..2, 2..4, 4..5]);
        assert_eq!(all(vec![100.0 * megabyte, 1.0, 1.0], 1), [0..1, 1..3]);
    }

    #[test]
    fn what_a_dead_worker_had_is_taken_next_and_not_for_ever() {
        let mut slabs = Slabs::new(vec![1.0; 64]);
        let first = slabs.take(1).unwrap();
        assert!(slabs.give_back(first.clone()));
        assert!(!slabs.is_empty());
        let again = slabs.take(1).unwrap();
        assert_eq!(again.tiles, first.tiles);
        assert!(!slabs.give_back(again));
    }
}
