//! Reading addresses: retries with back-off, a limit on the byte rate, and a count of everything that was read.
//!
//! Addresses are `http://`, `https://`, `file://` or plain paths; a path is read as if it were a server with ranges.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use ureq::http::Response;
use ureq::{Agent, Body};

/// The longest pause between two tries.
const MAX_PAUSE: Duration = Duration::from_secs(60);
/// No answer of an archive is longer.
const MAX_ANSWER: u64 = 1 << 30;

/// How patient and how fast to be.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Tries after the first one.
    pub retries: u32,
    /// The pause before the first retry; it doubles with every further one.
    pub first_pause: Duration,
    /// Longest wait for an answer to begin, and for the next piece of it.
    pub patience: Duration,
    /// Bytes a second over all connections; 0 for no limit.
    pub bytes_per_second: u64,
    /// Connections kept open.
    pub connections: usize,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            retries: 7,
            first_pause: Duration::from_millis(500),
            patience: Duration::from_secs(30),
            bytes_per_second: 0,
            connections: 32,
        }
    }
}

/// Why an address could not be read.
#[derive(Debug)]
pub enum HttpError {
    /// The archive says that it is not there, or not for us: asking again would not help.
    Refused(String),
    /// Still no whole answer after all retries.
    Unreachable(String),
    /// Reading was stopped.
    Stopped,
}

impl std::fmt::Display for HttpError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(text) | Self::Unreachable(text) => formatter.write_str(text),
            Self::Stopped => formatter.write_str("stopped"),
        }
    }
}

impl std::error::Error for HttpError {}

/// What was read so far.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Requests, repeated ones included.
    pub requests: AtomicU64,
    /// Bytes of all bodies, as they came over the line.
    pub bytes: AtomicU64,
    /// Requests that had to be repeated.
    pub retries: AtomicU64,
}

/// A part of a file.
#[derive(Debug)]
pub struct Part {
    /// Its bytes; fewer than asked for only where the file ends.
    pub bytes: Vec<u8>,
}

/// A reader of addresses, for any number of threads.
pub struct Http {
    agent: Agent,
    config: HttpConfig,
    /// What was read so far.
    pub traffic: Traffic,
    /// When the next byte may be read, under a byte-rate limit.
    free_at: Mutex<Option<Instant>>,
    is_stopped: AtomicBool,
}

/// Why one try failed.
enum Failure {
    /// Worth another try, perhaps after a given pause.
    Passing(String, Option<Duration>),
    Final(String),
}

