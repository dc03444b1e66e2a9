//! The benchmark: every task that the disk has, every encoder, every protocol that was asked for.

use anyhow::Result;

use super::encoders::Candidate;
use super::on_disk::missing;
use super::run::{Findings, Run, Settings, Unusable};
use super::task::{Kind, Task};
use super::{labels, pixels, places, scenes};
use crate::report::Reporter;

/// Runs everything; what was done before is taken from `settings.out`. After every result `on_change` hears all so far.
///
/// # Errors
/// When the report cannot be written. Data that cannot be used, and tasks that broke off, are told of among the findings.
pub fn run(
    tasks: &[Task],
    candidates: &[Candidate],
    settings: &Settings,
    reporter: &mut Reporter<'_>,
    on_change: &mut dyn FnMut(&Findings) -> Result<()>,
) -> Result<Findings> {
    let mut findings = Findings::default();
    for task in tasks {
        if settings.protocols_of(&task.what).is_empty() {
            continue;
        }
        let places = settings.folders.candidates(task)?;
        if places.is_empty() {
            findings.absent.push(missing(task, &settings.folders, "not there"));
            continue;
        }
        let mut problems = Vec::new();
        let mut is_done = false;
        for path in &places {
            reporter.note(&format!("{}: {}", task.name, path.display()));
            let before = findings.rows.len();
            let run = Run { task, path, candidates, settings };
            let done = match &task.what {
                Kind::Scenes { .. } => scenes::run(&run, &mut findings, reporter, on_change),
                Kind::Labels { .. } => labels::run(&run, &mut findings, reporter, on_change),
                Kind::Change { .. } | Kind::Segmentation { .. } => {
                    pixels::run(&run, &mut findings, reporter, on_change)
                }
                Kind::Places { .. } => places::run(&run, &mut findings, reporter, on_change),
            };
            match done {
                Ok(()) => {
                    is_done = true;
                    break;
                }
                // Data of another kind under an expected name: the next place may be the right one.
                Err(error) if error.is::<Unusable>() && findings.rows.len() == before => {
                    problems.push(format!("{}: {error}", path.display()));
                }
                // One bad data set does not keep the others from being measured.
                Err(error) => {
                    let why = crate::error::render(&error).replacen("error: ", "", 1);
                    reporter.warning(&format!("{} broke off: {why}", task.name));
                    findings.failed.push(format!("{} broke off: {why}", task.name));
                    is_done = true;
                    break;
                }
            }
        }
        if !is_done {
            findings.absent.push(missing(task, &settings.folders, &problems.join("; ")));
        }
        on_change(&findings)?;
    }
    Ok(findings)
}
