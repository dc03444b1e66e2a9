//! Every date with every date: how alike.

use leptos::html::Table;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

use super::state::use_seasons;
use super::waiting;
use crate::season::colour::{FULL_DISTANCE, ink, shade, share_of_similarity};
use crate::season::date::Date;
use crate::season::pairs::matrix;
use crate::session::use_session;

/// Over more dates than this, the cells are too small for numbers.
const MAX_NUMBERED: usize = 14;

/// Over fewer columns than this, a year stands upright too.
const UPRIGHT_UNDER: usize = 4;

/// Room for the names of the rows, and for a cell at most.
const HEAD_PX: usize = 52;
const MAX_CELL_PX: usize = 60;

/// The matrix as a grid: arrow keys move through it, and the two dates in view follow.
#[component]
pub fn Matrix() -> impl IntoView {
    let (session, seasons) = (use_session(), use_seasons());
    let cells = Memo::new(move |_| {
        let place = seasons.place()?;
        let directions = place.directions(seasons.space(session))?;
        let dates: Vec<Date> = place.shots.iter().map(|shot| shot.date).collect();
        Some((place.id, dates, matrix(&directions)))
    });
    view! {
        <article class="card" aria-labelledby="matrix-title">
            <h2 id="matrix-title">"Every date with every date"</h2>
            {move || match cells.get() {
                Some((_, dates, values)) => view! { <Grid dates=dates values=values /> }.into_any(),
                None => seasons.place().map(|place| waiting(&place)).into_any(),
            }}
        </article>
    }
}

#[component]
fn Grid(dates: Vec<Date>, values: Vec<Vec<f32>>) -> impl IntoView {
    let seasons = use_seasons();
    let table = NodeRef::<Table>::new();
    let count = dates.len();
    let pair = Memo::new(move |_| seasons.place().map(|place| seasons.pair(&place)).unwrap_or_default());
    let all_dates = StoredValue::new(dates.clone());
    let go = move |row: usize, column: usize| {
        all_dates.with_value(|dates| seasons.compare(dates.get(row).copied(), dates.get(column).copied()));
        let cell = table.get_untracked().and_then(|table| {
            let selector = format!("[data-cell=\"{row}-{column}\"]");
            table.query_selector(&selector).ok()??.dyn_into::<web_sys::HtmlElement>().ok()
        });
        if let Some(cell) = cell {
            // Focusing an element that is on the page cannot fail.
            let _ = cell.focus();
        }
    };
    let on_key = move |event: web_sys::KeyboardEvent| {
        let (row, column) = pair.get_untracked();
        let last = count.saturating_sub(1);
        let (row, column) = match event.key().as_str() {
            "ArrowUp" => (row.saturating_sub(1), column),
            "ArrowDown" => ((row + 1).min(last), column),
            "ArrowLeft" => (row, column.saturating_sub(1)),
            "ArrowRight" => (row, (column + 1).min(last)),
            "Home" => (row, 0),
            "End" => (row, last),
            _ => return,
        };
        event.prevent_default();
        go(row, column);
    };
    let is_dense = count > MAX_NUMBERED;
    let heads = if is_dense { dense_heads(&dates) } else { view! { <tr><td></td>{heads(&dates)}</tr> }.into_any() };
    let rows = dates
        .iter()
        .zip(values)
        .enumerate()
        .map(|(row, (date, line))| {
            let cells = dates
                .iter()
                .zip(line)
                .enumerate()
                .map(|(column, (other, value))| {
                    let is_current = move || pair.get() == (row, column);
                    let label = format!("{} and {}: {value:.3}", date.label(), other.label());
                    view! {
                        <td aria-selected=move || is_current().to_string()>
                            <button
                                type="button"
                                tabindex=move || if is_current() { "0" } else { "-1" }
                                data-cell=format!("{row}-{column}")
                                aria-label=label.clone()
                                title=label
                                style:background-color=shade(share_of_similarity(value))
                                style:color=ink(share_of_similarity(value))
                                on:click=move |_| go(row, column)
                            >
                                {(count <= MAX_NUMBERED).then(|| short(value))}
                            </button>
                        </td>
                    }
                })
                .collect_view();
            view! {
                <tr>
                    <th scope="row" title=date.label()>{if is_dense { one_line(*date, is_first_of_year(&dates, row)) } else { two_lines(*date) }}</th>
                    {cells}
                </tr>
            }
        })
        .collect_view();
    view! {
        <div class="matrix-frame">
            <table
                class="matrix"
                class:is-dense=is_dense
                role="grid"
                aria-labelledby="matrix-title"
                node_ref=table
                on:keydown=on_key
                style:max-width=format!("{}px", HEAD_PX + count * MAX_CELL_PX)
            >
                <colgroup>
                    <col class="matrix-head" />
                </colgroup>
                <thead>{heads}</thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        <p class="scale">
            <span>{format!("{:.1} or less", 1.0 - FULL_DISTANCE)}</span>
            <span class="scale-bar" aria-hidden="true"></span>
            <span>"1, the same"</span>
        </p>
        <p class="note">"Choose a cell to see its two dates above; the arrow keys move through the cells."</p>
    }
}

/// A head for every column.
fn heads(dates: &[Date]) -> impl IntoView {
    dates.iter().map(|date| view! { <th scope="col" title=date.label()>{two_lines(*date)}</th> }).collect_view()
}

/// Narrow columns: every year once, over its own, and days and months upright under it.
fn dense_heads(dates: &[Date]) -> AnyView {
    let years = dates
        .chunk_by(|date, next| date.year() == next.year())
        .map(|same| {
            let (year, count) = (same[0].year(), same.len());
            let is_upright = count < UPRIGHT_UNDER;
            view! {
                <th scope="colgroup" class="matrix-year" class:is-upright=is_upright colspan=count.to_string()>
                    <span>{year}</span>
                </th>
            }
        })
        .collect_view();
    let days = dates
        .iter()
        .map(|date| {
            view! {
                <th scope="col" class="is-upright" title=date.label()>
                    <span>{date.short()}</span>
                </th>
            }
        })
        .collect_view();
    view! {
        <tr>
            <td rowspan="2"></td>
            {years}
        </tr>
        <tr>{days}</tr>
    }
    .into_any()
}

fn is_first_of_year(dates: &[Date], at: usize) -> bool {
    at == 0 || dates[at - 1].year() != dates[at].year()
}

/// Day and month over the year.
fn two_lines(date: Date) -> AnyView {
    view! {
        <span class="date-short">{date.short()}</span>
        <span class="date-year">{date.year()}</span>
    }
    .into_any()
}

/// Day and month, behind the year where it begins.
fn one_line(date: Date, has_year: bool) -> AnyView {
    view! {
        {has_year.then(|| view! { <span class="date-year">{date.year()}</span> })}
        " "
        <span>{date.short()}</span>
    }
    .into_any()
}

/// `.937`, or `1`.
fn short(value: f32) -> String {
    let text = format!("{value:.3}");
    if text == "1.000" { "1".to_owned() } else { text.replacen("0.", ".", 1) }
}
