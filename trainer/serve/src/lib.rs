//! A static server for the page, reachable from this machine only. It knows nothing of the trainer, so that the page can
//! be looked at before the trainer is compiled (`examples/page.rs`).

mod site;

pub use site::Site;

use std::fs::File;
use std::path::Path;
use tiny_http::{Header, Method, Request, Response};

/// A port that is listened on.
pub struct Server {
    inner: tiny_http::Server,
}

/// Why a port cannot be listened on.
#[derive(Debug)]
pub struct BindError {
    port: u16,
    why: String,
}

impl std::fmt::Display for BindError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { port, why } = self;
        write!(f, "cannot listen on port {port}: {why}\nhint: --port 0 takes any free one")
    }
}

impl std::error::Error for BindError {}

impl Server {
    /// Listens on `port` of this machine; 0 takes any free one.
    ///
    /// # Errors
    /// When the port is taken or reserved.
    pub fn bind(port: u16) -> Result<Self, BindError> {
        let inner =
            tiny_http::Server::http(("127.0.0.1", port)).map_err(|error| BindError { port, why: error.to_string() })?;
        Ok(Self { inner })
    }

    /// What to type into a browser.
    #[must_use]
    pub fn address(&self) -> String {
        let port = self.inner.server_addr().to_ip().map_or(0, |address| address.port());
        format!("http://localhost:{port}/")
    }

    /// Answers requests for the files of `site` until the process ends.
    pub fn run(&self, site: &Site) {
        for request in self.inner.incoming_requests() {
            // A reader that went away is no error of ours.
            let _ = answer(request, site);
        }
    }
}

fn answer(request: Request, site: &Site) -> std::io::Result<()> {
    if !matches!(request.method(), Method::Get | Method::Head) {
        return request.respond(Response::from_string("only GET").with_status_code(405));
    }
    let found = site.file_of(request.url()).and_then(|path| Some((File::open(&path).ok()?, path)));
    match found {
        None => request.respond(Response::from_string("not found").with_status_code(404)),
        Some((file, path)) => {
            let mut response = Response::from_file(file);
            if let Ok(kind) = Header::from_bytes("Content-Type", content_type(&path)) {
                response.add_header(kind);
            }
            if let Some(policy) = worker_policy(&path)
                && let Ok(header) = Header::from_bytes("Content-Security-Policy", policy)
            {
                response.add_header(header);
            }
            request.respond(response)
        }
    }
}

/// What a worker may do: a page's own policy does not bind the workers that it starts by their address. Those that see the
/// user's pictures ask nobody but this site; the one that reads files at addresses which the user typed may ask others.
fn worker_policy(path: &Path) -> Option<&'static str> {
    match path.file_name()?.to_str()? {
        "worker.js" => Some("default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'"),
        "reader.js" => {
            Some("default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' https: http:")
        }
        _ => None,
    }
}

fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript",
        Some("css") => "text/css",
        Some("json") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        // Without this type a browser refuses to compile while it downloads.
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("webp") => "image/webp",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    #[test]
    fn workers_are_served_with_a_policy_that_keeps_pictures_here() {
        let connects = |name: &str| {
            let policy = worker_policy(Path::new(name))?;
            policy.split("; ").find_map(|part| part.strip_prefix("connect-src "))
        };
        assert_eq!(connects("page/worker.js"), Some("'self'"));
        assert_eq!(connects("page/reader.js"), Some("'self' https: http:"));
        assert_eq!(connects("page/index.html"), None, "the page brings its own");
    }

    #[test]
    fn a_file_is_answered_with_its_type() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.wasm"), "code").unwrap();
        let server = Server::bind(0).unwrap();
        let port = server.address().trim_end_matches('/').rsplit(':').next().unwrap().parse::<u16>().unwrap();
        let site = Site::new(folder.path());
        std::thread::spawn(move || server.run(&site));
        let ask = |line: &str| {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            write!(stream, "{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text
        };
        let found = ask("GET /a.wasm");
        assert!(found.starts_with("HTTP/1.1 200") && found.ends_with("code"), "{found}");
        assert!(found.contains("Content-Type: application/wasm"), "{found}");
        assert!(ask("GET /b.wasm").starts_with("HTTP/1.1 404"));
        assert!(ask("DELETE /a.wasm").starts_with("HTTP/1.1 405"));
        let taken = Server::bind(port).err().unwrap().to_string();
        assert!(taken.contains("hint: --port"), "{taken}");
    }
}
