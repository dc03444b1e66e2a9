//! A file at an address that the user typed: only the parts that are asked for are fetched, by HTTP range requests.
//!
//! The first part is fetched asynchronously, so that a server that answers with the whole file can be stopped; then synchronous
//! requests, which only workers may make, serve a decoder that reads and seeks. Neither sends cookies.

use std::cell::Cell;

use js_sys::{Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::problem::Problem;
use crate::scene::step::Traffic;

/// What is fetched first: headers of most files.
const FIRST_BYTES: u64 = 64 << 10;
/// How often a part is asked for before it is given up.
const TRIES: usize = 3;
const PARTIAL_CONTENT: u16 = 206;
/// Where a server does not say how long its file is; ranges may end behind it.
const UNKNOWN_LENGTH: u64 = 1 << 53;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = fetch)]
    fn fetch_with(address: &str, options: &Object) -> Promise;

    #[wasm_bindgen(js_name = XMLHttpRequest)]
    type SyncRequest;
    #[wasm_bindgen(constructor, js_class = "XMLHttpRequest")]
    fn new() -> SyncRequest;
    #[wasm_bindgen(method, catch)]
    fn open(this: &SyncRequest, method: &str, address: &str, is_async: bool) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = setRequestHeader)]
    fn set_request_header(this: &SyncRequest, name: &str, value: &str) -> Result<(), JsValue>;
    #[wasm_bindgen(method, setter, js_name = responseType)]
    fn set_response_type(this: &SyncRequest, kind: &str);
    #[wasm_bindgen(method, catch)]
    fn send(this: &SyncRequest) -> Result<(), JsValue>;
    #[wasm_bindgen(method, getter)]
    fn status(this: &SyncRequest) -> u16;
    #[wasm_bindgen(method, getter)]
    fn response(this: &SyncRequest) -> JsValue;
}

/// A file that is read over the network.
pub struct Remote {
    address: String,
    len: u64,
    traffic: Cell<Traffic>,
    head: Vec<u8>,
}

impl Remote {
    /// Fetches the beginning of a file.
    ///
    /// # Errors
    /// When the server does not answer, does not let other sites read, has no such file, or sends no parts.
    pub async fn open(address: String) -> Result<Self, Problem> {
        let (headers, options) = (Object::new(), Object::new());
        // Setting a property of a fresh plain object cannot fail.
        let _ = Reflect::set(&headers, &"Range".into(), &range(0, FIRST_BYTES).into());
        let _ = Reflect::set(&options, &"headers".into(), &headers);
        let _ = Reflect::set(&options, &"credentials".into(), &"omit".into());
        let response = JsFuture::from(fetch_with(&address, &options)).await.map_err(|_| {
            refused(
                "The server did not answer, or does not let other sites read its files (CORS).",
                "Check the address, or download the file and open it from disk.",
            )
        })?;
        let status = number(&response, "status") as u16;
        if status != PARTIAL_CONTENT {
            if let Some(body) = property(&response, "body") {
                // What is still coming is not wanted.
                let _ = call(&body, "cancel", &[]);
            }
            return Err(match status {
                200 => refused(
                    "The server sends whole files only, not parts of them (HTTP range requests).",
                    "Download the file and open it from disk.",
                ),
                _ => refused(&format!("The server answered {status}."), "Check the address."),
            });
        }
        let total = property(&response, "headers")
            .and_then(|headers| call(&headers, "get", &["content-range".into()]))
            .and_then(|range| range.as_string()?.rsplit_once('/')?.1.parse().ok());
        let body = call(&response, "arrayBuffer", &[]).ok_or_else(broken)?;
        let head = JsFuture::from(Promise::from(body)).await.map_err(|_| broken())?;
        let head = Uint8Array::new(&head).to_vec();
        let traffic = Cell::new(Traffic { requests: 1, bytes: head.len() as u64 });
        Ok(Self { address, len: total.unwrap_or(UNKNOWN_LENGTH), traffic, head })
    }

    /// Length of the file, or far more than that where the server does not say.
    #[must_use]
    pub const fn file_bytes(&self) -> u64 {
        self.len
    }

    /// The beginning of the file.
    #[must_use]
    pub fn head(&self) -> Vec<u8> {
        self.head.clone()
    }

    /// What was fetched so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.traffic.get()
    }

    /// The bytes from `start` to `end`, fewer at the end of the file.
    ///
    /// # Errors
    /// When the server does not send them.
    pub fn fetch(&self, start: u64, end: u64) -> std::io::Result<Uint8Array> {
        let mut why = String::new();
        for _ in 0..TRIES {
            let Traffic { requests, bytes } = self.traffic.get();
            let answer = self.ask(start, end);
            let received = answer.as_ref().map_or(0, |part| u64::from(part.length()));
            self.traffic.set(Traffic { requests: requests + 1, bytes: bytes + received });
            match answer {
                Ok(part) if received > 0 && received <= end - start => return Ok(part),
                Ok(_) => why = format!("it sent {received} bytes"),
                Err(problem) => why = problem,
            }
        }
        Err(std::io::Error::other(format!("the server was asked for bytes {start} to {end} of the file; {why}")))
    }

    fn ask(&self, start: u64, end: u64) -> Result<Uint8Array, String> {
        let no_answer = |_| "it did not answer".to_owned();
        let request = SyncRequest::new();
        request.open("GET", &self.address, false).map_err(no_answer)?;
        request.set_response_type("arraybuffer");
        request.set_request_header("Range", &range(start, end)).map_err(no_answer)?;
        request.send().map_err(no_answer)?;
        match request.status() {
            PARTIAL_CONTENT => Ok(Uint8Array::new(&request.response())),
            status => Err(format!("it answered {status}")),
        }
    }
}

/// HTTP counts the last byte in.
fn range(start: u64, end: u64) -> String {
    format!("bytes={start}-{}", end - 1)
}

fn property(of: &JsValue, name: &str) -> Option<JsValue> {
    Reflect::get(of, &name.into()).ok().filter(|value| !value.is_null() && !value.is_undefined())
}

fn number(of: &JsValue, name: &str) -> f64 {
    property(of, name).and_then(|value| value.as_f64()).unwrap_or(0.0)
}

fn call(of: &JsValue, name: &str, arguments: &[JsValue]) -> Option<JsValue> {
    let function: js_sys::Function = property(of, name)?.dyn_into().ok()?;
    function.apply(of, &arguments.iter().collect()).ok()
}

fn refused(why: &str, remedy: &str) -> Problem {
    Problem::new("This address cannot be read", why, remedy)
}

fn broken() -> Problem {
    refused("The answer broke off.", "Try again.")
}
