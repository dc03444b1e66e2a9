//! The tiles on the page as a sheet of pictures, to choose from with pointer or keyboard.

use leptos::html::Ul;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{HtmlElement, KeyboardEvent, MouseEvent};

use super::state::{Labels, use_labels};
use crate::order;
use crate::wording::percent;

/// Pictures shown at first, and how many more at a time.
const PAGE: usize = 120;

/// The sheet.
#[component]
pub fn Sheet() -> impl IntoView {
    let labels = use_labels();
    let shown = RwSignal::new(PAGE);
    let is_doubtful_first = RwSignal::new(false);
    // The order is that of the moment when it was asked for: pictures must not move under the pointer with every mark.
    let order = RwSignal::new(Vec::<usize>::new());
    let place = RwSignal::new(0_usize);
    let count = Memo::new(move |_| (labels.session.tiles.with(Vec::len), labels.session.tile_set.get()));
    Effect::new(move |_| {
        let (count, _) = count.get();
        let mut all: Vec<usize> = (0..count).collect();
        if is_doubtful_first.get() {
            labels.own.with_untracked(|own| {
                let certainty = |index: &usize| own.get(*index).and_then(|own| Some(own.best()?.1)).unwrap_or(1.0);
                let is_marked = |index: &usize| own.get(*index).is_some_and(|own| own.mark.is_some());
                order::sort_by(&mut all, |a, b| {
                    is_marked(a).cmp(&is_marked(b)).then(certainty(a).total_cmp(&certainty(b))).then(a.cmp(b))
                });
            });
        }
        order.set(all);
        shown.set(PAGE);
        place.set(0);
    });
    let anchor = StoredValue::new(0_usize);
    let list = NodeRef::<Ul>::new();
    let go = move |to: usize| {
        place.set(to);
        let option = list.get_untracked().and_then(|list| list.children().item(u32::try_from(to).ok()?));
        if let Some(option) = option.and_then(|option| option.dyn_into::<HtmlElement>().ok()) {
            // Focusing an element that is on the page cannot fail.
            let _ = option.focus();
        }
    };
    let extend = move |to: usize| {
        let (first, last) = (anchor.get_value().min(to), anchor.get_value().max(to));
        let tiles: Vec<usize> =
            order.with_untracked(|order| order.iter().take(last + 1).skip(first).copied().collect());
        labels.chosen.update(|chosen| chosen.extend(tiles));
    };
    let on_key = move |event: KeyboardEvent| {
        let (at, count) = (place.get_untracked(), order.with_untracked(Vec::len).min(shown.get_untracked()));
        let columns = list.get_untracked().map_or(1, |list| columns(&list));
        let to = match event.key().as_str() {
            "ArrowRight" => at + 1,
            "ArrowLeft" => at.saturating_sub(1),
            "ArrowDown" => at + columns,
            "ArrowUp" => at.saturating_sub(columns),
            "Home" => 0,
            "End" => count,
            " " | "Enter" => {
                event.prevent_default();
                anchor.set_value(at);
                return choose_at(labels, order, at);
            }
            "a" if event.ctrl_key() || event.meta_key() => {
                event.prevent_default();
                return labels.chosen.set(order.with_untracked(|order| order.iter().copied().collect()));
            }
            "Escape" => return labels.chosen.update(std::collections::BTreeSet::clear),
            _ => return,
        };
        event.prevent_default();
        let to = to.min(count.saturating_sub(1));
        go(to);
        if event.shift_key() {
            extend(to);
        } else {
            anchor.set_value(to);
        }
    };
    let on_click = move |event: MouseEvent, at: usize| {
        go(at);
        if event.shift_key() {
            extend(at);
        } else {
            anchor.set_value(at);
            choose_at(labels, order, at);
        }
    };
    let options = move || {
        let order = order.get();
        order.into_iter().take(shown.get()).enumerate().map(|(at, tile)| {
            view! { <SheetTile tile=tile is_reached=Signal::derive(move || place.get() == at) on_click=move |event| on_click(event, at) /> }
        }).collect_view()
    };
    let rest = move || order.with(Vec::len).saturating_sub(shown.get());
    view! {
        <div class="sheet-head">
            <p class="note" id="sheet-help">
                "Choose tiles (Shift for a row of them), then a class above or its number on the keyboard; 0 takes marks away."
            </p>
            <label class="check">
                <input type="checkbox" prop:checked=move || is_doubtful_first.get() on:change=move |event| is_doubtful_first.set(event_target_checked(&event)) />
                "Least certain first"
            </label>
        </div>
        <ul
            class="sheet"
            role="listbox"
            aria-multiselectable="true"
            aria-label="Tiles to mark"
            aria-describedby="sheet-help"
            node_ref=list
            on:keydown=on_key
        >
            {options}
        </ul>
        <Show when=move || { rest() > 0 }>
            <button type="button" class="small" on:click=move |_| shown.update(|shown| *shown += PAGE)>
                {move || format!("Show {} more", rest().min(PAGE))}
            </button>
        </Show>
    }
}

fn choose_at(labels: Labels, order: RwSignal<Vec<usize>>, at: usize) {
    if let Some(tile) = order.with_untracked(|order| order.get(at).copied()) {
        labels.toggle(tile);
        labels.session.selected.set(tile);
    }
}

/// How many pictures stand in the first row.
fn columns(list: &web_sys::HtmlUListElement) -> usize {
    let children = list.children();
    let top = |at: u32| Some(children.item(at)?.dyn_into::<HtmlElement>().ok()?.offset_top());
    (0..children.length()).take_while(|&at| top(at) == top(0)).count().max(1)
}

#[component]
fn SheetTile(
    tile: usize,
    /// Whether the keyboard is here.
    #[prop(into)]
    is_reached: Signal<bool>,
    on_click: impl Fn(MouseEvent) + 'static,
) -> impl IntoView {
    let labels = use_labels();
    let entry = Memo::new(move |_| {
        labels
            .session
            .tiles
            .with(|tiles| tiles.get(tile).map(|tile| (tile.name.clone(), tile.picture.clone())))
            .unwrap_or_default()
    });
    let mark = Memo::new(move |_| labels.mark_of(tile));
    let said = move || {
        let verdict = labels.own.with(|own| {
            let (class, share) = own.get(tile)?.best()?;
            let name = labels.head.with(|head| head.as_ref()?.classes.get(class).cloned())?;
            Some(format!(", looks like {name}, {}", percent(f64::from(share))))
        });
        let mark = mark.get().map_or_else(String::new, |(_, name)| format!(", marked {name}"));
        format!("{}{mark}{}", entry.get().0, verdict.unwrap_or_default())
    };
    view! {
        <li
            role="option"
            aria-selected=move || labels.chosen.with(|chosen| chosen.contains(&tile)).to_string()
            aria-label=said
            title=said
            tabindex=move || if is_reached.get() { "0" } else { "-1" }
            data-class=move || mark.get().map(|(class, _)| (class % 10).to_string())
            on:click=on_click
        >
            {move || match entry.get().1 {
                Some(address) => view! { <img src=address alt="" loading="lazy" /> }.into_any(),
                None => view! { <span class="sheet-blank"></span> }.into_any(),
            }}
            {move || mark.get().map(|(class, _)| view! { <span class="own-badge" data-number=(class + 1).to_string()></span> })}
        </li>
    }
}
