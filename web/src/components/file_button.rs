//! A file field that looks like a button.

use leptos::html::Input;
use leptos::prelude::*;
use web_sys::Blob;

use super::drop_zone::named_files;

/// The button.
#[component]
pub fn FileButton(
    /// What it says.
    label: &'static str,
    /// Which files.
    accept: &'static str,
    /// Is handed the files, with their names.
    on_files: impl Fn(Vec<(String, Blob)>) + 'static,
) -> impl IntoView {
    let input = NodeRef::<Input>::new();
    view! {
        <label class="file-button">
            {label}
            <input
                type="file"
                accept=accept
                node_ref=input
                on:change=move |_| {
                    if let Some(input) = input.get() {
                        on_files(input.files().as_ref().map(named_files).unwrap_or_default());
                        // The same file can be chosen again.
                        input.set_value("");
                    }
                }
            />
        </label>
    }
}
