//! Downloads from a server on this machine that breaks off, has no ranges, changes its file, or says no.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gather::download::{Fetched, Wanted, download};

/// How the server treats a request.
#[derive(Clone, Copy)]
struct Manners {
    /// Bytes after which a connection is cut.
    cut_after: usize,
    has_ranges: bool,
    status: u16,
    etag: &'static str,
}

const GOOD: Manners = Manners { cut_after: usize::MAX, has_ranges: true, status: 200, etag: "\"one\"" };

struct Server {
    url: String,
    manners: Arc<Mutex<Manners>>,
    /// First bytes that were asked for.
    asked: Arc<Mutex<Vec<usize>>>,
}

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 % 251) as u8).collect()
}

fn serve(body: Vec<u8>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/set.zip", listener.local_addr().unwrap());
    let (manners, asked) = (Arc::new(Mutex::new(GOOD)), Arc::new(Mutex::new(Vec::new())));
    let server = Server { url, manners: Arc::clone(&manners), asked: Arc::clone(&asked) };
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let own = *manners.lock().unwrap();
            answer(stream, &body, own, &asked);
        }
    });
    server
}

fn answer(mut stream: TcpStream, body: &[u8], own: Manners, asked: &Mutex<Vec<usize>>) {
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    while !text.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(count) if count > 0 => text.extend_from_slice(&buffer[..count]),
            _ => return,
        }
    }
    let text = String::from_utf8_lossy(&text).to_lowercase();
    let header = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let fits = header("if-range:").is_none_or(|etag| etag == own.etag);
    let start =
        header("range:").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    let start = start.filter(|_| own.has_ranges && fits);
    asked.lock().unwrap().push(start.unwrap_or(0));
    let (total, from) = (body.len(), start.unwrap_or(0));
    let head = match (own.status, start) {
        (200, Some(from)) if from >= total => {
            format!("416 Range\r\ncontent-range: bytes */{total}\r\ncontent-length: 0")
        }
        (200, Some(from)) => format!(
            "206 Partial\r\ncontent-range: bytes {from}-{}/{total}\r\ncontent-length: {}\r\netag: {}",
            total - 1,
            total - from,
            own.etag
        ),
        (200, None) => format!("200 OK\r\ncontent-length: {total}\r\netag: {}", own.etag),
        (status, _) => format!("{status} No\r\ncontent-length: 0"),
    };
    let _ = stream.write_all(format!("HTTP/1.1 {head}\r\nconnection: close\r\n\r\n").as_bytes());
    if own.status == 200 && from < total {
        let end = total.min(from.saturating_add(own.cut_after));
        let _ = stream.write_all(&body[from..end]);
    }
}

fn wanted(server: &Server, folder: &Path, md5: Option<&str>) -> Wanted {
    Wanted { url: server.url.clone(), path: folder.join("set.zip"), sha256: None, md5: md5.map(str::to_owned) }
}

fn fetch(wanted: &Wanted) -> anyhow::Result<Fetched> {
    download(wanted, Duration::from_millis(1), &mut |_, _| {})
}

#[test]
fn a_file_comes_whole_with_progress_and_only_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(content(100_000));
    let own = wanted(&server, folder.path(), None);
    let mut seen = Vec::new();
    let fetched = download(&own, Duration::ZERO, &mut |done, total| seen.push((done, total))).unwrap();
    assert_eq!(fetched, Fetched::From(0));
    assert_eq!(fs::read(&own.path).unwrap(), content(100_000));
    assert_eq!((seen[0], seen[seen.len() - 1]), ((0, Some(100_000)), (100_000, Some(100_000))));
    assert_eq!(fetch(&own).unwrap(), Fetched::WasThere);
    assert_eq!(server.asked.lock().unwrap().len(), 1);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else stays");
}

#[test]
fn broken_connections_are_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(content(100_000));
    server.manners.lock().unwrap().cut_after = 30_000;
    let own = wanted(&server, folder.path(), None);
    assert_eq!(fetch(&own).unwrap(), Fetched::From(0));
    assert_eq!(fs::read(&own.path).unwrap(), content(100_000));
    let asked = server.asked.lock().unwrap().clone();
    assert!(asked.len() >= 4 && asked.windows(2).all(|pair| pair[1] > pair[0]), "{asked:?}");
}

#[test]
fn a_stopped_download_goes_on_unless_the_file_has_changed() {
    let part_of = |folder: &Path, etag: &str| {
        fs::write(folder.join("set.zip.part"), &content(100_000)[..40_000]).unwrap();
        fs::write(folder.join("set.zip.part.etag"), etag).unwrap();
    };
    for (etag, has_ranges, start) in [("\"one\"", true, 40_000), ("\"other\"", true, 0), ("\"one\"", false, 0)] {
        let folder = tempfile::tempdir().unwrap();
        let server = serve(content(100_000));
        server.manners.lock().unwrap().has_ranges = has_ranges;
        part_of(folder.path(), etag);
        let own = wanted(&server, folder.path(), None);
        assert_eq!(fetch(&own).unwrap(), Fetched::From(start as u64));
        assert_eq!(fs::read(&own.path).unwrap(), content(100_000));
        assert_eq!(*server.asked.lock().unwrap(), [start], "{etag}, ranges: {has_ranges}");
    }
    let folder = tempfile::tempdir().unwrap();
    let server = serve(content(1000));
    fs::write(folder.path().join("set.zip.part"), content(1000)).unwrap();
    let own = wanted(&server, folder.path(), None);
    assert_eq!(fetch(&own).unwrap(), Fetched::From(1000));
    assert_eq!(fs::read(&own.path).unwrap(), content(1000));
}

#[test]
fn checksums_decide() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(b"abc".to_vec());
    // RFC 1321's and FIPS 180's own examples.
    let right = "900150983cd24fb0d6963f7d28e17f72";
    let own = Wanted {
        sha256: Some("BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD".into()),
        ..wanted(&server, folder.path(), Some(right))
    };
    fetch(&own).unwrap();
    let other = Wanted { md5: Some(right.replace('9', "8")), ..own.clone() };
    let said = format!("{:#}", fetch(&other).unwrap_err());
    assert!(said.contains("is there and is another file"), "{said}");
    fs::remove_file(&own.path).unwrap();
    let said = format!("{:#}", fetch(&other).unwrap_err());
    assert!(said.contains("sent another file") && said.contains("MD5"), "{said}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "a wrong file does not stay");
}

#[test]
fn refusals_are_told_at_once_and_faults_after_some_tries() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(content(10));
    for (status, tries) in [(404, 1), (403, 1), (503, 5)] {
        server.manners.lock().unwrap().status = status;
        server.asked.lock().unwrap().clear();
        let said = format!("{:#}", fetch(&wanted(&server, folder.path(), None)).unwrap_err());
        assert!(said.contains(&format!("status {status}")) && said.contains("hint: "), "{said}");
        assert_eq!(server.asked.lock().unwrap().len(), tries);
    }
}
