//! Over the map: layout, colours, what a drag does, zoom, undo.

use leptos::prelude::*;

use super::canvas::zoom_middle;
use super::state::{Overlays, Tool, use_explore};
use crate::map::camera::Camera;
use crate::map::colour::ColourBy;
use crate::map::data::Projection;

/// One click of a zoom button.
const ZOOM_STEP: f64 = 1.6;

/// The controls.
#[component]
pub fn Toolbar() -> impl IntoView {
    let explore = use_explore();
    let layout = move |projection: Projection| match projection {
        Projection::Components => "PCA".to_owned(),
        Projection::Neighbours => {
            explore.data().map_or_else(|| "t-SNE".to_owned(), |data| layout_name(&data.card.layout))
        }
    };
    let layouts = Projection::ALL
        .into_iter()
        .map(|projection| view! { <option value=projection.as_str()>{move || layout(projection)}</option> })
        .collect_view();
    let colours = move || {
        let offered = |colour: &ColourBy| match explore.data() {
            Some(data) => colour.is_offered(&data),
            None => *colour != ColourBy::Season,
        };
        let options = ColourBy::ALL.into_iter().filter(offered);
        options
            .map(|colour| {
                let is_chosen = move || explore.choice.with(|choice| choice.now().colour == colour);
                view! { <option value=colour.as_str() selected=is_chosen>{colour.title()}</option> }
            })
            .collect_view()
    };
    let overlay = |name: &'static str, title: &'static str, of: fn(&mut Overlays) -> &mut bool| {
        let is_shown = move || *of(&mut explore.overlays.get());
        view! {
            <button
                type="button"
                class="small"
                aria-pressed=move || is_shown().to_string()
                title=title
                on:click=move |_| explore.overlays.update(|shown| *of(shown) = !*of(shown))
            >
                {name}
            </button>
        }
    };
    let tools = [(Tool::Move, "Move"), (Tool::Lasso, "Lasso"), (Tool::Rectangle, "Rectangle")]
        .into_iter()
        .map(|(tool, label)| {
            view! {
                <button
                    type="button"
                    class="small"
                    aria-pressed=move || (explore.tool.get() == tool).to_string()
                    on:click=move |_| explore.tool.set(tool)
                >
                    {label}
                </button>
            }
        })
        .collect_view();
    view! {
        <div class="toolbar" role="group" aria-label="Map controls">
            <label>
                "Layout "
                <select
                    on:change=move |event| {
                        if let Some(projection) = Projection::parse(&event_target_value(&event)) {
                            explore.projection.set(projection);
                        }
                    }
                    prop:value=move || explore.projection.get().as_str()
                >
                    {layouts}
                </select>
            </label>
            <label>
                "Colour "
                <select
                    on:change=move |event| {
                        if let Some(colour) = ColourBy::parse(&event_target_value(&event)) {
                            explore.colour_by(colour);
                        }
                    }
                    prop:value=move || explore.choice.with(|choice| choice.now().colour.as_str())
                >
                    {colours}
                </select>
            </label>
            <div class="segments" role="group" aria-label="What a drag does" title="Shift adds to the selection, Alt takes away">
                {tools}
            </div>
            <div class="segments" role="group" aria-label="Shown on the map">
                {overlay("Contours", "Lines around the densest 25, 50 and 90 % of the tiles", |shown| &mut shown.contours)}
                {overlay("Names", "What most tiles of each cluster are", |shown| &mut shown.names)}
            </div>
            <div class="segments" role="group" aria-label="Zoom">
                <button type="button" class="small" aria-label="Zoom in" on:click=move |_| zoom_middle(explore, ZOOM_STEP)>
                    "+"
                </button>
                <button type="button" class="small" aria-label="Zoom out" on:click=move |_| zoom_middle(explore, 1.0 / ZOOM_STEP)>
                    "−"
                </button>
                <button type="button" class="small" on:click=move |_| explore.camera.set(Camera::default())>
                    "All"
                </button>
            </div>
            <div class="segments" role="group" aria-label="History of selection and filter">
                <button
                    type="button"
                    class="small"
                    aria-label="Undo"
                    title="Undo"
                    disabled=move || !explore.choice.with(|choice| choice.can_undo())
                    on:click=move |_| explore.undo()
                >
                    "↶"
                </button>
                <button
                    type="button"
                    class="small"
                    aria-label="Redo"
                    title="Redo"
                    disabled=move || !explore.choice.with(|choice| choice.can_redo())
                    on:click=move |_| explore.redo()
                >
                    "↷"
                </button>
            </div>
        </div>
    }
}

/// As people write it.
fn layout_name(layout: &str) -> String {
    match layout {
        "t-sne" => "t-SNE".to_owned(),
        "umap" => "UMAP".to_owned(),
        other => other.to_owned(),
    }
}
