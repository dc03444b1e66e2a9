//! What this browser can do: is there a WebGPU adapter, and is it worth the download of the second bundle?
//!
//! Only the page asks here; the worker opens its own device, and proves it.

use js_sys::{Function, Object, Promise, Reflect};
use leptos::prelude::window;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

/// The browser's word on WebGPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebGpu {
    /// None, and why.
    Absent(String),
    /// An adapter that is emulated on the CPU: right, but slower than the CPU itself.
    Software(String),
    /// A graphics card, by name.
    Hardware(String),
}

/// Software renderers, as adapters name them.
const SOFTWARE: [&str; 4] = ["swiftshader", "llvmpipe", "lavapipe", "basic render"];

/// A function of one relaxed SIMD instruction (`f32x4.relaxed_madd`).
const RELAXED: [u8; 40] = [
    0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 19, 1, 17, 0, 65, 0, 253, 15, 65, 0, 253, 15,
    65, 0, 253, 15, 253, 133, 2, 11,
];

/// Whether this browser fuses multiply-adds of vectors: then the CPU has a faster bundle.
#[must_use]
pub fn has_relaxed_simd() -> bool {
    js_sys::WebAssembly::validate(&js_sys::Uint8Array::from(&RELAXED[..])).unwrap_or(false)
}

/// Asks for an adapter. Never fails: having none is an answer.
pub async fn probe() -> WebGpu {
    let absent = |why: &str| WebGpu::Absent(why.to_owned());
    let navigator = window().navigator();
    let Some(gpu) = get(&navigator, "gpu") else {
        return absent(if window().is_secure_context() {
            "this browser has no WebGPU"
        } else {
            "WebGPU needs https or localhost"
        });
    };
    let options = Object::new();
    // Setting a property of a fresh plain object cannot fail.
    let _ = Reflect::set(&options, &"powerPreference".into(), &"high-performance".into());
    let Some(adapter) = request_adapter(&gpu, &options).await else {
        return absent("WebGPU found no graphics adapter");
    };
    let info = get(&adapter, "info").unwrap_or(JsValue::NULL);
    let text = |key: &str| get(&info, key).and_then(|value| value.as_string()).filter(|text| !text.is_empty());
    let name = text("description")
        .or_else(|| Some([text("vendor")?, text("architecture").unwrap_or_default()].join(" ").trim().to_owned()))
        .unwrap_or_else(|| "unnamed adapter".to_owned());
    let says_fallback = |object: &JsValue| get(object, "isFallbackAdapter").is_some_and(|flag| flag.is_truthy());
    let all_names = [text("description"), text("vendor"), text("architecture"), text("device")];
    let lower = all_names.iter().flatten().map(|name| name.to_lowercase()).collect::<Vec<_>>().join(" ");
    if says_fallback(&info) || says_fallback(&adapter) || SOFTWARE.iter().any(|known| lower.contains(known)) {
        return WebGpu::Software(name);
    }
    WebGpu::Hardware(name)
}

async fn request_adapter(gpu: &JsValue, options: &JsValue) -> Option<JsValue> {
    let request: Function = get(gpu, "requestAdapter")?.dyn_into().ok()?;
    let promise: Promise = request.call1(gpu, options).ok()?.dyn_into().ok()?;
    JsFuture::from(promise).await.ok().filter(JsValue::is_object)
}

/// A property that is neither missing nor null.
fn get(object: &JsValue, key: &str) -> Option<JsValue> {
    Reflect::get(object, &key.into()).ok().filter(|value| !value.is_undefined() && !value.is_null())
}
