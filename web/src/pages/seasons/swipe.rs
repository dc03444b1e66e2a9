//! Two dates over each other, with a line between them that can be moved.

use leptos::prelude::*;

use super::state::{Shot, use_seasons};
use crate::decimal::decimal;
use crate::season::date::Date;
use crate::season::pairs::similarity;
use crate::session::use_session;

/// The pictures, the slider, and how alike the two dates are.
#[component]
pub fn Swipe() -> impl IntoView {
    let (session, seasons) = (use_session(), use_seasons());
    let cut = RwSignal::new(50.0);
    let place = move || seasons.place();
    let shots = Memo::new(move |_| {
        let place = place()?;
        let (left, right) = seasons.pair(&place);
        Some((place.shots.get(left)?.clone(), place.shots.get(right)?.clone()))
    });
    let name = Memo::new(move |_| place().map(|place| place.name).unwrap_or_default());
    let side = move |is_left: bool| shots.get().map(|(left, right)| if is_left { left } else { right });
    let picture = move |is_left: bool| {
        let shot: Shot = side(is_left)?;
        let alt = format!("{} in {}", name.get(), shot.date.label());
        Some(view! { <img src=shot.picture alt=alt draggable="false" /> })
    };
    let label = move |is_left: bool| side(is_left).map(|shot| shot.date.label());
    let alike = move || {
        let (left, right) = shots.get()?;
        let space = seasons.space(session);
        let (a, b) = (left.directions?, right.directions?);
        Some(similarity(a.get(space)?, b.get(space)?))
    };
    let sentence = move || match alike() {
        Some(alike) => {
            let (left, right) = (label(true).unwrap_or_default(), label(false).unwrap_or_default());
            format!("Similarity of {left} and {right}: {alike:.3}, where 1 is the same.")
        }
        None => "The pictures are being read …".to_owned(),
    };
    view! {
        <div class="swipe">
            <div class="swipe-side">{move || picture(true)}</div>
            <div class="swipe-side" style:clip-path=move || format!("inset(0 0 0 {}%)", cut.get())>
                {move || picture(false)}
            </div>
            <span class="swipe-line" aria-hidden="true" style:left=move || format!("{}%", cut.get())></span>
            <span class="swipe-label left" aria-hidden="true">{move || label(true)}</span>
            <span class="swipe-label right" aria-hidden="true">{move || label(false)}</span>
            <input
                type="range"
                min="0"
                max="100"
                step="1"
                aria-label="Line between the two dates"
                aria-valuetext=move || format!("{} % of the left-hand date", cut.get())
                prop:value=move || cut.get()
                on:input=move |event| cut.set(decimal(&event_target_value(&event)).unwrap_or(50.0))
            />
        </div>
        <div class="swipe-dates">
            <DateMenu is_left=true />
            <DateMenu is_left=false />
        </div>
        <p class="verdict-line" aria-live="polite">{sentence}</p>
    }
}

/// The dates as a menu.
#[component]
fn DateMenu(
    /// Which side it is for.
    is_left: bool,
) -> impl IntoView {
    let seasons = use_seasons();
    let dates = Memo::new(move |_| {
        let shots = seasons.place().map(|place| place.shots).unwrap_or_default();
        shots.into_iter().map(|shot| shot.date).collect::<Vec<Date>>()
    });
    let current = Memo::new(move |_| {
        let place = seasons.place()?;
        let (left, right) = seasons.pair(&place);
        place.shots.get(if is_left { left } else { right }).map(|shot| shot.date)
    });
    let choose = move |event| {
        let date = Date::in_name(&event_target_value(&event));
        if is_left { seasons.compare(date, None) } else { seasons.compare(None, date) }
    };
    let option = move |date: Date| {
        view! {
            <option value=date.key() selected=move || current.get() == Some(date)>
                {date.label()}
            </option>
        }
    };
    view! {
        <label>
            {if is_left { "Left " } else { "Right " }}
            <select on:change=choose prop:value=move || current.get().map(Date::key)>
                {move || dates.get().into_iter().map(option).collect_view()}
            </select>
        </label>
    }
}
