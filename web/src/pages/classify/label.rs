//! Label it yourself: the user names classes, marks a few tiles of each, and everything on the page is classified with
//! them at once.

pub mod cells;
mod classes;
mod figure;
pub mod keep;
mod sheet;
pub mod state;

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{HtmlElement, HtmlInputElement, KeyboardEvent};

use classes::Classes;
use figure::Figures;
use keep::Keep;
use sheet::Sheet;
use state::{Labels, use_labels};

use crate::pages::scene::{SceneMap, Scenes, use_scenes};

/// A card that opens.
#[component]
pub fn LabelPanel() -> impl IntoView {
    let labels = use_labels();
    let scenes = use_scenes();
    follow_keys(labels, scenes);
    let has_tiles = Memo::new(move |_| labels.session.tiles.with(|tiles| !tiles.is_empty()));
    let has_head = Memo::new(move |_| labels.head.with(Option::is_some));
    let on_toggle = move |event: web_sys::Event| labels.is_open.set(crate::pages::is_open(&event));
    let chosen = move || match labels.chosen.with(std::collections::BTreeSet::len) {
        0 if scenes.is_open() => "A mark goes to the patch under the map's cursor.".to_owned(),
        0 => "No tile chosen: a mark goes to the tile in detail.".to_owned(),
        1 => "One tile chosen.".to_owned(),
        count => format!("{count} tiles chosen."),
    };
    view! {
        <details class="card label-panel" prop:open=move || labels.is_open.get() on:toggle=on_toggle>
            <summary>
                <span class="model-name">"Label it yourself"</span>
                <span class="note">"Your own classes, from a handful of tiles"</span>
            </summary>
            <Show when=move || labels.is_open.get()>
                <div class="label-body">
                    <p class="note">
                        "Name two classes or more and mark 5 to 20 tiles of each. A linear head is learned here, on the encoder's answers,
                        as you mark; every tile on the page is classified with it at once."
                    </p>
                    <Classes />
                    <Show
                        when=move || has_tiles.get()
                        fallback=move || {
                            let missing = if scenes.is_open() {
                                "Click a patch of the map, then mark it with a class: the whole map is classified with what you have marked."
                            } else {
                                "There are no tiles on the page yet: drop some, or try a sample."
                            };
                            view! { <p class="missing">{missing}</p> }
                        }
                    >
                        <Sheet />
                    </Show>
                    <p class="note" aria-live="polite">{chosen} " " {labels.said}</p>
                    <label class="keys-choice">
                        <input
                            type="checkbox"
                            prop:checked=move || labels.has_keys.get()
                            on:change=move |event| labels.choose_keys(event_target_checked(&event))
                        />
                        " Keys 1 to 9 mark, 0 takes a mark away"
                    </label>
                    <Figures />
                    <Show when=move || has_head.get()>
                        <div class="segments" role="group" aria-label="Classes shown">
                            <Segment label="Your classes" is_own=true />
                            <Segment label="The model's classes" is_own=false />
                        </div>
                    </Show>
                    <Keep />
                </div>
            </Show>
        </details>
    }
}

/// Whether a key goes into a field: then it is no shortcut.
fn is_typing(event: &KeyboardEvent) -> bool {
    let Some(target) = event.target() else { return false };
    if let Some(field) = target.dyn_ref::<HtmlInputElement>() {
        return field.type_() != "checkbox";
    }
    let is_field = target.has_type::<web_sys::HtmlSelectElement>() || target.has_type::<web_sys::HtmlTextAreaElement>();
    is_field || target.dyn_ref::<HtmlElement>().is_some_and(HtmlElement::is_content_editable)
}

#[component]
fn Segment(label: &'static str, is_own: bool) -> impl IntoView {
    let labels = use_labels();
    view! {
        <button
            type="button"
            class="small"
            aria-pressed=move || (labels.is_shown.get() == is_own).to_string()
            on:click=move |_| labels.is_shown.set(is_own)
        >
            {label}
        </button>
    }
}

/// Marks what is chosen: tiles, else the patch under the map's cursor, else the tile in detail.
fn mark_here(labels: Labels, scenes: Scenes, class: Option<usize>) {
    let is_free = labels.chosen.with_untracked(std::collections::BTreeSet::is_empty);
    match untrack(|| scenes.in_view()).filter(|_| is_free).and_then(SceneMap::example) {
        Some(example) => labels.mark_examples(vec![example], class),
        None => labels.mark(&labels.targets(), class),
    }
}

/// 1 to 9 mark, 0 takes marks away; text fields keep their own keys.
fn follow_keys(labels: Labels, scenes: Scenes) {
    let listener = window_event_listener(leptos::ev::keydown, move |event: KeyboardEvent| {
        if is_typing(&event)
            || !labels.has_keys.get_untracked()
            || !labels.is_open.get_untracked()
            || event.ctrl_key()
            || event.meta_key()
            || event.alt_key()
        {
            return;
        }
        let Ok(digit) = event.key().parse::<usize>() else { return };
        let count = labels.book.with_untracked(|book| book.classes.len());
        match digit {
            0 => mark_here(labels, scenes, None),
            1..=9 if digit <= count => mark_here(labels, scenes, Some(digit - 1)),
            _ => return,
        }
        event.prevent_default();
    });
    on_cleanup(move || listener.remove());
}
