//! Which tiles are shown as pictures: when the map is near enough, one a cell, the one nearest to the cell's middle.
//!
//! Cells are fixed to the map, not to the window: panning changes no choice.

use std::collections::HashMap;

use super::camera::{Camera, Frame};
use super::data::Layout;

/// Pictures appear when typical neighbours are at least this many pixels apart.
const NEAR_PX: f64 = 10.0;
const SIZES_PX: std::ops::RangeInclusive<f64> = 24.0..=64.0;
/// Side of a picture in typical distances.
const SIZE_IN_SPACINGS: f64 = 1.8;
/// Side of a cell in sides of a picture: a little air.
const CELL_IN_PICTURES: f64 = 1.2;

/// Side of a picture in CSS pixels; `None` while the map is too far away for pictures.
#[must_use]
pub fn size_px(layout: &Layout, camera: Camera, frame: Frame) -> Option<f64> {
    let spacing_px = layout.grid.spacing() * camera.scale(frame);
    (spacing_px >= NEAR_PX).then(|| (spacing_px * SIZE_IN_SPACINGS).clamp(*SIZES_PX.start(), *SIZES_PX.end()).round())
}

/// The tiles to show as pictures of `size_px`, in no particular order, among those in view that `accept` takes.
#[must_use]
pub fn choose(
    layout: &Layout,
    camera: Camera,
    frame: Frame,
    size_px: f64,
    accept: impl Fn(usize) -> bool,
) -> Vec<usize> {
    let low = camera.to_world(frame, [-size_px, -size_px]);
    let high = camera.to_world(frame, [frame.width + size_px, frame.height + size_px]);
    let cell = size_px * CELL_IN_PICTURES / camera.scale(frame);
    let mut best: HashMap<(i32, i32), (f64, usize)> = HashMap::new();
    for index in layout.grid.around(low, high) {
        let place = layout.points[index].map(|value| f64::from(value) / cell);
        let is_in_view = (0..2).all(|axis| (low[axis]..=high[axis]).contains(&f64::from(layout.points[index][axis])));
        if !is_in_view || !accept(index) {
            continue;
        }
        let key = place.map(|value| value.floor() as i32);
        let off_centre = (place[0] - place[0].floor() - 0.5).hypot(place[1] - place[1].floor() - 0.5);
        let entry = best.entry((key[0], key[1])).or_insert((off_centre, index));
        if off_centre < entry.0 {
            *entry = (off_centre, index);
        }
    }
    best.into_values().map(|(_, index)| index).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::super::grid::tests::points;
    use super::*;

    const FRAME: Frame = Frame { width: 640.0, height: 480.0 };

    #[test]
    fn far_away_there_are_dots_and_near_there_are_pictures() {
        let layout = Layout::new(&points(27_000));
        assert_eq!(size_px(&layout, Camera::default(), FRAME), None);
        let near = Camera { zoom: 60.0, ..Camera::default() };
        assert!(size_px(&layout, near, FRAME).is_some());
    }

    #[test]
    fn panning_changes_no_choice_in_what_stays_in_view() {
        let layout = Layout::new(&points(5000));
        let camera = Camera { zoom: 9.0, ..Camera::default() };
        let size = size_px(&layout, camera, FRAME).unwrap();
        let before = choose(&layout, camera, FRAME, size, |_| true);
        let moved = camera.panned(FRAME, [37.0, -23.0]);
        let after = choose(&layout, moved, FRAME, size, |_| true);
        // A cell at the edge may show another tile when a better one comes into view.
        let is_inside = |index: usize| {
            [camera, moved].iter().all(|camera| {
                let [x, y] = camera.to_screen(FRAME, layout.points[index]);
                (size..FRAME.width - size).contains(&x) && (size..FRAME.height - size).contains(&y)
            })
        };
        assert!(before.iter().any(|&index| is_inside(index)));
        for &index in before.iter().filter(|&&index| is_inside(index)) {
            assert!(after.contains(&index), "tile {index}");
        }
    }

    #[test]
    fn hidden_tiles_leave_their_place_to_others() {
        let layout = Layout::new(&points(800));
        let camera = Camera { zoom: 3.0, ..Camera::default() };
        let chosen = choose(&layout, camera, FRAME, 30.0, |index| index % 2 == 1);
        assert!(!chosen.is_empty() && chosen.iter().all(|index| index % 2 == 1));
    }
}
