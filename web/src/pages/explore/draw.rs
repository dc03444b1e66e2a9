//! Draws the map: dots as pixels of our own, then thumbnails, the tile in detail with its neighbours, and what is being
//! drawn by hand.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, ImageData};

use super::clusters::cluster_name;
use super::sprites::Sprites;
use super::state::{Choice, Explore, Focus};
use crate::map::camera::{Camera, Frame};
use crate::map::colour::Categories;
use crate::map::data::{Layout, MapData, Projection};
use crate::map::palette::{Mark, Rgb, hex};
use crate::map::raster::{Raster, Stamp};
use crate::map::selection::Selection;
use crate::map::shape::Shape;
use crate::map::thumbnails;
use crate::pages::{ground_of, is_dark};

/// How opaque dots are, and those outside the selection.
const STRENGTH: u32 = 226;
const FAINT: u32 = 46;
const MARKS: [Mark; 4] = [Mark::Disc, Mark::Square, Mark::Triangle, Mark::Diamond];

/// What lasts from one drawing to the next.
#[derive(Default)]
pub struct Painter {
    raster: Raster,
    sprites: Rc<RefCell<Sprites>>,
    gallery: Option<Arc<MapData>>,
    /// What the dots in the raster show, and in which colours.
    drawn: Option<(Drawn, Arc<Categories>)>,
    /// The thumbnails on the map: tile and middle in CSS pixels.
    pictures: Vec<(usize, [f64; 2])>,
    picture_px: f64,
}

/// All that dots depend on but their categories: while it stays the same, they need not be drawn again.
#[derive(PartialEq)]
struct Drawn {
    size: (u32, u32),
    ground: Rgb,
    camera: Camera,
    projection: Projection,
    choice: Choice,
}

/// Everything of one drawing.
struct Scene {
    data: Arc<MapData>,
    categories: Arc<Categories>,
    hidden: Vec<bool>,
    selected: Selection,
    camera: Camera,
    frame: Frame,
    is_dark: bool,
}

impl Scene {
    fn layout(&self, explore: Explore) -> &Layout {
        self.data.layout(explore.projection.get_untracked())
    }

    fn is_shown(&self, index: usize) -> bool {
        !self.hidden.get(usize::from(self.categories.of[index])).copied().unwrap_or(false)
    }

    fn rgb(&self, index: usize) -> Rgb {
        self.categories.legend[usize::from(self.categories.of[index])].paint.rgb(self.is_dark)
    }
}

