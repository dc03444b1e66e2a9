//! A server of files with ranges and of a STAC search with pages, which can misbehave on purpose.

use std::collections::HashMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tiny_http::{Header, Request, Response};

/// How the server treats its callers.
#[derive(Clone, Copy, PartialEq)]
pub enum Behaviour {
    /// It answers.
    Good,
    /// Of the first answers to a request, some are 429 or 500, cut off, or late.
    Bad,
    /// It answers for catalogs only.
    Down,
    /// It hands out files with a token only.
    Signed,
}

struct Shared {
    root: PathBuf,
    behaviour: Mutex<Behaviour>,
    asked: Mutex<HashMap<String, usize>>,
    pages: AtomicUsize,
    items: Vec<Value>,
}

/// A running server; it ends with the test.
pub struct Server {
    port: u16,
    shared: Arc<Shared>,
    server: Arc<tiny_http::Server>,
}

impl Server {
    pub fn start(root: &Path, behaviour: Behaviour) -> Self {
        let server = Arc::new(tiny_http::Server::http("127.0.0.1:0").unwrap());
        let port = server.server_addr().to_ip().unwrap().port();
        let shared = Arc::new(Shared {
            root: root.to_owned(),
            behaviour: Mutex::new(behaviour),
            asked: Mutex::default(),
            pages: AtomicUsize::new(0),
            items: items(root, port),
        });
        for _ in 0..8 {
            let (server, shared) = (Arc::clone(&server), Arc::clone(&shared));
            std::thread::spawn(move || {
                while let Ok(request) = server.recv() {
                    answer(request, &shared, port);
                }
            });
        }
        Self { port, shared, server }
    }

    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn behave(&self, behaviour: Behaviour) {
        *self.shared.behaviour.lock().unwrap() = behaviour;
    }

    /// Pages of searches that were handed out.
    pub fn pages(&self) -> usize {
        self.shared.pages.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        (0..8).for_each(|_| self.server.unblock());
    }
}

fn items(root: &Path, port: u16) -> Vec<Value> {
    let mut items = Vec::new();
    for folder in std::fs::read_dir(root.join("sentinel-2-l2a")).unwrap().map(|entry| entry.unwrap().path()) {
        let path = folder.join(format!("{}.json", folder.file_name().unwrap().to_string_lossy()));
        if !path.is_file() {
            continue;
        }
        let mut item: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        for asset in item["assets"].as_object_mut().unwrap().values_mut() {
            let href = asset["href"].as_str().unwrap().trim_start_matches("../").to_owned();
            asset["href"] = json!(format!("http://127.0.0.1:{port}/{href}"));
        }
        item["links"] = json!([]);
        items.push(item);
    }
    items.sort_by_key(|item| item["id"].as_str().unwrap().to_owned());
    items
}

