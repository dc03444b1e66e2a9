//! Where a place has changed between the two dates in view: square by square, painted over the picture.

use std::sync::Arc;

use leptos::html::{Canvas, Div};
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::prelude::*;
use web_sys::{CanvasRenderingContext2d, HtmlElement, ImageData, KeyboardEvent};

use super::state::{Seasons, Shot, use_seasons};
use crate::components::problem_card::ProblemCard;
use crate::problem::Problem;
use crate::scene::bands::Refusal;
use crate::scene::card::SceneCard;
use crate::scope::{Over, Scope, Slot};
use crate::season::colour::{FULL_DISTANCE, rgb, shade, share_of_distance};
use crate::season::pairs::similarity;
use crate::season::patches::Patches;
use crate::session::scenes::Trouble;
use crate::session::{Session, use_session};
use crate::state::Phase;

/// Longer side of the painted picture; the browser enlarges it.
const PAINTED_PX: usize = 256;
/// Longer side of a square that is shown beside the map.
const SHOWN_PX: usize = 112;

/// A square's direction in every space, `[spaces][width]`; none without data.
type Square = Option<Vec<Vec<f32>>>;
/// Of every square of a picture.
type Directions = Vec<Square>;

/// Both dates, square by square.
#[derive(Clone)]
struct Measured {
    patches: Patches,
    shots: [Shot; 2],
    directions: Arc<[Directions; 2]>,
}

impl Measured {
    /// 1 − cosine of every square in one space; NaN where one of both has no data.
    fn distances(&self, space: usize) -> Vec<f32> {
        let [left, right] = &*self.directions;
        let distance = |(a, b): (&Square, &Square)| {
            let (a, b) = (a.as_ref()?.get(space)?, b.as_ref()?.get(space)?);
            Some(1.0 - similarity(a, b))
        };
        left.iter().zip(right).map(|pair| distance(pair).unwrap_or(f32::NAN)).collect()
    }
}

/// What came of it, and of which pair.
#[derive(Clone)]
enum Outcome {
    Waiting,
    Measured(Measured),
    Failed(Problem),
}

/// A card that opens; nothing is computed before that.
#[component]
pub fn Change() -> impl IntoView {
    let (session, seasons) = (use_session(), use_seasons());
    let is_open = RwSignal::new(false);
    let outcome = RwSignal::new(Outcome::Waiting);
    let pair = Memo::new(move |_| {
        let place = seasons.place()?;
        let (left, right) = seasons.pair(&place);
        Some((place.id.clone(), place.shots.get(left)?.clone(), place.shots.get(right)?.clone()))
    });
    // Names alone: vectors of the whole pictures may still be coming.
    let names = Memo::new(move |_| pair.get().map(|(id, left, right)| (id, left.name, right.name)));
    let is_able = Memo::new(move |_| session.phase.with(Phase::is_able));
    let measuring = Slot::default();
    on_cleanup({
        let measuring = measuring.clone();
        move || measuring.end()
    });
    Effect::new(move |_| {
        if names.get().filter(|_| is_open.get() && is_able.get()).is_none() {
            return;
        }
        let Some((id, left, right)) = pair.get_untracked() else { return };
        outcome.set(Outcome::Waiting);
        let scope = measuring.begin(&session.model.get());
        spawn_local(async move {
            // Given up: another pair is in view by now, another model in use, or the page gone.
            match measure(session, seasons, &id, [left, right], &scope).await {
                Ok(Ok(Some(measured))) => outcome.set(Outcome::Measured(measured)),
                // The device failed: asked again as soon as there is another.
                Ok(Ok(None)) | Err(Over) => {}
                Ok(Err(problem)) => outcome.set(Outcome::Failed(problem)),
            }
        });
    });
    view! {
        <article class="card change" aria-labelledby="change-title">
            <div class="change-head">
                <h2 id="change-title">"Where has it changed?"</h2>
                <button
                    type="button"
                    class="small"
                    aria-expanded=move || is_open.get().to_string()
                    on:click=move |_| is_open.update(|is_open| *is_open = !*is_open)
                >
                    {move || if is_open.get() { "Hide the change map" } else { "Show the change map" }}
                </button>
            </div>
            {move || {
                is_open.get().then(|| match outcome.get() {
                    Outcome::Waiting => view! { <p class="note" role="note">"Comparing both dates square by square …"</p> }.into_any(),
                    Outcome::Measured(measured) => view! { <ChangeMap measured=measured /> }.into_any(),
                    Outcome::Failed(problem) => view! { <ProblemCard problem=problem /> }.into_any(),
                })
            }}
        </article>
    }
}

