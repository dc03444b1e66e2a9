//! What the colours say; every line can be switched off.

use std::collections::BTreeSet;

use leptos::prelude::*;

use super::state::use_explore;
use crate::map::palette::{Mark, Paint, hex};
use crate::wording::grouped;

/// The legend, which is also the filter.
#[component]
pub fn Legend() -> impl IntoView {
    let explore = use_explore();
    let hidden = Memo::new(move |_| explore.choice.with(|choice| choice.now().hidden.clone()));
    let legend = Memo::new(move |_| explore.categories.get().legend.clone());
    let title = move || explore.choice.with(|choice| choice.now().colour.title());
    let lines = move || {
        let legend = legend.get();
        let all: BTreeSet<u16> = (0..legend.len() as u16).collect();
        let shown = legend.into_iter().enumerate().filter(|(_, category)| category.count > 0);
        shown
            .map(|(at, category)| {
                let line = at as u16;
                let is_shown = move || !hidden.with(|hidden| hidden.contains(&line));
                let mut others = all.clone();
                others.remove(&line);
                let only = format!("Show only {}", category.label);
                let toggle = move |_| {
                    explore.choose(|choice| {
                        if !choice.hidden.remove(&line) {
                            choice.hidden.insert(line);
                        }
                    });
                };
                view! {
                    <li>
                        <button type="button" class="legend-line" aria-pressed=move || is_shown().to_string() on:click=toggle>
                            <Key paint=category.paint />
                            <span class="legend-label">{category.label}</span>
                            <span class="number">{grouped(category.count)}</span>
                        </button>
                        <button
                            type="button"
                            class="small quiet"
                            aria-label=only
                            on:click=move |_| explore.choose(|choice| choice.hidden = others.clone())
                        >
                            "only"
                        </button>
                    </li>
                }
            })
            .collect_view()
    };
    view! {
        <div class="legend">
            <div class="card-head">
                <h2>{move || format!("Colour: {}", title())}</h2>
                <button
                    type="button"
                    class="small quiet"
                    disabled=move || hidden.with(BTreeSet::is_empty)
                    on:click=move |_| explore.choose(|choice| choice.hidden.clear())
                >
                    "Show all"
                </button>
            </div>
            <ul>{lines}</ul>
        </div>
    }
}

/// A dot as it is on the map.
#[component]
pub fn Key(
    /// Colour and shape.
    paint: Paint,
) -> impl IntoView {
    let explore = use_explore();
    let shape = match paint.mark() {
        Mark::Disc => "M8 2a6 6 0 1 0 0 12a6 6 0 0 0 0-12z",
        Mark::Square => "M2.7 2.7h10.6v10.6H2.7z",
        Mark::Triangle => "M8 1.5 14.6 13.2H1.4z",
        Mark::Diamond => "M8 .8 15.2 8 8 15.2.8 8z",
    };
    view! {
        <svg class="key" viewBox="0 0 16 16" aria-hidden="true">
            <path d=shape fill=move || hex(paint.rgb(explore.is_dark.get())) />
        </svg>
    }
}
