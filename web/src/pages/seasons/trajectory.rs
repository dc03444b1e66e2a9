//! The place's way through the space: its dates on a flat map of their own, joined in the order of time.

use leptos::prelude::*;
use leptos::svg::Svg;
use wasm_bindgen::JsCast;
use web_sys::{KeyboardEvent, SvgElement};

use super::state::use_seasons;
use super::waiting;
use crate::season::date::Date;
use crate::season::plane::{Plane, plane};
use crate::session::use_session;
use crate::wording::percent;

/// Size of the drawing, and the space around the points for their names.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 420.0;
const MARGIN: f64 = 46.0;
/// Room that a name and a dot take.
const NAME: (f64, f64) = (78.0, 17.0);
const DOT: f64 = 9.0;

/// The drawing, and what it leaves out.
#[component]
pub fn Trajectory() -> impl IntoView {
    let (session, seasons) = (use_session(), use_seasons());
    let map = Memo::new(move |_| {
        let place = seasons.place()?;
        let directions = place.directions(seasons.space(session))?;
        let dates: Vec<Date> = place.shots.iter().map(|shot| shot.date).collect();
        Some((dates, plane(&directions)))
    });
    view! {
        <article class="card" aria-labelledby="trajectory-title">
            <h2 id="trajectory-title">"Its way through the year"</h2>
            {move || match map.get() {
                Some((dates, plane)) => view! { <Drawing dates=dates plane=plane /> }.into_any(),
                None => seasons.place().map(|place| waiting(&place)).into_any(),
            }}
        </article>
    }
}

#[component]
fn Drawing(dates: Vec<Date>, plane: Plane) -> impl IntoView {
    let seasons = use_seasons();
    let pair = Memo::new(move |_| seasons.place().map(|place| seasons.pair(&place)).unwrap_or_default());
    let spots = on_paper(&plane.points);
    let farthest = farthest(&plane.points);
    let names = names(&spots);
    let count = dates.len();
    let shown = percent(plane.shares.iter().sum());
    let legs = spots
        .windows(2)
        .map(|leg| view! { <line x1=leg[0].0 y1=leg[0].1 x2=leg[1].0 y2=leg[1].1 marker-end="url(#way)" /> })
        .collect_view();
    let choose = move |date: Date, is_left: bool| {
        if is_left { seasons.compare(Some(date), None) } else { seasons.compare(None, Some(date)) }
    };
    // One stop for the Tab key: the right-hand date. Arrow keys go along the line, Enter chooses.
    let is_entry = move |index: usize| pair.get().1 == index;
    let drawing = NodeRef::<Svg>::new();
    let all = dates.clone();
    let on_key = move |index: usize, event: &KeyboardEvent| {
        let target = match event.key().as_str() {
            "ArrowRight" | "ArrowDown" => (index + 1).min(count - 1),
            "ArrowLeft" | "ArrowUp" => index.saturating_sub(1),
            "Home" => 0,
            "End" => count - 1,
            "Enter" | " " => index,
            _ => return,
        };
        event.prevent_default();
        if let Some(date) = all.get(target) {
            choose(*date, event.shift_key());
        }
        let dot = drawing.get_untracked().and_then(|drawing| {
            drawing.query_selector(&format!("[data-date=\"{target}\"]")).ok()??.dyn_into::<SvgElement>().ok()
        });
        if let Some(dot) = dot {
            // Focusing an element that is on the page cannot fail.
            let _ = dot.focus();
        }
    };
    let points = dates
        .iter()
        .zip(&spots)
        .enumerate()
        .map(|(index, (&date, &(x, y)))| {
            let mark = move || match pair.get() {
                (left, _) if left == index => Some("left"),
                (_, right) if right == index => Some("right"),
                _ => None,
            };
            let name = names[index].map(|(x, y)| view! { <text x=x y=y>{date.label()}</text> });
            view! {
                <g
                    data-mark=mark
                    data-date=index
                    role="button"
                    tabindex=move || if is_entry(index) { "0" } else { "-1" }
                    aria-label=date.label()
                    aria-pressed=move || mark().is_some().to_string()
                    on:click=move |event| choose(date, event.shift_key())
                    on:keydown={
                        let on_key = on_key.clone();
                        move |event| on_key(index, &event)
                    }
                >
                    <circle cx=x cy=y r="8" />
                    <title>{date.label()}</title>
                    {name}
                </g>
            }
        })
        .collect_view();
    let label = match farthest {
        Some((a, b)) => {
            format!(
                "A line through the dates in their order. {} and {} lie farthest apart.",
                dates[a].label(),
                dates[b].label()
            )
        }
        None => "The dates lie on one point.".to_owned(),
    };
    view! {
        <svg
            class="trajectory"
            viewBox=format!("0 0 {WIDTH} {HEIGHT}")
            role="group"
            aria-label=label.clone()
            node_ref=drawing
        >
            <defs>
                <marker id="way" viewBox="0 0 10 10" refX="20" refY="5" markerWidth="7" markerHeight="7" orient="auto">
                    <path d="M0 0 10 5 0 10z" />
                </marker>
            </defs>
            {legs}
            {points}
        </svg>
        <p class="note">
            {format!(
                "{label} Each dot is a date; close dots are alike. This flat map keeps {shown} of the differences between the dates.",
            )}
        </p>
    }
}

