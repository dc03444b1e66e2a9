//! The user's own files: tiles to place on the map, or another gallery to look at.

use leptos::prelude::*;
use web_sys::{Blob, ClipboardEvent, DragEvent};

use super::state::{Explore, Focus, use_explore};
use super::work;
use crate::components::drop_zone::PICTURES;
use crate::components::file_button::FileButton;
use crate::components::incoming::from_transfer;
use crate::engine::protocol::Shelf;

/// Two buttons; the whole page takes what is dropped on it.
#[component]
pub fn Files() -> impl IntoView {
    let explore = use_explore();
    let on_drag_over = window_event_listener(leptos::ev::dragover, |event: DragEvent| event.prevent_default());
    let on_drop = window_event_listener(leptos::ev::drop, move |event: DragEvent| {
        event.prevent_default();
        from_transfer(event.data_transfer().as_ref(), move |incoming| take(explore, incoming.files));
    });
    let on_paste = window_event_listener(leptos::ev::paste, move |event: ClipboardEvent| {
        from_transfer(event.clipboard_data().as_ref(), move |incoming| take(explore, incoming.files));
    });
    on_cleanup(move || {
        on_drag_over.remove();
        on_drop.remove();
        on_paste.remove();
    });
    let is_opened = move || explore.shelf.get() == Shelf::Opened;
    let comparable = move || explore.data().is_none_or(|data| data.card.is_of_model_in_use);
    let visitors = move || {
        let names = explore.visitors.with(|own| own.iter().map(|own| own.name.clone()).collect::<Vec<_>>());
        let line = |(at, name): (usize, String)| {
            view! {
                <li>
                    <button type="button" class="small" on:click=move |_| explore.look_at(Focus::Visitor(at))>
                        <span aria-hidden="true">"★ "</span>
                        {name}
                    </button>
                </li>
            }
        };
        names.into_iter().enumerate().map(line).collect_view()
    };
    view! {
        <div class="card files">
            <h2>"Your own"</h2>
            <p class="note">
                "Drop tiles anywhere to see where they lie, or a gallery (gallery.safetensors with its thumbnails) that "
                <code>"trainer embed"</code> " or " <code>"trainer export"</code>
                " wrote. Nothing leaves this page."
            </p>
            <div class="downloads">
                <FileButton label="Place tiles" accept=PICTURES is_multiple=true on_files=move |files| take(explore, files) />
                <FileButton
                    label="Open a gallery"
                    accept=".safetensors,.jpg,.jpeg"
                    is_multiple=true
                    on_files=move |files| take(explore, files)
                />
                <Show when=is_opened>
                    <button type="button" class="small" on:click=move |_| work::close_opened(explore)>
                        "Back to the shipped gallery"
                    </button>
                </Show>
            </div>
            <Show when=move || !comparable()>
                <p class="note">
                    "Another model made this gallery: it can be explored, but new tiles cannot be placed in it."
                </p>
            </Show>
            <ul class="own">{visitors}</ul>
        </div>
    }
}

/// With a gallery among them, the pictures are its thumbnails; without one, they are tiles.
fn take(explore: Explore, files: Vec<(String, Blob)>) {
    if files.iter().any(|(name, _)| name.to_lowercase().ends_with(".safetensors")) {
        work::open(explore, files);
    } else {
        explore.session.classify(files);
    }
}
