//! Softmax cross-entropy of one positive among shared negatives, and its gradient, without ever holding all logits.

use super::lanes::{Kernels, MAX_ROWS, ReduceTile};
use super::threads::{Output, for_each, with_scratch};

/// Queries per piece of work: enough to reuse the keys, few enough for their logits to fit a core's own cache.
const QUERIES: usize = 32;
/// Keys that stay in the nearest cache while a piece's queries pass over them.
const KEYS: usize = 256;

/// Keys that are negatives of every query.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct Bank<'a> {
    /// `[m, d]`
    pub keys: &'a [f32],
    /// Whether row `i` of the keys is left out of query `i`'s sum; none is where the list has ended.
    pub skips_own: &'a [bool],
}

/// What [`contrast`] finds, per query.
pub(in crate::kernels) struct Contrasts {
    /// The cross-entropies, `[n]`.
    pub losses: Vec<f32>,
    /// Each loss's gradient by its query, `[n, d]`.
    pub gradients: Vec<f32>,
    /// 1 where the positive has the highest logit, else 0, `[n]`.
    pub wins: Vec<f32>,
}

/// The logits of query `q` are `q · p / temperature` for its positive `p` and `q · k / temperature` for each key `k` that
/// is not left out.
///
/// `queries`, `positives`: `[n, d]`.
pub(in crate::kernels) fn contrast(
    width: usize,
    queries: &[f32],
    positives: &[f32],
    banks: &[Bank<'_>],
    temperature: f32,
) -> Contrasts {
    let kernels = Kernels::get();
    let n = queries.len() / width;
    let values: Vec<&[f32]> = banks.iter().map(|bank| bank.keys).collect();
    let keys = Keys::arrange(kernels, width, &values);
    // The place of each bank's first key among all.
    let firsts: Vec<usize> =
        values.iter().scan(0, |next, bank| Some(std::mem::replace(next, *next + bank.len() / width))).collect();
    let (losses, loss) = Output::reserve(n);
    let (gradients, gradient) = Output::reserve(n * width);
    let (wins, win) = Output::reserve(n);
    for_each(n.div_ceil(QUERIES), |index| {
        let first = index * QUERIES;
        let rows = QUERIES.min(n - first);
        let part = |values: &'_ [f32]| values[first * width..(first + rows) * width].to_vec();
        let (queries, positives) = (part(queries), part(positives));
        // The last tile may stick out.
        let room = rows + MAX_ROWS;
        let pitch = keys.pitch();
        with_scratch(room * (pitch + keys.width_room), |scratch| {
            let (logits, sums) = scratch.split_at_mut(room * pitch);
            keys.logits(kernels, &queries, logits);
            let mut shares = [[0.0f32; 2]; QUERIES];
            for row in 0..rows {
                let own: f32 = dot(&queries[row * width..][..width], &positives[row * width..][..width]);
                let logits = &mut logits[row * pitch..][..keys.count];
                for (bank, start) in banks.iter().zip(&firsts) {
                    if bank.skips_own.get(first + row) == Some(&true) {
                        // Its exponential is the smallest number there is: nothing beside the positive's.
                        logits[start + first + row] = f32::NEG_INFINITY;
                    }
                }
                let hardest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let highest = own.max(hardest);
                // SAFETY: the machine has the instructions.
                let others = unsafe { (kernels.planes.exponentials)(logits, highest, temperature.recip()) };
                let exponential = ((own - highest) / temperature).exp();
                let total = others + exponential;
                shares[row] = [total.recip(), exponential / total];
                // SAFETY: this row belongs to this piece alone.
                unsafe {
                    *loss.at(first + row) = total.ln() - (own - highest) / temperature;
                    *win.at(first + row) = if own > hardest { 1.0 } else { 0.0 };
                }
            }
            keys.weighted_sums(kernels, rows, logits, sums);
            for (row, &[scale, own]) in shares[..rows].iter().enumerate() {
                let sums = &sums[row * keys.width_room..][..width];
                for (at, (&sum, &positive)) in sums.iter().zip(&positives[row * width..][..width]).enumerate() {
                    // SAFETY: as above.
                    unsafe {
                        *gradient.at((first + row) * width + at) = (sum * scale + positive * (own - 1.0)) / temperature;
                    }
                }
            }
        });
    });
    // SAFETY: every query was in one piece, which wrote its loss, its gradient and whether it won.
    unsafe {
        Contrasts {
            losses: Output::finish(losses, n),
            gradients: Output::finish(gradients, n * width),
            wins: Output::finish(wins, n),
        }
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// All keys of all banks, in both orders that the two products read.
struct Keys {
    count: usize,
    width: usize,
    /// `width` rounded up to whole vectors.
    width_room: usize,
    /// Lanes of a block.
    lanes: usize,
    /// Blocks of keys, each `[width, lanes]`, zero behind the last key.
    across: Vec<f32>,
    /// Blocks of components, each `[count, lanes]`; the last one is as wide as whole vectors allow.
    along: Vec<f32>,
}

impl Keys {
    fn arrange(kernels: &Kernels, width: usize, banks: &[&[f32]]) -> Self {
        let lanes = kernels.width * kernels.max_vectors();
        let count = banks.iter().map(|bank| bank.len() / width).sum::<usize>();
        let width_room = width.next_multiple_of(kernels.width);
        let all = match banks {
            [bank] => std::borrow::Cow::Borrowed(*bank),
            banks => std::borrow::Cow::Owned(banks.concat()),
        };
        let mut across = vec![0.0; count.next_multiple_of(lanes) * width];
        let across_target = Output::of(&mut across);
        for_each(count.div_ceil(lanes), |block| {
            let first = block * lanes;
            let from = &all[first * width..(first + lanes).min(count) * width];
            // SAFETY: a block's keys there, its `width` rows of lanes here, which this piece alone writes.
            unsafe {
                let to = across_target.at(first * width);
                kernels.transpose([from.len() / width, width], from.as_ptr(), width, to, lanes);
            }
        });
        let mut along = vec![0.0; count * width_room];
        let along_target = Output::of(&mut along);
        for_each(width.div_ceil(lanes), |block| {
            let first = block * lanes;
            let (used, row) = ((width - first).min(lanes), (width_room - first).min(lanes));
            for (index, key) in all.chunks_exact(width).enumerate() {
                // SAFETY: the blocks lie one behind the other, and each is written by one piece.
                let to = unsafe { along_target.at(first * count + index * row) };
                // SAFETY: `used` floats of one key.
                unsafe { std::ptr::copy_nonoverlapping(key[first..].as_ptr(), to, used) };
            }
        });
        Self { count, width, width_room, lanes, across, along }
    }

    /// From one query's logits to the next.
    fn pitch(&self) -> usize {
        self.count.next_multiple_of(self.lanes)
    }

    /// `queries · keysᵀ`: `[rows, width]` → `[rows, pitch]`.
    fn logits(&self, kernels: &Kernels, queries: &[f32], out: &mut [f32]) {
        let (rows, vectors) = (queries.len() / self.width, kernels.max_vectors());
        let step = kernels.reduce_rows[vectors - 1];
        for block in 0..self.count.div_ceil(self.lanes) {
            for row in (0..rows).step_by(step) {
                let tile = ReduceTile {
                    starts: std::array::from_fn(|r| queries[(row + r).min(rows - 1) * self.width..].as_ptr()),
                    step: 1,
                    length: self.width,
                    lanes: self.across[block * self.lanes * self.width..].as_ptr(),
                    out: out[row * self.pitch() + block * self.lanes..].as_mut_ptr(),
                    out_row: self.pitch(),
                    ..ReduceTile::PRODUCT
                };
                // SAFETY: `out` has room for `MAX_ROWS` queries more than there are.
                unsafe { (kernels.reduce[vectors - 1])(&tile) };
            }
        }
    }

    /// `weights · keys`: `[rows, pitch]` → `[rows, width_room]`.
    fn weighted_sums(&self, kernels: &Kernels, rows: usize, weights: &[f32], out: &mut [f32]) {
        out.fill(0.0);
        for key in (0..self.count).step_by(KEYS) {
            for first in (0..self.width_room).step_by(self.lanes) {
                let row_len = (self.width_room - first).min(self.lanes);
                let vectors = row_len / kernels.width;
                let step = kernels.reduce_rows[vectors - 1];
                for row in (0..rows).step_by(step) {
                    let start = |r: usize| weights[(row + r).min(rows - 1) * self.pitch() + key..].as_ptr();
                    let tile = ReduceTile {
                        starts: std::array::from_fn(start),
                        step: 1,
                        length: KEYS.min(self.count - key),
                        lanes: self.along[first * self.count + key * row_len..].as_ptr(),
                        out: out[row * self.width_room + first..].as_mut_ptr(),
                        out_row: self.width_room,
                        adds: true,
                        ..ReduceTile::PRODUCT
                    };
                    // SAFETY: as above.
                    unsafe { (kernels.reduce[vectors - 1])(&tile) };
                }
            }
        }
    }
}
