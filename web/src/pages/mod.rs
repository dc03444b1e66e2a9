//! The pages, one file each.

pub mod classify;
pub mod explore;
pub mod models;
pub mod seasons;

use leptos::html::Section;
use leptos::prelude::*;

/// Scrolls to a section on a screen so narrow that the columns of a page stand below each other.
fn show_if_narrow(section: NodeRef<Section>) {
    let width = window().inner_width().ok().and_then(|width| width.as_f64());
    if width.is_some_and(|width| width < 900.0) {
        section.get_untracked().into_iter().for_each(|section| section.scroll_into_view());
    }
}
