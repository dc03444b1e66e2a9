//! `trainer gather` in a program that was built without it: says so.

use crate::error::UsageError;
use crate::report::Reporter;

/// What can be typed: whatever it is, it cannot be done.
#[derive(Debug, clap::Args)]
#[command(after_help = "This program was built without gathering. One with it:
  cargo build -p trainer --no-default-features --features gather")]
pub struct GatherArgs {
    /// Left unread
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    rest: Vec<String>,
}

/// Refuses.
///
/// # Errors
/// Always.
pub fn run(_args: &GatherArgs, _reporter: &mut Reporter<'_>) -> anyhow::Result<()> {
    let hint = "cargo build -p trainer --no-default-features --features gather";
    Err(UsageError::new(format!("this program was built without gathering\nhint: {hint}")).into())
}