/// Points in the middle of the drawing, both axes in one scale.
fn on_paper(points: &[[f64; 2]]) -> Vec<(f64, f64)> {
    let ends = |axis: usize| {
        let values = points.iter().map(|point| point[axis]);
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
    };
    let ((left, right), (bottom, top)) = (ends(0), ends(1));
    let scale = ((WIDTH - 2.0 * MARGIN) / (right - left)).min((HEIGHT - 2.0 * MARGIN) / (top - bottom));
    let scale = if scale.is_finite() { scale } else { 0.0 };
    let place = |point: &[f64; 2]| {
        let x = WIDTH / 2.0 + (point[0] - (left + right) / 2.0) * scale;
        let y = HEIGHT / 2.0 - (point[1] - (bottom + top) / 2.0) * scale;
        (x, y)
    };
    points.iter().map(place).collect()
}

/// The middle of each dot's name, beside it where there is room: no name covers another name or another dot. A name without
/// room is left out (the dot says it when pointed at).
fn names(spots: &[(f64, f64)]) -> Vec<Option<(f64, f64)>> {
    let (width, height) = NAME;
    let sides = [(0.0, -18.0), (0.0, 20.0), (DOT + width / 2.0, 1.0), (-DOT - width / 2.0, 1.0)];
    let mut taken: Vec<(f64, f64)> = Vec::new();
    let place = |(index, &(x, y)): (usize, &(f64, f64))| {
        let free = sides.iter().map(|side| (x + side.0, y + side.1)).find(|&(x, y)| {
            let hits =
                |&(other, at): &(f64, f64), room: (f64, f64)| (other - x).abs() < room.0 && (at - y).abs() < room.1;
            let on_dot = (width / 2.0 + DOT, height / 2.0 + DOT);
            let is_inside = x > width / 2.0 && x < WIDTH - width / 2.0 && y > height && y < HEIGHT - height;
            is_inside
                && !taken.iter().any(|name| hits(name, NAME))
                && !spots.iter().enumerate().any(|(other, dot)| other != index && hits(dot, on_dot))
        });
        taken.extend(free);
        // The text's base line is under its middle.
        free.map(|(x, y)| (x, y + 5.0))
    };
    spots.iter().enumerate().map(place).collect()
}

/// The two points that are farthest apart; `None` when all are one.
fn farthest(points: &[[f64; 2]]) -> Option<(usize, usize)> {
    let distance = |&(a, b): &(usize, usize)| (points[a][0] - points[b][0]).hypot(points[a][1] - points[b][1]);
    let pairs = (0..points.len()).flat_map(|b| (0..b).map(move |a| (a, b)));
    pairs.max_by(|a, b| distance(a).total_cmp(&distance(b))).filter(|pair| distance(pair) > 0.0)
}
