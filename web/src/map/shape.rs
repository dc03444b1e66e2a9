//! What a pointer draws to select points: a lasso or a rectangle, in world coordinates.

use super::data::Layout;
use crate::order;

/// A closed shape.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// Corners in order; the last is joined to the first.
    Lasso(Vec<[f64; 2]>),
    /// Two opposite corners.
    Rectangle([f64; 2], [f64; 2]),
}

impl Shape {
    /// True for places inside; of a lasso that crosses itself, those that are enclosed an odd number of times.
    #[must_use]
    pub fn contains(&self, [x, y]: [f64; 2]) -> bool {
        match self {
            Self::Rectangle(a, b) => {
                (a[0].min(b[0])..=a[0].max(b[0])).contains(&x) && (a[1].min(b[1])..=a[1].max(b[1])).contains(&y)
            }
            Self::Lasso(corners) => {
                let edges = corners.iter().zip(corners.iter().cycle().skip(1));
                // A ray to the right crosses the outline an odd number of times.
                let crosses = |(from, to): &(&[f64; 2], &[f64; 2])| {
                    (from[1] > y) != (to[1] > y) && x < (to[0] - from[0]) * (y - from[1]) / (to[1] - from[1]) + from[0]
                };
                edges.filter(crosses).count() % 2 == 1
            }
        }
    }

    /// Lower and upper corner of the smallest rectangle around it.
    #[must_use]
    pub fn bounds(&self) -> ([f64; 2], [f64; 2]) {
        let corners: &[[f64; 2]] = match self {
            Self::Lasso(corners) => corners,
            Self::Rectangle(a, b) => &[*a, *b],
        };
        corners.iter().fold(([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]), |(low, high), corner| {
            ([low[0].min(corner[0]), low[1].min(corner[1])], [high[0].max(corner[0]), high[1].max(corner[1])])
        })
    }

    /// The points inside, among those that `accept` takes; rising.
    #[must_use]
    pub fn select(&self, layout: &Layout, accept: impl Fn(usize) -> bool) -> Vec<usize> {
        let (low, high) = self.bounds();
        let place = |index: usize| layout.points[index].map(f64::from);
        let candidates = layout.grid.around(low, high);
        let mut found: Vec<usize> = candidates.filter(|&index| self.contains(place(index)) && accept(index)).collect();
        order::sort(&mut found);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::super::grid::tests::points;
    use super::*;

    #[test]
    fn a_lasso_round_a_circle_is_the_circle() {
        let corners = (0..720).map(|step| f64::from(step).to_radians() / 2.0).map(|angle| [angle.cos(), angle.sin()]);
        let lasso = Shape::Lasso(corners.collect());
        for step in 0..500 {
            let (angle, radius) = (f64::from(step) * 0.7, f64::from(step) / 250.0);
            // The polygon lies within 1 − cos(π/720) < 1e-5 of the circle.
            if (radius - 1.0).abs() > 1e-4 {
                assert_eq!(lasso.contains([radius * angle.cos(), radius * angle.sin()]), radius < 1.0, "{radius}");
            }
        }
    }

    #[test]
    fn corners_dents_and_crossings() {
        // An arrow head that points left, with a dent on the right.
        let dented = Shape::Lasso(vec![[0.0, 0.0], [2.0, -2.0], [1.0, 0.0], [2.0, 2.0]]);
        assert!(dented.contains([0.5, 0.0]) && dented.contains([1.5, 1.2]) && !dented.contains([1.5, 0.0]));
        // A bow tie: both wings, not above and below the knot.
        let tie = Shape::Lasso(vec![[-1.0, -1.0], [1.0, 1.0], [1.0, -1.0], [-1.0, 1.0]]);
        assert!(tie.contains([-0.5, 0.0]) && tie.contains([0.5, 0.0]));
        assert!(!tie.contains([0.0, 0.5]) && !tie.contains([0.0, -0.5]));
        let rectangle = Shape::Rectangle([1.0, 2.0], [-1.0, -2.0]);
        assert!(rectangle.contains([1.0, 2.0]) && rectangle.contains([0.0, 0.0]) && !rectangle.contains([1.1, 0.0]));
        assert!(!Shape::Lasso(Vec::new()).contains([0.0, 0.0]));
        assert!(!Shape::Lasso(vec![[0.0, 0.0]]).contains([0.0, 0.0]));
    }

    #[test]
    fn selecting_by_the_grid_agrees_with_asking_every_point() {
        let layout = Layout::new(&points(2500));
        let lasso = Shape::Lasso(vec![[-0.9, -0.2], [0.1, -0.8], [0.7, 0.3], [0.0, 0.0], [-0.3, 0.9]]);
        for shape in [lasso, Shape::Rectangle([-0.3, 0.5], [0.2, -0.1]), Shape::Lasso(Vec::new())] {
            let accept = |index: usize| index.is_multiple_of(2);
            let slow: Vec<usize> = (0..layout.points.len())
                .filter(|&index| accept(index) && shape.contains(layout.points[index].map(f64::from)))
                .collect();
            assert_eq!(shape.select(&layout, accept), slow);
        }
    }
}
