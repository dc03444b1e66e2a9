//! What a run of the work is given and what it tells: nothing of it changes the result.

use crate::http::HttpConfig;

/// How the work is done; nothing of it changes the result.
#[derive(Clone, Debug)]
pub struct Effort {
    /// Places in hand at the same time.
    pub places: usize,
    /// Bytes of tiles in memory at the same time.
    pub memory_bytes: u64,
    /// Requests in flight, retries, patience, byte rate.
    pub http: HttpConfig,
}

impl Default for Effort {
    fn default() -> Self {
        Self { places: 32, memory_bytes: 1 << 30, http: HttpConfig::default() }
    }
}

/// How far the work is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// Places that are there.
    pub done: usize,
    /// Places wanted.
    pub total: usize,
    /// Places that were there when the work began.
    pub before: usize,
    /// Candidates refused since.
    pub refused: usize,
    /// Requests since.
    pub requests: u64,
    /// Requests that had to be repeated.
    pub retries: u64,
    /// Bytes read since.
    pub bytes: u64,
    /// Seconds since.
    pub elapsed_secs: f64,
}

/// Told of what happens.
pub trait Watch {
    /// How far it is, several times a second.
    fn progress(&mut self, progress: &Progress);
    /// Something went wrong without ending the work.
    fn warning(&mut self, text: &str);
}
