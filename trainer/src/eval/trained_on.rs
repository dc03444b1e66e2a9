//! What the training of an encoder has seen of the tiles that it is tested on.

use std::path::Path;

use anyhow::Result;

use super::comparison::Comparison;
use super::split::Splits;
use crate::report::{Reporter, grouped};
use crate::seen::Seen;

/// Adds to what the numbers mean how much of the test part the run of `encoder` was trained on.
///
/// # Errors
/// When the run's record is damaged.
pub fn add_seen(
    comparison: &mut Comparison,
    encoder: &Path,
    splits: &Splits,
    reporter: &mut Reporter<'_>,
) -> Result<()> {
    let sentence = of_test_part(encoder, splits, reporter)?;
    let summary = &mut comparison.evaluation.protocol.summary;
    *summary = format!("{summary}; {sentence}");
    Ok(())
}

/// One sentence on the test part, from what the run of `encoder` recorded; a warning where any of it was seen.
///
/// # Errors
/// When the record is damaged.
fn of_test_part(encoder: &Path, splits: &Splits, reporter: &mut Reporter<'_>) -> Result<String> {
    let [.., test] = splits.parts();
    let Some(record) = Seen::of_encoder(encoder)? else {
        return Ok("which pictures the encoder was trained on is not on record".to_owned());
    };
    let seen = splits.fingerprints(test).filter(|&fingerprint| record.contains(fingerprint)).count();
    let share = format!("{} of the {} test tiles", grouped(seen), grouped(test.len()));
    if seen > 0 {
        reporter.warning(&format!("the encoder was trained on {share}: its scores flatter it"));
    }
    let more = if record.is_incomplete() { " or more, since its record is incomplete" } else { "" };
    Ok(format!("its training has seen {share}{more} (by content, of {} pictures)", grouped(record.len())))
}
