//! The user's classes: named here, and marked with here.

use leptos::html::Input;
use leptos::prelude::*;
use web_sys::SubmitEvent;

use super::mark_here;
use super::state::use_labels;
use crate::label::book::{MAX_NAME_LETTERS, MIN_TILES};
use crate::pages::scene::use_scenes;

/// Keys stand for the first nine classes.
const KEYS: usize = 9;

/// A line for each class, and a field for one more.
#[component]
pub fn Classes() -> impl IntoView {
    let labels = use_labels();
    let name = RwSignal::new(String::new());
    let complaint = RwSignal::new(String::new());
    let add = move |event: SubmitEvent| {
        event.prevent_default();
        let mut outcome = Ok(0);
        labels.book.update(|book| outcome = book.add_class(&name.get_untracked()));
        match outcome {
            Ok(_) => {
                labels.said.set(format!("Class {} added.", name.get_untracked().trim()));
                name.set(String::new());
                complaint.set(String::new());
            }
            Err(problem) => complaint.set(problem),
        }
    };
    // Counts change under the keyboard, lines do not.
    let lines =
        Memo::new(move |_| labels.book.with(|book| book.classes.iter().cloned().enumerate().collect::<Vec<_>>()));
    view! {
        <div class="own-classes">
            <ul aria-label="Your classes">
                <For each=move || lines.get() key=|line| line.clone() let:line>
                    <ClassLine index=line.0 name=line.1 />
                </For>
            </ul>
            <form on:submit=add>
                <input
                    type="text"
                    aria-label="Name of a new class"
                    placeholder="Name of a class, for example: Rice"
                    maxlength=MAX_NAME_LETTERS.to_string()
                    autocomplete="off"
                    prop:value=move || name.get()
                    on:input=move |event| name.set(event_target_value(&event))
                />
                <button type="submit" class="small">"Add class"</button>
            </form>
            <p class="complaint" role="alert" hidden=move || complaint.with(String::is_empty)>
                {complaint}
            </p>
        </div>
    }
}

#[component]
fn ClassLine(index: usize, name: String) -> impl IntoView {
    let (labels, scenes) = (use_labels(), use_scenes());
    let is_renamed = RwSignal::new(false);
    let key = (index < KEYS).then(|| (index + 1).to_string());
    let count = Memo::new(move |_| labels.book.with(|book| book.counts().get(index).copied().unwrap_or_default()));
    let tiles = move || if count.get() == 1 { "1 tile".to_owned() } else { format!("{} tiles", count.get()) };
    let field = NodeRef::<Input>::new();
    field.on_load(|field| {
        // Focusing a field that is on the page cannot fail.
        let _ = field.focus();
        field.select();
    });
    let (mark_label, remove_label) = (format!("Mark as {name}"), format!("Remove class {name}"));
    let (rename_label, shown, old) = (format!("Rename class {name}"), name.clone(), name);
    let rename = move |event| {
        let name = event_target_value(&event);
        is_renamed.set(false);
        let mut outcome = Ok(());
        labels.book.update(|book| outcome = book.rename_class(index, &name));
        if let Err(problem) = outcome {
            labels.said.set(problem);
        }
    };
    view! {
        <li data-class=(index % 10).to_string()>
            <button
                type="button"
                class="own-class"
                aria-label=mark_label.clone()
                aria-keyshortcuts=key.clone()
                title=format!("{mark_label} what is chosen")
                on:click=move |_| mark_here(labels, scenes, Some(index))
            >
                <span class="own-badge" data-number=(index + 1).to_string()></span>
                <span class="own-name">{shown}</span>
            </button>
            <span class="number own-count" class:few=move || count.get() < MIN_TILES>{tiles}</span>
            <button type="button" class="small quiet" aria-label=rename_label.clone() title="Rename" on:click=move |_| is_renamed.update(|is| *is = !*is)>
                "✎"
            </button>
            <button
                type="button"
                class="small quiet"
                aria-label=remove_label
                title="Remove, with its marks"
                on:click=move |_| labels.book.update(|book| book.remove_class(index))
            >
                "×"
            </button>
            <Show when=move || is_renamed.get()>
                <input
                    type="text"
                    class="own-rename"
                    node_ref=field
                    aria-label=format!("New name, then Enter; now {}", old.clone())
                    value=old.clone()
                    maxlength=MAX_NAME_LETTERS.to_string()
                    autocomplete="off"
                    on:change=rename
                />
            </Show>
        </li>
    }
}
