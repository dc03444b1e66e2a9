//! Reading addresses: bounded requests in flight, retries with back-off, a limit on the byte rate, and a count of everything
//! that was read.
//!
//! `reqwest` speaks HTTP; `object_store` asks it for ranges of files, whether they are on a server or on this machine.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use async_trait::async_trait;
use backon::{ExponentialBuilder, Retryable};
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT_ENCODING, CONTENT_TYPE, RANGE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Response};
use object_store::client::{
    ClientOptions, HttpClient, HttpConnector, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// The longest pause between two tries.
const MAX_PAUSE: Duration = Duration::from_secs(60);
/// No answer of an archive is longer.
const MAX_ANSWER: usize = 1 << 30;

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
    /// Requests in flight at the same time.
    pub connections: usize,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            retries: 7,
            first_pause: Duration::from_millis(500),
            patience: Duration::from_secs(30),
            bytes_per_second: 0,
            connections: 64,
        }
    }
}

/// Why an address could not be read.
#[derive(Clone, Debug)]
pub enum HttpError {
    /// The archive says that it is not there, or not for us: asking again would not help.
    Refused(String),
    /// Still no whole answer after all retries.
    Unreachable(String),
}

impl std::fmt::Display for HttpError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(text) | Self::Unreachable(text) => formatter.write_str(text),
        }
    }
}

impl std::error::Error for HttpError {}

/// What was read so far.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Requests, repeated ones included.
    pub requests: AtomicU64,
    /// Bytes of all bodies, after decompression where a server compressed an answer.
    pub bytes: AtomicU64,
    /// Requests that had to be repeated.
    pub retries: AtomicU64,
}

/// A reader of addresses, for any number of tasks; clones share everything.
#[derive(Clone, Debug)]
pub struct Http(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: reqwest::Client,
    config: HttpConfig,
    traffic: Traffic,
    in_flight: Semaphore,
    /// When the next byte may be read, under a byte-rate limit.
    free_at: Mutex<Option<Instant>>,
}

/// Why one try failed.
struct Failure {
    what: String,
    is_passing: bool,
    /// The pause that the server asks for.
    pause: Option<Duration>,
}

impl Failure {
    fn passing(what: String) -> Self {
        Self { what, is_passing: true, pause: None }
    }

    fn last(what: String) -> Self {
        Self { what, is_passing: false, pause: None }
    }
}

impl Http {
    /// A reader.
    ///
    /// # Errors
    /// When encryption cannot be set up.
    pub fn new(config: HttpConfig) -> Result<Self> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(encryption()?)
            .http1_only()
            .tcp_nodelay(true)
            .connect_timeout(config.patience)
            .read_timeout(config.patience)
            .pool_max_idle_per_host(config.connections)
            .pool_idle_timeout(Duration::from_secs(10))
            .user_agent(concat!("solstice-gather/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("cannot set up HTTP")?;
        let in_flight = Semaphore::new(config.connections.clamp(1, Semaphore::MAX_PERMITS));
        let traffic = Traffic::default();
        Ok(Self(Arc::new(Inner { client, config, traffic, in_flight, free_at: Mutex::new(None) })))
    }

    /// What was read so far.
    #[must_use]
    pub fn traffic(&self) -> &Traffic {
        &self.0.traffic
    }

    /// The whole of an address on a server.
    ///
    /// # Errors
    /// When it is not there, or cannot be read in spite of retries.
    pub(crate) async fn fetch(&self, address: &str) -> Result<Bytes, HttpError> {
        let answer = self.exchange(&Method::GET, address, &HeaderMap::new(), &Bytes::new()).await?;
        Ok(answer.into_body())
    }

    /// The answer to a JSON document that is posted.
    ///
    /// # Errors
    /// When it is not there, or cannot be read in spite of retries.
    pub async fn post(&self, address: &str, json: String) -> Result<Bytes, HttpError> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        let answer = self.exchange(&Method::POST, address, &headers, &Bytes::from(json)).await?;
        Ok(answer.into_body())
    }

