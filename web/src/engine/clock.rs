//! The worker's clock and its way to breathe: milliseconds, and a pause in which messages are delivered.

use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::DedicatedWorkerGlobalScope;

/// The scope that a dedicated worker runs in.
#[must_use]
pub fn scope() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}

/// Milliseconds since the worker started.
#[must_use]
pub fn now_ms() -> f64 {
    scope().performance().map_or(0.0, |performance| performance.now())
}

/// Lets the event loop run once: a cancel message that waits in the queue is heard.
pub async fn breathe() {
    let promise = js_sys::Promise::new(&mut |resolve, _| {
        // Outside a browser there is no timer; then nothing can be waiting either.
        if scope().set_timeout_with_callback(&resolve).is_err() {
            let _ = resolve.call0(&JsValue::UNDEFINED);
        }
    });
    // A timer never rejects.
    let _ = JsFuture::from(promise).await;
}