/// Cuts both pictures and embeds all squares. `None` when the device failed.
async fn measure(
    session: Session,
    seasons: Seasons,
    id: &str,
    shots: [Shot; 2],
    scope: &Scope,
) -> Result<Result<Option<Measured>, Problem>, Over> {
    let mut found = Vec::new();
    for shot in &shots {
        let file = match scope.hold(seasons.file(id, &shot.name)).await? {
            Ok(file) => file,
            Err(problem) => return Ok(Err(problem)),
        };
        match session.embed_squares(&file, scope).await? {
            Ok(squares) => found.push(squares),
            Err(Trouble::Device) => return Ok(Ok(None)),
            Err(Trouble::Picture(Refusal { problem, .. })) => {
                let what = format!("{} has no change map", shot.name);
                let why = format!("{}: {}", problem.what, problem.why);
                return Ok(Err(Problem::new(what, why, problem.remedy)));
            }
        }
    }
    let [left, right] = &found[..] else { return Ok(Ok(None)) };
    Ok(lie_over_each_other(&left.card, &right.card).map(|patches| {
        let directions = Arc::new([left.directions.clone(), right.directions.clone()]);
        Some(Measured { patches, shots, directions })
    }))
}

/// The squares of both pictures, when these show the same ground.
fn lie_over_each_other(left: &SceneCard, right: &SceneCard) -> Result<Patches, Problem> {
    let differ = |why: String, remedy: &str| Problem::new("The two pictures do not lie over each other", why, remedy);
    let (a, b) = (left.grid, right.grid);
    let patches = Patches::of(a.width, a.height).filter(|_| (a.width, a.height) == (b.width, b.height));
    let Some(patches) = patches else {
        return Err(differ(
            format!("One has {} × {} pixels, the other {} × {}.", a.width, a.height, b.width, b.height),
            "Give pictures of the same size.",
        ));
    };
    match (&left.georeference, &right.georeference) {
        // Pictures without a place are taken at their word.
        (Some(first), Some(second)) if !first.is_same_ground(second, a.width, a.height) => Err(differ(
            format!("One begins at {}, the other at {}.", first.corner(), second.corner()),
            "Cut both to the same ground, for example with gdalwarp -te.",
        )),
        _ => Ok(patches),
    }
}

/// The picture under its change, and the squares as a grid: arrow keys move through it.
#[component]
fn ChangeMap(measured: Measured) -> impl IntoView {
    let (session, seasons) = (use_session(), use_seasons());
    let patches = measured.patches;
    let [left, right] = measured.shots.clone();
    let opacity = RwSignal::new(70_u32);
    let chosen = RwSignal::new(None::<usize>);
    let canvas = NodeRef::<Canvas>::new();
    let grid = NodeRef::<Div>::new();
    let distances = Memo::new(move |_| measured.distances(seasons.space(session)));
    let most = Memo::new(move |_| distances.with(|distances| distances.iter().copied().fold(0.0, f32::max)));
    Effect::new(move |_| {
        if let Some(canvas) = canvas.get() {
            // Without a canvas there is no paint; the numbers are there all the same.
            let _ = distances.with(|distances| paint(&canvas, &patches, distances));
        }
    });
    let go = move |index: usize| {
        chosen.set(Some(index));
        let cell = grid.get_untracked().and_then(|grid| {
            let cell = grid.query_selector(&format!("[data-square=\"{index}\"]")).ok()??;
            cell.dyn_into::<HtmlElement>().ok()
        });
        if let Some(cell) = cell {
            // Focusing an element that is on the page cannot fail.
            let _ = cell.focus();
        }
    };
    let on_key = move |event: KeyboardEvent| {
        let at = chosen.get_untracked().unwrap_or(0);
        let (row, column) = (at / patches.columns, at % patches.columns);
        let (row, column) = match event.key().as_str() {
            "ArrowUp" => (row.saturating_sub(1), column),
            "ArrowDown" => ((row + 1).min(patches.rows - 1), column),
            "ArrowLeft" => (row, column.saturating_sub(1)),
            "ArrowRight" => (row, (column + 1).min(patches.columns - 1)),
            _ => return,
        };
        event.prevent_default();
        go(row * patches.columns + column);
    };
    let cell = move |index: usize| {
        let (row, column) = (index / patches.columns, index % patches.columns);
        // Cells share the picture evenly: their middles come close to those of their squares.
        let along = |at: usize, count: usize| (at as f64 * 100.0 / count as f64, 100.0 / count as f64);
        let ((x, width), (y, height)) = (along(column, patches.columns), along(row, patches.rows));
        let label = move || {
            let distance = distances.with(|distances| distances.get(index).copied().unwrap_or(f32::NAN));
            let text = if distance.is_finite() { format!("{distance:.3}") } else { "no data".to_owned() };
            format!("Row {}, column {}: {text}", row + 1, column + 1)
        };
        let is_first = move || chosen.get().unwrap_or(0) == index;
        view! {
            <button
                type="button"
                role="gridcell"
                data-square=index
                tabindex=move || if is_first() { "0" } else { "-1" }
                aria-selected=move || (chosen.get() == Some(index)).to_string()
                aria-label=label
                title=label
                style:left=format!("{x}%")
                style:top=format!("{y}%")
                style:width=format!("{width}%")
                style:height=format!("{height}%")
                on:click=move |_| go(index)
            ></button>
        }
    };
    let rows = (0..patches.rows)
        .map(|row| {
            let cells = (0..patches.columns).map(|column| cell(row * patches.columns + column)).collect_view();
            view! { <div role="row">{cells}</div> }
        })
        .collect_view();
    let outline = move || {
        chosen.get().map(|index| {
            let (x, y) = patches.origin(index);
            let percent = |px: usize, whole: usize| format!("{}%", px as f64 * 100.0 / whole as f64);
            view! {
                <span
                    class="change-outline"
                    aria-hidden="true"
                    style:left=percent(x, patches.width)
                    style:top=percent(y, patches.height)
                    style:width=percent(patches.side, patches.width)
                    style:height=percent(patches.side, patches.height)
                ></span>
            }
        })
    };
    let right_name = right.name.clone();
    let under = move || picture_of(seasons, &right_name);
    let alt = format!("The place in {}", right.date.label());
    let shots = StoredValue::new([left, right]);
    let pair = move || {
        chosen.get().map(|index| {
            let pictures = shots.with_value(|shots| shots.clone().map(|shot| shown(seasons, &patches, index, &shot)));
            let distance = distances.with(|distances| distances.get(index).copied().unwrap_or(0.0));
            let colour = shade(share_of_distance(distance));
            view! {
                <div class="change-pair">{pictures.into_iter().collect_view()}</div>
                <p>
                    <span class="change-swatch" aria-hidden="true" style:background-color=colour></span>
                    {format!("Distance {distance:.3}")}
                </p>
            }
        })
    };
    view! {
        <div class="change-body">
            <div class="change-frame" style:aspect-ratio=format!("{} / {}", patches.width, patches.height)>
                <img src=under alt=alt draggable="false" />
                <canvas node_ref=canvas aria-hidden="true" style:opacity=move || format!("{}%", opacity.get())></canvas>
                {outline}
                <div class="change-grid" role="grid" aria-label="Squares of the place" node_ref=grid on:keydown=on_key>
                    {rows}
                </div>
            </div>
            <div class="change-side" aria-live="polite">
                {move || pair().map_or_else(
                    || view! { <p class="note">"Choose a place in the picture to see its square at both dates; the arrow keys move on."</p> }.into_any(),
                    IntoAny::into_any,
                )}
            </div>
        </div>
        <div class="change-foot">
            <p class="scale">
                <span>"0, the same"</span>
                <span class="scale-bar" aria-hidden="true"></span>
                <span>{format!("{FULL_DISTANCE} and more")}</span>
            </p>
            <p class="note">{move || format!("{:.3}, the most here", most.get())}</p>
            <label>
                "Opacity "
                <input
                    type="range"
                    min="0"
                    max="100"
                    prop:value=move || opacity.get()
                    on:input=move |event| opacity.set(event_target_value(&event).parse().unwrap_or(70))
                />
            </label>
        </div>
        <p class="note">
            {format!(
                "Squares of {} pixels, {} of them, overlapping; painted is 1 − the cosine of both dates, measured as chosen below. The colours mean the same for every pair.",
                patches.side,
                patches.count(),
            )}
        </p>
    }
}

