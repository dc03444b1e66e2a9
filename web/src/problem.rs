//! What went wrong, said so that the reader can act: what happened, why, and what to do about it.

use serde::{Deserialize, Serialize};

/// An error as the page shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What happened, in one line.
    pub what: String,
    /// Why: the fact behind it, values included.
    pub why: String,
    /// What the reader can do.
    pub remedy: String,
}

impl Problem {
    /// Puts the three sentences together.
    pub fn new(what: impl Into<String>, why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.into(), remedy: remedy.into() }
    }

    /// Page and worker misunderstood each other, which is a bug of ours.
    #[must_use]
    pub fn misunderstood(unexpected: &str) -> Self {
        Self::new(
            "The page and its worker misunderstood each other",
            format!("Unexpected: {unexpected}."),
            "Reload the page.",
        )
    }

    /// An answer that belongs to no question, or to another one.
    #[must_use]
    pub fn wrong_answer() -> Self {
        Self::misunderstood("an answer to another question")
    }

    /// What is answered to somebody who does not wait any more; never shown.
    #[must_use]
    pub fn given_up() -> Self {
        Self::new("This was given up", "Something else was asked for meanwhile.", "")
    }

    /// From an error whose text may end in a `hint: …` line; without one, `remedy` stands in.
    pub fn from_error(what: impl Into<String>, error: &dyn std::fmt::Display, remedy: &str) -> Self {
        let text = error.to_string();
        match text.split_once("\nhint: ") {
            Some((why, hint)) => Self::new(what, why, hint),
            None => Self::new(what, text, remedy),
        }
    }
}
