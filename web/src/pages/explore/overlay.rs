//! What lies over the map's dots and thumbnails.

use leptos::prelude::*;
use web_sys::CanvasRenderingContext2d;

use super::clusters::cluster_name;
use super::draw::{Scene, visitor_place};
use super::state::{Explore, Focus};
use crate::map::shape::Shape;

/// What lies over dots and thumbnails.
pub(super) struct Overlay<'a> {
    pub explore: Explore,
    pub scene: &'a Scene,
    pub context: &'a CanvasRenderingContext2d,
    pub ink: &'static str,
    pub ground: String,
}

impl Overlay<'_> {
    fn place(&self, index: usize) -> Option<[f64; 2]> {
        let point = self.scene.layout(self.explore).points.get(index)?;
        Some(self.scene.camera.to_screen(self.scene.frame, *point))
    }

    /// Lines around the densest shares of the tiles: the denser, the stronger.
    pub fn contours(&self) {
        let heaps = self.explore.heaps.get_untracked();
        self.context.set_stroke_style_str(self.ink);
        self.context.set_line_width(1.2);
        for (lines, strength) in heaps.contours.iter().zip([0.85, 0.6, 0.4]) {
            self.context.set_global_alpha(strength);
            self.context.begin_path();
            for segment in lines {
                let [from, to] = segment.map(|point| self.scene.camera.to_screen(self.scene.frame, point));
                self.context.move_to(from[0], from[1]);
                self.context.line_to(to[0], to[1]);
            }
            self.context.stroke();
        }
        self.context.set_global_alpha(1.0);
    }

    /// What each cluster is, over its peak; a name that would lie on a larger cluster's is left out.
    pub fn cluster_names(&self) {
        const HEIGHT_PX: f64 = 18.0;
        let heaps = self.explore.heaps.get_untracked();
        self.context.set_font("600 13px system-ui, sans-serif");
        self.context.set_text_align("center");
        self.context.set_text_baseline("middle");
        self.context.set_line_width(4.0);
        self.context.set_line_join("round");
        self.context.set_stroke_style_str(&self.ground);
        self.context.set_fill_style_str(self.ink);
        let mut taken: Vec<([f64; 2], f64)> = Vec::new();
        for cluster in &heaps.clusters {
            let name = cluster_name(&self.scene.data, cluster);
            let [x, y] = self.scene.camera.to_screen(self.scene.frame, cluster.peak);
            let half = self.context.measure_text(&name).map_or(40.0, |metrics| metrics.width() / 2.0) + 4.0;
            let is_free = taken.iter().all(|([other_x, other_y], other)| {
                (x - other_x).abs() > half + other || (y - other_y).abs() > HEIGHT_PX
            });
            if is_free {
                // A text that cannot be drawn is not there: the list beside the map has it too.
                let _ = self.context.stroke_text(&name, x, y);
                let _ = self.context.fill_text(&name, x, y);
                taken.push(([x, y], half));
            }
        }
    }

    /// The tile in detail, its neighbours, and the one under the pointer.
    pub fn focus(&self) {
        let from = match self.explore.focus.get_untracked() {
            Some(Focus::Row(row)) => self.place(row),
            Some(Focus::Visitor(at)) => self.visitor_place(at),
            None => None,
        };
        if let Some(from) = from {
            let near: Vec<[f64; 2]> = self
                .explore
                .neighbours
                .with_untracked(|found| found.iter().filter_map(|near| self.place(near.index)).collect());
            self.context.set_line_width(1.0);
            self.context.set_stroke_style_str(self.ink);
            self.context.set_global_alpha(0.55);
            self.context.begin_path();
            for to in &near {
                self.context.move_to(from[0], from[1]);
                self.context.line_to(to[0], to[1]);
            }
            self.context.stroke();
            self.context.set_global_alpha(1.0);
            near.iter().for_each(|place| self.ring(*place, 5.0, 1.5));
            self.ring(from, 9.0, 2.5);
        }
        if let Some(place) = self.explore.hovered.get_untracked().and_then(|index| self.place(index)) {
            self.ring(place, 8.0, 2.0);
        }
    }

    /// The user's own tiles: stars, which no class has.
    pub fn visitors(&self) {
        let count = self.explore.visitors.with_untracked(Vec::len);
        for [x, y] in (0..count).filter_map(|at| self.visitor_place(at)) {
            self.context.begin_path();
            for corner in 0..10 {
                let angle = f64::from(corner) * std::f64::consts::PI / 5.0 - std::f64::consts::FRAC_PI_2;
                let radius = if corner % 2 == 0 { 11.0 } else { 4.8 };
                self.context.line_to(x + radius * angle.cos(), y + radius * angle.sin());
            }
            self.context.close_path();
            self.context.set_fill_style_str(self.ink);
            self.context.set_stroke_style_str(&self.ground);
            self.context.set_line_width(4.0);
            self.context.stroke();
            self.context.fill();
        }
    }

    fn visitor_place(&self, at: usize) -> Option<[f64; 2]> {
        let place = visitor_place(self.explore, &self.scene.data, at)?;
        Some(self.scene.camera.to_screen(self.scene.frame, place))
    }

    /// The lasso or rectangle that is being drawn.
    pub fn outline(&self, outline: Option<&Shape>) {
        let Some(outline) = outline else { return };
        let corners: Vec<[f64; 2]> = match outline {
            Shape::Lasso(corners) => corners.clone(),
            Shape::Rectangle(a, b) => vec![*a, [b[0], a[1]], *b, [a[0], b[1]]],
        };
        self.context.begin_path();
        for [x, y] in corners {
            let [x, y] = self.scene.camera.to_screen(self.scene.frame, [x as f32, y as f32]);
            self.context.line_to(x, y);
        }
        self.context.close_path();
        self.context.set_stroke_style_str(self.ink);
        self.context.set_fill_style_str(self.ink);
        self.context.set_line_width(1.5);
        self.context.set_global_alpha(0.12);
        self.context.fill();
        self.context.set_global_alpha(1.0);
        self.context.stroke();
    }

    /// The middle, while the keyboard steers.
    pub fn crosshair(&self) {
        let (x, y) = (self.scene.frame.width / 2.0, self.scene.frame.height / 2.0);
        self.context.begin_path();
        for (from, to) in [([x - 14.0, y], [x + 14.0, y]), ([x, y - 14.0], [x, y + 14.0])] {
            self.context.move_to(from[0], from[1]);
            self.context.line_to(to[0], to[1]);
        }
        self.context.set_stroke_style_str(self.ink);
        self.context.set_line_width(1.5);
        self.context.stroke();
    }

    fn ring(&self, [x, y]: [f64; 2], radius: f64, width: f64) {
        for (style, width) in [(self.ground.as_str(), width + 2.0), (self.ink, width)] {
            self.context.begin_path();
            // Only a negative radius would be refused.
            let _ = self.context.arc(x, y, radius, 0.0, std::f64::consts::TAU);
            self.context.set_stroke_style_str(style);
            self.context.set_line_width(width);
            self.context.stroke();
        }
    }
}
