//! Why a picture could not be read.

/// Why a file is no usable picture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct DecodeError {
    /// What is wrong with it, in one line.
    pub why: String,
    /// What mends it.
    pub hint: &'static str,
}

impl DecodeError {
    pub(super) fn new(why: impl Into<String>, hint: &'static str) -> Self {
        Self { why: one_line(&why.into()), hint }
    }

    pub(super) fn damaged(why: impl Into<String>) -> Self {
        Self::new(why, "is the file complete? copy or download it again")
    }
}

/// A library's message, cut to what fits a line.
fn one_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().chars().take(200).collect()
}
