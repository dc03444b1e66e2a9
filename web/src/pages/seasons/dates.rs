//! The dates of the place in view, as a strip of pictures.

use leptos::prelude::*;

use super::state::use_seasons;

/// A button for each date: it becomes the right-hand one of the two that are compared; with Shift, the left-hand one.
#[component]
pub fn Dates() -> impl IntoView {
    let seasons = use_seasons();
    let shots = Memo::new(move |_| {
        let shots = seasons.place().map(|place| place.shots).unwrap_or_default();
        shots.into_iter().map(|shot| (shot.date, shot.picture)).collect::<Vec<_>>()
    });
    let pair = Memo::new(move |_| seasons.place().map(|place| seasons.pair(&place)).unwrap_or_default());
    let choose = move |date, is_left: bool| {
        if is_left { seasons.compare(Some(date), None) } else { seasons.compare(None, Some(date)) }
    };
    let button = move |(index, (date, picture)): (usize, (_, Option<String>))| {
        let date: crate::season::date::Date = date;
        let mark = move || match pair.get() {
            (left, right) if left == index && right == index => Some("left and right"),
            (left, _) if left == index => Some("left"),
            (_, right) if right == index => Some("right"),
            _ => None,
        };
        view! {
            <li data-mark=mark>
                <button
                    type="button"
                    title=date.label()
                    aria-label=move || format!("{}{}", date.label(), mark().map(|mark| format!(", {mark}")).unwrap_or_default())
                    on:click=move |event| choose(date, event.shift_key())
                >
                    {match picture {
                        Some(address) => view! { <img src=address alt="" width="64" height="64" /> }.into_any(),
                        None => view! { <span class="no-picture"></span> }.into_any(),
                    }}
                    <span aria-hidden="true">
                        <span class="date-short">{date.short()}</span>
                        " "
                        <span class="date-year">{date.year()}</span>
                    </span>
                </button>
            </li>
        }
    };
    view! {
        <ul class="dates" aria-label="Dates">
            {move || shots.get().into_iter().enumerate().map(button).collect_view()}
        </ul>
        <p class="note">"Choose a date for the right-hand side; hold Shift, or use the menus below, for the left-hand side."</p>
    }
}
