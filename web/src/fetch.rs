//! Files from our own origin: with progress in bytes, checked, and kept for the next visit.
//!
//! Checks come in an order that names the real cause: status (404), content type (a web page in place of a model),
//! length (cut short), checksum (damaged).

use js_sys::Uint8Array;
use leptos::prelude::window;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, AbortSignal, Cache, CacheQueryOptions, ReadableStreamDefaultReader, RequestInit, Response,
};

use crate::catalogue::FileEntry;
use crate::order;
use crate::problem::Problem;

/// Raised when the way files are kept changes.
const CACHE_NAME: &str = "solstice-files-v1";

/// Absolute address of a path relative to the page, wherever it is served.
#[must_use]
pub fn address(path: &str) -> String {
    let base = window().document().and_then(|document| document.base_uri().ok().flatten()).unwrap_or_default();
    web_sys::Url::new_with_base(path, &base).map_or_else(|_| path.to_owned(), |url| url.href())
}

/// Reads a small JSON file.
///
/// # Errors
/// When it is missing, is no JSON, or has another shape.
pub async fn json<T: DeserializeOwned>(path: &str) -> Result<T, Problem> {
    let response = get(path, None).await?;
    let text = match response.text() {
        Ok(promise) => JsFuture::from(promise).await.ok().and_then(|text| text.as_string()).unwrap_or_default(),
        Err(_) => String::new(),
    };
    serde_json::from_str(&text).map_err(|error| {
        Problem::new(
            format!("{path} cannot be read"),
            format!("{error}."),
            "Check how the page was built and deployed.",
        )
    })
}

/// Reads a small file as a `Blob` (a sample tile).
///
/// # Errors
/// When it is missing.
pub async fn blob(path: &str) -> Result<web_sys::Blob, Problem> {
    let response = get(path, None).await?;
    let promise = response.blob().map_err(|_| unreadable(path))?;
    JsFuture::from(promise).await.map_err(|_| unreadable(path))?.dyn_into().map_err(|_| unreadable(path))
}

/// Reads a large file: from the cache when a good copy is there, else from the network.
///
/// `on_progress` hears bytes received; the total is the entry's. Dropping the future ends the transfer.
///
/// # Errors
/// When the file is missing, is a web page, has another length, or another checksum.
pub async fn checked(folder: &str, entry: &FileEntry, on_progress: impl Fn(u64)) -> Result<Uint8Array, Problem> {
    let path = format!("{folder}/{}", entry.file);
    // The checksum in the key makes it a versioned name: a new model never meets an old copy.
    let key = format!("{}?sha256={}", address(&path), entry.sha256);
    let cache = open_cache().await;
    if let Some(cache) = &cache
        && let Some(kept) = cached(cache, &key).await
        && let Ok(bytes) = read_body(&path, &kept, entry, &on_progress).await
    {
        return Ok(bytes);
    }
    let transfer = Transfer(AbortController::new().ok());
    let response = get(&path, transfer.signal()).await?;
    let content_type = response.headers().get("content-type").ok().flatten().unwrap_or_default();
    if content_type.starts_with("text/") {
        return Err(Problem::new(
            format!("The server sent something else in place of {path}"),
            format!("Its content type is “{content_type}”, not a binary file."),
            "The file was not deployed with the page: some servers answer every unknown address with a web page.",
        ));
    }
    let bytes = read_body(&path, &response, entry, &on_progress).await?;
    if let Some(cache) = &cache {
        keep(cache, &key, &bytes).await;
    }
    Ok(bytes)
}

/// Ends its transfer when it is dropped; a finished one does not mind.
struct Transfer(Option<AbortController>);

impl Transfer {
    fn signal(&self) -> Option<AbortSignal> {
        self.0.as_ref().map(AbortController::signal)
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortController::abort);
    }
}

async fn get(path: &str, signal: Option<AbortSignal>) -> Result<Response, Problem> {
    let options = RequestInit::new();
    options.set_signal(signal.as_ref());
    let request = window().fetch_with_str_and_init(&address(path), &options);
    let response = JsFuture::from(request).await.map_err(|_| {
        Problem::new(
            format!("{path} could not be fetched"),
            "The network or the server did not answer.",
            "Check the connection, then try again.",
        )
    })?;
    let response: Response = response.dyn_into().map_err(|_| unreadable(path))?;
    if response.ok() {
        return Ok(response);
    }
    Err(Problem::new(
        format!("{path} is not there"),
        format!("The server answered {} {}.", response.status(), response.status_text()).replace(" .", "."),
        "Run the trainer's export into the public folder, or deploy the page again.",
    ))
}

fn unreadable(path: &str) -> Problem {
    Problem::new(format!("{path} could not be read"), "The answer broke off.", "Try again.")
}

