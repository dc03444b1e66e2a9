//! A file field that looks like a button.

use leptos::html::Input;
use leptos::prelude::*;
use web_sys::Blob;

use super::incoming::from_list;

/// The button.
#[component]
pub fn FileButton(
    /// What it says.
    label: &'static str,
    /// Which files.
    accept: &'static str,
    /// Is handed the files, with their names.
    on_files: impl Fn(Vec<(String, Blob)>) + Copy + 'static,
    /// Whether several can be chosen.
    #[prop(optional)]
    is_multiple: bool,
) -> impl IntoView {
    let input = NodeRef::<Input>::new();
    view! {
        <label class="file-button">
            {label}
            <input
                type="file"
                accept=accept
                multiple=is_multiple
                node_ref=input
                on:change=move |_| {
                    if let Some(input) = input.get() {
                        from_list(input.files().as_ref(), move |incoming| on_files(incoming.files));
                        // The same file can be chosen again.
                        input.set_value("");
                    }
                }
            />
        </label>
    }
}
