//! The map as files.

use leptos::html::Canvas;
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::prelude::*;
use web_sys::{Blob, HtmlCanvasElement};

use super::paint::context_of;
use super::state::{SceneMap, use_map};
use crate::compress;
use crate::download;
use crate::map::palette::{Paint, Rgb, hex};
use crate::pause::breathe;
use crate::scene::cells::Cells;
use crate::scene::dissolve::areas;
use crate::scene::geojson::{Document, FOOT, Shapes};
use crate::scene::geotiff::{self, Packing};
use crate::scene::kml::{kml, world_file};
use crate::wording::class_label;

/// Height of a line of the legend under an exported picture, and how wide a column of it is.
const LINE_PX: f64 = 26.0;
const COLUMN_PX: f64 = 210.0;

/// Patches that are written between two breaths.
const WRITTEN_AT_ONCE: usize = 1024;

/// A button for each kind of file.
#[component]
pub fn SceneDownloads(
    /// What lies under the classes.
    picture: NodeRef<Canvas>,
    /// The classes.
    overlay: NodeRef<Canvas>,
) -> impl IntoView {
    let map = use_map();
    let place = Memo::new(move |_| map.card.with(|card| card.as_ref().and_then(|card| card.georeference.clone())));
    let has_degrees = move || place.with(|place| place.as_ref().is_some_and(|place| place.has_degrees()));
    let coordinates = move || match place.get() {
        Some(place) if place.has_degrees() => {
            format!("The polygons are in longitude and latitude (WGS 84); the picture is in {}.", place.system())
        }
        Some(place) => format!("The polygons are in {}.", place.system()),
        None => "The picture is not georeferenced: the polygons are in pixels.".to_owned(),
    };
    view! {
        <div class="scene-downloads">
            <button
                type="button"
                class="small"
                title="A polygon for each patch, with its probability"
                on:click=move |_| spawn_local(save_polygons(map, Shapes::Patches, "classes"))
            >
                "Download GeoJSON"
            </button>
            <button
                type="button"
                class="small"
                title="One polygon for patches of a class that touch"
                on:click=move |_| spawn_local(save_polygons(map, Shapes::Areas, "areas"))
            >
                "GeoJSON of areas"
            </button>
            <button
                type="button"
                class="small"
                title="Cloud-optimised, with a palette; for GIS programs"
                on:click=move |_| spawn_local(save_geotiff(map))
            >
                "GeoTIFF"
            </button>
            <Show when=has_degrees>
                <button type="button" class="small" title="For virtual globes and phones" on:click=move |_| save_kml(map)>
                    "KML"
                </button>
            </Show>
            <button
                type="button"
                class="small"
                title="As it is seen, with its legend"
                on:click=move |_| save_picture(map, picture, overlay)
            >
                "Download PNG"
            </button>
            <Show when=move || place.with(Option::is_some)>
                <button
                    type="button"
                    class="small"
                    title="Put it beside the PNG: it says where that lies"
                    on:click=move |_| save_world_file(map)
                >
                    "World file"
                </button>
            </Show>
            <p class="note">{coordinates}</p>
        </div>
    }
}

/// Classes as the files name them, in the page's colours.
fn classes(map: SceneMap) -> Vec<(String, Rgb)> {
    let names = untrack(|| map.classes());
    names.into_iter().enumerate().map(|(class, name)| (name, Paint::Class(class).rgb(false))).collect()
}

fn file_name(map: SceneMap, end: &str) -> String {
    let name = map.name.get_untracked();
    // A file out of a folder keeps its own name only.
    let name = name.rsplit('/').next().unwrap_or_default();
    format!("{}-{end}", name.rsplit_once('.').map_or(name, |(stem, _)| stem))
}

/// Writes some patches between two breaths; the browser keeps what is written, in parts.
async fn save_polygons(map: SceneMap, shapes: Shapes, end: &str) {
    let Some(card) = map.card.get_untracked() else { return };
    let Some(attempt) = map.parts().attempt.current() else { return };
    let name = map.name.get_untracked();
    let of = |model: &str| {
        if map.own.with_untracked(Option::is_some) {
            format!("{model}, with classes of the user's own")
        } else {
            model.to_owned()
        }
    };
    let model = map.session.card.with_untracked(|card| card.as_ref().map_or(String::new(), |card| of(&card.name)));
    let classes = untrack(|| map.classes());
    let filter = map.filter.get_untracked();
    let document = Document { name: &name, model: &model, classes: &classes, card: &card, filter: &filter };
    let cells = |write: &dyn Fn(&Cells) -> String| map.cells.with_untracked(write);
    let parts = js_sys::Array::of1(&cells(&|cells| document.head(cells.has_neighbours())).into());
    match shapes {
        Shapes::Areas => _ = parts.push(&cells(&|cells| document.areas(cells)).into()),
        Shapes::Patches => {
            let mut comma = "";
            for first in (0..card.grid.count()).step_by(WRITTEN_AT_ONCE) {
                let last = (first + WRITTEN_AT_ONCE).min(card.grid.count());
                let text = cells(&|cells| document.patches(cells, first..last));
                if !text.is_empty() {
                    parts.push(&format!("{comma}{text}").into());
                    comma = ",";
                }
                if attempt.hold(breathe()).await.is_err() {
                    return;
                }
            }
        }
    }
    parts.push(&FOOT.into());
    download::save_parts(&file_name(map, &format!("{end}.geojson")), "application/geo+json", &parts);
}