/// Streams a body into one buffer of the expected length, hashing on the way.
async fn read_body(
    path: &str,
    response: &Response,
    entry: &FileEntry,
    on_progress: &impl Fn(u64),
) -> Result<Uint8Array, Problem> {
    let wrong_length = |received: u64, or_more: &str| {
        Problem::new(
            format!("{path} did not arrive whole"),
            format!("{received} bytes{or_more} came; the index says {}.", entry.bytes),
            "Try again; if it stays so, deploy the file and its index together.",
        )
    };
    let length = u32::try_from(entry.bytes).map_err(|_| wrong_length(0, ""))?;
    let bytes = Uint8Array::new_with_length(length);
    let mut hasher = Sha256::new();
    let mut received = 0_u64;
    let body = response.body().ok_or_else(|| unreadable(path))?;
    let reader: ReadableStreamDefaultReader = body.get_reader().unchecked_into();
    loop {
        let step = JsFuture::from(reader.read()).await.map_err(|_| wrong_length(received, ""))?;
        if js_sys::Reflect::get(&step, &"done".into()).is_ok_and(|done| done.is_truthy()) {
            break;
        }
        let value = js_sys::Reflect::get(&step, &"value".into()).map_err(|_| unreadable(path))?;
        let chunk: Uint8Array = value.unchecked_into();
        let end = received + u64::from(chunk.length());
        if end > entry.bytes {
            // Nothing more is wanted of a body that is already too long.
            let _ = reader.cancel();
            return Err(wrong_length(end, " or more"));
        }
        bytes.set(&chunk, received as u32);
        hasher.update(chunk.to_vec());
        received = end;
        on_progress(received);
    }
    if received != entry.bytes {
        return Err(wrong_length(received, ""));
    }
    let found: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if !found.eq_ignore_ascii_case(&entry.sha256) {
        return Err(Problem::new(
            format!("{path} is damaged"),
            format!("Its checksum is {}…; the index says {}….", &found[..12], entry.sha256.get(..12).unwrap_or("")),
            "Try again; if it stays so, deploy the file and its index together.",
        ));
    }
    Ok(bytes)
}

/// A file that is kept for the next visit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its name, with its folder.
    pub path: String,
    /// The checksum that it was kept under.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
}

/// What is kept, in order of name. Nothing where the browser has no cache.
pub async fn kept() -> Vec<Kept> {
    let Some(cache) = open_cache().await else { return Vec::new() };
    let Ok(keys) = JsFuture::from(cache.keys()).await else { return Vec::new() };
    let mut found = Vec::new();
    for key in js_sys::Array::from(&keys).iter().filter_map(|key| key.dyn_into::<web_sys::Request>().ok()) {
        let key = key.url();
        let Some(response) = cached(&cache, &key).await else { continue };
        let Ok(body) = response.blob() else { continue };
        let Ok(Ok(blob)) = JsFuture::from(body).await.map(JsCast::dyn_into::<web_sys::Blob>) else { continue };
        let (file, sha256) = key.split_once("?sha256=").unwrap_or((&key, ""));
        let path = file.strip_prefix(&address("./")).unwrap_or(file).to_owned();
        found.push(Kept { path, sha256: sha256.to_owned(), bytes: blob.size() as u64 });
    }
    order::sort_by(&mut found, |a, b| a.path.cmp(&b.path).then(a.sha256.cmp(&b.sha256)));
    found
}

/// Throws everything away that is kept; the next visit fetches it again.
pub async fn forget_kept() {
    if let Some(caches) = caches() {
        // There is nothing to throw away where this fails.
        let _ = JsFuture::from(caches.delete(CACHE_NAME)).await;
    }
}

/// The cache, where the browser has one (only in secure contexts).
async fn open_cache() -> Option<Cache> {
    JsFuture::from(caches()?.open(CACHE_NAME)).await.ok()?.dyn_into().ok()
}

fn caches() -> Option<web_sys::CacheStorage> {
    let caches = js_sys::Reflect::get(&window(), &"caches".into()).ok().filter(JsValue::is_object)?;
    Some(caches.unchecked_into())
}

async fn cached(cache: &Cache, key: &str) -> Option<Response> {
    JsFuture::from(cache.match_with_str(key)).await.ok()?.dyn_into().ok()
}

/// Keeps a verified copy in the place of older ones. A full disk only means that the next visit downloads again.
async fn keep(cache: &Cache, key: &str, bytes: &Uint8Array) {
    let older = CacheQueryOptions::new();
    older.set_ignore_search(true);
    // There may be none.
    let _ = JsFuture::from(cache.delete_with_str_and_options(key, &older)).await;
    if let Ok(response) = Response::new_with_opt_js_u8_array(Some(bytes)) {
        let _ = JsFuture::from(cache.put_with_str(key, &response)).await;
    }
}
