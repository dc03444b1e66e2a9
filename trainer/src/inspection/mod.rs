//! What a data set holds, in words, tables and a picture, before anything is trained on it.

mod bench;
#[cfg(feature = "gather")]
mod gathered;
mod print;
mod sheet;

pub use bench::LoaderSpeed;
#[cfg(feature = "gather")]
pub use gathered::report as report_gathered;
pub use sheet::Sheet;

use crate::data::{Source, SourceSpec, Survey, TileSource, Warning, shares_by_dates};
use crate::pretrain::few_and_enough;
use crate::report::Reporter;
use crate::seen::Seen;
use anyhow::{Context, Result};
use std::path::Path;

/// A source and its share of the samples, where one is named.
pub type Weighted = (TileSource, Option<f64>);

/// Opens the sources; what cannot be read is warned of.
///
/// # Errors
/// When a source cannot be opened.
pub fn open(specs: &[SourceSpec], reporter: &mut Reporter<'_>) -> Result<Vec<Weighted>> {
    let mut sources = Vec::new();
    for spec in specs {
        let mut warnings = Vec::new();
        sources.push((spec.open_tiles(Path::new(""), &mut warnings)?, spec.weight));
        warn(&warnings, reporter);
    }
    Ok(sources)
}

/// Prints what each of the sources holds, and how much of it the training of an encoder has seen; draws a sheet of each.
///
/// # Errors
/// When the encoder's record is damaged or missing, or a file cannot be written.
pub fn inspect(
    sources: &[Weighted],
    seen_by: Option<&Path>,
    sheet: Option<&Sheet>,
    reporter: &mut Reporter<'_>,
) -> Result<()> {
    let seen = seen_by.map(record).transpose()?;
    if let Some(line) = dates_line(sources) {
        reporter.line(&line);
    }
    for (index, (source, _)) in sources.iter().enumerate() {
        reporter.line(&source.describe());
        let survey = Survey::of(source);
        print::survey(&survey, reporter);
        if let (Some(seen), Some(encoder)) = (&seen, seen_by) {
            print::seen(seen, &encoder.display().to_string(), &source.fingerprints(), reporter);
        }
        if let Some(sheet) = sheet {
            let (path, columns) = sheet.save(index, source, &survey)?;
            reporter.line(&format!("contact sheet: {} ({columns})", path.display()));
        }
    }
    Ok(())
}

/// What the run of an encoder recorded.
fn record(encoder: &Path) -> Result<Seen> {
    Seen::of_encoder(encoder)?.with_context(|| {
        format!(
            "what {} was trained on is not on record\nhint: name a run folder with seen.txt, or a model with NAME.seen.txt beside it",
            encoder.display()
        )
    })
}

/// Which share of the samples of several sources, or of one with places of several dates, has how many of SeCo's three dates.
fn dates_line(sources: &[Weighted]) -> Option<String> {
    let all: f64 = sources.iter().map(|(source, weight)| weight.unwrap_or(source.len() as f64)).sum();
    let share = |(source, weight): &Weighted| weight.unwrap_or(source.len() as f64) / all;
    let shares = shares_by_dates(sources.iter().map(|source| (&source.0 as &dyn Source, share(source))));
    let rows = few_and_enough(&shares, 3);
    let parts: Vec<String> = rows.iter().map(|(dates, share)| format!("{dates}: {:.1} %", 100.0 * share)).collect();
    (sources.len() > 1 || shares.len() > 1).then(|| format!("samples by dates of their place: {}", parts.join(", ")))
}

/// Warnings about data, with their counts.
fn warn(warnings: &[Warning], reporter: &mut Reporter<'_>) {
    for warning in warnings {
        let times = if warning.count > 1 { format!(" ({} in all)", warning.count) } else { String::new() };
        reporter.warning(&format!("{}{times}", warning.what));
    }
}
