//! Where tiles come in: dropped anywhere on the page, pasted, or picked; folders and archives as they are.

use leptos::html::Input;
use leptos::prelude::*;
use web_sys::{Blob, ClipboardEvent, DragEvent};

use super::incoming::{Incoming, from_list, from_transfer};

/// What the pages take tiles from.
pub const PICTURES: &str =
    ".png,.jpg,.jpeg,.webp,.tif,.tiff,.zip,.tar,.tgz,.tar.gz,image/png,image/jpeg,image/webp,image/tiff";

/// The area, which is also the button that opens the file dialogue.
#[component]
pub fn DropZone(
    /// What is asked for, up to "choose files".
    title: &'static str,
    /// What can be given.
    text: &'static str,
    /// Which files the dialogue offers; pictures, if nothing is said.
    #[prop(default = PICTURES)]
    accept: &'static str,
    /// Is handed the files, with their names.
    on_files: impl Fn(Vec<(String, Blob)>) + Copy + 'static,
) -> impl IntoView {
    let input = NodeRef::<Input>::new();
    let is_over = RwSignal::new(false);
    let said = RwSignal::new(String::new());
    let come = move |incoming: Incoming| {
        // The page may be gone by the time an archive has been looked into.
        if said.try_set(incoming.said()).is_none() {
            on_files(incoming.files);
        }
    };

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
        from_transfer(event.data_transfer().as_ref(), come);
    });
    let on_paste = window_event_listener(leptos::ev::paste, move |event: ClipboardEvent| {
        from_transfer(event.clipboard_data().as_ref(), come);
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
            <span class="drop-title">{title} ", paste, or " <span class="link">"choose files"</span></span>
            <span class="drop-text">{text}</span>
            <input
                type="file"
                multiple
                accept=accept
                node_ref=input
                on:change=move |_| {
                    if let Some(input) = input.get() {
                        from_list(input.files().as_ref(), come);
                        // The same file can be chosen again.
                        input.set_value("");
                    }
                }
            />
        </label>
        {(accept == PICTURES).then(|| view! { <FolderButton come=come /> })}
        <p class="note incoming" aria-live="polite">{said}</p>
    }
}

/// Chooses a folder, with all that is in it.
#[component]
fn FolderButton(
    /// Is handed its pictures.
    come: impl Fn(Incoming) + Copy + 'static,
) -> impl IntoView {
    let input = NodeRef::<Input>::new();
    view! {
        <label class="file-button folder-button">
            "Choose a folder"
            <input
                type="file"
                prop:webkitdirectory=true
                node_ref=input
                on:change=move |_| {
                    if let Some(input) = input.get() {
                        from_list(input.files().as_ref(), come);
                        input.set_value("");
                    }
                }
            />
        </label>
    }
}