impl Http {
    /// A reader.
    #[must_use]
    pub fn new(config: HttpConfig) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(config.patience))
            .timeout_recv_response(Some(config.patience))
            .timeout_per_read(Some(config.patience))
            .max_idle_connections(config.connections)
            .max_idle_connections_per_host(config.connections)
            .max_idle_age(Duration::from_secs(10))
            .user_agent(concat!("solstice-gather/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Self {
            agent,
            config,
            traffic: Traffic::default(),
            free_at: Mutex::new(None),
            is_stopped: AtomicBool::new(false),
        }
    }

    /// Makes every further read fail soon.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    /// Whether [`stop`](Self::stop) was called.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    /// The whole of an address.
    ///
    /// # Errors
    /// When it is not there, or cannot be read in spite of retries.
    pub fn get(&self, address: &str) -> Result<Vec<u8>, HttpError> {
        if let Some(path) = local_path(address) {
            let bytes = std::fs::read(path).map_err(|error| HttpError::Refused(format!("{address}: {error}")))?;
            self.count(bytes.len());
            return Ok(bytes);
        }
        self.with_retries(address, || {
            let response = self.agent.get(address).call().map_err(|error| passing(&error))?;
            self.body(checked(response)?, None)
        })
    }

    /// The answer to a JSON document that is posted.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn post(&self, address: &str, json: &str) -> Result<Vec<u8>, HttpError> {
        self.with_retries(address, || {
            let request = self.agent.post(address).header("Content-Type", "application/json");
            let response = request.send(json).map_err(|error| passing(&error))?;
            self.body(checked(response)?, None)
        })
    }

    /// `len` bytes from `offset` on.
    ///
    /// # Errors
    /// As [`get`](Self::get), and when the server does not answer with ranges.
    pub fn range(&self, address: &str, offset: u64, len: u64) -> Result<Part, HttpError> {
        if let Some(path) = local_path(address) {
            let read = || -> std::io::Result<Vec<u8>> {
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(offset))?;
                let mut bytes = Vec::new();
                file.take(len).read_to_end(&mut bytes)?;
                Ok(bytes)
            };
            let bytes = read().map_err(|error| HttpError::Refused(format!("{address}: {error}")))?;
            self.count(bytes.len());
            return Ok(Part { bytes });
        }
        let asked = format!("bytes={offset}-{}", offset + len - 1);
        self.with_retries(address, || {
            let response = {
                let request = self.agent.get(address).header("Range", &asked).header("Accept-Encoding", "identity");
                checked(request.call().map_err(|error| passing(&error))?)?
            };
            if response.status().as_u16() != 206 {
                return Err(Failure::Final("the server does not answer requests for a range of bytes".to_owned()));
            }
            let due = due_bytes(&response, offset, len).map_err(|what| Failure::Passing(what, None))?;
            let bytes = self.body(response, Some(due))?;
            Ok(Part { bytes })
        })
    }

    fn with_retries<T>(&self, address: &str, once: impl Fn() -> Result<T, Failure>) -> Result<T, HttpError> {
        let shown = address.split('?').next().unwrap_or(address);
        let mut pause = self.config.first_pause;
        let mut tries = 0;
        loop {
            if self.is_stopped() {
                return Err(HttpError::Stopped);
            }
            self.traffic.requests.fetch_add(1, Ordering::Relaxed);
            match once() {
                Ok(answer) => return Ok(answer),
                Err(Failure::Final(what)) => return Err(HttpError::Refused(format!("{shown}: {what}"))),
                Err(Failure::Passing(what, _)) if tries == self.config.retries => {
                    return Err(HttpError::Unreachable(format!("{shown}: {what}, {} times", tries + 1)));
                }
                Err(Failure::Passing(_, asked)) => {
                    tries += 1;
                    self.traffic.retries.fetch_add(1, Ordering::Relaxed);
                    // Requests that failed together should not come back together.
                    let spread = 0.5 + fraction_of(address, tries);
                    self.rest(asked.unwrap_or_else(|| pause.mul_f64(spread)).min(MAX_PAUSE));
                    pause = (pause * 2).min(MAX_PAUSE);
                }
            }
        }
    }

    fn body(&self, mut response: Response<Body>, due: Option<u64>) -> Result<Vec<u8>, Failure> {
        let due = due.or_else(|| response.body().content_length());
        let mut reader = response.body_mut().with_config().limit(MAX_ANSWER).reader();
        let mut bytes = Vec::with_capacity(due.unwrap_or(0).min(1 << 26) as usize);
        let mut piece = vec![0; 1 << 16];
        loop {
            let got = reader
                .read(&mut piece)
                .map_err(|error| Failure::Passing(format!("the answer broke off: {}", one_line(&error)), None))?;
            if got == 0 {
                break;
            }
            self.traffic.bytes.fetch_add(got as u64, Ordering::Relaxed);
            bytes.extend_from_slice(&piece[..got]);
            self.keep_to_rate(got);
        }
        match due {
            // A compressed answer is longer than its Content-Length says; a range is never compressed.
            Some(due) if (bytes.len() as u64) < due => {
                Err(Failure::Passing(format!("the answer ended after {} of {due} bytes", bytes.len()), None))
            }
            _ => Ok(bytes),
        }
    }

    fn count(&self, bytes: usize) {
        self.traffic.requests.fetch_add(1, Ordering::Relaxed);
        self.traffic.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.keep_to_rate(bytes);
    }

    /// Waits as long as `bytes` more take under the limit.
    fn keep_to_rate(&self, bytes: usize) {
        if self.config.bytes_per_second == 0 {
            return;
        }
        let cost = Duration::from_secs_f64(bytes as f64 / self.config.bytes_per_second as f64);
        let until = {
            let mut free_at = self.free_at.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let begin = free_at.map_or_else(Instant::now, |at| at.max(Instant::now()));
            *free_at = Some(begin + cost);
            begin + cost
        };
        self.rest(until.saturating_duration_since(Instant::now()));
    }

    fn rest(&self, time: Duration) {
        let until = Instant::now() + time;
        while !self.is_stopped() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(Duration::from_millis(100)));
        }
    }
}

/// The path that an address names on this machine.
fn local_path(address: &str) -> Option<&str> {
    if address.starts_with("http://") || address.starts_with("https://") {
        return None;
    }
    Some(address.strip_prefix("file://").unwrap_or(address))
}

fn checked(response: Response<Body>) -> Result<Response<Body>, Failure> {
    let status = response.status().as_u16();
    match status {
        200..=299 => Ok(response),
        408 | 429 | 500..=599 => {
            let asked = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
            Err(Failure::Passing(format!("status {status}"), asked.map(Duration::from_secs)))
        }
        _ => Err(Failure::Final(format!("status {status}"))),
    }
}

/// How many bytes a partial answer must have, from its `Content-Range`.
fn due_bytes(response: &Response<Body>, offset: u64, len: u64) -> Result<u64, String> {
    let header = response.headers().get("content-range").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let wrong = || format!("it answered with another range ({header:?})");
    let (range, total) = header.strip_prefix("bytes ").and_then(|rest| rest.split_once('/')).ok_or_else(wrong)?;
    let (first, last) = range.split_once('-').ok_or_else(wrong)?;
    let (first, last): (u64, u64) = (first.parse().map_err(|_| wrong())?, last.parse().map_err(|_| wrong())?);
    let ends = total.parse::<u64>().is_ok_and(|total| last + 1 == total);
    if first != offset || last < first || (last + 1 - first != len && !ends) || last + 1 - first > len {
        return Err(wrong());
    }
    Ok(last + 1 - first)
}

fn passing(error: &ureq::Error) -> Failure {
    match error {
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => Failure::Final(one_line(error)),
        _ => Failure::Passing(one_line(error), None),
    }
}

fn one_line(error: &impl std::fmt::Display) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A number in 0..1 that differs between addresses and tries.
fn fraction_of(address: &str, tries: u32) -> f64 {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = address.bytes().chain(tries.to_le_bytes()).fold(0xcbf2_9ce4_8422_2325, mix);
    (hash >> 11) as f64 / (1u64 << 53) as f64
}
