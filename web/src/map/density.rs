//! Where tiles lie thick: contour lines around shares of them, and the clusters that they form on the map.
//!
//! A kernel density estimate on a grid. Contours are boundaries of highest-density regions (Hyndman 1996): inside the line of
//! 50 % lie half of the tiles, as closely together as any half does. Clusters are the basins of its peaks: two peaks are
//! one when the pass between them is nearly as high as the lower of them.

use super::data::NO_LABEL;
use crate::order;

/// Cells along a side.
const SIDE: usize = 160;
/// Half the side of the grid in world coordinates: the map ends at 1, its blur a little later.
const REACH: f32 = 1.15;
/// Standard deviation of the kernel for a thousand tiles, in world coordinates; it shrinks with their number as in Scott's
/// rule for two dimensions, which is far too wide for a map that consists of clusters.
const BANDWIDTH: f32 = 0.035;
/// Shares of the tiles that contours enclose.
pub const SHARES: [f32; 3] = [0.25, 0.5, 0.9];
/// Share of the tiles that may belong to clusters; the rest lies where there is hardly anything.
const CLUSTERED: f32 = 0.98;
/// Two peaks are one when the pass between them is higher than this share of the lower one.
const SAME_HILL: f32 = 0.7;
/// Smallest cluster, as a share of all tiles, and in tiles.
const SMALLEST: (usize, usize) = (100, 5);

/// Tiles per cell, blurred.
#[derive(Clone, Debug, Default)]
pub struct Density {
    values: Vec<f32>,
    /// Density at each tile.
    at: Vec<f32>,
    cell_of: Vec<usize>,
}

/// Tiles that lie together on the map.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// World coordinates of its peak.
    pub peak: [f32; 2],
    /// Its tiles, in order.
    pub rows: Vec<usize>,
    /// The tile nearest to its peak, which stands for it.
    pub representative: usize,
    /// Its most frequent class, when any is known, and how many tiles have it.
    pub class: Option<(u16, usize)>,
}

/// A piece of a contour, in world coordinates.
pub type Segment = [[f32; 2]; 2];

fn to_cell(coordinate: f32) -> f32 {
    (coordinate + REACH) / (2.0 * REACH) * SIDE as f32 - 0.5
}

fn to_world(cell: f32) -> f32 {
    (cell + 0.5) / SIDE as f32 * 2.0 * REACH - REACH
}

impl Density {
    /// Of points in −1 … 1.
    #[must_use]
    pub fn new(points: &[[f32; 2]]) -> Self {
        let clamp = |cell: f32| (cell.round().max(0.0) as usize).min(SIDE - 1);
        let cell_of: Vec<usize> =
            points.iter().map(|point| clamp(to_cell(point[1])) * SIDE + clamp(to_cell(point[0]))).collect();
        let mut counts = vec![0.0_f32; SIDE * SIDE];
        cell_of.iter().for_each(|&cell| counts[cell] += 1.0);
        let shrink = (points.len().max(1) as f32 / 1000.0).powf(-1.0 / 6.0);
        let deviation = (BANDWIDTH * shrink).clamp(0.012, 0.08) * SIDE as f32 / (2.0 * REACH);
        let values = blurred(&blurred(&counts, deviation, 1), deviation, SIDE);
        let at = cell_of.iter().map(|&cell| values[cell]).collect();
        Self { values, at, cell_of }
    }

