//! What the training of an encoder has seen of the tiles that it is tested on.

use std::path::Path;

use anyhow::Result;

use crate::eval::Splits;
use crate::report::{Reporter, grouped};
use crate::seen::Seen;

/// One sentence on the test part, from what the run of `encoder` recorded; a warning where any of it was seen.
///
/// # Errors
/// When the record is damaged.
pub fn of_test_part(encoder: &Path, splits: &Splits, reporter: &mut Reporter<'_>) -> Result<String> {
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
