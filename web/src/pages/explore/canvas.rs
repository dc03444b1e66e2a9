//! The map itself: pointer, wheel, fingers and keys.

use std::cell::RefCell;
use std::rc::Rc;

use leptos::html::Canvas;
use leptos::prelude::*;
use web_sys::{KeyboardEvent, PointerEvent, WheelEvent};

use super::draw::{Painter, visitor_place};
use super::hover::Hover;
use super::state::{Explore, Focus, Tool, use_explore};
use crate::map::camera::Camera;
use crate::map::selection::Combine;
use crate::map::shape::Shape;
use crate::wording::grouped;

/// A pointer that moved less is a click.
const CLICK_PX: f64 = 4.0;
/// How far from a dot a click still means it.
const REACH_PX: f64 = 12.0;
/// A lasso gets a corner every so many pixels.
const CORNER_PX: f64 = 3.0;
const KEY_PAN_PX: f64 = 60.0;
const KEY_ZOOM: f64 = 1.4;

/// What the hand is doing; not a signal, as it changes with every movement.
#[derive(Default)]
struct Hand {
    painter: Painter,
    /// Pointers that are down: number and place.
    down: Vec<(i32, [f64; 2])>,
    pressed_at: [f64; 2],
    has_moved: bool,
    outline: Option<Shape>,
    has_crosshair: bool,
    is_drawing_due: bool,
}

/// The canvas, and the preview beside the pointer.
#[component]
pub fn MapCanvas() -> impl IntoView {
    let explore = use_explore();
    let canvas = NodeRef::<Canvas>::new();
    let hand = StoredValue::new_local(Rc::new(RefCell::new(Hand::default())));
    let redraw = move || schedule(explore, canvas, hand);
    Effect::new(move |_| {
        // Whatever is seen: named here, drawn with the next frame.
        explore.map.track();
        explore.projection.track();
        explore.camera.track();
        explore.categories.track();
        explore.overlays.track();
        explore.choice.track();
        explore.focus.track();
        explore.hovered.track();
        explore.neighbours.track();
        explore.visitors.track();
        explore.redraw.track();
        canvas.track();
        redraw();
    });
    follow_surroundings(explore);

    let place = |event: &PointerEvent| [f64::from(event.offset_x()), f64::from(event.offset_y())];
    let on_down = move |event: PointerEvent| {
        if let Some(canvas) = canvas.get_untracked() {
            // The pointer is gone again at worst.
            let _ = canvas.set_pointer_capture(event.pointer_id());
        }
        press(explore, &mut hand.get_value().borrow_mut(), event.pointer_id(), place(&event));
        redraw();
    };
    let on_move = move |event: PointerEvent| {
        let hand = hand.get_value();
        if hand.borrow().down.is_empty() {
            let found = hand.borrow().painter.pick(explore, place(&event), REACH_PX);
            if explore.hovered.get_untracked() != found {
                explore.hovered.set(found);
            }
        } else {
            drag(explore, &mut hand.borrow_mut(), event.pointer_id(), place(&event));
            redraw();
        }
    };
    let on_up = move |event: PointerEvent| {
        let how = if event.shift_key() {
            Combine::Add
        } else if event.alt_key() {
            Combine::Remove
        } else {
            Combine::Replace
        };
        let hand = hand.get_value();
        let finished = release(&mut hand.borrow_mut(), event.pointer_id());
        match finished {
            Some(Finished::Click(at)) => click(explore, &hand, at, how),
            Some(Finished::Drawn(shape)) => select(explore, &shape, how),
            None => {}
        }
        redraw();
    };
    let on_cancel = move |event: PointerEvent| {
        let hand = hand.get_value();
        let mut hand = hand.borrow_mut();
        hand.down.retain(|(id, _)| *id != event.pointer_id());
        hand.outline = None;
        redraw();
    };
    let on_wheel = move |event: WheelEvent| {
        event.prevent_default();
        // Lines or pages become pixels; a pinch on a touch pad comes as small steps with Ctrl.
        let unit = [1.0, 16.0, 400.0][event.delta_mode().min(2) as usize];
        let speed = if event.ctrl_key() { 0.01 } else { 0.0016 };
        let factor = (-event.delta_y() * unit * speed).exp().clamp(0.5, 2.0);
        let about = [f64::from(event.offset_x()), f64::from(event.offset_y())];
        explore.hovered.set(None);
        zoom(explore, about, factor);
    };
    let on_key = move |event: KeyboardEvent| {
        let hand = hand.get_value();
        if event.key() == "Escape" && hand.borrow_mut().outline.take().is_some() {
            event.stop_propagation();
            return redraw();
        }
        if steer(explore, &hand, &event) {
            event.prevent_default();
            hand.borrow_mut().has_crosshair = true;
            redraw();
        }
    };
    let label = move || {
        let count = explore.data().map_or(0, |data| data.count());
        format!(
            "Map of {} tiles. Arrow keys move it, plus and minus zoom, 0 shows all, Enter picks the tile in the middle.",
            grouped(count)
        )
    };
    view! {
        <div class="map" data-tool=move || format!("{:?}", explore.tool.get()).to_lowercase()>
            <canvas
                node_ref=canvas
                tabindex="0"
                role="application"
                aria-label=label
                on:pointerdown=on_down
                on:pointermove=on_move
                on:pointerup=on_up
                on:pointercancel=on_cancel
                on:pointerleave=move |_| explore.hovered.set(None)
                on:wheel=on_wheel
                on:keydown=on_key
                on:blur=move |_| {
                    // It may come while the page is being taken away.
                    if let Some(hand) = hand.try_get_value() {
                        hand.borrow_mut().has_crosshair = false;
                        redraw();
                    }
                }
            ></canvas>
            <Hover />
        </div>
    }
}

