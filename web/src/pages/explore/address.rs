//! The page's part of the address: `#/explore?view=0.1,0.2,3&colour=label&map=pca&point=12&k=10&hide=0,3&show=contours,names&gallery=all/gallery.safetensors`.

use std::collections::BTreeSet;
use std::time::Duration;

use leptos::prelude::*;

use super::state::{Explore, Focus, Overlays};
use crate::engine::protocol::Shelf;
use crate::map::camera::Camera;
use crate::map::colour::ColourBy;
use crate::map::data::Projection;
use crate::route::{Page, parameter, set_parameter};

/// Most neighbours that can be asked for.
pub const MAX_K: usize = 50;
/// Browsers refuse to change the address too often.
const WRITE_AFTER: Duration = Duration::from_millis(300);

/// Reads the address once, then keeps both alike; ends with the page.
pub fn follow(explore: Explore) {
    read(explore);
    let listener = window_event_listener(leptos::ev::hashchange, move |_| {
        if Page::current() == Page::Explore {
            read(explore);
        }
    });
    let waiting = StoredValue::new(None::<TimeoutHandle>);
    Effect::new(move |_| {
        let written = parameters(explore);
        if let Some(earlier) = waiting.get_value() {
            earlier.clear();
        }
        let write = move || {
            // What is said of a gallery that is still on its way must not be lost.
            if Page::current() == Page::Explore && explore.fetched.get_untracked().is_none() {
                written.iter().filter(|(key, value)| parameter(key) != *value).for_each(|(key, value)| {
                    set_parameter(key, value.as_deref());
                });
            }
        };
        waiting.set_value(set_timeout_with_handle(write, WRITE_AFTER).ok());
    });
    on_cleanup(move || {
        listener.remove();
        if let Some(handle) = waiting.try_get_value().flatten() {
            handle.clear();
        }
    });
}

fn parameters(explore: Explore) -> Vec<(&'static str, Option<String>)> {
    let choice = explore.choice_now();
    let camera = explore.camera.get();
    let hidden: Vec<String> = choice.hidden.iter().map(ToString::to_string).collect();
    // A gallery from disk cannot be linked to: neither can its tiles.
    let point = match explore.focus.get() {
        Some(Focus::Row(row)) if explore.shelf.get() == Shelf::Shipped || explore.listed.with(Option::is_some) => {
            Some(row.to_string())
        }
        _ => None,
    };
    let unless_default = |is_default: bool, text: String| (!is_default).then_some(text);
    let projection = explore.projection.get();
    let k = explore.k.get();
    let Overlays { contours, names } = explore.overlays.get();
    let shown: Vec<&str> = [("contours", contours), ("names", names)]
        .into_iter()
        .filter_map(|(name, is_shown)| is_shown.then_some(name))
        .collect();
    vec![
        ("view", unless_default(camera == Camera::default(), camera.to_text())),
        ("colour", unless_default(choice.colour == ColourBy::default(), choice.colour.as_str().to_owned())),
        ("map", unless_default(projection == Projection::default(), projection.as_str().to_owned())),
        ("point", point),
        ("k", unless_default(k == 10, k.to_string())),
        ("hide", unless_default(hidden.is_empty(), hidden.join(","))),
        ("show", unless_default(shown.is_empty(), shown.join(","))),
        ("gallery", explore.listed.get()),
    ]
}

/// Takes over what the address says; what it does not mention stays as it is, and nonsense is ignored.
pub fn read(explore: Explore) {
    if let Some(file) = parameter("gallery")
        && explore.data_untracked().is_none()
    {
        // The first map, then: it is fetched as soon as the index is here.
        explore.fetched.set(Some(0));
        explore.listed.set(Some(file));
    }
    if let Some(camera) = parameter("view").and_then(|text| Camera::parse(&text)) {
        explore.camera.set(camera);
    }
    if let Some(projection) = parameter("map").and_then(|text| Projection::parse(&text)) {
        explore.projection.set(projection);
    }
    if let Some(colour) = parameter("colour").and_then(|text| ColourBy::parse(&text)) {
        explore.colour_by(colour);
    }
    if let Some(text) = parameter("hide") {
        let hidden: BTreeSet<u16> = text.split(',').filter_map(|line| line.parse().ok()).collect();
        explore.choose(|choice| choice.hidden = hidden);
    }
    if let Some(text) = parameter("show") {
        let is_named = |name: &str| text.split(',').any(|shown| shown == name);
        explore.overlays.set(Overlays { contours: is_named("contours"), names: is_named("names") });
    }
    if let Some(k) = parameter("k").and_then(|text| text.parse::<usize>().ok()) {
        explore.k.set(k.clamp(1, MAX_K));
    }
    if let Some(row) = parameter("point").and_then(|text| text.parse().ok()) {
        let is_there = explore.data_untracked().is_none_or(|data| row < data.count());
        explore.focus.set(is_there.then_some(Focus::Row(row)));
    }
}
