//! Finding points by place: a grid of cells over −1 … 1, each with the points that lie in it.

/// Points in a cell, on average.
const POINTS_A_CELL: usize = 4;
const MAX_SIDE: usize = 512;

/// The index: `order[starts[cell]..starts[cell + 1]]` are the points of a cell, rising.
#[derive(Clone, Debug)]
pub struct Grid {
    side: usize,
    starts: Vec<u32>,
    order: Vec<u32>,
    spacing: f64,
}

impl Grid {
    /// Sorts points into cells; those outside −1 … 1 go to the cells at the edge.
    #[must_use]
    pub fn new(points: &[[f32; 2]]) -> Self {
        let side = ((points.len() / POINTS_A_CELL) as f64).sqrt().ceil().clamp(1.0, MAX_SIDE as f64) as usize;
        let cell = |point: &[f32; 2]| column(side, f64::from(point[1])) * side + column(side, f64::from(point[0]));
        let mut starts = vec![0_u32; side * side + 1];
        for point in points {
            starts[cell(point) + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let mut order = vec![0; points.len()];
        for (index, point) in points.iter().enumerate() {
            let slot = &mut next[cell(point)];
            order[*slot as usize] = index as u32;
            *slot += 1;
        }
        let spacing = spacing(&starts, side);
        Self { side, starts, order, spacing }
    }

    /// Points in the cells that touch the rectangle: all that lie in it, and some beside it.
    pub fn around(&self, low: [f64; 2], high: [f64; 2]) -> impl Iterator<Item = usize> {
        let columns = column(self.side, low[0])..=column(self.side, high[0]);
        let rows = column(self.side, low[1])..=column(self.side, high[1]);
        rows.flat_map(move |row| {
            let first = self.starts[row * self.side + columns.start()] as usize;
            // The cells of a row lie one after the other.
            let last =
                self.starts[(row * self.side + columns.end() + 1).max(row * self.side + columns.start())] as usize;
            self.order[first..last.max(first)].iter().map(|&index| index as usize)
        })
    }

    /// The point nearest to `place` among those that `accept` takes, no further than `radius`; of equals the first.
    pub fn nearest(
        &self,
        points: &[[f32; 2]],
        place: [f64; 2],
        radius: f64,
        accept: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let (low, high) = ([place[0] - radius, place[1] - radius], [place[0] + radius, place[1] + radius]);
        let distance =
            |index: usize| (f64::from(points[index][0]) - place[0]).hypot(f64::from(points[index][1]) - place[1]);
        self.around(low, high)
            .filter(|&index| distance(index) <= radius && accept(index))
            .min_by(|&a, &b| distance(a).total_cmp(&distance(b)).then(a.cmp(&b)))
    }

    /// How far a typical point is from its neighbours: half of the points lie closer together.
    #[must_use]
    pub const fn spacing(&self) -> f64 {
        self.spacing
    }
}

/// See [`Grid::spacing`].
fn spacing(starts: &[u32], side: usize) -> f64 {
    // Each cell's count, once for each of its points.
    let counts = starts.windows(2).map(|pair| pair[1] - pair[0]);
    let mut crowds: Vec<u32> = counts.flat_map(|count| std::iter::repeat_n(count, count as usize)).collect();
    if crowds.is_empty() {
        return 1.0;
    }
    let middle = crowds.len() / 2;
    let (_, &mut crowd, _) = crowds.select_nth_unstable(middle);
    2.0 / side as f64 / f64::from(crowd).sqrt()
}

/// Column (or row) of a coordinate.
fn column(side: usize, coordinate: f64) -> usize {
    (((coordinate + 1.0) / 2.0 * side as f64).floor().max(0.0) as usize).min(side - 1)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Repeatable points, some in clumps, some outside.
    pub(crate) fn points(count: usize) -> Vec<[f32; 2]> {
        let value = |seed: usize| ((seed as u64 * 2_654_435_761) % 10_007) as f32 / 10_007.0;
        (0..count)
            .map(|index| {
                let spread = if index % 3 == 0 { 0.1 } else { 2.1 };
                [(value(index * 2) - 0.5) * spread, (value(index * 2 + 1) - 0.5) * spread]
            })
            .collect()
    }

    #[test]
    fn picking_agrees_with_a_loop_over_all_points() {
        let points = points(3000);
        let grid = Grid::new(&points);
        for probe in 0..400 {
            let place = [f64::from(probe % 20) / 8.0 - 1.25, f64::from(probe / 20) / 8.0 - 1.25];
            for radius in [0.0, 0.01, 0.07, 3.0] {
                let accept = |index: usize| index % 5 != probe as usize % 5;
                let distance = |index: usize| {
                    (f64::from(points[index][0]) - place[0]).hypot(f64::from(points[index][1]) - place[1])
                };
                let slow = (0..points.len())
                    .filter(|&index| accept(index) && distance(index) <= radius)
                    .min_by(|&a, &b| distance(a).total_cmp(&distance(b)));
                assert_eq!(grid.nearest(&points, place, radius, accept), slow, "{place:?} within {radius}");
            }
        }
    }

    #[test]
    fn nothing_in_a_rectangle_is_missed_and_nothing_comes_twice() {
        let points = points(2000);
        let grid = Grid::new(&points);
        for (low, high) in [([-0.2, -0.7], [0.4, 0.1]), ([-9.0, -9.0], [9.0, 9.0]), ([0.99, 0.99], [1.2, 1.2])] {
            let mut found: Vec<usize> = grid.around(low, high).collect();
            let within =
                |point: &[f32; 2]| (0..2).all(|axis| (low[axis]..=high[axis]).contains(&f64::from(point[axis])));
            for (index, point) in points.iter().enumerate().filter(|(_, point)| within(point)) {
                assert!(found.contains(&index), "{point:?}");
            }
            let all = found.len();
            found.sort_unstable();
            found.dedup();
            assert_eq!(found.len(), all);
        }
        assert_eq!(grid.around([-9.0; 2], [9.0; 2]).count(), points.len());
        assert_eq!(grid.around([1.0; 2], [-1.0; 2]).count(), 0, "a rectangle turned inside out is empty");
    }

    #[test]
    fn spacing_of_a_lattice_is_its_own() {
        let lattice: Vec<[f32; 2]> =
            (0..10_000).map(|index| [(index % 100) as f32 / 50.0 - 0.99, (index / 100) as f32 / 50.0 - 0.99]).collect();
        let spacing = Grid::new(&lattice).spacing();
        assert!((0.015..0.025).contains(&spacing), "{spacing}, not 0.02");
        assert_eq!(Grid::new(&[]).spacing(), 1.0);
    }
}
