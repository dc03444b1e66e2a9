//! Shares of counts, which have no value where nothing was counted.

/// `part` / `whole`; `None` when there is no whole.
#[must_use]
pub fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
