//! One file from its official address: whole or not at all under its name, gone on with where it was stopped, and checked.
//!
//! Until it is whole it grows as `<name>.part`; `<name>.part.etag` tells whether the server still has the same file.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use http::StatusCode;
use http::header::{CONTENT_RANGE, ETAG, IF_RANGE, LAST_MODIFIED, RANGE};
use md5::Md5;
use sha2::{Digest, Sha256};

use crate::http::encryption;

/// Tries after the first one that bring nothing new.
const RETRIES: u32 = 5;
const PATIENCE: Duration = Duration::from_secs(60);

/// What to download, and where to.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Address.
    pub url: String,
    /// The file.
    pub path: PathBuf,
    /// SHA-256 in hexadecimal digits.
    pub sha256: Option<String>,
    /// MD5 in hexadecimal digits.
    pub md5: Option<String>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// It was there, and is what was wanted.
    WasThere,
    /// It was downloaded, from this byte on.
    From(u64),
}

/// How one request ended.
enum Piece {
    Whole,
    /// The connection broke; some bytes came, or none.
    Broken(String),
}

/// Downloads a file. `progress` hears bytes that are there and those in all, if the server tells.
///
/// # Errors
/// When the server refuses or cannot be reached, the file is not what was wanted, or the disk refuses. What was downloaded
/// stays, unless its checksum is wrong.
pub fn download(wanted: &Wanted, pause: Duration, progress: &mut dyn FnMut(u64, Option<u64>)) -> Result<Fetched> {
    if wanted.path.is_file() {
        check(wanted, &wanted.path).with_context(|| {
            format!(
                "{} is there and is another file\nhint: move it away, or choose another --out",
                wanted.path.display()
            )
        })?;
        return Ok(Fetched::WasThere);
    }
    if let Some(folder) = wanted.path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot set up downloads")?;
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(encryption()?)
        .connect_timeout(PATIENCE)
        .read_timeout(PATIENCE)
        // Bytes are counted and checked as the server keeps them.
        .no_gzip()
        .user_agent(concat!("solstice/", env!("CARGO_PKG_VERSION")))
        .build()
        .context("cannot set up HTTP")?;
    let part = with_ending(&wanted.path, "part");
    let mut began = length(&part);
    let mut left = RETRIES;
    loop {
        let before = length(&part);
        match runtime.block_on(one_request(&client, wanted, &part, &mut began, progress))? {
            Piece::Whole => break,
            Piece::Broken(why) => {
                // As long as something comes, it may take any number of requests.
                left = if length(&part) > before { RETRIES } else { left.saturating_sub(1) };
                if left == 0 {
                    bail!(
                        "{}: {why}, {} times in a row\nhint: the same command goes on from {} bytes",
                        wanted.url,
                        RETRIES,
                        length(&part)
                    );
                }
                std::thread::sleep(pause * (RETRIES - left + 1));
            }
        }
    }
    if let Err(error) = check(wanted, &part) {
        remove(&part)?;
        remove(&with_ending(&part, "etag"))?;
        return Err(error.context(format!("{} sent another file than was published", wanted.url)));
    }
    fs::rename(&part, &wanted.path).with_context(|| format!("cannot name {}", wanted.path.display()))?;
    remove(&with_ending(&part, "etag"))?;
    Ok(Fetched::From(began))
}

