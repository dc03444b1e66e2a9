//! Classes or similarities over the picture, cell by cell.

use wasm_bindgen::prelude::*;
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement};

use super::state::Heat;
use crate::map::palette::{Paint, hex};
use crate::scene::card::SceneCard;
use crate::scene::cells::{Cells, Filter, Look};
use crate::scene::heat::Scale;
use crate::season::colour::shade;

/// What decides how cells look.
pub struct Style<'a> {
    /// What is painted.
    pub filter: &'a Filter,
    /// Similarities in place of classes.
    pub heat: Option<&'a Heat>,
}

/// Paints some cells on a canvas of the preview's size.
pub fn paint(
    context: &CanvasRenderingContext2d,
    card: &SceneCard,
    cells: &Cells,
    style: &Style<'_>,
    patches: impl Iterator<Item = usize>,
) {
    let scale = style.heat.map(|heat| Scale::of(&heat.similarities));
    let step = card.preview_step.max(1) as f64;
    let mut last = String::new();
    for patch in patches {
        let colour = match (style.heat, scale) {
            (Some(heat), Some(scale)) => {
                heat.similarities.get(patch).filter(|value| value.is_finite()).map(|value| shade(scale.share(*value)))
            }
            _ => match cells.look(patch, style.filter) {
                Look::Class(class) => Some(hex(Paint::Class(class).rgb(false))),
                Look::Unlike => Some(hex(Paint::Unknown.rgb(false))),
                Look::Waiting | Look::NoData | Look::Unsure | Look::Hidden => None,
            },
        };
        let cell = card.grid.cell(patch);
        let [left, top, right, bottom] =
            [cell.left, cell.top, cell.right, cell.bottom].map(|edge| (edge as f64 / step).round());
        let Some(colour) = colour else {
            // It may have been painted before those around it had their say.
            context.clear_rect(left, top, right - left, bottom - top);
            continue;
        };
        if colour != last {
            context.set_fill_style_str(&colour);
            last = colour;
        }
        context.fill_rect(left, top, right - left, bottom - top);
    }
}

/// What a canvas is drawn with.
#[must_use]
pub fn context_of(canvas: &HtmlCanvasElement) -> Option<CanvasRenderingContext2d> {
    canvas.get_context("2d").ok()??.dyn_into().ok()
}
