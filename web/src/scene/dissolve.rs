//! Cells of one class that touch, as one polygon: what a map is read as, and a fraction of the size of its cells.
//!
//! Cells touch along an edge; a corner alone does not join them. Outer rings go against the clock on a map whose rows go
//! south, holes with it, as GeoJSON wants them.

use std::collections::HashMap;

use super::cells::{Cells, Filter, Look};
use super::grid::Grid;
use crate::order;

/// Cells of one class that hang together.
#[derive(Clone, Debug, PartialEq)]
pub struct Area {
    /// The class.
    pub class: usize,
    /// How many patches.
    pub patches: usize,
    /// Their mean probability.
    pub probability: f32,
    /// The outer ring, then the holes, each in corners of pixels and closed.
    pub rings: Vec<Vec<[usize; 2]>>,
}

/// A corner between cells: column and row of the cell to its lower right.
type Corner = (usize, usize);

/// All painted areas, in reading order of their first cells.
#[must_use]
pub fn areas(grid: &Grid, cells: &Cells, filter: &Filter) -> Vec<Area> {
    let (columns, rows) = (grid.columns(), grid.rows());
    let class = |patch: usize| match cells.look(patch, filter) {
        Look::Class(class) => Some(class),
        _ => None,
    };
    let mut areas = Vec::new();
    let mut area_of = vec![usize::MAX; columns * rows];
    for first in 0..columns * rows {
        let Some(own) = class(first).filter(|_| area_of[first] == usize::MAX) else { continue };
        let (number, mut waiting, mut members) = (areas.len(), vec![first], Vec::new());
        area_of[first] = number;
        while let Some(patch) = waiting.pop() {
            members.push(patch);
            for next in beside(patch, columns, rows).into_iter().flatten() {
                if area_of[next] == usize::MAX && class(next) == Some(own) {
                    area_of[next] = number;
                    waiting.push(next);
                }
            }
        }
        let sum: f32 = members.iter().filter_map(|patch| cells.top(*patch)).map(|(_, share)| share).sum();
        let rings = rings(&members, &area_of, number, columns, rows);
        let to_pixels = |ring: Vec<Corner>| ring.into_iter().map(|corner| pixel(grid, corner)).collect();
        areas.push(Area {
            class: own,
            patches: members.len(),
            probability: sum / members.len() as f32,
            rings: rings.into_iter().map(to_pixels).collect(),
        });
    }
    areas
}

/// The cells above, to the left, below, to the right.
fn beside(patch: usize, columns: usize, rows: usize) -> [Option<usize>; 4] {
    let (column, row) = (patch % columns, patch / columns);
    [
        (row > 0).then(|| patch - columns),
        (column > 0).then(|| patch - 1),
        (row + 1 < rows).then(|| patch + columns),
        (column + 1 < columns).then(|| patch + 1),
    ]
}

/// Follows the edges between the members and everything else, the members on the left; the outer ring comes first.
fn rings(members: &[usize], area_of: &[usize], number: usize, columns: usize, rows: usize) -> Vec<Vec<Corner>> {
    // From each corner, the edges that begin there: where they end, and the cell that they go around.
    let mut edges: HashMap<Corner, Vec<(Corner, usize)>> = HashMap::new();
    let mut starts = Vec::new();
    for &patch in members {
        let (column, row) = (patch % columns, patch / columns);
        let corners = [(column, row), (column, row + 1), (column + 1, row + 1), (column + 1, row)];
        let neighbours = beside(patch, columns, rows);
        // Down the left side, along the bottom, up the right side, back along the top.
        for (side, neighbour) in [(0, 1), (1, 2), (2, 3), (3, 0)] {
            if neighbours[neighbour].is_none_or(|other| area_of[other] != number) {
                let (from, to) = (corners[side], corners[(side + 1) % 4]);
                edges.entry(from).or_default().push((to, patch));
                starts.push((from, to, patch));
            }
        }
    }
    let mut found: Vec<Vec<Corner>> = Vec::new();
    for (from, to, patch) in starts {
        if !take(&mut edges, from, to, patch) {
            continue;
        }
        let (mut ring, mut at, mut cell) = (vec![from], to, patch);
        while at != from {
            ring.push(at);
            // Where two cells touch at a corner alone, the ring stays with its own.
            let Some(next) =
                edges.get(&at).and_then(|next| next.iter().find(|edge| edge.1 == cell).or(next.first()).copied())
            else {
                break;
            };
            take(&mut edges, at, next.0, next.1);
            (at, cell) = next;
        }
        found.push(straightened(ring));
    }
    order::sort_by_key(&mut found, |ring| signed_area(ring) < 0);
    found
}

fn take(edges: &mut HashMap<Corner, Vec<(Corner, usize)>>, from: Corner, to: Corner, cell: usize) -> bool {
    let Some(there) = edges.get_mut(&from) else { return false };
    let Some(at) = there.iter().position(|edge| *edge == (to, cell)) else { return false };
    there.swap_remove(at);
    true
}

