//! A picture cut into squares, each as a file of its own that the encoder reads like any tile.

use futures_channel::oneshot;
use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, CanvasRenderingContext2d, HtmlCanvasElement, ImageBitmap};

use crate::problem::Problem;
use crate::season::patches::{MIN_SIDE_PX, Patches};

/// The squares of a picture, and where they lie.
///
/// # Errors
/// When the browser cannot show the picture, or it is too small.
pub(super) async fn squares(name: &str, file: &Blob) -> Result<(Patches, Vec<Blob>), Problem> {
    let undecodable = || {
        Problem::new(
            format!("{name} cannot be cut into squares"),
            "This browser cannot draw it.",
            "For a change map, give PNG, JPEG or WebP pictures.",
        )
    };
    let bitmap = decode(file).await.ok_or_else(undecodable)?;
    let (width, height) = (bitmap.width() as usize, bitmap.height() as usize);
    let patches = Patches::of(width, height).ok_or_else(|| {
        Problem::new(
            format!("{name} is too small for a change map"),
            format!("It has {width} × {height} pixels; its shorter side needs {MIN_SIDE_PX}, and it must be no narrow strip."),
            "Give larger pictures.",
        )
    })?;
    let mut files = Vec::with_capacity(patches.count());
    for index in 0..patches.count() {
        files.push(square(&bitmap, &patches, index).await.ok_or_else(undecodable)?);
    }
    bitmap.close();
    Ok((patches, files))
}

async fn decode(file: &Blob) -> Option<ImageBitmap> {
    let promise = window().create_image_bitmap_with_blob(file).ok()?;
    JsFuture::from(promise).await.ok()?.dyn_into().ok()
}

/// One square as a PNG: nothing is lost.
async fn square(bitmap: &ImageBitmap, patches: &Patches, index: usize) -> Option<Blob> {
    let canvas: HtmlCanvasElement = document().create_element("canvas").ok()?.dyn_into().ok()?;
    canvas.set_width(patches.side as u32);
    canvas.set_height(patches.side as u32);
    let context: CanvasRenderingContext2d = canvas.get_context("2d").ok()??.dyn_into().ok()?;
    let (left, top) = patches.origin(index);
    context.draw_image_with_image_bitmap(bitmap, -(left as f64), -(top as f64)).ok()?;
    let (sender, made) = oneshot::channel();
    // `Closure::once_into_js` frees itself when it is called.
    let done = Closure::once_into_js(move |blob: JsValue| {
        // Nobody waits any more.
        let _ = sender.send(blob.dyn_into::<Blob>().ok());
    });
    canvas.to_blob(done.unchecked_ref()).ok()?;
    made.await.ok()?
}