    async fn exchange(
        &self,
        method: &Method,
        address: &str,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Response<Bytes>, HttpError> {
        let config = &self.0.config;
        let policy = ExponentialBuilder::new()
            .with_min_delay(config.first_pause)
            .with_max_delay(MAX_PAUSE)
            .with_max_times(config.retries as usize)
            // Requests that failed together should not come back together.
            .with_jitter();
        let once = || self.once(method, address, headers, body);
        once.retry(policy)
            .when(|failure| failure.is_passing)
            .adjust(|failure, pause| pause.map(|own| failure.pause.unwrap_or(own).min(MAX_PAUSE)))
            .notify(|_, _| {
                self.0.traffic.retries.fetch_add(1, Ordering::Relaxed);
            })
            .await
            .map_err(|Failure { what, is_passing, .. }| {
                let shown = shown(address);
                match is_passing {
                    true => HttpError::Unreachable(format!("{shown}: {what}, {} times", config.retries + 1)),
                    false => HttpError::Refused(format!("{shown}: {what}")),
                }
            })
    }

    async fn once(
        &self,
        method: &Method,
        address: &str,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Response<Bytes>, Failure> {
        let _turn = self.0.in_flight.acquire().await.map_err(|closed| Failure::last(closed.to_string()))?;
        self.0.traffic.requests.fetch_add(1, Ordering::Relaxed);
        let request = self.0.client.request(method.clone(), address).headers(headers.clone()).body(body.clone());
        let mut answer = request.send().await.map_err(|error| failure(&error))?;
        let status = answer.status();
        let mut whole = Response::new(());
        *whole.status_mut() = status;
        whole.headers_mut().clone_from(answer.headers());
        if !status.is_success() {
            let after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            let is_passing = matches!(status.as_u16(), 408 | 429 | 500..=599);
            // Read to its end, which is near, a connection can be used again.
            let said = answer.chunk().await.ok().flatten().map(|text| message(&text)).unwrap_or_default();
            let what = format!("status {}{said}", status.as_u16());
            return Err(Failure { what, is_passing, pause: after.map(Duration::from_secs) });
        }
        let body = self.body(answer).await?;
        Ok(whole.map(|()| body))
    }

    async fn body(&self, mut answer: reqwest::Response) -> Result<Bytes, Failure> {
        let due = answer.content_length().unwrap_or(0).min(1 << 26) as usize;
        let mut body = BytesMut::with_capacity(due);
        while let Some(piece) = answer.chunk().await.map_err(|error| failure(&error))? {
            self.count(piece.len()).await;
            body.extend_from_slice(&piece);
            if body.len() > MAX_ANSWER {
                return Err(Failure::last("the answer does not end".to_owned()));
            }
        }
        Ok(body.freeze())
    }

    /// Counts bytes, and waits as long as they take under the limit.
    pub(crate) async fn count(&self, bytes: usize) {
        self.0.traffic.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        if self.0.config.bytes_per_second == 0 {
            return;
        }
        let cost = Duration::from_secs_f64(bytes as f64 / self.0.config.bytes_per_second as f64);
        let until = {
            let mut free_at = self.0.free_at.lock().unwrap_or_else(PoisonError::into_inner);
            let begin = free_at.map_or_else(Instant::now, |at| at.max(Instant::now()));
            *free_at = Some(begin + cost);
            begin + cost
        };
        tokio::time::sleep_until(until).await;
    }
}

#[async_trait]
impl HttpService for Http {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, object_store::client::HttpError> {
        let (mut parts, body) = request.into_parts();
        if parts.headers.contains_key(RANGE) {
            parts.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        let body = body.as_bytes().cloned().unwrap_or_default();
        let answer = self.exchange(&parts.method, &parts.uri.to_string(), &parts.headers, &body).await;
        // Unknown: it was repeated often enough here.
        let answer = answer.map_err(|error| object_store::client::HttpError::new(HttpErrorKind::Unknown, error))?;
        Ok(answer.map(Into::into))
    }
}

impl HttpConnector for Http {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

/// TLS by rustls and ring, trusting Mozilla's list of authorities.
pub(crate) fn encryption() -> Result<ClientConfig> {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .context("cannot set up encryption")?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// What a server says of a refusal, in one line; nothing of a page of HTML.
fn message(body: &[u8]) -> String {
    const MOST: usize = 200;
    let text = String::from_utf8_lossy(body);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let is_plain = !line.is_empty() && !line.starts_with('<') && !line.contains('\u{fffd}');
    if is_plain { format!(" ({})", line.chars().take(MOST).collect::<String>()) } else { String::new() }
}

/// An address without its token.
pub(crate) fn shown(address: &str) -> &str {
    address.split('?').next().unwrap_or(address)
}

fn failure(error: &reqwest::Error) -> Failure {
    let mut what = String::new();
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    // The outermost text names the address, token and all.
    while let Some(inner) = cause.and_then(std::error::Error::source) {
        what = inner.to_string();
        cause = Some(inner);
    }
    let what = match what.split_whitespace().collect::<Vec<_>>().join(" ") {
        _ if error.is_timeout() => "no answer in time".to_owned(),
        text if error.is_body() || error.is_decode() => format!("the answer broke off: {text}"),
        text if text.is_empty() => "not an address that can be asked".to_owned(),
        text => text,
    };
    if error.is_builder() { Failure::last(what) } else { Failure::passing(what) }
}
