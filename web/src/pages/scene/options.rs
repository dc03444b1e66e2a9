//! How the map is cut and looked at.

use leptos::prelude::*;

use super::state::use_map;
use crate::decimal::decimal;
use crate::scene::grid::Grid;
use crate::wording::grouped;

/// Stride, threshold, opacity, zoom.
#[component]
pub fn SceneOptions() -> impl IntoView {
    let map = use_map();
    let strides = move || {
        let Some(card) = map.card.get() else { return Vec::new() };
        let Grid { width, height, patch_px, stride_px } = card.grid;
        let option = |stride: usize| {
            let count = Grid::new(width, height, patch_px, stride).map_or(0, |grid| grid.count());
            (stride, format!("{stride} px · {} patches", grouped(count)), stride == stride_px)
        };
        [patch_px, patch_px / 2, patch_px / 4].into_iter().filter(|stride| *stride > 0).map(option).collect()
    };
    let change_stride = move |event| {
        if let Ok(stride) = event_target_value(&event).parse() {
            map.stride_px.set(stride);
            map.start();
        }
    };
    let threshold = move || (map.filter.with(|filter| filter.threshold) * 100.0).round();
    let opacity = move || (map.opacity.get() * 100.0).round();
    let number = |event: &leptos::ev::Event| decimal(&event_target_value(event)).unwrap_or(0.0) / 100.0;
    view! {
        <div class="scene-options">
            <label>
                "A patch every "
                <select on:change=change_stride>
                    {move || {
                        strides()
                            .into_iter()
                            .map(|(stride, label, is_chosen)| {
                                view! {
                                    <option value=stride.to_string() selected=is_chosen>
                                        {label}
                                    </option>
                                }
                            })
                            .collect_view()
                    }}
                </select>
            </label>
            <label>
                <span>"Unsure under " <span class="value">{move || format!("{} %", threshold())}</span></span>
                <input
                    type="range"
                    min="0"
                    max="95"
                    step="5"
                    prop:value=threshold
                    on:input=move |event| map.filter.update(|filter| filter.threshold = number(&event) as f32)
                />
            </label>
            <label>
                <span>"Opacity " <span class="value">{move || format!("{} %", opacity())}</span></span>
                <input
                    type="range"
                    min="0"
                    max="100"
                    step="5"
                    prop:value=opacity
                    on:input=move |event| map.opacity.set(number(&event))
                />
            </label>
            // Under the user's own classes every patch speaks for itself.
            <Show when=move || map.own.with(Option::is_none)>
                <label
                    class="scene-check"
                    title="A patch's class is weighed against those around it, and against how frequent each class is here"
                >
                    <span>
                        <input
                            type="checkbox"
                            prop:checked=move || map.has_neighbours.get()
                            on:change=move |event| map.choose_neighbours(event_target_checked(&event))
                        />
                        " Neighbours have a say"
                    </span>
                </label>
            </Show>
            <Show when=move || map.card.with(|card| card.as_ref().is_some_and(|card| card.georeference.is_some()))>
                <label class="scene-check">
                    <span>
                        <input
                            type="checkbox"
                            prop:checked=move || map.has_graticule.get()
                            on:change=move |event| map.has_graticule.set(event_target_checked(&event))
                        />
                        " Grid of coordinates"
                    </span>
                </label>
            </Show>
            <div class="scene-zoom" role="group" aria-label="Zoom">
                <button type="button" class="small" aria-label="Zoom out" on:click=move |_| map.zoom_by(0.5)>
                    "−"
                </button>
                <span class="value">{move || format!("{}×", (map.zoom.get() * 10.0).round() / 10.0)}</span>
                <button type="button" class="small" aria-label="Zoom in" on:click=move |_| map.zoom_by(2.0)>
                    "+"
                </button>
            </div>
        </div>
    }
}
