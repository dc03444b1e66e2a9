//! What this browser keeps for the next visit.

use leptos::prelude::*;

use super::state::use_models;
use crate::wording::bytes;

/// The list with sizes, and the button that clears it.
#[component]
pub fn KeptFiles() -> impl IntoView {
    let models = use_models();
    let lines = move || {
        let listed = models.session.models.with(|shelf| shelf.listed.clone());
        let kept = models.kept.get().unwrap_or_default();
        kept.into_iter()
            .map(|file| {
                let is_model = file.path.starts_with("models/");
                let is_old = is_model && !listed.iter().any(|entry| entry.file.sha256 == file.sha256);
                let version = file.sha256.get(..12).map(|start| format!("version {start}…")).unwrap_or_default();
                view! {
                    <li>
                        <span class="file-name">{file.path}</span>
                        <span class="note">{version} {is_old.then_some(", not used any more")}</span>
                        <span class="number">{bytes(file.bytes)}</span>
                    </li>
                }
            })
            .collect_view()
    };
    let total = move || {
        let kept = models.kept.get()?;
        Some(match kept.len() {
            0 => "Nothing is kept: the next visit fetches the model again.".to_owned(),
            _ => format!(
                "{} in all, so that the next visit starts at once.",
                bytes(kept.iter().map(|file| file.bytes).sum())
            ),
        })
    };
    let is_empty = move || models.kept.with(|kept| kept.as_ref().is_none_or(Vec::is_empty));
    view! {
        <div class="card kept">
            <div class="card-head">
                <h2>"Kept in this browser"</h2>
                <button type="button" class="small" disabled=is_empty on:click=move |_| models.clear_cache()>"Clear"</button>
            </div>
            <ul>{lines}</ul>
            <p class="note" aria-live="polite">{total}</p>
        </div>
    }
}
