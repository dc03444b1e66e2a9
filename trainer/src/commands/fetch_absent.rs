//! `trainer fetch` in a program that was built without networking: says so.

use crate::error::UsageError;
use crate::report::Reporter;

/// What can be typed: whatever it is, it cannot be done.
#[derive(Debug, clap::Args)]
pub struct FetchArgs {
    /// Left unread
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    rest: Vec<String>,
}

/// Refuses.
///
/// # Errors
/// Always.
pub fn run(_args: &FetchArgs, _reporter: &mut Reporter<'_>) -> anyhow::Result<()> {
    let hint = "cargo build -p trainer --no-default-features --features gather";
    Err(UsageError::new(format!("this program was built without downloads\nhint: {hint}")).into())
}