impl Painter {
    /// Draws the state as it is now.
    pub fn draw(
        &mut self,
        explore: Explore,
        canvas: &HtmlCanvasElement,
        outline: Option<&Shape>,
        has_crosshair: bool,
    ) -> Option<()> {
        let frame = Frame { width: f64::from(canvas.client_width()), height: f64::from(canvas.client_height()) };
        if frame.width < 1.0 || frame.height < 1.0 {
            return None;
        }
        if explore.frame.get_untracked() != frame {
            explore.frame.set(frame);
        }
        let ground = ground_of(canvas);
        let is_dark = is_dark(ground);
        if explore.is_dark.get_untracked() != is_dark {
            explore.is_dark.set(is_dark);
        }
        let ratio = window().device_pixel_ratio().clamp(1.0, 3.0);
        let (width, height) = ((frame.width * ratio) as u32, (frame.height * ratio) as u32);
        if (canvas.width(), canvas.height()) != (width, height) {
            canvas.set_width(width);
            canvas.set_height(height);
        }
        let context: CanvasRenderingContext2d = canvas.get_context("2d").ok()??.dyn_into().ok()?;
        let data = explore.data_untracked();
        if !same(&data, &self.gallery) {
            self.sprites.borrow_mut().clear();
            self.gallery.clone_from(&data);
        }
        self.pictures.clear();
        let categories = explore.categories.get_untracked();
        let Some(data) = data.filter(|data| categories.of.len() == data.count()) else {
            self.drawn = None;
            self.raster.reset(width as usize, height as usize, ground);
            return self.show(&context, width, height);
        };
        let choice = explore.choice.with_untracked(|choice| choice.now().clone());
        let now = Drawn {
            size: (width, height),
            ground,
            camera: explore.camera.get_untracked(),
            projection: explore.projection.get_untracked(),
            choice: choice.clone(),
        };
        let hidden = (0..categories.legend.len()).map(|at| choice.hidden.contains(&(at as u16))).collect();
        let camera = explore.camera.get_untracked();
        let scene = Scene { data, categories, hidden, selected: choice.selected, camera, frame, is_dark };
        self.choose_pictures(explore, &scene);
        let is_same =
            |(drawn, colours): &(Drawn, Arc<Categories>)| *drawn == now && Arc::ptr_eq(colours, &scene.categories);
        if !self.drawn.as_ref().is_some_and(is_same) {
            self.raster.reset(width as usize, height as usize, ground);
            self.dots(explore, &scene, ratio);
            self.drawn = Some((now, Arc::clone(&scene.categories)));
        }
        self.show(&context, width, height);
        // From here on in CSS pixels. Only numbers that are not finite would be refused.
        let _ = context.set_transform(ratio, 0.0, 0.0, ratio, 0.0, 0.0);
        self.thumbnails(explore, &scene, &context);
        let ink = if is_dark { "#e9edf7" } else { "#151b2b" };
        let overlay = Overlay { explore, scene: &scene, context: &context, ink, ground: hex(ground) };
        let shown = explore.overlays.get_untracked();
        if shown.contours {
            overlay.contours();
        }
        if shown.names {
            overlay.cluster_names();
        }
        overlay.focus();
        overlay.visitors();
        overlay.outline(outline);
        if has_crosshair {
            overlay.crosshair();
        }
        Some(())
    }

    /// The tile whose picture or dot is at `place`, in CSS pixels.
    #[must_use]
    pub fn pick(&self, explore: Explore, place: [f64; 2], reach_px: f64) -> Option<usize> {
        let half = self.picture_px / 2.0;
        let is_hit = |middle: &[f64; 2]| (0..2).all(|axis| (middle[axis] - place[axis]).abs() <= half);
        // The last one drawn lies on top.
        if let Some((index, _)) = self.pictures.iter().rev().find(|(_, middle)| is_hit(middle)) {
            return Some(*index);
        }
        let data = explore.data_untracked()?;
        let layout = data.layout(explore.projection.get_untracked());
        let (camera, frame) = (explore.camera.get_untracked(), explore.frame.get_untracked());
        let categories = explore.categories.get_untracked();
        explore.choice.with_untracked(|choice| {
            let hidden = &choice.now().hidden;
            let is_shown = |index: usize| categories.of.get(index).is_some_and(|category| !hidden.contains(category));
            layout.grid.nearest(&layout.points, camera.to_world(frame, place), reach_px / camera.scale(frame), is_shown)
        })
    }

    fn choose_pictures(&mut self, explore: Explore, scene: &Scene) {
        let layout = scene.layout(explore);
        let atlas = &scene.data.card.gallery;
        let Some(size) = thumbnails::size_px(layout, scene.camera, scene.frame).filter(|_| !atlas.files.is_empty())
        else {
            return;
        };
        self.picture_px = size;
        let has_selection = !scene.selected.is_empty();
        let is_wanted = |index| scene.is_shown(index) && (!has_selection || scene.selected.contains(index));
        let mut chosen = thumbnails::choose(layout, scene.camera, scene.frame, size, is_wanted);
        chosen.sort_unstable();
        let place = |index: usize| scene.camera.to_screen(scene.frame, layout.points[index]);
        let is_there = |index: &usize| Sprites::get(&self.sprites, explore, atlas, *index).is_some();
        self.pictures = chosen.into_iter().filter(is_there).map(|index| (index, place(index))).collect();
    }

