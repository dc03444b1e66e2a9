//! One patch in full: its classes, where it lies, and the places like it.

use leptos::html::Canvas;
use leptos::prelude::*;
use web_sys::HtmlCanvasElement;

use super::canvas::BEST;
use super::own::PatchMarks;
use super::paint::context_of;
use super::state::{Heat, SceneMap, use_map};
use crate::components::class_bars::ClassBars;
use crate::scene::cells::{ANSWERED, Cells, NO_DATA, UNLIKE};
use crate::scene::heat::{Scale, best};
use crate::wording::{class_label, grouped, percent};

/// A second class is named from this probability on.
const WORTH_NAMING: f32 = 0.1;
/// Side of a thumbnail.
const THUMBNAIL_PX: u32 = 64;

/// The patch under the cursor, or what can be done when there is none.
#[component]
pub fn PatchDetail(
    /// Where thumbnails are cut out of.
    picture: NodeRef<Canvas>,
) -> impl IntoView {
    let map = use_map();
    // Not every step of the work: only when this patch gets its answer.
    let seen = Memo::new(move |_| {
        let patch = map.cursor.get()?;
        map.own.track();
        let (state, probabilities) = map.cells.with(|cells| (cells.state(patch), cells.settled(patch)));
        Some((patch, state, probabilities))
    });
    move || {
        let Some((patch, state, probabilities)) = seen.get() else {
            return view! {
                <p class="note">
                    "Click a patch, or move with the arrow keys, to see its classes and to find all places like it."
                </p>
            }
            .into_any();
        };
        let mut card = map.session.card.get().unwrap_or_default();
        let is_own = map.own.with(Option::is_some);
        if is_own {
            (card.classes, card.calibrated) = (map.classes(), false);
        }
        let is_answered = matches!(state, ANSWERED | UNLIKE);
        let has_head = !card.classes.is_empty() && is_answered;
        let is_guess = state == UNLIKE
            || !is_own && map.card.with(|card| card.as_ref().is_some_and(|card| !card.doubts.is_empty()));
        let is_mixed = map.cells.with_untracked(Cells::has_neighbours);
        let find = move |_| map.find_similar(patch);
        view! {
            <div class="patch">
                <div class="patch-head">
                    <Thumbnail picture=picture patch=patch />
                    <div>
                        <h3 class="patch-class">
                            {untrack(|| headline(map, patch))}
                        </h3>
                        <p class="note">{place_line(map, patch)}</p>
                    </div>
                </div>
                {is_answered
                    .then(|| {
                        view! {
                            <button type="button" class="small" on:click=find>
                                "Find all places like this"
                            </button>
                            <Refine patch=patch />
                            <PatchMarks />
                        }
                    })}
                {has_head.then(|| view! { <ClassBars probabilities=probabilities.clone() card=card.clone() is_guess=is_guess is_mixed=is_mixed /> })}
            </div>
        }
        .into_any()
    }
}

/// Makes a patch an example, while places like some are shown.
#[component]
fn Refine(
    /// Which one.
    patch: usize,
) -> impl IntoView {
    let map = use_map();
    let is_shown = Memo::new(move |_| map.heat.with(Option::is_some));
    let is_one = move |is_wanted: bool| {
        let is_in = |heat: &Heat| if is_wanted { &heat.more } else { &heat.less }.contains(&patch);
        map.heat.with(|heat| heat.as_ref().is_some_and(is_in)).to_string()
    };
    let button = move |label: &'static str, is_wanted: bool| {
        view! {
            <button
                type="button"
                class="small"
                aria-pressed=move || is_one(is_wanted)
                on:click=move |_| map.refine(patch, is_wanted)
            >
                {label}
            </button>
        }
    };
    view! {
        <Show when=move || is_shown.get()>
            <div class="patch-marks" role="group" aria-label="This patch as an example">
                {button("More like this", true)} {button("Less like this", false)}
            </div>
        </Show>
    }
}

/// Its class and probability, or why there is none.
#[must_use]
pub fn headline(map: SceneMap, patch: usize) -> String {
    let (state, top) = map.cells.with(|cells| (cells.state(patch), cells.tops(patch)));
    match (state, top) {
        (NO_DATA, _) => "No data".to_owned(),
        (ANSWERED | UNLIKE, Some(top)) => {
            let classes = map.classes();
            let name =
                |class: usize| classes.get(class).map_or_else(|| format!("class {class}"), |name| class_label(name));
            let first = name(top.class);
            match state {
                UNLIKE => format!("Unlike anything known; a guess: {first}"),
                _ if top.second_share >= WORTH_NAMING => format!(
                    "{first}, {}, or {}, {}",
                    percent(f64::from(top.share)),
                    name(top.second),
                    percent(f64::from(top.second_share))
                ),
                _ => format!("{first}, {}", percent(f64::from(top.share))),
            }
        }
        (UNLIKE, None) => "Unlike anything known".to_owned(),
        (ANSWERED, None) => "Embedded".to_owned(),
        _ => "Not classified yet".to_owned(),
    }
}

