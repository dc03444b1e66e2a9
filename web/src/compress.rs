//! DEFLATE by the browser itself, in both directions: nothing of it needs to be downloaded.

use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, ReadableStream, Response};

#[wasm_bindgen]
extern "C" {
    type CompressionStream;
    #[wasm_bindgen(constructor, catch)]
    fn new(format: &str) -> Result<CompressionStream, JsValue>;

    type DecompressionStream;
    #[wasm_bindgen(constructor, catch)]
    fn new(format: &str) -> Result<DecompressionStream, JsValue>;

    type Source;
    #[wasm_bindgen(method, catch, js_name = pipeThrough)]
    fn pipe_through(this: &Source, through: &JsValue) -> Result<ReadableStream, JsValue>;
}

/// Unpacks what was packed as `deflate-raw` or `gzip`; `None` when it is damaged, or the browser cannot.
pub async fn unpacked(packed: &Blob, format: &str) -> Option<Blob> {
    through(packed, DecompressionStream::new(format).ok()?.as_ref()).await
}

/// Packs as zlib does, which is what TIFF's compression 8 means; `None` where the browser cannot.
pub async fn zlib(bytes: &[u8]) -> Option<Vec<u8>> {
    let parts = js_sys::Array::of1(&js_sys::Uint8Array::from(bytes));
    let blob = Blob::new_with_u8_array_sequence(&parts).ok()?;
    let packed = through(&blob, CompressionStream::new("deflate").ok()?.as_ref()).await?;
    let buffer = JsFuture::from(packed.array_buffer()).await.ok()?;
    Some(js_sys::Uint8Array::new(&buffer).to_vec())
}

async fn through(blob: &Blob, stream: &JsValue) -> Option<Blob> {
    let source: Source = blob.stream().unchecked_into();
    let out = source.pipe_through(stream).ok()?;
    let response = Response::new_with_opt_readable_stream(Some(&out)).ok()?;
    JsFuture::from(response.blob().ok()?).await.ok()?.dyn_into().ok()
}
