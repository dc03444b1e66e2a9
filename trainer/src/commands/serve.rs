//! `trainer serve`: a static server for the page, reachable from this machine only.

use crate::error::UsageError;
use crate::report::Reporter;
use anyhow::Result;
use serve::{Server, Site};
use std::path::{Path, PathBuf};

/// What can be typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  trainer serve
  trainer serve web/dist
  trainer serve out/demo/page --port 9000")]
pub struct ServeArgs {
    /// Folder with an index.html [default: the folder page beside the program]
    pub folder: Option<PathBuf>,
    /// Port; 0 takes any free one
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
}

/// Serves until it is stopped.
///
/// # Errors
/// When there is no page in the folder, or the port is taken.
pub fn run(args: &ServeArgs, reporter: &mut Reporter<'_>) -> Result<()> {
    let folder = page_folder(args.folder.as_deref())?.ok_or_else(|| {
        UsageError::new(format!("no page beside the program and no folder given\nhint: trainer serve FOLDER; {BUILD}"))
    })?;
    let server = bind(args.port)?;
    reporter.line(&format!("{} (Ctrl-C stops)", server.address()));
    server.run(&Site::new(&folder));
    Ok(())
}

/// How a page comes to be.
const BUILD: &str = "sh web/build.sh out/page builds one";

/// The page that was asked for, or the one that a release has beside the program; `None` when there is neither.
///
/// # Errors
/// When there is no page in the folder that was asked for.
pub(super) fn page_folder(asked: Option<&Path>) -> Result<Option<PathBuf>> {
    let Some(folder) = asked else {
        return Ok(beside_program("page").filter(|folder| folder.join("index.html").is_file()));
    };
    if !folder.join("index.html").is_file() {
        return Err(UsageError::new(format!("no index.html in {}\nhint: {BUILD}", folder.display())).into());
    }
    Ok(Some(folder.to_owned()))
}

/// Listens on a port of this machine.
///
/// # Errors
/// When it is taken.
pub(super) fn bind(port: u16) -> Result<Server> {
    Server::bind(port).map_err(|error| UsageError::new(error.to_string()).into())
}

/// Where a release keeps a folder: beside the program, wherever links to that lie.
pub(super) fn beside_program(name: &str) -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?.canonicalize().ok()?;
    Some(program.parent()?.join(name)).filter(|folder| folder.is_dir())
}
