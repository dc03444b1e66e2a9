//! How errors reach the user: one line that says what and where, a `hint:` line, and an exit code.

use std::fmt;

/// Something typed wrongly: exit code 2.
#[derive(Debug)]
pub struct UsageError(String);

impl UsageError {
    /// `message` is lower case and ends with a `hint:` line.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// The exit code that an error stands for: 2 for usage, 1 for failure.
#[must_use]
pub fn exit_code(error: &anyhow::Error) -> i32 {
    if error.chain().any(|cause| cause.is::<UsageError>()) { 2 } else { 1 }
}

/// The error on one line, its causes joined by colons, and each hint on a line of its own behind it (innermost first:
/// the closest to what went wrong; only that one is shown).
#[must_use]
pub fn render(error: &anyhow::Error) -> String {
    let mut what = Vec::new();
    let mut hint = None;
    for cause in error.chain() {
        let text = cause.to_string();
        let (line, own_hint) = match text.split_once("\nhint: ") {
            Some((line, hint)) => (line.to_owned(), Some(hint.to_owned())),
            None => (text, None),
        };
        hint = own_hint.or(hint);
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        // thiserror's `{0}` repeats its source; say a thing once.
        if !what.iter().any(|said: &String| said.contains(&line)) {
            what.push(line);
        }
    }
    let hint = hint.map(|hint| format!("\nhint: {}", hint.split_whitespace().collect::<Vec<_>>().join(" ")));
    format!("error: {}{}", what.join(": "), hint.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn the_innermost_hint_is_shown_once_at_the_end() {
        let inner = anyhow::Error::new(UsageError::new("no such key \"a\"\nhint: it is called \"b\""));
        let error = Err::<(), _>(inner).context("cannot read x.toml\nhint: general").expect_err("is an error");
        assert_eq!(render(&error), "error: cannot read x.toml: no such key \"a\"\nhint: it is called \"b\"");
        assert_eq!(exit_code(&error), 2);
        assert_eq!(exit_code(&anyhow::anyhow!("disk full")), 1);
    }
}
