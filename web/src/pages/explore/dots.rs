//! The map's dots: by the graphics card where there is one, else as pixels of our own.

use std::sync::Arc;

use leptos::prelude::GetUntracked;
use web_sys::{CanvasRenderingContext2d, ImageData};

use super::draw::Scene;
use super::graphics::{Graphics, Layer, Look, View};
use super::state::{Choice, Explore};
use crate::map::camera::Camera;
use crate::map::colour::{Categories, Category};
use crate::map::data::{Layout, MapData, Projection};
use crate::map::palette::{Mark, Rgb};
use crate::map::raster::{Raster, Stamp};
use crate::route::parameter;

/// How opaque dots are, of 256, and those outside the selection.
const STRENGTH: u32 = 226;
const FAINT: u32 = 46;
const MARKS: [Mark; 4] = [Mark::Disc, Mark::Square, Mark::Triangle, Mark::Diamond];

/// What draws dots, and what it has drawn last.
#[derive(Default)]
pub(super) struct Dots {
    card: Card,
    raster: Raster,
    drawn: Option<Drawn>,
}

/// The graphics card, as far as it is known.
#[derive(Default)]
enum Card {
    #[default]
    Unknown,
    Draws(Graphics),
    /// There is none, or it was lost.
    Absent,
}

/// All that dots depend on: while it stays the same, they need not be drawn again.
struct Drawn {
    size: [u32; 2],
    camera: Camera,
    places: (Arc<MapData>, Projection),
    looks: (Arc<Categories>, Choice, Rgb),
}

impl Drawn {
    fn has_places_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.places.0, &other.places.0) && self.places.1 == other.places.1
    }

    fn has_looks_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.looks.0, &other.looks.0) && self.looks.1 == other.looks.1 && self.looks.2 == other.looks.2
    }

    fn has_view_of(&self, other: &Self) -> bool {
        self.size == other.size && self.camera == other.camera
    }
}

impl Dots {
    /// Covers the canvas, `size` device pixels, with ground and dots.
    pub fn draw(
        &mut self,
        explore: Explore,
        scene: &Scene,
        context: &CanvasRenderingContext2d,
        size: [u32; 2],
    ) -> Option<()> {
        let now = Drawn {
            size,
            camera: scene.camera,
            places: (Arc::clone(&scene.data), explore.projection.get_untracked()),
            looks: (Arc::clone(&scene.categories), scene.choice.clone(), scene.ground),
        };
        self.ask_card();
        let before = self.drawn.take();
        let has_same = |same: fn(&Drawn, &Drawn) -> bool| before.as_ref().is_some_and(|before| same(before, &now));
        let same_places = has_same(Drawn::has_places_of);
        let same_looks = same_places && has_same(Drawn::has_looks_of);
        let is_same = same_looks && has_same(Drawn::has_view_of);
        self.drawn = Some(now);
        let layout = scene.layout(explore);
        // Dots grow with the distance between them.
        let spacing_px = layout.grid.spacing() * scene.camera.scale(scene.frame);
        let radius = (spacing_px * 0.32).clamp(1.4, 5.0) * scene.ratio;
        if let Card::Draws(graphics) = &mut self.card {
            if !same_places {
                graphics.place(&layout.points);
            }
            if !same_looks {
                graphics.look(&looks(scene));
            }
            if !is_same {
                let scale = scene.camera.scale(scene.frame) * scene.ratio;
                graphics.draw(&View { size, ground: scene.ground, camera: scene.camera, scale, radius });
            }
            context.reset_transform().ok()?;
            return context.draw_image_with_html_canvas_element(graphics.canvas(), 0.0, 0.0).ok();
        }
        if !is_same {
            self.raster.reset(size[0] as usize, size[1] as usize, scene.ground);
            stamp(&mut self.raster, layout, scene, radius);
        }
        let pixels = wasm_bindgen::Clamped(&self.raster.pixels[..]);
        let image = ImageData::new_with_u8_clamped_array_and_sh(pixels, size[0], size[1]).ok()?;
        context.put_image_data(&image, 0.0, 0.0).ok()
    }

    /// Opens the graphics card at first, and gives up on one that was lost; all is drawn anew then.
    fn ask_card(&mut self) {
        match &self.card {
            Card::Draws(graphics) if graphics.is_lost() => {
                self.card = Card::Absent;
                self.drawn = None;
            }
            Card::Unknown => {
                let wish = parameter("dots");
                let opened =
                    (wish.as_deref() != Some("canvas")).then(|| Graphics::open(wish.as_deref() == Some("webgl")));
                self.card = opened.flatten().map_or(Card::Absent, Card::Draws);
            }
            Card::Draws(_) | Card::Absent => {}
        }
    }
}

/// What the graphics card knows of each dot.
fn looks(scene: &Scene) -> Vec<Look> {
    let looks = category_looks(scene);
    let selected = &scene.choice.selected;
    let has_selection = !selected.is_empty();
    let look = |index: usize| {
        let ([red, green, blue], mark) = looks[usize::from(scene.categories.of[index])];
        let is_selected = has_selection && selected.contains(index);
        let (layer, strength) = match (scene.is_shown(index), is_selected) {
            (false, _) => (Layer::Hidden, 0),
            (true, true) => (Layer::Top, STRENGTH),
            (true, false) => (Layer::Below, if has_selection { FAINT } else { STRENGTH }),
        };
        [red, green, blue, strength as u8, mark as u8, layer as u8, 0, 0]
    };
    (0..scene.data.count()).map(look).collect()
}

/// The colour of each category, and which of [`MARKS`] it has.
fn category_looks(scene: &Scene) -> Vec<(Rgb, usize)> {
    let look = |category: &Category| {
        let mark = MARKS.iter().position(|mark| *mark == category.paint.mark()).unwrap_or(0);
        (category.paint.rgb(scene.is_dark), mark)
    };
    scene.categories.legend.iter().map(look).collect()
}

fn stamp(raster: &mut Raster, layout: &Layout, scene: &Scene, radius: f64) {
    let stamps = MARKS.map(|mark| Stamp::new(mark, radius));
    let looks = category_looks(scene);
    let margin = radius / scene.ratio + 2.0;
    let low = scene.camera.to_world(scene.frame, [-margin, -margin]);
    let high = scene.camera.to_world(scene.frame, [scene.frame.width + margin, scene.frame.height + margin]);
    let selected = &scene.choice.selected;
    let has_selection = !selected.is_empty();
    // Selected tiles lie on top of the others.
    for is_top in [false, true] {
        if is_top && !has_selection {
            break;
        }
        for index in layout.grid.around(low, high) {
            let is_selected = has_selection && selected.contains(index);
            if is_selected != is_top || !scene.is_shown(index) {
                continue;
            }
            let [x, y] = scene.camera.to_screen(scene.frame, layout.points[index]);
            let (rgb, mark) = looks[usize::from(scene.categories.of[index])];
            let strength = if has_selection && !is_top { FAINT } else { STRENGTH };
            raster.stamp([x * scene.ratio, y * scene.ratio], &stamps[mark], rgb, strength);
        }
    }
}
