//! A gallery tile's thumbnail, outside the map.

use leptos::prelude::*;

use super::sprites::position;
use super::state::use_explore;

/// The picture, `side` CSS pixels wide; an empty square when there is none.
#[component]
pub fn Thumb(
    /// Row in the gallery.
    row: usize,
    /// Side in CSS pixels.
    side: usize,
) -> impl IntoView {
    let explore = use_explore();
    let place = Memo::new(move |_| {
        let data = explore.data()?;
        let atlas = &data.card.gallery;
        let (file, left, top) = position(atlas, row)?;
        let address = explore.sheets.with(|sheets| Some(sheets.get(file)?.as_ref()?.address.clone()))?;
        let scale = side as f64 / atlas.tile_px.max(1) as f64;
        let width = (atlas.columns * atlas.tile_px) as f64 * scale;
        Some((address, width, left as f64 * scale, top as f64 * scale))
    });
    view! {
        <span
            class="thumb"
            aria-hidden="true"
            style:width=format!("{side}px")
            style:height=format!("{side}px")
            style:background-image=move || place.get().map(|(address, ..)| format!("url(\"{address}\")"))
            style:background-size=move || place.get().map(|(_, width, ..)| format!("{width}px auto"))
            style:background-position=move || place.get().map(|(_, _, left, top)| format!("-{left}px -{top}px"))
        ></span>
    }
}
