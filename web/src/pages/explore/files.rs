//! The user's own files: tiles to place on the map, or another gallery to look at.

use leptos::html::Input;
use leptos::prelude::*;
use web_sys::{Blob, ClipboardEvent, DragEvent, FileList};

use super::state::{Explore, Focus, use_explore};
use super::work;
use crate::engine::protocol::Shelf;

/// Two buttons; the whole page takes what is dropped on it.
#[component]
pub fn Files() -> impl IntoView {
    let explore = use_explore();
    let on_drag_over = window_event_listener(leptos::ev::dragover, |event: DragEvent| event.prevent_default());
    let on_drop = window_event_listener(leptos::ev::drop, move |event: DragEvent| {
        event.prevent_default();
        take(explore, event.data_transfer().and_then(|data| data.files()));
    });
    let on_paste = window_event_listener(leptos::ev::paste, move |event: ClipboardEvent| {
        take(explore, event.clipboard_data().and_then(|data| data.files()));
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
                <FileButton label="Place tiles" accept=".png,.jpg,.jpeg,.webp,.tif,.tiff,image/png,image/jpeg,image/webp,image/tiff" />
                <FileButton label="Open a gallery" accept=".safetensors,.jpg,.jpeg" />
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

/// A file field that looks like a button.
#[component]
fn FileButton(
    /// What it says.
    label: &'static str,
    /// Which files.
    accept: &'static str,
) -> impl IntoView {
    let explore = use_explore();
    let input = NodeRef::<Input>::new();
    view! {
        <label class="file-button">
            {label}
            <input
                type="file"
                multiple
                accept=accept
                node_ref=input
                on:change=move |_| {
                    if let Some(input) = input.get() {
                        take(explore, input.files());
                        // The same file can be chosen again.
                        input.set_value("");
                    }
                }
            />
        </label>
    }
}

/// With a gallery among them, the pictures are its thumbnails; without one, they are tiles.
fn take(explore: Explore, list: Option<FileList>) {
    let Some(list) = list else { return };
    let files: Vec<(String, Blob)> =
        (0..list.length()).filter_map(|index| list.get(index)).map(|file| (file.name(), file.into())).collect();
    if files.iter().any(|(name, _)| name.to_lowercase().ends_with(".safetensors")) {
        work::open(explore, files);
    } else {
        explore.session.classify(files);
    }
}
