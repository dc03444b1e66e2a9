//! The place in view as an animation that others can look at: a GIF, every date with its name.

use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, CanvasRenderingContext2d, HtmlCanvasElement, HtmlImageElement};

use super::state::{Place, use_seasons};
use crate::download;
use crate::pause::breathe;
use crate::season::gif::Gif;

/// The longer side of the animation: small pictures are enlarged by whole numbers, larger ones made smaller.
const SIDE_PX: f64 = 480.0;
/// How long a date is seen, in hundredths of a second.
const HUNDREDTHS: u16 = 70;

/// The button.
#[component]
pub fn Animation() -> impl IntoView {
    let seasons = use_seasons();
    let working = RwSignal::new(false);
    let said = RwSignal::new("");
    let has_dates = move || {
        seasons
            .place()
            .is_some_and(|place| place.shots.len() > 1 && place.shots.iter().all(|shot| shot.picture.is_some()))
    };
    let save = move |_| {
        let Some(place) = untrack(|| seasons.place()) else { return };
        working.set(true);
        said.set("Every date is being drawn …");
        spawn_local(async move {
            let file = animated(&place).await;
            // The page may be gone by now.
            if working.try_set(false).is_some() {
                return;
            }
            match file {
                Some(blob) => {
                    download::save_blob(&format!("{}.gif", place.id), &blob);
                    said.set("The animation was saved.");
                }
                None => said.set("A picture could not be drawn: load the page again."),
            }
        });
    };
    view! {
        <div class="downloads">
            <button
                type="button"
                class="small"
                disabled=move || working.get() || !has_dates()
                title="All dates of this place, one after the other, with their names"
                on:click=save
            >
                "Download animation (GIF)"
            </button>
            <span class="note" aria-live="polite">{said}</span>
        </div>
    }
}

/// The file; `None` when a picture cannot be drawn.
async fn animated(place: &Place) -> Option<Blob> {
    let mut work = None::<(Gif, CanvasRenderingContext2d, f64, f64)>;
    for shot in &place.shots {
        let image = HtmlImageElement::new().ok()?;
        image.set_src(shot.picture.as_ref()?);
        JsFuture::from(image.decode()).await.ok()?;
        if work.is_none() {
            let (width, height) = size(f64::from(image.natural_width()), f64::from(image.natural_height()));
            let canvas = document().create_element("canvas").ok()?.dyn_into::<HtmlCanvasElement>().ok()?;
            canvas.set_width(width as u32);
            canvas.set_height(height as u32);
            let context = canvas.get_context("2d").ok()??.dyn_into::<CanvasRenderingContext2d>().ok()?;
            work = Some((Gif::new(width as usize, height as usize), context, width, height));
        }
        let (gif, context, width, height) = work.as_mut()?;
        context.set_image_smoothing_enabled(f64::from(image.natural_width()) > *width);
        context.draw_image_with_html_image_element_and_dw_and_dh(&image, 0.0, 0.0, *width, *height).ok()?;
        name(context, &shot.date.label(), *height);
        let pixels = context.get_image_data(0.0, 0.0, *width, *height).ok()?.data();
        gif.frame(&pixels.0, HUNDREDTHS);
        breathe().await;
    }
    let bytes = work?.0.finish();
    let options = web_sys::BlobPropertyBag::new();
    options.set_type("image/gif");
    let parts = js_sys::Array::of1(&js_sys::Uint8Array::from(bytes.as_slice()));
    Blob::new_with_u8_array_sequence_and_options(&parts, &options).ok()
}

/// A date in the lower left corner.
fn name(context: &CanvasRenderingContext2d, text: &str, height: f64) {
    let line = (height / 14.0).clamp(12.0, 28.0);
    context.set_font(&format!("600 {:.0}px system-ui, sans-serif", line * 0.75));
    let width = context.measure_text(text).map_or(0.0, |size| size.width());
    context.set_fill_style_str("#151b2b");
    context.fill_rect(0.0, height - line, width + line * 0.6, line);
    context.set_fill_style_str("#ffffff");
    // Only text that is drawn outside of a canvas could be refused, and is not.
    let _ = context.fill_text(text, line * 0.3, height - line * 0.27);
}

/// Width and height of the animation of pictures of this size.
fn size(width: f64, height: f64) -> (f64, f64) {
    let longer = width.max(height).max(1.0);
    let scale = if longer <= SIDE_PX { (SIDE_PX / longer).floor() } else { SIDE_PX / longer };
    ((width * scale).round().max(1.0), (height * scale).round().max(1.0))
}