    /// The density that `share` of the tiles reach or exceed.
    #[must_use]
    pub fn level(&self, share: f32) -> Option<f32> {
        let mut sorted = self.at.clone();
        order::sort_by(&mut sorted, |a, b| b.total_cmp(a));
        let rank = ((share * sorted.len() as f32).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
        sorted.get(rank).copied()
    }

    /// The line where the density is `level`, as pieces in no particular order (marching squares).
    #[must_use]
    pub fn contour(&self, level: f32) -> Vec<Segment> {
        let mut segments = Vec::new();
        if self.values.is_empty() {
            return segments;
        }
        for row in 0..SIDE - 1 {
            for column in 0..SIDE - 1 {
                let corner = |at: usize| {
                    let (right, down) = [(0, 0), (1, 0), (1, 1), (0, 1)][at % 4];
                    (column + right, row + down, self.values[(row + down) * SIDE + column + right])
                };
                // Where the line crosses the edge from one corner to the next.
                let crossing = |at: usize| {
                    let ((x0, y0, v0), (x1, y1, v1)) = (corner(at), corner(at + 1));
                    ((v0 >= level) != (v1 >= level)).then(|| {
                        let along = (level - v0) / (v1 - v0);
                        let between = |a: usize, b: usize| to_world(a as f32 + along * (b as f32 - a as f32));
                        [between(x0, x1), between(y0, y1)]
                    })
                };
                let crossings: Vec<[f32; 2]> = (0..4).filter_map(crossing).collect();
                match crossings[..] {
                    [a, b] => segments.push([a, b]),
                    [a, b, c, d] => {
                        // Two opposite corners are inside: the middle says whether they belong together.
                        let middle = (0..4).map(|at| corner(at).2).sum::<f32>() / 4.0;
                        let is_joined = (middle >= level) == (corner(0).2 >= level);
                        segments.extend(if is_joined { [[a, b], [c, d]] } else { [[a, d], [b, c]] });
                    }
                    _ => {}
                }
            }
        }
        segments
    }

    /// The clusters, largest first; a tile where there are hardly any others belongs to none.
    #[must_use]
    pub fn clusters(&self, points: &[[f32; 2]], labels: &[u16]) -> Vec<Cluster> {
        let Some(floor) = self.level(CLUSTERED) else { return Vec::new() };
        let basins = basins(&self.values, floor);
        let mut rows_of = std::collections::BTreeMap::<usize, Vec<usize>>::new();
        for (row, &cell) in self.cell_of.iter().enumerate() {
            if let Some(peak) = basins[cell] {
                rows_of.entry(peak).or_default().push(row);
            }
        }
        let smallest = (points.len() / SMALLEST.0).max(SMALLEST.1);
        let cluster = |(peak, rows): (usize, Vec<usize>)| {
            let peak = [to_world((peak % SIDE) as f32), to_world((peak / SIDE) as f32)];
            let distance = |row: usize| (points[row][0] - peak[0]).hypot(points[row][1] - peak[1]);
            let representative = rows.iter().copied().min_by(|&a, &b| distance(a).total_cmp(&distance(b)))?;
            let mut counts = std::collections::BTreeMap::<u16, usize>::new();
            let known = rows.iter().filter_map(|&row| labels.get(row)).filter(|&&label| label != NO_LABEL);
            known.for_each(|&label| *counts.entry(label).or_default() += 1);
            let class = counts.into_iter().max_by_key(|&(label, count)| (count, std::cmp::Reverse(label)));
            Some(Cluster { peak, rows, representative, class })
        };
        let mut clusters: Vec<Cluster> =
            rows_of.into_iter().filter(|(_, rows)| rows.len() >= smallest).filter_map(cluster).collect();
        order::sort_by_key(&mut clusters, |cluster| (std::cmp::Reverse(cluster.rows.len()), cluster.representative));
        clusters
    }
}

/// One pass of a Gaussian of `deviation` cells along rows (`step` 1) or columns (`step` SIDE); what leaves the grid is lost.
fn blurred(values: &[f32], deviation: f32, step: usize) -> Vec<f32> {
    let reach = (deviation * 3.0).ceil() as isize;
    let weight = |offset: isize| (-0.5 * (offset as f32 / deviation).powi(2)).exp();
    let total: f32 = (-reach..=reach).map(weight).sum();
    let kernel: Vec<f32> = (-reach..=reach).map(|offset| weight(offset) / total).collect();
    let mut blurred = vec![0.0; values.len()];
    for (at, &value) in values.iter().enumerate().filter(|(_, value)| **value != 0.0) {
        let along = (at / step % SIDE) as isize;
        for (offset, weight) in (-reach..=reach).zip(&kernel) {
            if (0..SIDE as isize).contains(&(along + offset)) {
                blurred[(at as isize + offset * step as isize) as usize] += value * weight;
            }
        }
    }
    blurred
}

/// For every cell of at least `floor` the cell of the peak whose basin it lies in.
fn basins(values: &[f32], floor: f32) -> Vec<Option<usize>> {
    let mut order: Vec<usize> = (0..values.len()).filter(|&cell| values[cell] >= floor).collect();
    order::sort_by(&mut order, |&a, &b| values[b].total_cmp(&values[a]).then(a.cmp(&b)));
    let mut above: Vec<Option<usize>> = vec![None; values.len()];
    // The peak that a cell's basin ends at; peaks that were joined point to the higher one.
    fn top(above: &[Option<usize>], mut cell: usize) -> usize {
        while let Some(next) = above[cell]
            && next != cell
        {
            cell = next;
        }
        cell
    }
    for &cell in &order {
        let (row, column) = (cell / SIDE, cell % SIDE);
        let mut peaks: Vec<usize> = Vec::new();
        for (dy, dx) in [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)] {
            let (y, x) = (row as isize + dy, column as isize + dx);
            if (0..SIDE as isize).contains(&y) && (0..SIDE as isize).contains(&x) {
                let other = y as usize * SIDE + x as usize;
                if above[other].is_some() {
                    peaks.push(top(&above, other));
                }
            }
        }
        order::sort_by(&mut peaks, |&a, &b| values[b].total_cmp(&values[a]).then(a.cmp(&b)));
        peaks.dedup();
        let Some(&highest) = peaks.first() else {
            above[cell] = Some(cell);
            continue;
        };
        above[cell] = Some(highest);
        // This cell is the pass between the basins that meet here.
        for &lower in &peaks[1..] {
            if values[cell] > SAME_HILL * values[lower] {
                above[lower] = Some(highest);
            }
        }
    }
    (0..values.len()).map(|cell| above[cell].map(|_| top(&above, cell))).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    /// `count` points around `centre`, on a sunflower's spiral of `radius`.
    fn disc(centre: [f32; 2], radius: f32, count: usize) -> impl Iterator<Item = [f32; 2]> {
        (0..count).map(move |at| {
            let (angle, out) = (at as f32 * 2.399_963, radius * ((at as f32 + 0.5) / count as f32).sqrt());
            [centre[0] + out * angle.cos(), centre[1] + out * angle.sin()]
        })
    }

