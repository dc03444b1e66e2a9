//! Files by their addresses, `http://`, `https://`, `file://` or plain paths: whole, or ranges of them.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_tiff::error::{AsyncTiffError, AsyncTiffResult};
use async_tiff::reader::AsyncFileReader;
use async_trait::async_trait;
use bytes::Bytes;
use object_store::http::HttpBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, RetryConfig, coalesce_ranges};

use crate::http::{Http, HttpError, shown};

/// Ranges this close in a file are fetched together: GDAL keeps eight bytes between neighbouring tiles.
const GAP_BYTES: u64 = 256;

/// A file that is read in ranges.
#[derive(Clone, Debug)]
pub struct RangeReader {
    http: Http,
    store: Arc<dyn ObjectStore>,
    path: Path,
    shown: String,
    is_local: bool,
}

impl Http {
    /// The whole of an address.
    ///
    /// # Errors
    /// When it is not there, or cannot be read in spite of retries.
    pub async fn get(&self, address: &str) -> Result<Bytes, HttpError> {
        match is_remote(address) {
            true => self.fetch(address).await,
            false => self.file(address)?.read(None).await,
        }
    }

    /// The file at an address; nothing is read yet.
    ///
    /// # Errors
    /// When the address makes no sense.
    pub fn file(&self, address: &str) -> Result<RangeReader, HttpError> {
        let refused = |error: &dyn std::fmt::Display| HttpError::Refused(format!("{}: {error}", shown(address)));
        let is_local = !is_remote(address);
        let (store, path): (Arc<dyn ObjectStore>, Path) = if is_local {
            let path = address.strip_prefix("file://").unwrap_or(address);
            let path = std::path::absolute(path).map_err(|error| refused(&error))?;
            let path = Path::from_absolute_path(path).map_err(|error| refused(&error))?;
            (Arc::new(LocalFileSystem::new()), path)
        } else {
            // One store a file, with nothing behind its address, so that the address is asked for as it stands. Retries are
            // `Http`'s, which knows what a server asks for.
            let retry = RetryConfig { max_retries: 0, ..RetryConfig::default() };
            let store = HttpBuilder::new().with_url(address).with_retry(retry).with_http_connector(self.clone());
            (Arc::new(store.build().map_err(|error| refused(&error))?), Path::default())
        };
        Ok(RangeReader { http: self.clone(), store, path, shown: shown(address).to_owned(), is_local })
    }
}

fn is_remote(address: &str) -> bool {
    address.starts_with("http://") || address.starts_with("https://")
}

impl RangeReader {
    /// The bytes of a range; fewer only where the file ends.
    ///
    /// # Errors
    /// When the file is not there or cannot be read in spite of retries, or its server does not answer with ranges.
    pub async fn range(&self, range: Range<u64>) -> Result<Bytes, HttpError> {
        self.read(Some(GetRange::Bounded(range))).await
    }

    async fn read(&self, range: Option<GetRange>) -> Result<Bytes, HttpError> {
        let options = GetOptions { range, ..GetOptions::default() };
        if self.is_local {
            self.http.traffic().requests.fetch_add(1, Ordering::Relaxed);
        }
        let read = async { self.store.get_opts(&self.path, options).await?.bytes().await };
        let bytes = read.await.map_err(|error| self.explain(&error))?;
        if self.is_local {
            self.http.count(bytes.len()).await;
        }
        Ok(bytes)
    }

    fn explain(&self, error: &object_store::Error) -> HttpError {
        let shown = &self.shown;
        match http_error(error) {
            Some(own) => own,
            None if matches!(error, object_store::Error::NotSupported { .. }) => {
                HttpError::Refused(format!("{shown}: the server does not answer requests for a range of bytes"))
            }
            None if self.is_local => {
                let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
                HttpError::Refused(format!("{shown}: {}", causes.last().map(ToString::to_string).unwrap_or_default()))
            }
            None => HttpError::Unreachable(format!("{shown}: it answered with something else ({error})")),
        }
    }

    async fn whole_range(&self, range: Range<u64>) -> Result<Bytes, HttpError> {
        let bytes = self.range(range.clone()).await?;
        match bytes.len() as u64 == range.end - range.start {
            true => Ok(bytes),
            false => Err(HttpError::Refused(format!("{}: the file ends before its tiles do", self.shown))),
        }
    }
}

/// What [`Http`] said, wherever other crates have wrapped it.
pub(crate) fn http_error(error: &(dyn std::error::Error + 'static)) -> Option<HttpError> {
    std::iter::successors(Some(error), |error| error.source())
        .find_map(|error| error.downcast_ref::<HttpError>())
        .cloned()
}

#[async_trait]
impl AsyncFileReader for RangeReader {
    async fn get_bytes(&self, range: Range<u64>) -> AsyncTiffResult<Bytes> {
        self.whole_range(range).await.map_err(|error| AsyncTiffError::External(Box::new(error)))
    }

    async fn get_byte_ranges(&self, ranges: Vec<Range<u64>>) -> AsyncTiffResult<Vec<Bytes>> {
        coalesce_ranges(&ranges, |range| self.get_bytes(range), GAP_BYTES).await
    }
}