/// Without the corners on straight lines; closed.
fn straightened(ring: Vec<Corner>) -> Vec<Corner> {
    let count = ring.len();
    let is_bend = |at: usize| {
        let (before, here, after) = (ring[(at + count - 1) % count], ring[at], ring[(at + 1) % count]);
        (before.0 == here.0) != (here.0 == after.0)
    };
    let mut bends: Vec<Corner> = (0..count).filter(|at| is_bend(*at)).map(|at| ring[at]).collect();
    bends.extend(bends.first().copied());
    bends
}

/// Twice the area, positive for a ring that goes against the clock where rows go down.
fn signed_area(ring: &[Corner]) -> i64 {
    let edge = |pair: &[Corner]| {
        let [(x0, y0), (x1, y1)] = [pair[0], pair[1]].map(|(x, y)| (x as i64, y as i64));
        x1 * y0 - x0 * y1
    };
    ring.windows(2).map(edge).sum()
}

/// The corner of a cell in pixels of the picture.
fn pixel(grid: &Grid, (column, row): Corner) -> [usize; 2] {
    let columns = grid.columns();
    let x = if column == columns { grid.width } else { grid.cell(column).left };
    let y = if row == grid.rows() { grid.height } else { grid.cell(row * columns).top };
    [x, y]
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;
    use crate::scene::cells::ANSWERED;

    /// A map of 10-pixel cells, drawn with a letter for each class; a dot is unsure.
    fn map(rows: &[&str]) -> (Grid, Cells) {
        let grid = Grid::new(rows[0].len() * 10, rows.len() * 10, 10, 10).unwrap();
        let mut cells = Cells::new(grid.count(), 2);
        for (patch, letter) in rows.iter().flat_map(|row| row.bytes()).enumerate() {
            let shares = match letter {
                b'a' => [0.9, 0.1],
                b'b' => [0.2, 0.8],
                _ => [0.5, 0.5],
            };
            cells.put(patch, &[ANSWERED], &shares);
        }
        (grid, cells)
    }

    fn found(rows: &[&str]) -> Vec<Area> {
        let (grid, cells) = map(rows);
        areas(&grid, &cells, &Filter { threshold: 0.6, ..Filter::default() })
    }

    /// Square pixels inside a ring, by the shoelace formula.
    fn size(ring: &[[usize; 2]]) -> f64 {
        let edge = |pair: &[[usize; 2]]| {
            let [[x0, y0], [x1, y1]] = [pair[0], pair[1]].map(|corner| corner.map(|value| value as f64));
            x1 * y0 - x0 * y1
        };
        ring.windows(2).map(edge).sum::<f64>() / 2.0
    }

    #[test]
    fn cells_that_touch_become_one_polygon_with_few_corners() {
        let areas = found(&["aab", "aab"]);
        assert_eq!(areas.len(), 2);
        assert_eq!((areas[0].class, areas[0].patches), (0, 4));
        assert_eq!(areas[0].rings, [[[0, 0], [0, 20], [20, 20], [20, 0], [0, 0]]]);
        assert!((areas[1].probability - 0.8).abs() < 1e-6);
    }

    #[test]
    fn what_lies_inside_is_a_hole_and_goes_the_other_way_round() {
        let areas = found(&["aaa", "aba", "aaa"]);
        let ring = areas.iter().find(|area| area.class == 0).unwrap();
        assert_eq!(ring.rings.len(), 2);
        assert_eq!((size(&ring.rings[0]), size(&ring.rings[1])), (900.0, -100.0));
    }

    #[test]
    fn a_corner_alone_does_not_join() {
        assert_eq!(found(&["ab", "ba"]).len(), 4);
        // A ring of cells that closes at a corner: the hole must not become a part of the outer ring.
        let areas = found(&["aaa.", "a.a.", "aa.a", "...a"]);
        let first = &areas[0];
        assert_eq!((areas.len(), first.patches, first.rings.len()), (2, 7, 1), "open at the corner: no hole");
        assert_eq!(size(&first.rings[0]), 700.0);
    }

    #[test]
    fn areas_add_up_whatever_the_pattern() {
        // A fixed scramble: every corner pattern occurs.
        let rows: Vec<String> = (0..23_usize)
            .map(|row| {
                (0..31_usize)
                    .map(|column| ["a", "b", "."][(row * row + column * 7 + row * column * 3) % 11 % 3])
                    .collect()
            })
            .collect();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let areas = found(&rows);
        for class in [0, 1] {
            let expected = rows.iter().flat_map(|row| row.bytes()).filter(|letter| *letter == b"ab"[class]).count();
            let painted: f64 = areas
                .iter()
                .filter(|area| area.class == class)
                .flat_map(|area| &area.rings)
                .map(|ring| size(ring))
                .sum();
            assert_eq!(painted, expected as f64 * 100.0);
        }
        assert!(
            areas.iter().all(|area| size(&area.rings[0]) > 0.0 && area.rings[1..].iter().all(|hole| size(hole) < 0.0))
        );
    }
}
