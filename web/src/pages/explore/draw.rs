//! Draws the map: dots by the graphics card or as pixels of our own, then thumbnails, and what lies over them.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement};

use super::dots::Dots;
use super::overlay::Overlay;
use super::sprites::Sprites;
use super::state::{Choice, Explore};
use crate::map::camera::{Camera, Frame};
use crate::map::colour::Categories;
use crate::map::data::{Layout, MapData};
use crate::map::palette::{Rgb, hex};
use crate::map::shape::Shape;
use crate::map::thumbnails;
use crate::order;
use crate::pages::{ground_of, is_dark};

/// What lasts from one drawing to the next.
#[derive(Default)]
pub struct Painter {
    dots: Dots,
    sprites: Rc<RefCell<Sprites>>,
    gallery: Option<Arc<MapData>>,
    /// The thumbnails on the map: tile and middle in CSS pixels.
    pictures: Vec<(usize, [f64; 2])>,
    picture_px: f64,
}

/// Everything of one drawing.
pub(super) struct Scene {
    pub data: Arc<MapData>,
    pub categories: Arc<Categories>,
    pub hidden: Vec<bool>,
    pub choice: Choice,
    pub camera: Camera,
    pub frame: Frame,
    /// Device pixels for a CSS pixel.
    pub ratio: f64,
    pub ground: Rgb,
    pub is_dark: bool,
}

impl Scene {
    pub fn layout(&self, explore: Explore) -> &Layout {
        self.data.layout(explore.projection.get_untracked())
    }

    pub fn is_shown(&self, index: usize) -> bool {
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
            context.reset_transform().ok()?;
            context.set_fill_style_str(&hex(ground));
            context.fill_rect(0.0, 0.0, f64::from(width), f64::from(height));
            return Some(());
        };
        let choice = explore.choice.with_untracked(|choice| choice.now().clone());
        let hidden = (0..categories.legend.len()).map(|at| choice.hidden.contains(&(at as u16))).collect();
        let camera = explore.camera.get_untracked();
        let scene = Scene { data, categories, hidden, choice, camera, frame, ratio, ground, is_dark };
        self.choose_pictures(explore, &scene);
        self.dots.draw(explore, &scene, &context, [width, height]);
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
        let selected = &scene.choice.selected;
        let has_selection = !selected.is_empty();
        let is_wanted = |index| scene.is_shown(index) && (!has_selection || selected.contains(index));
        let mut chosen = thumbnails::choose(layout, scene.camera, scene.frame, size, is_wanted);
        order::sort(&mut chosen);
        let place = |index: usize| scene.camera.to_screen(scene.frame, layout.points[index]);
        let is_there = |index: &usize| Sprites::get(&self.sprites, explore, atlas, *index).is_some();
        self.pictures = chosen.into_iter().filter(is_there).map(|index| (index, place(index))).collect();
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
