//! The picture with its classes over it; a cursor for mouse and keys.

use leptos::html::{Canvas, Div};
use leptos::prelude::*;
use wasm_bindgen::Clamped;
use web_sys::{HtmlCanvasElement, ImageData, KeyboardEvent, MouseEvent, PointerEvent};

use super::around::{Graticule, Ruler};
use super::detail::headline;
use super::hand::Hand;
use super::own::Marked;
use super::paint::{Style, context_of, paint};
use super::state::{SceneMap, use_map};
use crate::scene::card::SceneCard;
use crate::scene::heat::best;

/// Marks on the map for the most similar places.
pub const BEST: usize = 12;
/// Steps of the cursor with Shift.
const LEAP: isize = 8;

/// What is on the canvases.
#[derive(Clone, Copy, Debug, Default)]
struct Painted {
    /// Arrivals of answers.
    arrivals: usize,
    /// Rows of the picture.
    rows: usize,
}

/// Canvases, cursor and marks.
#[component]
pub fn SceneCanvas(
    /// What lies under the classes.
    picture: NodeRef<Canvas>,
    /// The classes.
    overlay: NodeRef<Canvas>,
) -> impl IntoView {
    let map = use_map();
    let frame = NodeRef::<Div>::new();
    follow(map, picture, overlay);
    let card = move || map.card.get();
    let width = move || {
        let aspect = card().map_or(1.0, |card| card.grid.width as f64 / card.grid.height.max(1) as f64);
        format!("calc(min(100%, 72vh * {aspect:.4}) * {:.3})", map.zoom.get())
    };
    let cursor = move || map.cursor.get().zip(card());
    let marks = move || {
        let (heat, card) = map.heat.get().zip(card())?;
        let found = best(&heat.similarities, &heat.examples(), BEST);
        Some(
            found
                .into_iter()
                .map(|(patch, _)| view! { <Outline kind="scene-mark" card=card.clone() patch=patch /> })
                .collect_view(),
        )
    };
    let spoken = Memo::new(move |_| {
        let (patch, card) = cursor()?;
        let columns = card.grid.columns().max(1);
        Some(format!("Row {}, column {}: {}", patch / columns + 1, patch % columns + 1, headline(map, patch)))
    });
    let hand = Hand::new(map, frame);
    let pointer = RwSignal::new(None);
    let on_click = move |event: MouseEvent| {
        if let Some(patch) = patch_under(map, overlay, &event).filter(|_| hand.is_tap()) {
            map.look_at(patch);
        }
    };
    let on_move = move |event: PointerEvent| {
        pointer.set(pixel_under(map, overlay, &event));
        hand.on_move(&event);
    };
    let label = move || {
        format!("Class map of {}: arrow keys move from patch to patch, Enter finds places like it", map.name.get())
    };
    view! {
        <div class="scene-frame" node_ref=frame>
            <div class="scene-stack" style:width=width>
                <canvas class="scene-picture" node_ref=picture aria-hidden="true"></canvas>
                <canvas
                    class="scene-overlay"
                    node_ref=overlay
                    aria-hidden="true"
                    style:opacity=move || format!("{:.2}", map.opacity.get())
                ></canvas>
                <Graticule />
                {marks}
                <Marked />
                {move || cursor().map(|(patch, card)| view! { <Outline kind="scene-cursor" card=card patch=patch /> })}
                <div
                    class="scene-hand"
                    class:is-near=move || { map.zoom.get() > 1.0 }
                    role="application"
                    tabindex="0"
                    aria-label=label
                    on:click=on_click
                    on:wheel=move |event| hand.on_wheel(&event)
                    on:pointerdown=move |event| hand.on_down(&event)
                    on:pointermove=on_move
                    on:pointerup=move |event| hand.on_up(&event)
                    on:pointercancel=move |event| hand.on_up(&event)
                    on:pointerleave=move |event| {
                        pointer.set(None);
                        hand.on_up(&event);
                    }
                    on:keydown=move |event| on_key(map, hand, frame, &event)
                ></div>
            </div>
            <p class="spoken" aria-live="polite">
                {move || spoken.get()}
            </p>
        </div>
        <Ruler frame=frame pointer=pointer />
    }
}

/// The outline of a cell.
#[component]
fn Outline(
    /// How it looks.
    kind: &'static str,
    /// The picture.
    card: SceneCard,
    /// Which patch.
    patch: usize,
) -> impl IntoView {
    let cell = card.grid.cell(patch);
    let share = |part: usize, whole: usize| format!("{:.4}%", part as f64 / whole.max(1) as f64 * 100.0);
    view! {
        <div
            class=kind
            aria-hidden="true"
            style:left=share(cell.left, card.grid.width)
            style:top=share(cell.top, card.grid.height)
            style:width=share(cell.right - cell.left, card.grid.width)
            style:height=share(cell.bottom - cell.top, card.grid.height)
        ></div>
    }
}