fn save_kml(map: SceneMap) {
    let Some(card) = map.card.get_untracked() else { return };
    let named: Vec<(String, Rgb)> = classes(map).into_iter().map(|(name, rgb)| (class_label(&name), rgb)).collect();
    let areas = map.cells.with_untracked(|cells| map.filter.with_untracked(|filter| areas(&card.grid, cells, filter)));
    if let Some(text) = kml(&map.name.get_untracked(), &named, &card, &areas) {
        download::save(&file_name(map, "areas.kml"), "application/vnd.google-earth.kml+xml", &text);
    }
}

async fn save_geotiff(map: SceneMap) {
    let Some(card) = map.card.get_untracked() else { return };
    let (mut levels, step) =
        map.cells.with_untracked(|cells| map.filter.with_untracked(|filter| geotiff::levels(&card, cells, filter)));
    let mut packing = Packing::Deflate;
    'packing: for level in &mut levels {
        for tile in &mut level.tiles {
            match compress::zlib(tile).await {
                Some(packed) => *tile = packed,
                // Found out with the first tile: a browser packs all or none.
                None => {
                    packing = Packing::None;
                    break 'packing;
                }
            }
        }
    }
    let bytes = geotiff::file(&levels, packing, step, card.georeference.as_ref(), &classes(map));
    let parts = js_sys::Array::of1(&js_sys::Uint8Array::from(bytes.as_slice()));
    if let Ok(blob) = Blob::new_with_u8_array_sequence(&parts) {
        download::save_blob(&file_name(map, "classes.tif"), &blob);
    }
}

fn save_world_file(map: SceneMap) {
    let Some(card) = map.card.get_untracked() else { return };
    if let Some(place) = &card.georeference {
        download::save(&file_name(map, "classes.pgw"), "text/plain", &world_file(place, card.preview_step.max(1)));
    }
}

/// Picture and classes as they are seen, with the legend under them, in one PNG.
fn save_picture(map: SceneMap, picture: NodeRef<Canvas>, overlay: NodeRef<Canvas>) {
    let (Some(picture), Some(overlay)) = (picture.get_untracked(), overlay.get_untracked()) else { return };
    let canvas = document().create_element("canvas").ok().and_then(|it| it.dyn_into::<HtmlCanvasElement>().ok());
    let Some(canvas) = canvas else { return };
    let (width, height) = (f64::from(picture.width()), f64::from(picture.height()));
    let hidden = map.filter.with_untracked(|filter| filter.hidden.clone());
    let lines: Vec<(String, Rgb)> = classes(map)
        .into_iter()
        .enumerate()
        .filter(|(class, _)| !hidden.contains(class))
        .map(|(_, (name, rgb))| (class_label(&name), rgb))
        .collect();
    let columns = ((width / COLUMN_PX) as usize).clamp(1, lines.len().max(1));
    let legend_px = (lines.len().div_ceil(columns) as f64 + 0.5) * LINE_PX;
    canvas.set_width(picture.width());
    canvas.set_height((height + legend_px) as u32);
    let Some(context) = context_of(&canvas) else { return };
    context.set_fill_style_str("#ffffff");
    context.fill_rect(0.0, height, width, legend_px);
    // Two canvases of one size: drawing one over the other cannot fail.
    let _ = context.draw_image_with_html_canvas_element(&picture, 0.0, 0.0);
    context.set_global_alpha(map.opacity.get_untracked());
    let _ = context.draw_image_with_html_canvas_element(&overlay, 0.0, 0.0);
    context.set_global_alpha(1.0);
    context.set_font("15px system-ui, sans-serif");
    for (at, (name, rgb)) in lines.into_iter().enumerate() {
        let (x, y) = ((at % columns) as f64 * COLUMN_PX + 10.0, height + (at / columns) as f64 * LINE_PX + 10.0);
        context.set_fill_style_str(&hex(rgb));
        context.fill_rect(x, y, 14.0, 14.0);
        context.set_fill_style_str("#14213d");
        // Only text that is drawn outside of a canvas could be refused, and is not.
        let _ = context.fill_text(&name, x + 21.0, y + 12.5);
    }
    let name = file_name(map, "classes.png");
    let on_blob = Closure::once_into_js(move |blob: Option<Blob>| {
        if let Some(blob) = blob {
            download::save_blob(&name, &blob);
        }
    });
    // Only canvases with foreign pictures refuse, and this page has none.
    let _ = canvas.to_blob_with_type(on_blob.unchecked_ref(), "image/png");
}