    fn dots(&mut self, explore: Explore, scene: &Scene, ratio: f64) {
        let layout = scene.layout(explore);
        // Dots grow with the distance between them.
        let spacing_px = layout.grid.spacing() * scene.camera.scale(scene.frame);
        let radius = (spacing_px * 0.32).clamp(1.4, 5.0) * ratio;
        let stamps = MARKS.map(|mark| Stamp::new(mark, radius));
        let looks: Vec<(Rgb, usize)> = scene
            .categories
            .legend
            .iter()
            .map(|category| {
                let mark = MARKS.iter().position(|mark| *mark == category.paint.mark()).unwrap_or(0);
                (category.paint.rgb(scene.is_dark), mark)
            })
            .collect();
        let margin = radius / ratio + 2.0;
        let low = scene.camera.to_world(scene.frame, [-margin, -margin]);
        let high = scene.camera.to_world(scene.frame, [scene.frame.width + margin, scene.frame.height + margin]);
        let has_selection = !scene.selected.is_empty();
        // Selected tiles lie on top of the others.
        for is_top in [false, true] {
            if is_top && !has_selection {
                break;
            }
            for index in layout.grid.around(low, high) {
                let is_selected = has_selection && scene.selected.contains(index);
                if is_selected != is_top || !scene.is_shown(index) {
                    continue;
                }
                let [x, y] = scene.camera.to_screen(scene.frame, layout.points[index]);
                let (rgb, mark) = looks[usize::from(scene.categories.of[index])];
                let strength = if has_selection && !is_top { FAINT } else { STRENGTH };
                self.raster.stamp([x * ratio, y * ratio], &stamps[mark], rgb, strength);
            }
        }
    }

    fn show(&mut self, context: &CanvasRenderingContext2d, width: u32, height: u32) -> Option<()> {
        let pixels = wasm_bindgen::Clamped(&self.raster.pixels[..]);
        let image = ImageData::new_with_u8_clamped_array_and_sh(pixels, width, height).ok()?;
        context.put_image_data(&image, 0.0, 0.0).ok()
    }

    fn thumbnails(&self, explore: Explore, scene: &Scene, context: &CanvasRenderingContext2d) {
        let side = self.picture_px;
        for (index, [x, y]) in &self.pictures {
            let Some(sprite) = Sprites::get(&self.sprites, explore, &scene.data.card.gallery, *index) else { continue };
            let (left, top) = (x - side / 2.0, y - side / 2.0);
            context.set_fill_style_str(&hex(scene.rgb(*index)));
            let border = if side > 40.0 { 3.0 } else { 2.0 };
            context.fill_rect(left - border, top - border, side + 2.0 * border, side + 2.0 * border);
            // A bitmap that was closed meanwhile is not drawn: it will be fetched again.
            let _ = context.draw_image_with_image_bitmap_and_sw_and_sh_and_dx_and_dy_and_dw_and_dh(
                &sprite.bitmap,
                sprite.left,
                sprite.top,
                sprite.side,
                sprite.side,
                left,
                top,
                side,
                side,
            );
        }
    }
}

/// What lies over dots and thumbnails.
struct Overlay<'a> {
    explore: Explore,
    scene: &'a Scene,
    context: &'a CanvasRenderingContext2d,
    ink: &'static str,
    ground: String,
}

impl Overlay<'_> {
    fn place(&self, index: usize) -> Option<[f64; 2]> {
        let point = self.scene.layout(self.explore).points.get(index)?;
        Some(self.scene.camera.to_screen(self.scene.frame, *point))
    }

    /// Lines around the densest shares of the tiles: the denser, the stronger.
    fn contours(&self) {
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
    fn cluster_names(&self) {
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
    fn focus(&self) {
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
    fn visitors(&self) {
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
    fn outline(&self, outline: Option<&Shape>) {
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
    fn crosshair(&self) {
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

/// Where one of the user's own tiles lies, in world coordinates.
#[must_use]
pub fn visitor_place(explore: Explore, data: &MapData, at: usize) -> Option<[f32; 2]> {
    let projection = explore.projection.get_untracked();
    explore.visitors.with_untracked(|visitors| visitors.get(at)?.place(data, projection))
}

fn same(a: &Option<Arc<MapData>>, b: &Option<Arc<MapData>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (None, None) => true,
        _ => false,
    }
}
