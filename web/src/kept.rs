//! What this page keeps on the device, in bytes, and how to get rid of it.
//!
//! Three kinds of caches: models and galleries ([`crate::fetch`]), the page itself, and pictures (`assets/offline.js`).
//! Several pages may share an origin: only what lies under this one's address is ours.

use js_sys::{Array, Reflect};
use leptos::prelude::window;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, Cache, CacheStorage, Request, Response};

use crate::fetch;

/// How the names of all our caches begin.
const PREFIX: &str = "solstice-";

/// Bytes kept; `None` where the browser keeps nothing.
pub async fn size() -> Option<u64> {
    let mut bytes = 0;
    for (cache, request) in ours().await? {
        let found = JsFuture::from(cache.match_with_request(&request)).await;
        let Some(response) = found.ok().and_then(|found| found.dyn_into::<Response>().ok()) else { continue };
        let Ok(blob) = response.blob() else { continue };
        let blob = JsFuture::from(blob).await.ok().and_then(|blob| blob.dyn_into::<Blob>().ok());
        bytes += blob.map_or(0, |blob| blob.size() as u64);
    }
    Some(bytes)
}

/// Forgets everything.
pub async fn clear() {
    for (cache, request) in ours().await.unwrap_or_default() {
        // What is gone already need not be deleted.
        let _ = JsFuture::from(cache.delete_with_request(&request)).await;
    }
}

/// Everything of ours.
async fn ours() -> Option<Vec<(Cache, Request)>> {
    let caches = Reflect::get(&window(), &"caches".into()).ok().filter(JsValue::is_object)?;
    let caches: CacheStorage = caches.unchecked_into();
    let base = fetch::address("./");
    let mut found = Vec::new();
    for name in list(caches.keys()).await.iter().filter_map(JsValue::as_string) {
        if !name.starts_with(PREFIX) {
            continue;
        }
        let Ok(cache) = JsFuture::from(caches.open(&name)).await else { continue };
        let cache: Cache = cache.unchecked_into();
        let requests = list(cache.keys()).await.into_iter().map(JsCast::unchecked_into::<Request>);
        found.extend(
            requests.filter(|request| request.url().starts_with(&base)).map(|request| (cache.clone(), request)),
        );
    }
    Some(found)
}

async fn list(promise: js_sys::Promise) -> Vec<JsValue> {
    let list = JsFuture::from(promise).await.ok().and_then(|list| list.dyn_into::<Array>().ok());
    list.map(|list| list.to_vec()).unwrap_or_default()
}