    #[test]
    fn no_tile_is_lost_in_the_blur() {
        let points: Vec<[f32; 2]> = disc([0.1, -0.2], 0.6, 500).collect();
        let density = Density::new(&points);
        assert!((density.values.iter().sum::<f32>() - 500.0).abs() < 0.1);
        assert!(Density::new(&[]).values.iter().all(|value| *value == 0.0));
        assert_eq!(Density::new(&[]).level(0.5), None);
    }

    #[test]
    fn levels_enclose_their_share_of_the_tiles() {
        let points: Vec<[f32; 2]> = disc([0.0, 0.0], 0.5, 400).chain(disc([0.6, 0.6], 0.1, 600)).collect();
        let density = Density::new(&points);
        for share in SHARES {
            let level = density.level(share).unwrap();
            let inside = density.at.iter().filter(|value| **value >= level).count() as f32 / 1000.0;
            assert!(inside >= share && inside < share + 0.1, "{inside} for {share}");
        }
    }

    #[test]
    fn the_contour_of_one_point_is_a_circle() {
        // One tile is a Gaussian of the kernel's deviation s: it falls to a share q of its top at s · √(−2 ln q).
        let density = Density::new(&[[0.0, 0.0]]);
        let top = density.values.iter().copied().fold(0.0, f32::max);
        let deviation = 0.08;
        for share in [0.3, 0.6] {
            let contour = density.contour(share * top);
            assert!(contour.len() > 20);
            let expected = deviation * (-2.0 * share.ln()).sqrt();
            // The tile's own cell: its middle is not the tile's place.
            let middle = to_world(to_cell(0.0).round());
            for point in contour.as_flattened() {
                let radius = (point[0] - middle).hypot(point[1] - middle);
                assert!((radius - expected).abs() < 0.06 * expected, "{radius} for {expected}");
            }
            // Closed: every end is the beginning of another piece.
            let key = |point: &[f32; 2]| point.map(|value| (value * 1e5).round() as i64);
            let mut ends: Vec<_> = contour.as_flattened().iter().map(key).collect();
            ends.sort_unstable();
            assert!(ends.chunks(2).all(|pair| pair[0] == pair[1]), "an open line at {share}");
        }
    }

    #[test]
    fn separate_heaps_are_clusters_and_one_heap_is_one() {
        let heaps = [([-0.5, -0.5], 300, 0_u16), ([0.5, 0.4], 200, 1), ([-0.4, 0.6], 100, NO_LABEL)];
        let points: Vec<[f32; 2]> = heaps.iter().flat_map(|&(centre, count, _)| disc(centre, 0.18, count)).collect();
        let mut labels: Vec<u16> = heaps.iter().flat_map(|&(_, count, label)| vec![label; count]).collect();
        labels[..40].fill(1); // some of another class in the first heap
        let found = Density::new(&points).clusters(&points, &labels);
        assert_eq!(found.len(), 3);
        let starts = [0, 300, 500];
        for (cluster, ((centre, count, label), start)) in found.iter().zip(heaps.iter().zip(starts)) {
            assert!(cluster.rows.iter().all(|row| (start..start + count).contains(row)), "no foreign tiles");
            assert!(cluster.rows.len() * 10 > count * 8, "{} of {count}", cluster.rows.len());
            assert!((cluster.peak[0] - centre[0]).hypot(cluster.peak[1] - centre[1]) < 0.15);
            assert!(cluster.rows.contains(&cluster.representative));
            assert_eq!(cluster.class.map(|(label, _)| label), (*label != NO_LABEL).then_some(*label));
        }
        assert!(found[0].class.unwrap().1 >= 200);
        let one: Vec<[f32; 2]> = disc([0.0, 0.0], 0.3, 400).collect();
        assert_eq!(Density::new(&one).clusters(&one, &[]).len(), 1);
    }
}
