//! Softmax cross-entropy of one positive among shared negatives, and its gradient, without ever holding all logits.
//!
//! A cube takes a few queries and a stretch of the keys: it keeps the highest logit so far, the sum of exponentials below it and
//! the keys' sum weighted by them, and rescales all three when a higher logit comes. A second kernel joins the stretches of all
//! banks and the positive.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::layout;

/// Queries of a cube.
const QUERIES: usize = 16;
/// Keys that are in shared memory at a time.
const KEYS: usize = 32;
/// Units that share a query.
const LANES: usize = 16;
/// The widest vectors whose tiles fit the shared memory that every device has.
const WIDEST: usize = 128;
/// Cubes that fill a large chip.
const ENOUGH_CUBES: usize = 512;
/// Units of a cube that joins stretches.
const JOINING: usize = 64;

/// Keys that are negatives of every query.
pub(super) struct Bank {
    /// `[m, d]`
    pub keys: CubeTensor,
    /// 1 where row `i` of the keys is left out of query `i`'s sum, `[n]`; `None` where none is.
    pub skips_own: Option<CubeTensor>,
}

/// Losses `[n]`, gradients by the queries `[n, d]`, and 1 where the positive wins, else 0, `[n]`.
pub(super) struct Found {
    pub losses: CubeTensor,
    pub gradients: CubeTensor,
    pub wins: CubeTensor,
}

/// What a stretch of keys adds up to, for every query: highest logit, sum of exponentials, weighted sum of keys.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments, reason = "buffers of a kernel")]
fn stretch(
    queries: &[Vector<f32, Const<4>>],
    keys: &[Vector<f32, Const<4>>],
    skips_own: ComptimeOption<&[u32]>,
    highest: &mut [f32],
    totals: &mut [f32],
    sums: &mut [Vector<f32, Const<4>>],
    rows: u32,
    count: u32,
    length: u32,
    first_stretch: u32,
    scale: f32,
    #[comptime] quads: usize,
) {
    let units = comptime!(QUERIES * LANES);
    let pitch = comptime!(quads + 1);
    let own_quads = comptime!(quads.div_ceil(LANES));
    let unit = UNIT_POS as usize;
    let own = unit / LANES;
    let lane = unit % LANES;
    let query0 = CUBE_POS_X as usize * QUERIES;
    let query = (query0 + own) as u32;
    let first = CUBE_POS_Y * length;
    let end = u32::min(first + length, count);

    let mut near_queries = Shared::<[Vector<f32, Const<4>>]>::new_slice(comptime!(QUERIES * pitch));
    let mut near_keys = Shared::<[Vector<f32, Const<4>>]>::new_slice(comptime!(KEYS * pitch));
    let mut weights = Shared::<[f32]>::new_slice(comptime!(QUERIES * KEYS));
    let mut highs = Shared::<[f32]>::new_slice(comptime!(QUERIES * LANES));

    let lowest = f32::new(-3.0e38f32);
    let mut skipped = count;
    #[comptime]
    #[allow(clippy::collapsible_if, reason = "the outer one is decided when the kernel is compiled")]
    if let ComptimeOption::Some(skips_own) = skips_own {
        if query < rows && skips_own[query as usize] == 1u32 {
            skipped = query;
        }
    }
    for at in range_stepped(unit, comptime!(QUERIES * quads), units) {
        let mut value = Vector::<f32, Const<4>>::new(0.0f32);
        if (query0 + at / quads) < (rows as usize) {
            value = queries[query0 * quads + at];
        }
        near_queries[at / quads * pitch + at % quads] = value;
    }
    let mut high = lowest;
    let mut total = 0.0f32;
    let mut sum = Array::<Vector<f32, Const<4>>>::new(own_quads);
    #[unroll]
    for j in 0..own_quads {
        sum[j] = Vector::new(0.0f32);
    }
    for key0 in range_stepped(first, end, comptime!(KEYS as u32)) {
        sync_cube();
        for at in range_stepped(unit, comptime!(KEYS * quads), units) {
            let mut value = Vector::<f32, Const<4>>::new(0.0f32);
            let key = key0 + (at / quads) as u32;
            if key < end {
                value = keys[key0 as usize * quads + at];
            }
            near_keys[at / quads * pitch + at % quads] = value;
        }
        sync_cube();
        let mut logits = Array::<f32>::new(comptime!(KEYS / LANES));
        #[unroll]
        for j in 0..comptime!(KEYS / LANES) {
            let place = lane + comptime!(j * LANES);
            let mut products = Vector::<f32, Const<4>>::new(0.0f32);
            for quad in 0..quads {
                products = fma(near_queries[own * pitch + quad], near_keys[place * pitch + quad], products);
            }
            let key = key0 + place as u32;
            let logit = (products.extract(0usize)
                + products.extract(1usize)
                + (products.extract(2usize) + products.extract(3usize)))
                * scale;
            logits[j] = select(key < end && key != skipped, logit, lowest);
        }
        let mut near_high = logits[0];
        #[unroll]
        for j in 1..comptime!(KEYS / LANES) {
            near_high = f32::max(near_high, logits[j]);
        }
        highs[unit] = near_high;
        sync_cube();
        let before = high;
        #[unroll]
        for j in 0..comptime!(LANES) {
            high = f32::max(high, highs[own * LANES + j]);
        }
        let shrink = (before - high).exp();
        total *= shrink;
        #[unroll]
        for j in 0..comptime!(KEYS / LANES) {
            let weight = (logits[j] - high).exp();
            total += weight;
            weights[own * KEYS + lane + comptime!(j * LANES)] = weight;
        }
        sync_cube();
        #[unroll]
        for j in 0..own_quads {
            let quad = lane + comptime!(j * LANES);
            if quad < quads {
                let mut near = sum[j] * Vector::new(shrink);
                for place in 0..KEYS {
                    near = fma(Vector::new(weights[own * KEYS + place]), near_keys[place * pitch + quad], near);
                }
                sum[j] = near;
            }
        }
    }
    sync_cube();
    highs[unit] = total;
    sync_cube();
    if query < rows {
        let at = ((first_stretch + CUBE_POS_Y) * rows + query) as usize;
        if lane == 0 {
            let mut all = 0.0f32;
            #[unroll]
            for j in 0..comptime!(LANES) {
                all += highs[own * LANES + j];
            }
            highest[at] = high;
            totals[at] = all;
        }
        #[unroll]
        for j in 0..own_quads {
            let quad = lane + comptime!(j * LANES);
            if quad < quads {
                sums[at * quads + quad] = sum[j];
            }
        }
    }
}

