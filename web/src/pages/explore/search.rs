//! Finding tiles by name or class: the way to the map for those who do not point.

use leptos::prelude::*;

use super::state::{Focus, use_explore};
use super::thumb::Thumb;
use crate::map::selection::Combine;
use crate::wording::{class_label, grouped};

/// Hits that are listed.
const LISTED: usize = 12;

/// The field and its hits.
#[component]
pub fn Search() -> impl IntoView {
    let explore = use_explore();
    let query = RwSignal::new(String::new());
    let found = Memo::new(move |_| explore.data().map(|data| data.search(&query.get())).unwrap_or_default());
    let verdict = move || {
        let count = found.with(Vec::len);
        match (query.with(|query| query.trim().is_empty()), count) {
            (true, _) => String::new(),
            (false, 0) => "No tile has that in its name or class.".to_owned(),
            (false, 1) => "1 tile.".to_owned(),
            (false, count) if count > LISTED => format!("{} tiles, the first {LISTED} below.", grouped(count)),
            (false, count) => format!("{count} tiles."),
        }
    };
    let hits = move || {
        let data = explore.data()?;
        let rows: Vec<usize> = found.with(|found| found.iter().copied().take(LISTED).collect());
        let line = |row: usize| {
            let class = data.class(row).map(class_label).unwrap_or_default();
            view! {
                <li>
                    <button type="button" on:click=move |_| explore.look_at(Focus::Row(row))>
                        <Thumb row=row side=32 />
                        <span class="hit-name">{data.names[row].clone()}</span>
                        <span class="note">{class}</span>
                    </button>
                </li>
            }
        };
        Some(rows.into_iter().map(line).collect_view())
    };
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        if let Some(row) = found.with_untracked(|found| found.first().copied()) {
            explore.look_at(Focus::Row(row));
        }
    };
    view! {
        <form class="card search" role="search" on:submit=submit>
            <label>
                <span class="field-name">"Find a tile by name or class"</span>
                <input
                    type="search"
                    autocomplete="off"
                    prop:value=move || query.get()
                    on:input=move |event| query.set(event_target_value(&event))
                />
            </label>
            <p class="note" aria-live="polite">{verdict}</p>
            <Show when=move || found.with(|found| !found.is_empty())>
                <button
                    type="button"
                    class="small"
                    on:click=move |_| explore.select(Combine::Replace, found.get_untracked())
                >
                    {move || format!("Select all {}", grouped(found.with(Vec::len)))}
                </button>
            </Show>
            <ul class="hits">{hits}</ul>
        </form>
    }
}
