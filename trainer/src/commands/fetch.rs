//! `trainer fetch`: a public data set from its official address.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use gather::download::{Fetched, Wanted, download};

use crate::benchmark::{Download, Task};
use crate::error::UsageError;
use crate::report::{Reporter, Table};

/// Between two tries that bring nothing.
const PAUSE: Duration = Duration::from_secs(2);
/// Bytes of a MiB.
const MIB: u64 = 1 << 20;

/// What can be typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  trainer fetch
  trainer fetch eurosat-rgb --out /data
  trainer fetch loveda --out /data --dry-run

Without a name it lists what can be downloaded, and how to get the rest. With one it shows licence and citation, then downloads the task's files from the publishers' addresses. A download that was stopped goes
on where it was; checksums are compared where publishers give them. Archives are left packed: tars of pictures are read as
they are, zips are to be unpacked.")]
pub struct FetchArgs {
    /// The task's name, as `trainer benchmark --list` shows it
    pub name: Option<String>,
    /// Folder for the files
    #[arg(long, value_name = "DIR", requires = "name")]
    pub out: Option<PathBuf>,
    /// Show what would be downloaded, and stop
    #[arg(long)]
    pub dry_run: bool,
}

/// Runs the command.
///
/// # Errors
/// For unknown names, sets without an address, servers and disks that refuse.
pub fn run(args: &FetchArgs, reporter: &mut Reporter<'_>) -> Result<()> {
    let tasks = Task::shipped()?;
    let Some(name) = &args.name else {
        list(&tasks, reporter);
        return Ok(());
    };
    let Some(task) = tasks.iter().find(|task| task.name == *name) else {
        let names: Vec<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
        return Err(UsageError::new(format!("no data set {name:?}\nhint: one of {}", names.join(", "))).into());
    };
    reporter
        .note(&format!("{}\nlicence: {}\ncite: {}\npage: {}", task.title, task.licence, task.citation, task.homepage));
    if task.downloads.is_empty() {
        let how = task.how_to_get.as_deref().unwrap_or("see its page");
        return Err(UsageError::new(format!("{name} has no address to download from\nhint: {how}")).into());
    }
    if args.out.is_none() && !args.dry_run {
        return Err(UsageError::new(format!("where to?\nhint: trainer fetch {name} --out DIR")).into());
    }
    let out = args.out.clone().unwrap_or_default();
    for file in &task.downloads {
        let path = out.join(&file.file);
        let size = file.bytes.map(|bytes| format!(", about {} MiB", bytes.div_ceil(MIB))).unwrap_or_default();
        if args.dry_run {
            reporter.line(&format!("{} → {}{size}", file.url, path.display()));
            continue;
        }
        fetch(file, path, reporter)?;
    }
    Ok(())
}

fn fetch(file: &Download, path: PathBuf, reporter: &mut Reporter<'_>) -> Result<()> {
    let wanted = Wanted { url: file.url.clone(), path, sha256: file.sha256.clone(), md5: file.md5.clone() };
    let expected = file.bytes;
    let what = format!("{}, MiB", file.file);
    let fetched = download(&wanted, PAUSE, &mut |done, total| {
        let total = total.or(expected).unwrap_or(done).max(1);
        reporter.progress(&what, (done / MIB) as usize, total.div_ceil(MIB) as usize);
    })?;
    let shown = wanted.path.display();
    let checked = if wanted.sha256.is_some() || wanted.md5.is_some() {
        "its checksum is right"
    } else {
        "no checksum is published"
    };
    match fetched {
        Fetched::WasThere => reporter.line(&format!("{shown} is there already ({checked})")),
        Fetched::From(0) => reporter.line(&format!("wrote {shown} ({checked})")),
        Fetched::From(start) => reporter.line(&format!("wrote {shown}, gone on from byte {start} ({checked})")),
    }
    if file.file.ends_with(".zip") {
        reporter.note(&format!("unpack it: unzip {shown}"));
    } else if file.file.ends_with(".tar.gz") {
        reporter.note(&format!("unpack it: tar xzf {shown}"));
    }
    Ok(())
}

fn list(tasks: &[Task], reporter: &mut Reporter<'_>) {
    let mut table = Table::new(["task", "licence", "to get it"]);
    for task in tasks {
        let how = match (&task.how_to_get, task.downloads.is_empty()) {
            (_, false) => format!("trainer fetch {} --out DIR", task.name),
            (Some(how), true) => how.clone(),
            (None, true) => format!("see {}", task.homepage),
        };
        table.row([task.name.clone(), task.licence.clone(), how]);
    }
    reporter.table(&table);
}
