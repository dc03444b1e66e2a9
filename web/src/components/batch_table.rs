//! Several tiles at once: a table to sort, with every row opening in full below.
//!
//! Only the rows in view are there, with some to spare: thousands of tiles scroll as a dozen do.

use leptos::html::Div;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{HtmlElement, KeyboardEvent};

use super::batch_rows::{Column, ROW_PX, Row, in_view, order};
use crate::pages::classify::label::cells::{ChooseBox, ClassCell, ShareCell};
use crate::pages::classify::label::state::use_labels;
use crate::session::{Session, use_session};
use crate::state::Outcome;
use crate::wording::milliseconds;

/// The table.
#[component]
pub fn BatchTable() -> impl IntoView {
    let (session, labels) = (use_session(), use_labels());
    let frame = NodeRef::<Div>::new();
    let sorting = RwSignal::new(None::<(Column, bool)>);
    let classes = Memo::new(move |_| session.card.with(|card| card.as_ref().map(|card| card.classes.clone())));
    let order = Memo::new(move |_| {
        let classes = classes.get().unwrap_or_default();
        let own = labels.shown_classes();
        session.tiles.with(|tiles| order(tiles, &classes, own.as_ref(), sorting.get()))
    });
    let count = Memo::new(move |_| order.with(Vec::len));
    let scroll_px = RwSignal::new(0.0);
    let window = Memo::new(move |_| in_view(scroll_px.get(), count.get()));
    let rows = Memo::new(move |_| {
        let (classes, window) = (classes.get().unwrap_or_default(), window.get());
        session.tiles.with(|tiles| {
            order.with(|order| {
                let row = |position: usize| {
                    Some((position, Row::of(order[position], tiles.get(order[position])?, &classes, None)))
                };
                window.filter_map(row).collect::<Vec<_>>()
            })
        })
    });
    let on_scroll = move |_| {
        if let Some(frame) = frame.get_untracked() {
            scroll_px.set(f64::from(frame.scroll_top()));
        }
    };
    // Up and down go from row to row, wherever those are.
    let on_key = move |event: KeyboardEvent| {
        let step = match event.key().as_str() {
            "ArrowDown" => 1,
            "ArrowUp" => -1,
            _ => return,
        };
        let Some(frame) = frame.get_untracked() else { return };
        let Some(position) = event.target().and_then(position_of) else { return };
        let Some(target) = position.checked_add_signed(step).filter(|target| *target < count.get_untracked()) else {
            return;
        };
        event.prevent_default();
        if let Some(index) = order.with_untracked(|order| order.get(target).copied()) {
            session.selected.set(index);
        }
        if let Some(button) = frame.query_selector(&format!("[data-position=\"{target}\"] button")).ok().flatten() {
            // Focusing an element that is on the page cannot fail.
            let _ = button.unchecked_into::<HtmlElement>().focus();
        }
    };
    let head = |column: Column| {
        let direction = move || match sorting.get() {
            Some((current, true)) if current == column => "descending",
            Some((current, false)) if current == column => "ascending",
            _ => "none",
        };
        let sort = move |_| {
            sorting.update(|sorting| {
                *sorting = match *sorting {
                    Some((current, false)) if current == column => Some((column, true)),
                    Some((current, true)) if current == column => None,
                    _ => Some((column, false)),
                };
            });
        };
        view! {
            <th scope="col" aria-sort=direction>
                <button type="button" on:click=sort>
                    {column.label()}
                </button>
            </th>
        }
    };
    let above = move || format!("{}px", window.with(|window| window.start as f64 * ROW_PX));
    let below =
        move || format!("{}px", window.with(|window| (count.get() - window.end.min(count.get())) as f64 * ROW_PX));
    let key = |(position, row): &(usize, Row)| {
        (*position, row.index, row.ms.map(f64::to_bits), row.problem.clone(), row.similarity.map(f64::to_bits))
    };
    view! {
        <div class="card batch">
            <p class="batch-summary">{move || summary(session)}</p>
            <div
                class="table-frame"
                tabindex="0"
                role="region"
                aria-label="Answers, one row for each tile"
                node_ref=frame
                on:scroll=on_scroll
                on:keydown=on_key
            >
                <table aria-rowcount=move || count.get() + 1>
                    <thead>
                        <tr aria-rowindex="1">{Column::ALL.into_iter().map(head).collect_view()}</tr>
                    </thead>
                    <tbody class="room" aria-hidden="true">
                        <tr style:height=above></tr>
                    </tbody>
                    <tbody>
                        <For each=move || rows.get() key=key let:placed>
                            <BatchRow position=placed.0 row=placed.1 />
                        </For>
                    </tbody>
                    <tbody class="room" aria-hidden="true">
                        <tr style:height=below></tr>
                    </tbody>
                </table>
            </div>
        </div>
    }
}

fn summary(session: Session) -> String {
    let (done, unlike, failed) = session.tiles.with(|tiles| {
        let failed = tiles.iter().filter(|tile| matches!(tile.outcome, Outcome::Undecodable(_))).count();
        let answers = || tiles.iter().filter_map(|tile| tile.outcome.answer());
        (answers().count(), answers().filter(|answer| answer.is_unlike()).count(), failed)
    });
    let speed = session.last_run.get().filter(|run| run.tiles > 0).map(|run| {
        let (whole, each) = (milliseconds(run.elapsed_ms), milliseconds(run.elapsed_ms / run.tiles as f64));
        let by = if run.workers > 1 { format!(" by {} workers", run.workers) } else { String::new() };
        format!(" in {whole} ({each} a tile){by}")
    });
    let failed = if failed > 0 { format!(", {failed} not readable") } else { String::new() };
    let unlike = if unlike > 0 { format!(", {unlike} unlike anything known") } else { String::new() };
    format!("{done} classified{}{unlike}{failed}", speed.unwrap_or_default())
}

/// The position of the row that an event came from.
fn position_of(target: web_sys::EventTarget) -> Option<usize> {
    let row = target.dyn_into::<web_sys::Element>().ok()?.closest("[data-position]").ok()??;
    row.get_attribute("data-position")?.parse().ok()
}

#[component]
fn BatchRow(position: usize, row: Row) -> impl IntoView {
    let session = use_session();
    let index = row.index;
    let is_selected = move || session.selected.get() == index;
    let class = match &row.problem {
        Some(problem) => view! { <span class="row-problem">{problem.clone()}</span> }.into_any(),
        None => view! { <ClassCell tile=index model=row.model_class.clone() /> }.into_any(),
    };
    view! {
        <tr
            data-position=position
            aria-rowindex=position + 2
            aria-current=move || is_selected().then_some("true")
            on:click=move |_| session.selected.set(index)
        >
            <th scope="row">
                <ChooseBox tile=index name=row.name.clone() />
                <button type="button" class="row-button" aria-pressed=move || is_selected().to_string()>
                    {row.picture.clone().map(|address| view! { <img src=address alt="" loading="lazy" /> })}
                    <span title=row.name.clone()>{row.name.clone()}</span>
                </button>
            </th>
            <td title=row.problem.clone().or_else(|| row.guess.clone())>
                {class}
                {row.guess.clone().map(|guess| view! { <span class="row-guess">{format!("a guess: {guess}")}</span> })}
            </td>
            <td class="number"><ShareCell tile=index model=row.model_probability /></td>
            <td class="number" class:unlike=row.guess.is_some()>
                {row.similarity.map(|similarity| format!("{similarity:.3}"))}
            </td>
            <td class="number">{row.ms.map(milliseconds)}</td>
        </tr>
    }
}