async fn one_request(
    client: &reqwest::Client,
    wanted: &Wanted,
    part: &Path,
    began: &mut u64,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<Piece> {
    let etag_path = with_ending(part, "etag");
    let mut have = length(part);
    let mut request = client.get(&wanted.url);
    if have > 0 {
        request = request.header(RANGE, format!("bytes={have}-"));
        // Another file under the same address is sent whole.
        if let Ok(etag) = fs::read_to_string(&etag_path) {
            request = request.header(IF_RANGE, etag.trim());
        }
    }
    let mut answer = match request.send().await {
        Ok(answer) => answer,
        Err(error) if error.is_builder() => bail!("{} is no address\nhint: check the task's file", wanted.url),
        Err(error) => return Ok(Piece::Broken(one_line(&error))),
    };
    let status = answer.status();
    let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let total = match status {
        StatusCode::PARTIAL_CONTENT => {
            let range = header(CONTENT_RANGE).unwrap_or_default();
            let (start, total) = content_range(&range).with_context(|| {
                format!("{} answers with a range {range:?}\nhint: the server is at fault", wanted.url)
            })?;
            if start != have {
                bail!("{} sends bytes from {start}, not from {have}\nhint: delete {}", wanted.url, part.display());
            }
            total
        }
        // Nothing lies behind what is there.
        StatusCode::RANGE_NOT_SATISFIABLE => {
            let total = header(CONTENT_RANGE).and_then(|range| range.rsplit('/').next()?.parse::<u64>().ok());
            if total == Some(have) {
                return Ok(Piece::Whole);
            }
            remove(part)?;
            remove(&etag_path)?;
            *began = 0;
            return Ok(Piece::Broken("the server has fewer bytes than are here".to_owned()));
        }
        status if status.is_success() => {
            remove(part)?;
            (have, *began) = (0, 0);
            answer.content_length()
        }
        status if matches!(status.as_u16(), 408 | 429 | 500..=599) => {
            return Ok(Piece::Broken(format!("status {}", status.as_u16())));
        }
        status => bail!(
            "{}: status {}\nhint: the publishers may have moved it; see the data set's page",
            wanted.url,
            status.as_u16()
        ),
    };
    // A weak mark does not promise equal bytes.
    let mark = header(ETAG).filter(|etag| !etag.starts_with("W/")).or_else(|| header(LAST_MODIFIED));
    match mark {
        Some(mark) => atomic_file::write(&etag_path, mark.as_bytes())?,
        None => remove(&etag_path)?,
    }
    let shown = part.display();
    let mut file =
        OpenOptions::new().append(true).create(true).open(part).with_context(|| format!("cannot write {shown}"))?;
    progress(have, total);
    loop {
        match answer.chunk().await {
            Ok(Some(piece)) => {
                file.write_all(&piece)
                    .with_context(|| format!("cannot write {shown}\nhint: is there room on the disk?"))?;
                have += piece.len() as u64;
                progress(have, total);
            }
            Ok(None) => break,
            Err(error) => return Ok(Piece::Broken(one_line(&error))),
        }
    }
    file.sync_all().with_context(|| format!("cannot write {shown}"))?;
    match total {
        Some(total) if have < total => Ok(Piece::Broken(format!("{have} of {total} bytes came"))),
        _ => Ok(Piece::Whole),
    }
}

/// Start and total of `bytes 10-99/100`.
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.0.parse().ok()?, total.parse().ok()))
}

/// Whether a file has the checksums that were published.
fn check(wanted: &Wanted, path: &Path) -> Result<()> {
    let differs = |kind: &str, found: String, expected: &str| {
        bail!(
            "{} has {kind} {found}, published is {expected}\nhint: the publishers may have changed the file; see the data set's page",
            path.display()
        )
    };
    if let Some(expected) = &wanted.sha256 {
        let found = digest::<Sha256>(path)?;
        if !found.eq_ignore_ascii_case(expected) {
            return differs("SHA-256", found, expected);
        }
    }
    if let Some(expected) = &wanted.md5 {
        let found = digest::<Md5>(path)?;
        if !found.eq_ignore_ascii_case(expected) {
            return differs("MD5", found, expected);
        }
    }
    Ok(())
}

fn digest<D: Digest>(path: &Path) -> Result<String> {
    let shown = path.display();
    let mut file = fs::File::open(path).with_context(|| format!("cannot read {shown}"))?;
    let (mut hash, mut buffer) = (D::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer).with_context(|| format!("cannot read {shown}"))? {
            0 => break,
            count => hash.update(&buffer[..count]),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |data| data.len())
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn one_line(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = cause.to_string();
        source = cause.source();
    }
    text.lines().next().unwrap_or_default().to_owned()
}
