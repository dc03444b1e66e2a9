//! The map as files.

use leptos::html::Canvas;
use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::{Blob, HtmlCanvasElement};

use super::paint::context_of;
use super::state::{SceneMap, use_map};
use crate::download;
use crate::scene::geojson::geojson;

/// GeoJSON and PNG.
#[component]
pub fn SceneDownloads(
    /// What lies under the classes.
    picture: NodeRef<Canvas>,
    /// The classes.
    overlay: NodeRef<Canvas>,
) -> impl IntoView {
    let map = use_map();
    let coordinates = move || {
        map.card.with(|card| match card.as_ref().and_then(|card| card.georeference.clone()) {
            Some(place) if place.has_degrees() => {
                format!("The polygons are in longitude and latitude (WGS 84); the picture is in {}.", place.system())
            }
            Some(place) => format!("The polygons are in {}.", place.system()),
            None => "The picture is not georeferenced: the polygons are in pixels.".to_owned(),
        })
    };
    view! {
        <div class="scene-downloads">
            <button type="button" class="small" on:click=move |_| save_polygons(map)>
                "Download GeoJSON"
            </button>
            <button type="button" class="small" on:click=move |_| save_picture(map, picture, overlay)>
                "Download PNG"
            </button>
            <p class="note">{coordinates}</p>
        </div>
    }
}

fn save_polygons(map: SceneMap) {
    let Some(card) = map.card.get_untracked() else { return };
    let name = map.name.get_untracked();
    let model = map.session.card.with_untracked(|card| card.as_ref().map_or(String::new(), |card| card.name.clone()));
    let classes = untrack(|| map.classes());
    let text = map.cells.with_untracked(|cells| {
        map.filter.with_untracked(|filter| geojson(&name, &model, &classes, &card, cells, filter))
    });
    download::save(&format!("{}-classes.geojson", stem(&name)), "application/geo+json", &text);
}

/// Picture and classes as they are seen, in one PNG of the preview's size.
fn save_picture(map: SceneMap, picture: NodeRef<Canvas>, overlay: NodeRef<Canvas>) {
    let (Some(picture), Some(overlay)) = (picture.get_untracked(), overlay.get_untracked()) else { return };
    let canvas = document().create_element("canvas").ok().and_then(|it| it.dyn_into::<HtmlCanvasElement>().ok());
    let Some(canvas) = canvas else { return };
    canvas.set_width(picture.width());
    canvas.set_height(picture.height());
    let Some(context) = context_of(&canvas) else { return };
    // Two canvases of one size: drawing one over the other cannot fail.
    let _ = context.draw_image_with_html_canvas_element(&picture, 0.0, 0.0);
    context.set_global_alpha(map.opacity.get_untracked());
    let _ = context.draw_image_with_html_canvas_element(&overlay, 0.0, 0.0);
    let name = format!("{}-classes.png", stem(&map.name.get_untracked()));
    let on_blob = Closure::once_into_js(move |blob: Option<Blob>| {
        if let Some(blob) = blob {
            download::save_blob(&name, &blob);
        }
    });
    // Only canvases with foreign pictures refuse, and this page has none.
    let _ = canvas.to_blob_with_type(on_blob.unchecked_ref(), "image/png");
}

fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}