fn answer(mut request: Request, shared: &Shared, port: u16) {
    let url = request.url().trim_start_matches('/').to_owned();
    let (path, query) = url.split_once('?').unwrap_or((&url, ""));
    let path = path.to_owned();
    let range =
        request.headers().iter().find(|header| header.field.equiv("Range")).map(|header| header.value.to_string());
    let behaviour = *shared.behaviour.lock().unwrap();
    if behaviour == Behaviour::Down && path.ends_with(".tif") {
        let _ = request.respond(Response::from_string("busy").with_status_code(503));
        return;
    }
    if behaviour == Behaviour::Signed && path.ends_with(".tif") && query != "sig=abc" {
        let _ = request.respond(Response::from_string("a token is needed").with_status_code(403));
        return;
    }
    let bytes = match path.as_str() {
        "token" => br#"{"token": "sig=abc", "msft:expiry": "2999-01-01T00:00:00Z"}"#.to_vec(),
        "api" => json!({
            "type": "Catalog", "conformsTo": ["https://api.stacspec.org/v1.0.0/item-search#query"],
            "links": [{ "rel": "search", "href": "/search", "method": "POST" }],
        })
        .to_string()
        .into_bytes(),
        "search" => {
            let mut text = String::new();
            request.as_reader().read_to_string(&mut text).unwrap();
            search(&serde_json::from_str(&text).unwrap(), shared, port)
        }
        _ => match std::fs::read(shared.root.join(&path)) {
            Ok(bytes) => bytes,
            Err(_) => {
                let _ = request.respond(Response::from_string("not here").with_status_code(404));
                return;
            }
        },
    };
    let (status, bytes, content_range) = match range.and_then(|range| cut(&range, &bytes)) {
        Some((part, header)) => (206, part, Some(header)),
        None => (200, bytes, None),
    };
    let mut response = Response::new(status.into(), Vec::new(), Cursor::new(bytes.clone()), Some(bytes.len()), None);
    if let Some(header) = &content_range {
        response.add_header(Header::from_bytes("Content-Range", header.as_bytes()).unwrap());
    }
    if behaviour == Behaviour::Bad {
        let key = format!("{path} {content_range:?}");
        let asked = {
            let mut asked = shared.asked.lock().unwrap();
            let count = asked.entry(key.clone()).or_default();
            *count += 1;
            *count
        };
        // Which request is met by what is decided by its name; the third time it is answered.
        let hash = key.bytes().fold(7u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte)));
        if asked < 3 {
            match hash % 23 {
                0 | 1 => {
                    let busy = Response::from_string("slowly").with_status_code(429);
                    let _ = request.respond(busy.with_header(Header::from_bytes("Retry-After", "0").unwrap()));
                    return;
                }
                2 | 3 => {
                    let _ = request.respond(Response::from_string("sorry").with_status_code(500));
                    return;
                }
                4 | 5 if bytes.len() > 20 => {
                    // Says all, sends half, hangs up.
                    use std::io::Write;
                    let mut writer = request.into_writer();
                    let range = content_range.map(|range| format!("Content-Range: {range}\r\n")).unwrap_or_default();
                    let _ = write!(
                        writer,
                        "HTTP/1.1 {status} OK\r\nContent-Length: {}\r\n{range}Connection: close\r\n\r\n",
                        bytes.len()
                    );
                    let _ = writer.write_all(&bytes[..bytes.len() / 2]);
                    let _ = writer.flush();
                    return;
                }
                6 if asked < 2 => std::thread::sleep(Duration::from_millis(900)),
                _ => {}
            }
        }
    }
    let _ = request.respond(response);
}

fn cut(range: &str, bytes: &[u8]) -> Option<(Vec<u8>, String)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let first: usize = first.parse().ok()?;
    let last = last.parse::<usize>().ok()?.min(bytes.len() - 1);
    Some((bytes.get(first..=last)?.to_vec(), format!("bytes {first}-{last}/{}", bytes.len())))
}

/// Two items a page, whatever is asked for.
fn search(query: &Value, shared: &Shared, port: u16) -> Vec<u8> {
    shared.pages.fetch_add(1, Ordering::Relaxed);
    let start = query["token"].as_u64().unwrap_or(0) as usize;
    let (from, to) = query["datetime"].as_str().unwrap().split_once('/').unwrap();
    let found: Vec<&Value> = shared
        .items
        .iter()
        .filter(|item| {
            let moment = item["properties"]["datetime"].as_str().unwrap();
            (from..=to).contains(&moment)
        })
        .collect();
    let page: Vec<&Value> = found.iter().skip(start).take(2).copied().collect();
    let mut links = Vec::new();
    if start + 2 < found.len() {
        let href = format!("http://127.0.0.1:{port}/search");
        links.push(
            json!({ "rel": "next", "href": href, "method": "POST", "body": { "token": start + 2 }, "merge": true }),
        );
    }
    json!({ "type": "FeatureCollection", "features": page, "links": links }).to_string().into_bytes()
}
