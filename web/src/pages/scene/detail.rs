//! One patch in full: its classes, where it lies, and the places like it.

use leptos::html::Canvas;
use leptos::prelude::*;
use web_sys::HtmlCanvasElement;

use super::canvas::BEST;
use super::paint::context_of;
use super::state::{Heat, Scenes, use_scenes};
use crate::components::class_bars::ClassBars;
use crate::scene::cells::{ANSWERED, NO_DATA};
use crate::scene::heat::{Scale, best};
use crate::wording::{class_label, grouped, percent};

/// Side of a thumbnail.
const THUMBNAIL_PX: u32 = 64;

/// The patch under the cursor, or what can be done when there is none.
#[component]
pub fn PatchDetail(
    /// Where thumbnails are cut out of.
    picture: NodeRef<Canvas>,
) -> impl IntoView {
    let scenes = use_scenes();
    // Not every step of the work: only when this patch gets its answer.
    let seen = Memo::new(move |_| {
        let patch = scenes.cursor.get()?;
        let (state, probabilities) =
            scenes.cells.with(|cells| (cells.state(patch), cells.probabilities(patch).to_vec()));
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
        let card = scenes.session.card.get().unwrap_or_default();
        let has_head = !card.classes.is_empty() && state == ANSWERED;
        let find = move |_| scenes.find_similar(patch);
        view! {
            <div class="patch">
                <div class="patch-head">
                    <Thumbnail picture=picture patch=patch />
                    <div>
                        <h3 class="patch-class">
                            {untrack(|| headline(scenes, patch))}
                        </h3>
                        <p class="note">{place_line(scenes, patch)}</p>
                    </div>
                </div>
                {(state == ANSWERED)
                    .then(|| {
                        view! {
                            <button type="button" class="small" on:click=find>
                                "Find all places like this"
                            </button>
                        }
                    })}
                {has_head.then(|| view! { <ClassBars probabilities=probabilities.clone() card=card.clone() /> })}
            </div>
        }
        .into_any()
    }
}

/// Its class and probability, or why there is none.
#[must_use]
pub fn headline(scenes: Scenes, patch: usize) -> String {
    let (state, top) = scenes.cells.with(|cells| (cells.state(patch), cells.top(patch)));
    match (state, top) {
        (NO_DATA, _) => "No data".to_owned(),
        (ANSWERED, Some((class, share))) => {
            let classes = scenes.classes();
            let name = classes.get(class).map_or_else(|| format!("class {class}"), |name| class_label(name));
            format!("{name}, {}", percent(f64::from(share)))
        }
        (ANSWERED, None) => "Embedded".to_owned(),
        _ => "Not classified yet".to_owned(),
    }
}

/// `Row 3, column 12 · from pixel 704, 128 · middle at 607360, 5298400 (EPSG:32632)`.
fn place_line(scenes: Scenes, patch: usize) -> String {
    let Some(card) = scenes.card.get() else { return String::new() };
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
    let scenes = use_scenes();
    move || {
        let Heat { patch, similarities } = scenes.heat.get()?;
        let scale = Scale::of(&similarities);
        let list = best(&similarities, patch, BEST)
            .into_iter()
            .map(|(other, similarity)| {
                view! {
                    <li>
                        <button
                            type="button"
                            aria-label=format!("Patch {}, similarity {similarity:.3}", other + 1)
                            on:click=move |_| scenes.look_at(other)
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
                <h4>{format!("Most like patch {}", grouped(patch + 1))}</h4>
                <p class="scale">
                    <span>{format!("{:.2}", scale.low)}</span>
                    <span class="scale-bar" aria-hidden="true"></span>
                    <span>"1.00"</span>
                </p>
                <ul>{list}</ul>
                <button type="button" class="small" on:click=move |_| scenes.heat.set(None)>
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
    let scenes = use_scenes();
    let canvas = NodeRef::<Canvas>::new();
    Effect::new(move |_| {
        if let (Some(canvas), Some(picture)) = (canvas.get(), picture.get()) {
            cut(scenes, &picture, &canvas, patch);
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

fn cut(scenes: Scenes, picture: &HtmlCanvasElement, canvas: &HtmlCanvasElement, patch: usize) {
    let (Some(card), Some(context)) = (scenes.card.get_untracked(), context_of(canvas)) else { return };
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
