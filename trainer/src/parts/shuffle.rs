//! Shuffled batch normalisation on one device (MoCo, He et al. 2020, §3.3, "Shuffling BN").
//!
//! A batch that is normalised in groups tells, by the statistics of a group, who was in it. As long as a query and its key
//! have the same companions, that gives the positive away: contrastive accuracy rises, and nothing is learned of the
//! pictures. So keys are normalised in other groups than their queries.

use burn::tensor::{DType, Int, Tensor, TensorData};

/// The batch in the order in which keys are encoded: as a matrix `[n / splits, splits]`, transposed.
///
/// Sample `i` of a batch is in group `i % splits`. Of the `n / splits` samples of a group, transposition deals as many as
/// can be to every other one, so that no pair keeps its companions. A fixed permutation is enough, since who sits where
/// is drawn anew in each step. With a single group there is nothing to shuffle.
///
/// # Shapes
/// `[n, …]` → `[n, …]`; `splits` divides n
#[must_use]
pub fn shuffle<const D: usize>(x: Tensor<D>, splits: usize) -> Tensor<D> {
    let n = x.dims()[0];
    transpose(x, n / splits, splits)
}

/// What [`shuffle`] did, undone.
#[must_use]
pub fn unshuffle<const D: usize>(x: Tensor<D>, splits: usize) -> Tensor<D> {
    let n = x.dims()[0];
    transpose(x, splits, n / splits)
}

/// Batches one below the other, in the order in which they go through a network together: sample `i` is in group `i % splits` of
/// batch `i / splits % batches`. With `shuffled`, each batch in the order of [`shuffle`].
///
/// # Shapes
/// `[batches · n, …]` → `[batches · n, …]`; `splits` divides n
#[must_use]
pub fn interleave<const D: usize>(x: Tensor<D>, batches: usize, splits: usize, shuffled: bool) -> Tensor<D> {
    let seats = seats(x.dims()[0] / batches, batches, splits, shuffled);
    in_order(x, seats)
}

/// What [`interleave`] did, undone.
#[must_use]
pub fn deinterleave<const D: usize>(x: Tensor<D>, batches: usize, splits: usize, shuffled: bool) -> Tensor<D> {
    let seats = seats(x.dims()[0] / batches, batches, splits, shuffled);
    let mut places = vec![0; seats.len()];
    seats.into_iter().enumerate().for_each(|(place, sample)| places[sample as usize] = place as i32);
    in_order(x, places)
}

/// Which sample of batches of `n` sits at each place.
fn seats(n: usize, batches: usize, splits: usize, shuffled: bool) -> Vec<i32> {
    let rows = n / splits;
    let seat = |place: usize| {
        let (batch, place) = (place / splits % batches, place / (splits * batches) * splits + place % splits);
        // A matrix `[rows, splits]`, transposed.
        let sample = if shuffled { place % rows * splits + place / rows } else { place };
        (batch * n + sample) as i32
    };
    (0..batches * n).map(seat).collect()
}

/// The rows of `x` that `order` names.
fn in_order<const D: usize>(x: Tensor<D>, order: Vec<i32>) -> Tensor<D> {
    let count = order.len();
    let order = Tensor::<1, Int>::from_data(TensorData::new(order, [count]), (&x.device(), DType::I32));
    x.select(0, order)
}

/// Samples as a matrix of `rows` × `columns`, transposed.
fn transpose<const D: usize>(x: Tensor<D>, rows: usize, columns: usize) -> Tensor<D> {
    let dims = x.dims();
    if rows == 1 || columns == 1 {
        return x;
    }
    let rest: usize = dims[1..].iter().product();
    x.reshape([rows, columns, rest]).swap_dims(0, 1).reshape(dims)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use std::collections::BTreeSet;

    /// Who sits at each place of a shuffled batch of `n`.
    fn seats(n: usize, splits: usize) -> Vec<usize> {
        let batch = Tensor::<2>::from_data(
            TensorData::new((0..2 * n).map(|i| (i / 2) as f32).collect(), [n, 2]),
            &Device::flex(),
        );
        let shuffled = shuffle(batch.clone(), splits);
        let back = unshuffle(shuffled.clone(), splits);
        assert_eq!(back.into_data(), batch.into_data());
        let values: Vec<f32> = shuffled.into_data().try_into_vec().unwrap();
        values.chunks(2).map(|pair| pair[0] as usize).collect()
    }

    fn groups(seats: &[usize], splits: usize) -> Vec<BTreeSet<usize>> {
        (0..splits).map(|group| seats.iter().skip(group).step_by(splits).copied().collect()).collect()
    }

    #[test]
    fn no_pair_shares_its_companions_and_as_few_stay_together_as_can_be() {
        for (n, splits) in [(16, 8), (24, 8), (64, 8), (256, 8), (256, 4), (6, 3), (4, 2)] {
            let queries = groups(&(0..n).collect::<Vec<_>>(), splits);
            let keys = groups(&seats(n, splits), splits);
            assert!(keys.iter().all(|group| group.len() == n / splits));
            // A group of n / splits spread over `splits` others: so many meet again at the least.
            let least = (n / splits).div_ceil(splits);
            for query in &queries {
                for key in &keys {
                    let together = query.intersection(key).count();
                    assert!(together <= least, "{n} in {splits}: {together} of {} meet again", n / splits);
                }
            }
        }
    }

    #[test]
    fn batches_that_go_together_sit_where_each_would_alone() {
        let (batches, n, splits) = (3, 24, 4);
        let values: Vec<f32> = (0..batches * n).map(|i| i as f32).collect();
        let all = Tensor::<2>::from_data(TensorData::new(values, [batches * n, 1]), &Device::flex());
        for shuffled in [false, true] {
            let together = interleave(all.clone(), batches, splits, shuffled);
            let places: Vec<f32> = together.clone().into_data().try_into_vec().unwrap();
            for batch in 0..batches {
                let alone = all.clone().slice([batch * n..(batch + 1) * n, 0..1]);
                let alone = if shuffled { shuffle(alone, splits) } else { alone };
                let alone: Vec<f32> = alone.into_data().try_into_vec().unwrap();
                for (seat, sample) in alone.into_iter().enumerate() {
                    let place = (seat / splits * batches + batch) * splits + seat % splits;
                    assert_eq!(places[place], sample, "batch {batch}, seat {seat}, shuffled {shuffled}");
                }
            }
            assert_eq!(deinterleave(together, batches, splits, shuffled).into_data(), all.clone().into_data());
        }
    }

    #[test]
    fn a_single_group_stays_as_it_is() {
        assert_eq!(seats(8, 1), (0..8).collect::<Vec<_>>());
    }
}