/// The picture of a date as it is shown now: a better one may have come.
fn picture_of(seasons: Seasons, name: &str) -> Option<String> {
    seasons.place()?.shots.into_iter().find(|shot| shot.name == name)?.picture
}

/// One square of one date, enlarged.
fn shown(seasons: Seasons, patches: &Patches, index: usize, shot: &Shot) -> impl IntoView + use<> {
    let (x, y) = patches.origin(index);
    let scale = SHOWN_PX as f64 / patches.side as f64;
    let px = |value: usize| value as f64 * scale;
    let address = picture_of(seasons, &shot.name).unwrap_or_default();
    view! {
        <figure>
            <div
                class="change-square"
                role="img"
                aria-label=format!("The square in {}", shot.date.label())
                style:background-image=format!("url(\"{address}\")")
                style:background-size=format!("{}px {}px", px(patches.width), px(patches.height))
                style:background-position=format!("-{}px -{}px", px(x), px(y))
            ></div>
            <figcaption>{shot.date.label()}</figcaption>
        </figure>
    }
}

/// The distances as colours, `PAINTED_PX` along the longer side.
fn paint(canvas: &web_sys::HtmlCanvasElement, patches: &Patches, distances: &[f32]) -> Result<(), JsValue> {
    let longer = patches.width.max(patches.height);
    let [width, height] = [patches.width, patches.height].map(|side| (side * PAINTED_PX / longer).max(1));
    let painted = patches.paint(distances, width, height);
    let mut pixels: Vec<u8> = Vec::with_capacity(painted.len() * 4);
    for distance in painted {
        pixels.extend(rgb(share_of_distance(distance)).map(|value| value.round() as u8));
        pixels.push(if distance.is_finite() { u8::MAX } else { 0 });
    }
    canvas.set_width(width as u32);
    canvas.set_height(height as u32);
    let Some(context) = canvas.get_context("2d")? else { return Ok(()) };
    let context: CanvasRenderingContext2d = context.dyn_into()?;
    let image =
        ImageData::new_with_u8_clamped_array_and_sh(wasm_bindgen::Clamped(&pixels), width as u32, height as u32)?;
    context.put_image_data(&image, 0.0, 0.0)
}
