//! Labels and head as a file, out and in; and back to nothing.

use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen_futures::JsFuture;
use web_sys::Blob;

use super::state::{Labels, use_labels};
use crate::components::file_button::FileButton;
use crate::components::problem_card::ProblemCard;
use crate::download;
use crate::label::file::MAX_FILE_BYTES;
use crate::problem::Problem;

/// The buttons, and what went wrong.
#[component]
pub fn Keep() -> impl IntoView {
    let labels = use_labels();
    let is_empty = Memo::new(move |_| labels.book.with(|book| book.is_empty()) && labels.head.with(Option::is_none));
    view! {
        {move || labels.problem.get().map(|problem| view! { <ProblemCard problem=problem /> })}
        <div class="downloads">
            <button
                type="button"
                class="small"
                disabled=is_empty
                title="Classes, marked tiles with their embeddings, and the head"
                on:click=move |_| download::save("solstice-labels.json", "application/json", &labels.text())
            >
                "Save labels"
            </button>
            <FileButton label="Load labels" accept=".json,application/json" on_files=move |files| read(labels, files) />
            <button type="button" class="small quiet" disabled=is_empty on:click=move |_| labels.forget()>
                "Forget all"
            </button>
            <Show when=move || is_empty.get() && labels.forgotten.with(Option::is_some)>
                <button type="button" class="small" on:click=move |_| labels.unforget()>
                    "Undo forgetting"
                </button>
            </Show>
        </div>
    }
}

/// Reads the first of the files.
pub fn read(labels: Labels, files: Vec<(String, Blob)>) {
    let Some((name, file)) = files.into_iter().next() else { return };
    if file.size() > MAX_FILE_BYTES as f64 {
        return labels.problem.set(Some(Problem::new(
            "The labels cannot be used",
            format!("{name} has {:.0} MB; {} MB are read at most.", file.size() / 1e6, MAX_FILE_BYTES / 1_000_000),
            "Choose a file that “Save labels” on this page has written.",
        )));
    }
    spawn_local(async move {
        let text = JsFuture::from(file.text()).await.ok().and_then(|text| text.as_string()).unwrap_or_default();
        labels.load(&name, &text);
    });
}
