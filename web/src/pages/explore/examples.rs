//! Finding tiles by examples: more like these, less like those.

use leptos::prelude::*;

use super::state::{Examples as Picked, Focus, use_explore};
use super::thumb::Thumb;
use crate::map::selection::Combine;
use crate::wording::class_label;

/// Two buttons that make a tile an example.
#[component]
pub fn ExampleButtons(
    /// Row in the gallery.
    row: usize,
) -> impl IntoView {
    let explore = use_explore();
    let button = |is_wanted: bool, label: &'static str| {
        let is_pressed = move || {
            explore
                .examples
                .with(|Picked { more, less }| if is_wanted { more } else { less }.contains(&row))
                .to_string()
        };
        view! {
            <button
                type="button"
                class="small"
                aria-pressed=is_pressed
                on:click=move |_| explore.examples.update(|examples| examples.toggle(row, is_wanted))
            >
                {label}
            </button>
        }
    };
    view! {
        <div class="segments" role="group" aria-label="Search by examples">
            {button(true, "More like this")}
            {button(false, "Less like this")}
        </div>
    }
}

/// The examples, and what is found by them; nothing while there are none.
#[component]
pub fn Examples() -> impl IntoView {
    let explore = use_explore();
    let is_there = Memo::new(move |_| explore.examples.with(|examples| *examples != Picked::default()));
    let list = move |is_wanted: bool| {
        let data = explore.data()?;
        let rows = explore.examples.with(|Picked { more, less }| if is_wanted { more.clone() } else { less.clone() });
        let line = |row: usize| {
            let label = format!("No longer an example: {}", data.names.get(row).cloned().unwrap_or_default());
            view! {
                <li>
                    <button
                        type="button"
                        aria-label=label.clone()
                        title=label
                        on:click=move |_| explore.examples.update(|examples| examples.toggle(row, is_wanted))
                    >
                        <Thumb row=row side=40 />
                    </button>
                </li>
            }
        };
        (!rows.is_empty()).then(|| rows.into_iter().map(line).collect_view())
    };
    let found = move || {
        let line = |near: crate::engine::protocol::Neighbour| {
            let (row, label) = (near.index, class_label(&near.class));
            view! {
                <li>
                    <button type="button" title=near.name.clone() on:click=move |_| explore.look_at(Focus::Row(row))>
                        <Thumb row=row side=56 />
                        <span>{label}</span>
                        <span class="number">{format!("{:.3}", near.similarity)}</span>
                        <span class="spoken">{format!(" by cosine: {}", near.name)}</span>
                    </button>
                </li>
            }
        };
        explore.alike.get().into_iter().map(line).collect_view()
    };
    let verdict = move || match explore.examples.with(|examples| examples.more.is_empty()) {
        true => "Say of one tile at least that you want more like it.".to_owned(),
        false => format!("{} tiles, most alike first.", explore.alike.with(Vec::len)),
    };
    view! {
        <Show when=move || is_there.get()>
            <div class="card examples">
                <div class="card-head">
                    <h2>"By examples"</h2>
                    <button type="button" class="small quiet" on:click=move |_| explore.examples.set(Picked::default())>
                        "Clear"
                    </button>
                </div>
                <h3>"More like"</h3>
                <ul class="picked" aria-label="Wanted examples">
                    {move || list(true)}
                </ul>
                <h3>"Less like"</h3>
                <ul class="picked" aria-label="Unwanted examples">
                    {move || list(false)}
                </ul>
                <p class="note" aria-live="polite">{verdict}</p>
                <ul class="near" aria-label="Found by examples">
                    {found}
                </ul>
                <Show when=move || explore.alike.with(|alike| !alike.is_empty())>
                    <button
                        type="button"
                        class="small"
                        on:click=move |_| {
                            let found = explore.alike.with_untracked(|alike| alike.iter().map(|near| near.index).collect());
                            explore.select(Combine::Replace, found);
                        }
                    >
                        "Select these"
                    </button>
                </Show>
            </div>
        </Show>
    }
}
