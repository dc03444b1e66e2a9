//! The pages, one file each.

pub mod classify;
pub mod explore;
pub mod models;
pub mod project;
pub mod scene;
pub mod seasons;
pub mod welcome;

use leptos::html::Section;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::Element;

use crate::map::palette::Rgb;

/// Whether the panel that was opened or closed is open now. (To count its changes goes wrong as soon as one is missed.)
fn is_open(event: &web_sys::Event) -> bool {
    let panel = event.target().and_then(|target| target.dyn_into::<web_sys::HtmlDetailsElement>().ok());
    panel.is_some_and(|panel| panel.open())
}

/// Scrolls to a section on a screen so narrow that the columns of a page stand below each other.
fn show_if_narrow(section: NodeRef<Section>) {
    let width = window().inner_width().ok().and_then(|width| width.as_f64());
    if width.is_some_and(|width| width < 900.0) {
        section.get_untracked().into_iter().for_each(|section| section.scroll_into_view());
    }
}

/// The colour of an element's ground as the style sheet has it; white when it cannot be read.
fn ground_of(element: &Element) -> Rgb {
    let style = window().get_computed_style(element).ok().flatten();
    let text = style.and_then(|style| style.get_property_value("background-color").ok()).unwrap_or_default();
    let numbers: Vec<u8> =
        text.split(|letter: char| !letter.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect();
    match numbers[..] {
        [red, green, blue, ..] => [red, green, blue],
        _ => [255; 3],
    }
}

/// Whether a ground calls for the colours of dark pages.
fn is_dark(ground: Rgb) -> bool {
    ground.iter().map(|value| u32::from(*value)).sum::<u32>() < 3 * 128
}