/// Draws with the next frame, once however often it is asked.
fn schedule(explore: Explore, canvas: NodeRef<Canvas>, hand: StoredValue<Rc<RefCell<Hand>>, LocalStorage>) {
    let hand = hand.get_value();
    let is_due = std::mem::replace(&mut hand.borrow_mut().is_drawing_due, true);
    if is_due {
        return;
    }
    request_animation_frame(move || {
        let mut hand = hand.borrow_mut();
        hand.is_drawing_due = false;
        // The page may be gone by now.
        if let Some(canvas) = canvas.try_get_untracked().flatten() {
            let Hand { painter, outline, has_crosshair, .. } = &mut *hand;
            painter.draw(explore, &canvas, outline.as_ref(), *has_crosshair);
        }
    });
}

/// Another size or another theme: the map is drawn again.
fn follow_surroundings(explore: Explore) {
    let again = move || explore.redraw.update(|count| *count += 1);
    let on_resize = window_event_listener(leptos::ev::resize, move |_| again());
    // The colour button is somewhere on the page.
    let on_click = window_event_listener(leptos::ev::click, move |_| again());
    on_cleanup(move || {
        on_resize.remove();
        on_click.remove();
    });
}

/// What a released pointer has done.
enum Finished {
    Click([f64; 2]),
    Drawn(Shape),
}

fn press(explore: Explore, hand: &mut Hand, id: i32, at: [f64; 2]) {
    hand.down.retain(|(other, _)| *other != id);
    hand.down.push((id, at));
    hand.has_crosshair = false;
    hand.outline = None;
    if hand.down.len() == 1 {
        (hand.pressed_at, hand.has_moved) = (at, false);
        let start = to_world(explore, at);
        hand.outline = match explore.tool.get_untracked() {
            Tool::Move => None,
            Tool::Lasso => Some(Shape::Lasso(vec![start])),
            Tool::Rectangle => Some(Shape::Rectangle(start, start)),
        };
    } else {
        hand.has_moved = true;
    }
}

fn drag(explore: Explore, hand: &mut Hand, id: i32, at: [f64; 2]) {
    let Some(slot) = hand.down.iter().position(|(other, _)| *other == id) else { return };
    let before = hand.down[slot].1;
    if !hand.has_moved && distance(hand.pressed_at, at) < CLICK_PX {
        return;
    }
    hand.has_moved = true;
    match &mut hand.outline {
        Some(Shape::Lasso(corners)) => {
            if distance(before, at) < CORNER_PX {
                return;
            }
            corners.push(to_world(explore, at));
        }
        Some(Shape::Rectangle(_, corner)) => *corner = to_world(explore, at),
        None => pinch_or_pan(explore, hand, slot, at),
    }
    hand.down[slot].1 = at;
}

/// One pointer moves the map; two also zoom it, about the point between them.
fn pinch_or_pan(explore: Explore, hand: &Hand, slot: usize, at: [f64; 2]) {
    let before = hand.down[slot].1;
    let frame = explore.frame.get_untracked();
    let other = hand.down.iter().enumerate().find(|(index, _)| *index != slot).map(|(_, (_, place))| *place);
    explore.camera.update(|camera| {
        *camera = match other {
            None => camera.panned(frame, [at[0] - before[0], at[1] - before[1]]),
            Some(other) => {
                let middle = |a: [f64; 2]| [(a[0] + other[0]) / 2.0, (a[1] + other[1]) / 2.0];
                let (from, to) = (middle(before), middle(at));
                let factor = distance(at, other).max(1.0) / distance(before, other).max(1.0);
                camera.panned(frame, [to[0] - from[0], to[1] - from[1]]).zoomed(frame, to, factor)
            }
        };
    });
}

