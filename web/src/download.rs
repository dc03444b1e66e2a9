//! Files that the page makes by itself: downloads, and pictures from raw pixels.

use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::{Blob, BlobPropertyBag, HtmlAnchorElement, Url};

/// Hands a text to the browser's download.
pub fn save(name: &str, media_type: &str, text: &str) {
    save_parts(name, media_type, &js_sys::Array::of1(&JsValue::from_str(text)));
}

/// Hands a text in parts to the browser's download.
pub fn save_parts(name: &str, media_type: &str, parts: &js_sys::Array) {
    if let Some(address) = blob_address(parts, media_type) {
        save_address(name, &address);
    }
}

/// Hands a file to the browser's download.
pub fn save_blob(name: &str, blob: &Blob) {
    if let Ok(address) = Url::create_object_url_with_blob(blob) {
        save_address(name, &address);
    }
}

fn save_address(name: &str, address: &str) {
    let link = document().create_element("a").ok().and_then(|link| link.dyn_into::<HtmlAnchorElement>().ok());
    if let Some(link) = link {
        link.set_href(address);
        link.set_download(name);
        link.click();
    }
    // The download has taken its own reference by now.
    let _ = Url::revoke_object_url(address);
}

/// An address for RGBA pixels, by way of a BMP: every browser shows those, and writing one needs no codec.
#[must_use]
pub fn bitmap_address(width: usize, rgba: &[u8]) -> Option<String> {
    let height = rgba.len().checked_div(width * 4)?;
    let mut file = Vec::with_capacity(54 + rgba.len());
    let word = |value: usize| u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes();
    file.extend_from_slice(b"BM");
    for value in [54 + rgba.len(), 0, 54, 40, width] {
        file.extend_from_slice(&word(value));
    }
    // A negative height puts the first row on top.
    file.extend_from_slice(&(-i32::try_from(height).ok()?).to_le_bytes());
    file.extend_from_slice(&[1, 0, 32, 0]);
    file.extend_from_slice(&[0; 24]);
    file.extend(rgba.chunks_exact(4).flat_map(|pixel| [pixel[2], pixel[1], pixel[0], pixel[3]]));
    blob_address(&js_sys::Array::of1(&js_sys::Uint8Array::from(file.as_slice())), "image/bmp")
}

fn blob_address(parts: &js_sys::Array, media_type: &str) -> Option<String> {
    let options = BlobPropertyBag::new();
    options.set_type(media_type);
    let blob = Blob::new_with_blob_sequence_and_options(parts, &options).ok()?;
    Url::create_object_url_with_blob(&blob).ok()
}