/// Keeps both canvases in step with the answers: all anew when the look changes, only what came when it does not.
fn follow(map: SceneMap, picture: NodeRef<Canvas>, overlay: NodeRef<Canvas>) {
    let painted = StoredValue::new(Painted::default());
    Effect::new(move |_| {
        map.filter.track();
        map.heat.track();
        map.card.track();
        map.own.track();
        if let (Some(picture), Some(overlay)) = (picture.get(), overlay.get()) {
            painted.set_value(Painted::default());
            size(map, &picture);
            size(map, &overlay);
            show(map, &picture, &overlay, painted);
        }
    });
    Effect::new(move |_| {
        map.cells.track();
        if let (Some(picture), Some(overlay)) = (picture.get_untracked(), overlay.get_untracked()) {
            show(map, &picture, &overlay, painted);
        }
    });
}

/// Gives a canvas the preview's size, which empties it.
fn size(map: SceneMap, canvas: &HtmlCanvasElement) {
    let (width, height) = map.card.with_untracked(|card| card.as_ref().map_or((0, 0), SceneCard::preview_size));
    canvas.set_width(width as u32);
    canvas.set_height(height as u32);
}

/// Draws the picture as far as it has been read, and the cells that were not painted yet.
fn show(map: SceneMap, picture: &HtmlCanvasElement, overlay: &HtmlCanvasElement, painted: StoredValue<Painted>) {
    let Some(card) = map.card.get_untracked() else { return };
    let before = painted.get_value();
    let now = Painted {
        arrivals: map.cells.with_untracked(|cells| cells.arrivals().len()),
        rows: map.parts().preview_rows.get(),
    };
    let (Some(under), Some(over)) = (context_of(picture), context_of(overlay)) else { return };
    let (width, _) = card.preview_size();
    let parts = map.parts();
    let preview = parts.preview.borrow();
    let rows = preview.get(before.rows * width * 4..now.rows * width * 4).filter(|rows| !rows.is_empty());
    if let Some(Ok(image)) = rows.map(|rows| ImageData::new_with_u8_clamped_array(Clamped(rows), width as u32)) {
        // A size that the canvas has: it cannot refuse.
        let _ = under.put_image_data(&image, 0.0, before.rows as f64);
    }
    let heat = map.heat.get_untracked();
    map.cells.with_untracked(|cells| {
        map.filter.with_untracked(|filter| {
            let style = Style { filter, heat: heat.as_ref() };
            let new = cells.arrivals().iter().skip(before.arrivals).flat_map(Clone::clone);
            paint(&over, &card, cells, &style, new);
        });
    });
    painted.set_value(now);
}

/// The pixel of the picture under the mouse.
fn pixel_under(map: SceneMap, overlay: NodeRef<Canvas>, event: &MouseEvent) -> Option<[f64; 2]> {
    let frame = overlay.get_untracked()?.get_bounding_client_rect();
    let grid = map.card.with_untracked(|card| card.as_ref().map(|card| card.grid))?;
    let x = (f64::from(event.client_x()) - frame.left()) / frame.width() * grid.width as f64;
    let y = (f64::from(event.client_y()) - frame.top()) / frame.height() * grid.height as f64;
    Some([x, y])
}

/// The patch under the mouse.
fn patch_under(map: SceneMap, overlay: NodeRef<Canvas>, event: &MouseEvent) -> Option<usize> {
    let [x, y] = pixel_under(map, overlay, event)?;
    map.card.with_untracked(|card| card.as_ref()?.grid.patch_at(x, y))
}

fn on_key(map: SceneMap, hand: Hand, frame: NodeRef<Div>, event: &KeyboardEvent) {
    let Some(card) = map.card.get_untracked() else { return };
    let step = if event.shift_key() { LEAP } else { 1 };
    let (right, down) = match event.key().as_str() {
        "ArrowLeft" => (-step, 0),
        "ArrowRight" => (step, 0),
        "ArrowUp" => (0, -step),
        "ArrowDown" => (0, step),
        "Enter" | " " => {
            event.prevent_default();
            if let Some(patch) = map.cursor.get_untracked() {
                map.find_similar(patch);
            }
            return;
        }
        "Escape" => {
            if map.heat.get_untracked().is_some() {
                map.heat.set(None)
            } else {
                map.cursor.set(None)
            }
            return;
        }
        "+" | "=" => return hand.zoom_in_view(2.0),
        "-" => return hand.zoom_in_view(0.5),
        _ => return,
    };
    event.prevent_default();
    let patch = match map.cursor.get_untracked() {
        Some(patch) => card.grid.beside(patch, right, down),
        None => card.grid.patch_at(card.grid.width as f64 / 2.0, card.grid.height as f64 / 2.0).unwrap_or(0),
    };
    map.look_at(patch);
    bring_into_view(&card, patch, frame);
}

/// Scrolls an enlarged picture so that the cursor is in the middle.
fn bring_into_view(card: &SceneCard, patch: usize, frame: NodeRef<Div>) {
    let Some(frame) = frame.get_untracked() else { return };
    let cell = card.grid.cell(patch);
    let middle = |from: usize, to: usize, whole: usize, length: i32, shown: i32| {
        ((from + to) as f64 / 2.0 / whole.max(1) as f64 * f64::from(length)) as i32 - shown / 2
    };
    frame.set_scroll_left(middle(cell.left, cell.right, card.grid.width, frame.scroll_width(), frame.client_width()));
    frame.set_scroll_top(middle(cell.top, cell.bottom, card.grid.height, frame.scroll_height(), frame.client_height()));
}
