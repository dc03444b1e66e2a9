//! Larger galleries of the same model: fetched when the user asks, not before.

use leptos::prelude::*;

use super::state::use_explore;
use super::work;
use crate::wording::bytes;

/// A button for each, and how far the one is that is on its way.
#[component]
pub fn Further() -> impl IntoView {
    let explore = use_explore();
    let size = move || {
        let listed = explore.listed.get()?;
        explore.session.further.with(|all| all.iter().find(|one| one.file.file == listed).map(|one| one.file.bytes))
    };
    let offers = move || {
        let is_fetching = explore.fetched.with(Option::is_some);
        let is_on_map = |file: &String| explore.listed.with(|listed| listed.as_ref() == Some(file));
        let offered =
            explore.session.further.get().into_iter().filter(|one| !is_fetching && !is_on_map(&one.file.file));
        let button = |entry: crate::catalogue::GalleryEntry| {
            let label = format!("Show {} ({})", entry.title, bytes(entry.file.bytes));
            view! {
                <button type="button" class="small" on:click=move |_| work::open_listed(explore, entry.clone(), false)>
                    {label}
                </button>
            }
        };
        offered.map(button).collect_view()
    };
    let progress = move || Some((explore.fetched.get()?, size()?));
    view! {
        <div class="downloads further">
            {offers}
            {move || {
                progress()
                    .map(|(received, total)| {
                        view! {
                            <p class="note">{format!("Fetching the gallery: {} of {}", bytes(received), bytes(total))}</p>
                            <progress value=received.to_string() max=total.to_string() aria-label="Gallery fetched"></progress>
                        }
                    })
            }}
            <Show when=move || explore.fetched.with(Option::is_some)>
                <button type="button" class="small" on:click=move |_| work::stop_listed(explore)>
                    "Cancel"
                </button>
            </Show>
        </div>
    }
}
