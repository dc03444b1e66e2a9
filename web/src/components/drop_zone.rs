//! Where tiles come in: dropped anywhere on the page, pasted, or picked.

use leptos::html::Input;
use leptos::prelude::*;
use web_sys::{Blob, ClipboardEvent, DragEvent, FileList};

use crate::session::use_session;

/// The area, which is also the button that opens the file dialogue.
#[component]
pub fn DropZone() -> impl IntoView {
    let session = use_session();
    let input = NodeRef::<Input>::new();
    let is_over = RwSignal::new(false);
    let take = move |list: Option<FileList>| session.classify(list.as_ref().map(named_files).unwrap_or_default());

    let on_drag_over = window_event_listener(leptos::ev::dragover, move |event: DragEvent| {
        event.prevent_default();
        is_over.set(true);
    });
    let on_drag_leave = window_event_listener(leptos::ev::dragleave, move |event: DragEvent| {
        // Leaving the window, not just crossing from one element to another.
        if event.related_target().is_none() {
            is_over.set(false);
        }
    });
    let on_drop = window_event_listener(leptos::ev::drop, move |event: DragEvent| {
        event.prevent_default();
        is_over.set(false);
        take(event.data_transfer().and_then(|data| data.files()));
    });
    let on_paste = window_event_listener(leptos::ev::paste, move |event: ClipboardEvent| {
        take(event.clipboard_data().and_then(|data| data.files()));
    });
    on_cleanup(move || {
        on_drag_over.remove();
        on_drag_leave.remove();
        on_drop.remove();
        on_paste.remove();
    });

    view! {
        <label class="drop" class:over=move || is_over.get()>
            <svg viewBox="0 0 48 48" aria-hidden="true">
                <path d="M8 18 24 10l16 8-16 8z" />
                <path d="m8 24 16 8 16-8 M8 30l16 8 16-8" />
            </svg>
            <span class="drop-title">"Drop tiles here, paste, or " <span class="link">"choose files"</span></span>
            <span class="drop-text">"PNG, JPEG, WebP, TIFF or GeoTIFF · one or many"</span>
            <input
                type="file"
                multiple
                accept=".png,.jpg,.jpeg,.webp,.tif,.tiff,image/png,image/jpeg,image/webp,image/tiff"
                node_ref=input
                on:change=move |_| {
                    if let Some(input) = input.get() {
                        take(input.files());
                        // The same file can be chosen again.
                        input.set_value("");
                    }
                }
            />
        </label>
    }
}

fn named_files(list: &FileList) -> Vec<(String, Blob)> {
    (0..list.length()).filter_map(|index| list.get(index)).map(|file| (file.name(), file.into())).collect()
}
