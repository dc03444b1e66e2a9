//! The models to choose from: those that came with the page, and the user's own file.

use leptos::prelude::*;

use super::state::use_models;
use crate::catalogue::ModelEntry;
use crate::components::drop_zone::DropZone;
use crate::session::models::InUse;
use crate::wording::bytes;

/// The list, and the field for a file.
#[component]
pub fn Choice() -> impl IntoView {
    let models = use_models();
    let shelf = models.session.models;
    let lines = move || {
        let shelf = shelf.get();
        let is_in_use =
            |entry: &ModelEntry| shelf.in_use.as_ref().is_some_and(|model| model.id.as_ref() == Some(&entry.id));
        let lines = shelf.listed.iter().map(|entry| listed(entry, is_in_use(entry), entry.id == shelf.default));
        lines.collect_view()
    };
    let opened = move || shelf.with(|shelf| shelf.in_use.clone().filter(|model| model.id.is_none()));
    view! {
        <div class="card model-choice">
            <h2>"Models here"</h2>
            <ul>
                {lines}
                {move || opened().map(opened_line)}
            </ul>
        </div>
        <DropZone
            title="Drop a model of your own"
            text="A file that trainer export wrote (.safetensors). It is opened here and sent nowhere."
            accept=".safetensors"
            on_files=move |files| {
                if let Some((name, file)) = files.into_iter().next() {
                    models.open_file(name, file);
                }
            }
        />
    }
}

fn listed(entry: &ModelEntry, is_in_use: bool, is_default: bool) -> impl IntoView + use<> {
    let models = use_models();
    let (id, title) = (entry.id.clone(), entry.title.clone());
    let (use_id, compare_id) = (id.clone(), id.clone());
    let (use_label, compare_label) = (format!("Use {title}"), format!("Compare {title} with the model in use"));
    let is_kept = {
        let sha256 = entry.file.sha256.clone();
        move || models.kept.with(|kept| kept.as_ref().is_some_and(|kept| kept.iter().any(|file| file.sha256 == sha256)))
    };
    view! {
        <li aria-current=is_in_use.then_some("true")>
            <div>
                <p class="model-title">{title} {is_in_use.then(|| view! { <span class="tag">"in use"</span> })}</p>
                <p class="note">
                    {id} " · " {bytes(entry.file.bytes)} {is_default.then_some(" · starts with the page")}
                    {move || is_kept().then_some(" · kept in this browser")}
                </p>
            </div>
            {(!is_in_use).then(|| view! {
                <div class="downloads">
                    <button type="button" class="small" aria-label=use_label on:click=move |_| models.try_listed(use_id.clone(), true)>"Use"</button>
                    <button type="button" class="small" aria-label=compare_label on:click=move |_| models.try_listed(compare_id.clone(), false)>"Compare"</button>
                </div>
            })}
        </li>
    }
}

fn opened_line(model: InUse) -> impl IntoView {
    let models = use_models();
    view! {
        <li aria-current="true">
            <div>
                <p class="model-title">{model.title} <span class="tag">"in use"</span></p>
                <p class="note">"Your own file, open in this page only"</p>
            </div>
            <button type="button" class="small" on:click=move |_| models.go_back()>"Go back"</button>
        </li>
    }
}