fn release(hand: &mut Hand, id: i32) -> Option<Finished> {
    let (_, at) = *hand.down.iter().find(|(other, _)| *other == id)?;
    hand.down.retain(|(other, _)| *other != id);
    let outline = hand.outline.take();
    match outline {
        _ if !hand.has_moved => Some(Finished::Click(at)),
        Some(shape) => Some(Finished::Drawn(shape)),
        None => None,
    }
}

/// The tile there is shown in detail; with Shift or Alt it goes into or out of the selection.
fn click(explore: Explore, hand: &Rc<RefCell<Hand>>, at: [f64; 2], how: Combine) {
    let own = nearest_visitor(explore, at).filter(|_| how == Combine::Replace);
    let found = hand.borrow().painter.pick(explore, at, REACH_PX);
    match (own, found) {
        (Some(own), _) => explore.focus.set(Some(Focus::Visitor(own))),
        (None, Some(row)) if how == Combine::Replace => explore.focus.set(Some(Focus::Row(row))),
        (None, Some(row)) => explore.select(how, vec![row]),
        (None, None) => {}
    }
}

fn nearest_visitor(explore: Explore, at: [f64; 2]) -> Option<usize> {
    let data = explore.data_untracked()?;
    let (camera, frame) = (explore.camera.get_untracked(), explore.frame.get_untracked());
    let far = |own: usize| {
        let place = visitor_place(explore, &data, own)?;
        Some(distance(camera.to_screen(frame, place), at))
    };
    let near = (0..explore.visitors.with_untracked(Vec::len)).filter_map(|own| Some((own, far(own)?)));
    near.filter(|(_, far)| *far <= REACH_PX).min_by(|a, b| a.1.total_cmp(&b.1)).map(|(own, _)| own)
}

fn select(explore: Explore, shape: &Shape, how: Combine) {
    let Some(data) = explore.data_untracked() else { return };
    let categories = explore.categories.get_untracked();
    let hidden = explore.choice.with_untracked(|choice| choice.now().hidden.clone());
    let is_shown = |index: usize| categories.of.get(index).is_some_and(|category| !hidden.contains(category));
    let rows = shape.select(data.layout(explore.projection.get_untracked()), is_shown);
    explore.select(how, rows);
}

/// Magnifies the map about a place on the screen.
pub fn zoom(explore: Explore, about: [f64; 2], factor: f64) {
    let frame = explore.frame.get_untracked();
    explore.camera.update(|camera| *camera = camera.zoomed(frame, about, factor));
}

/// Magnifies the map about its middle.
pub fn zoom_middle(explore: Explore, factor: f64) {
    let frame = explore.frame.get_untracked();
    zoom(explore, [frame.width / 2.0, frame.height / 2.0], factor);
}

/// What a key does; false when it does nothing here.
fn steer(explore: Explore, hand: &Rc<RefCell<Hand>>, event: &KeyboardEvent) -> bool {
    if event.ctrl_key() || event.meta_key() || event.alt_key() {
        return false;
    }
    let frame = explore.frame.get_untracked();
    let pan = |by: [f64; 2]| explore.camera.update(|camera| *camera = camera.panned(frame, by));
    match event.key().as_str() {
        "ArrowLeft" => pan([KEY_PAN_PX, 0.0]),
        "ArrowRight" => pan([-KEY_PAN_PX, 0.0]),
        "ArrowUp" => pan([0.0, KEY_PAN_PX]),
        "ArrowDown" => pan([0.0, -KEY_PAN_PX]),
        "+" | "=" => zoom_middle(explore, KEY_ZOOM),
        "-" | "_" => zoom_middle(explore, 1.0 / KEY_ZOOM),
        "0" | "Home" => explore.camera.set(Camera::default()),
        "Enter" | " " => {
            let middle = [frame.width / 2.0, frame.height / 2.0];
            let how = if event.shift_key() { Combine::Add } else { Combine::Replace };
            let found = hand.borrow().painter.pick(explore, middle, frame.width.max(frame.height));
            match found {
                Some(row) if how == Combine::Add => explore.select(how, vec![row]),
                Some(row) => explore.focus.set(Some(Focus::Row(row))),
                None => {}
            }
        }
        _ => return false,
    }
    true
}

fn to_world(explore: Explore, at: [f64; 2]) -> [f64; 2] {
    explore.camera.get_untracked().to_world(explore.frame.get_untracked(), at)
}

fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}