/// Joins stretches and the positive: a cube for each query.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments, reason = "buffers of a kernel")]
fn join(
    queries: &[f32],
    positives: &[f32],
    highest: &[f32],
    totals: &[f32],
    sums: &[f32],
    losses: &mut [f32],
    gradients: &mut [f32],
    wins: &mut [f32],
    rows: u32,
    stretches: u32,
    scale: f32,
    #[comptime] width: usize,
) {
    let query = CUBE_POS_X;
    let start = query as usize * width;
    let mut own = 0.0f32;
    for at in 0..width {
        own += queries[start + at] * positives[start + at];
    }
    own *= scale;
    let mut hardest = f32::new(-3.0e38f32);
    for stretch in 0..stretches {
        hardest = f32::max(hardest, highest[(stretch * rows + query) as usize]);
    }
    let high = f32::max(own, hardest);
    let own_part = (own - high).exp();
    let mut total = own_part;
    for stretch in 0..stretches {
        let at = (stretch * rows + query) as usize;
        total += totals[at] * (highest[at] - high).exp();
    }
    for component in range_stepped(UNIT_POS as usize, width, JOINING) {
        let mut sum = 0.0f32;
        for stretch in 0..stretches {
            let at = (stretch * rows + query) as usize;
            sum += sums[at * width + component] * (highest[at] - high).exp();
        }
        let positive = positives[start + component] * (own_part / total - 1.0f32);
        gradients[start + component] = (sum / total + positive) * scale;
    }
    if UNIT_POS == 0u32 {
        losses[query as usize] = total.ln() - (own - high);
        wins[query as usize] = select(own > hardest, 1.0f32, 0.0f32);
    }
}

/// See [`super::super::contrast`]; `None` where the vectors do not suit the kernel.
pub(super) fn contrast(
    queries: CubeTensor,
    positives: CubeTensor,
    banks: Vec<Bank>,
    temperature: f64,
) -> Option<Found> {
    let (rows, width) = (queries.meta.shape()[0], queries.meta.shape()[1]);
    let single = |tensor: &CubeTensor| tensor.dtype == DType::F32;
    let suits = single(&queries) && single(&positives) && banks.iter().all(|bank| single(&bank.keys));
    if !suits || !width.is_multiple_of(4) || width > WIDEST || width == 0 || rows == 0 {
        return None;
    }
    let (queries, positives) = (layout::dense(queries), layout::dense(positives));
    let tiles = rows.div_ceil(QUERIES);
    // How many stretches each bank is cut into, and how long they are.
    let cuts: Vec<(usize, usize)> = banks
        .iter()
        .map(|bank| {
            let count = bank.keys.meta.shape()[0];
            let length = count.div_ceil(ENOUGH_CUBES.div_ceil(tiles)).max(4 * KEYS).next_multiple_of(KEYS);
            (count.div_ceil(length), length)
        })
        .collect();
    let stretches: usize = cuts.iter().map(|&(stretches, _)| stretches).sum();
    let empty = |dims: &[usize]| layout::plain(&queries, dims, DType::F32);
    let (highest, totals) = (empty(&[stretches, rows]), empty(&[stretches, rows]));
    let sums = empty(&[stretches, rows, width]);
    let (losses, gradients, wins) = (empty(&[rows]), empty(&[rows, width]), empty(&[rows]));
    let scale = temperature.recip() as f32;
    let mut first = 0;
    for (bank, (parts, length)) in banks.into_iter().zip(cuts) {
        if parts == 0 {
            continue;
        }
        let count = bank.keys.meta.shape()[0];
        let keys = layout::dense(bank.keys);
        // SAFETY: the buffers are as large as the sizes say, and the kernel minds the edges of its tiles.
        unsafe {
            stretch::launch_unchecked(
                &queries.client,
                CubeCount::Static(tiles as u32, parts as u32, 1),
                CubeDim::new_1d((QUERIES * LANES) as u32),
                layout::buffer(&queries),
                layout::buffer(&keys),
                bank.skips_own.map(|skips| layout::buffer(&skips)).into(),
                layout::buffer(&highest),
                layout::buffer(&totals),
                layout::buffer(&sums),
                rows as u32,
                count as u32,
                length as u32,
                first as u32,
                scale,
                width / 4,
            );
        }
        first += parts;
    }
    // SAFETY: as above.
    unsafe {
        join::launch_unchecked(
            &queries.client,
            CubeCount::Static(rows as u32, 1, 1),
            CubeDim::new_1d(JOINING as u32),
            layout::buffer(&queries),
            layout::buffer(&positives),
            layout::buffer(&highest),
            layout::buffer(&totals),
            layout::buffer(&sums),
            layout::buffer(&losses),
            layout::buffer(&gradients),
            layout::buffer(&wins),
            rows as u32,
            stretches as u32,
            scale,
            width,
        );
    }
    Some(Found { losses, gradients, wins })
}
