//! What the table of tiles shows of the user's own classes. The cells follow them by themselves: a mark must not replace the
//! row that the keyboard is in.

use leptos::prelude::*;

use super::state::use_labels;
use crate::wording::percent;

/// A box in the table that chooses a tile; there while the panel is open.
#[component]
pub fn ChooseBox(
    /// Which tile.
    tile: usize,
    /// Its name.
    name: String,
) -> impl IntoView {
    let labels = use_labels();
    let label = format!("Choose {name}");
    view! {
        <Show when=move || labels.is_open.get()>
            <input
                type="checkbox"
                class="choose-box"
                aria-label=label.clone()
                prop:checked=move || labels.chosen.with(|chosen| chosen.contains(&tile))
                on:click=move |event| event.stop_propagation()
                on:change=move |_| labels.toggle(tile)
            />
        </Show>
    }
}

/// The class that is shown, and the number of the class that the tile is marked with.
#[component]
pub fn ClassCell(
    /// Which tile.
    tile: usize,
    /// What the model says.
    model: String,
) -> impl IntoView {
    let labels = use_labels();
    let class = Memo::new(move |_| labels.verdict(tile).map_or_else(|| model.clone(), |(class, _)| class));
    let mark = Memo::new(move |_| labels.mark_of(tile));
    view! {
        {class}
        {move || {
            mark.get().map(|(number, name)| {
                let said = format!("Marked as {name}");
                view! {
                    <span data-class=(number % 10).to_string() title=said.clone()>
                        <span class="own-badge" role="img" aria-label=said.clone() data-number=(number + 1).to_string()></span>
                    </span>
                }
            })
        }}
    }
}

/// The probability of the class that is shown.
#[component]
pub fn ShareCell(
    /// Which tile.
    tile: usize,
    /// What the model says.
    model: Option<f64>,
) -> impl IntoView {
    let labels = use_labels();
    let share = Memo::new(move |_| labels.verdict(tile).map_or(model, |(_, share)| Some(f64::from(share))));
    move || share.get().map(percent)
}
