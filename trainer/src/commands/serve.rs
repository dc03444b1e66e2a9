//! `trainer serve`: a static server for the page, reachable from this machine only.

use crate::error::UsageError;
use crate::report::Reporter;
use anyhow::Result;
use std::fs::File;
use std::path::{Component, Path, PathBuf};
use tiny_http::{Header, Method, Request, Response, Server};

/// What can be typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  trainer serve web/dist
  trainer serve out/demo/page --port 9000")]
pub struct ServeArgs {
    /// Folder with an index.html
    pub folder: PathBuf,
    /// Port; 0 takes any free one
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
}

/// Serves until it is stopped.
///
/// # Errors
/// When there is no page in the folder, or the port is taken.
pub fn run(args: &ServeArgs, reporter: &mut Reporter<'_>) -> Result<()> {
    if !args.folder.join("index.html").is_file() {
        return Err(UsageError::new(format!(
            "no index.html in {}\nhint: build the page first: trunk build --config web/Trunk.toml",
            args.folder.display()
        ))
        .into());
    }
    let server = Server::http(("127.0.0.1", args.port)).map_err(|error| {
        UsageError::new(format!("cannot listen on port {}: {error}\nhint: --port 0 takes any free one", args.port))
    })?;
    if let Some(address) = server.server_addr().to_ip() {
        reporter.line(&format!("http://localhost:{}/ (Ctrl-C stops)", address.port()));
    }
    for request in server.incoming_requests() {
        // A reader that went away is no error of ours.
        let _ = answer(request, &args.folder);
    }
    Ok(())
}

fn answer(request: Request, folder: &Path) -> std::io::Result<()> {
    if !matches!(request.method(), Method::Get | Method::Head) {
        return request.respond(Response::from_string("only GET").with_status_code(405));
    }
    let found = file_of(request.url(), folder).and_then(|path| Some((File::open(&path).ok()?, path)));
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

/// The file that a URL names, when it lies inside `folder`.
fn file_of(url: &str, folder: &Path) -> Option<PathBuf> {
    let path = url.split(['?', '#']).next().unwrap_or_default().trim_start_matches('/');
    let path = Path::new(path);
    let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
    let file = folder.join(path);
    let file = if file.is_dir() { file.join("index.html") } else { file };
    (inside && file.is_file()).then_some(file)
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
mod tests {
    use super::*;

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
    fn nothing_outside_the_folder_is_served() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let page = folder.path().join("page");
        std::fs::create_dir(&page).expect("a folder");
        std::fs::write(page.join("index.html"), "page").expect("a file");
        std::fs::write(folder.path().join("secret"), "secret").expect("a file");
        assert_eq!(file_of("/", &page), Some(page.join("index.html")));
        assert_eq!(file_of("/index.html?a=b", &page), Some(page.join("index.html")));
        assert_eq!(file_of("/../secret", &page), None);
        assert_eq!(file_of("//etc/passwd", &page), None);
        assert_eq!(file_of("/missing", &page), None);
    }
}
