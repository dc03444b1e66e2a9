//! Mouse, fingers and wheel on the map: nearer and farther about the pointer, and along.

use leptos::html::Div;
use leptos::prelude::*;
use web_sys::{Element, HtmlDivElement, PointerEvent, WheelEvent};

use super::state::SceneMap;

/// How much nearer a step of the wheel comes.
const WHEEL: f64 = 0.0015;
/// The wheel's own step, where it counts lines and not pixels.
const LINE_PX: f64 = 16.0;
/// A finger that moves by less has only tapped.
const TAP_PX: f64 = 5.0;

/// What is on the map at the moment.
#[derive(Clone, Copy)]
pub struct Hand {
    map: SceneMap,
    frame: NodeRef<Div>,
    /// Fingers, or the mouse's button, and where they were last.
    touching: StoredValue<Vec<(i32, [f64; 2])>>,
    /// How far the first of them has come.
    way: StoredValue<f64>,
}

impl Hand {
    /// Nothing touches the map yet.
    #[must_use]
    pub fn new(map: SceneMap, frame: NodeRef<Div>) -> Self {
        Self { map, frame, touching: StoredValue::new(Vec::new()), way: StoredValue::new(0.0) }
    }

    /// True when what ends now was a tap or a click, no drag.
    #[must_use]
    pub fn is_tap(self) -> bool {
        self.way.get_value() < TAP_PX
    }

    /// The wheel comes nearer; it scrolls the page where the whole picture is seen already.
    pub fn on_wheel(self, event: &WheelEvent) {
        let pixels = event.delta_y() * if event.delta_mode() == WheelEvent::DOM_DELTA_LINE { LINE_PX } else { 1.0 };
        if pixels > 0.0 && self.map.zoom.get_untracked() <= 1.0 {
            return;
        }
        event.prevent_default();
        let factor = (-pixels * WHEEL).exp();
        self.zoom_about([f64::from(event.client_x()), f64::from(event.client_y())], factor);
    }

    /// A finger or the button goes down.
    pub fn on_down(self, event: &PointerEvent) {
        if event.button() > 0 {
            return;
        }
        let at = place_of(event);
        self.touching.update_value(|touching| touching.push((event.pointer_id(), at)));
        if self.touching.with_value(Vec::len) == 1 {
            self.way.set_value(0.0);
        }
    }

    /// One finger moves the picture along, two bring it nearer.
    pub fn on_move(self, event: &PointerEvent) {
        let at = place_of(event);
        let before = self.touching.get_value();
        let Some(index) = before.iter().position(|(id, _)| *id == event.pointer_id()) else { return };
        self.touching.update_value(|touching| touching[index].1 = at);
        let from = before[index].1;
        let moved = [at[0] - from[0], at[1] - from[1]];
        self.way.update_value(|way| *way += moved[0].hypot(moved[1]));
        match before.len() {
            1 if self.map.zoom.get_untracked() > 1.0 && !self.is_tap() => {
                // From now on the pointer is the map's, wherever it goes; a click would not reach a patch any more.
                if let Some(target) =
                    event.current_target().and_then(|it| wasm_bindgen::JsCast::dyn_into::<Element>(it).ok())
                {
                    // Only a pointer that has just gone could not be captured.
                    let _ = target.set_pointer_capture(event.pointer_id());
                }
                if let Some(frame) = self.frame.get_untracked() {
                    frame.set_scroll_left(frame.scroll_left() - moved[0].round() as i32);
                    frame.set_scroll_top(frame.scroll_top() - moved[1].round() as i32);
                }
            }
            2 => {
                let other = before[1 - index].1;
                let apart = |a: [f64; 2], b: [f64; 2]| (a[0] - b[0]).hypot(a[1] - b[1]).max(1.0);
                let middle = [(at[0] + other[0]) / 2.0, (at[1] + other[1]) / 2.0];
                self.zoom_about(middle, apart(at, other) / apart(from, other));
            }
            _ => {}
        }
    }

    /// A finger or the button goes up, or is lost.
    pub fn on_up(self, event: &PointerEvent) {
        self.touching.update_value(|touching| touching.retain(|(id, _)| *id != event.pointer_id()));
    }

    /// Comes nearer by `factor`; the point of the picture at `about` (in the window) stays where it is.
    pub fn zoom_about(self, about: [f64; 2], factor: f64) {
        let Some(frame) = self.frame.get_untracked() else { return };
        let Some(before) = stack_of(&frame) else { return };
        let share = [(about[0] - before[0]) / before[2], (about[1] - before[1]) / before[3]];
        self.map.zoom_by(factor);
        // The picture has its new size in the next frame.
        request_animation_frame(move || {
            if let Some([left, top, width, height]) = stack_of(&frame) {
                frame.set_scroll_left(frame.scroll_left() + (left + share[0] * width - about[0]).round() as i32);
                frame.set_scroll_top(frame.scroll_top() + (top + share[1] * height - about[1]).round() as i32);
            }
        });
    }

    /// Comes nearer by `factor`; the middle of what is in view stays there.
    pub fn zoom_in_view(self, factor: f64) {
        if let Some(frame) = self.frame.get_untracked() {
            let view = frame.get_bounding_client_rect();
            self.zoom_about([view.left() + view.width() / 2.0, view.top() + view.height() / 2.0], factor);
        }
    }
}

fn place_of(event: &PointerEvent) -> [f64; 2] {
    [f64::from(event.client_x()), f64::from(event.client_y())]
}

/// Left, top, width and height of the picture in the window.
fn stack_of(frame: &HtmlDivElement) -> Option<[f64; 4]> {
    let stack = frame.first_element_child()?.get_bounding_client_rect();
    (stack.width() > 0.0 && stack.height() > 0.0).then(|| [stack.left(), stack.top(), stack.width(), stack.height()])
}
