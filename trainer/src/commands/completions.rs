//! `trainer completions` and `trainer man`: what shells and manuals know of the command line, from its one description.

use crate::report::{Reporter, grouped};
use anyhow::{Context, Result};
use clap::Command;
use clap_complete::Shell;
use std::fs;
use std::path::PathBuf;

/// The program's name on the command line.
const PROGRAM: &str = "trainer";

/// What can be typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  trainer completions bash > ~/.local/share/bash-completion/completions/trainer
  trainer completions zsh > ~/.zfunc/_trainer
  trainer completions fish > ~/.config/fish/completions/trainer.fish")]
pub struct CompletionsArgs {
    /// The shell that shall complete commands and flags
    pub shell: Shell,
}

/// Prints the script that a shell reads of the whole command line.
///
/// # Errors
/// Never for a shell that clap knows.
pub fn run(args: &CompletionsArgs, mut command: Command, reporter: &mut Reporter<'_>) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, PROGRAM, &mut script);
    reporter.line(String::from_utf8(script)?.trim_end());
    Ok(())
}

/// What can be typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  trainer man --out ~/.local/share/man/man1
  man trainer-pretrain")]
pub struct ManArgs {
    /// Folder for trainer.1 and one page for each command
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// Writes the manual pages.
///
/// # Errors
/// When the disk refuses.
pub fn run_man(args: &ManArgs, command: Command, reporter: &mut Reporter<'_>) -> Result<()> {
    let blame = || format!("cannot write manual pages to {}\nhint: check its permissions", args.out.display());
    fs::create_dir_all(&args.out).with_context(blame)?;
    let command = command.disable_help_subcommand(true);
    let pages = 1 + command.get_subcommands().count();
    clap_mangen::generate_to(command, &args.out).with_context(blame)?;
    reporter.line(&format!("{}: {} pages", args.out.display(), grouped(pages)));
    Ok(())
}