/// `Row 3, column 12 · from pixel 704, 128 · middle at 607360, 5298400 (EPSG:32632)`.
fn place_line(map: SceneMap, patch: usize) -> String {
    let Some(card) = map.card.get() else { return String::new() };
    let columns = card.grid.columns().max(1);
    let (left, top) = card.grid.corner(patch);
    let half = card.grid.patch_px as f64 / 2.0;
    let ground = card.georeference.as_ref().map(|place| {
        let [x, y] = place.place(left as f64 + half, top as f64 + half);
        let decimals = if place.is_geographic { 5 } else { 0 };
        format!(" · middle at {x:.decimals$}, {y:.decimals$} ({})", place.system())
    });
    format!(
        "Row {}, column {} · from pixel {left}, {top}{}",
        grouped(patch / columns + 1),
        grouped(patch % columns + 1),
        ground.unwrap_or_default()
    )
}

/// The most similar places, each a button that goes there.
#[component]
pub fn Similar(
    /// Where thumbnails are cut out of.
    picture: NodeRef<Canvas>,
) -> impl IntoView {
    let map = use_map();
    move || {
        let heat = map.heat.get()?;
        let similarities = &heat.similarities;
        let title = match (&heat.more[..], heat.less.len()) {
            ([patch], 0) => format!("Most like patch {}", grouped(patch + 1)),
            (more, 0) => format!("Most like {} patches", more.len()),
            (more, less) => format!("Most like {}, and unlike {less}", more.len()),
        };
        let scale = Scale::of(similarities);
        let list = best(similarities, &heat.examples(), BEST)
            .into_iter()
            .map(|(other, similarity)| {
                view! {
                    <li>
                        <button
                            type="button"
                            aria-label=format!("Patch {}, similarity {similarity:.3}", other + 1)
                            on:click=move |_| map.look_at(other)
                        >
                            <Thumbnail picture=picture patch=other />
                            <span class="number">{format!("{similarity:.3}")}</span>
                        </button>
                    </li>
                }
            })
            .collect_view();
        Some(view! {
            <div class="similar">
                <h4>{title}</h4>
                <p class="note">"Look at any other patch to want more like it, or less."</p>
                <p class="scale">
                    <span>{format!("{:.2}", scale.low)}</span>
                    <span class="scale-bar" aria-hidden="true"></span>
                    <span>"1.00"</span>
                </p>
                <ul>{list}</ul>
                <button type="button" class="small" on:click=move |_| map.heat.set(None)>
                    "Back to the classes"
                </button>
            </div>
        })
    }
}

/// A patch, cut out of the picture.
#[component]
fn Thumbnail(
    /// The picture.
    picture: NodeRef<Canvas>,
    /// Which patch.
    patch: usize,
) -> impl IntoView {
    let map = use_map();
    let canvas = NodeRef::<Canvas>::new();
    Effect::new(move |_| {
        if let (Some(canvas), Some(picture)) = (canvas.get(), picture.get()) {
            cut(map, &picture, &canvas, patch);
        }
    });
    view! {
        <canvas
            class="patch-picture"
            node_ref=canvas
            width=THUMBNAIL_PX.to_string()
            height=THUMBNAIL_PX.to_string()
            aria-hidden="true"
        ></canvas>
    }
}

fn cut(map: SceneMap, picture: &HtmlCanvasElement, canvas: &HtmlCanvasElement, patch: usize) {
    let (Some(card), Some(context)) = (map.card.get_untracked(), context_of(canvas)) else { return };
    let step = card.preview_step.max(1) as f64;
    let (left, top) = card.grid.corner(patch);
    let (left, top, side) = (left as f64 / step, top as f64 / step, card.grid.patch_px as f64 / step);
    context.set_image_smoothing_enabled(false);
    let size = f64::from(THUMBNAIL_PX);
    // A canvas of no size draws nothing, which is right before the picture is there.
    let _ = context.draw_image_with_html_canvas_element_and_sw_and_sh_and_dx_and_dy_and_dw_and_dh(
        picture, left, top, side, side, 0.0, 0.0, size, size,
    );
}
