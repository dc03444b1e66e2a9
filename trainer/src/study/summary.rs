//! The table and the picture of a study.

use super::grid::{Cell, CellScore, Grid, Spread, effects};
use super::score::{Labelled, SCORE_FILE};
use crate::report::{Reporter, StudyPoint, Table, percent, study_svg};
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// The table and the picture of every run that is there, whichever shard made it.
pub(super) fn summarise(
    grid: &Grid,
    cells: &[Cell],
    out: &Path,
    labelled: &Labelled,
    reporter: &mut Reporter<'_>,
) -> Result<()> {
    let mut scores = Vec::new();
    for cell in cells {
        let path = out.join(&cell.name).join(SCORE_FILE);
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let score: CellScore = serde_json::from_str(&text)
            .with_context(|| format!("cannot use {}\nhint: remove it to score the run again", path.display()))?;
        scores.push(score);
    }
    let mut all = Table::new(["augmentation", "temperature", "seeds", "k-NN 20", "linear"]);
    let mut points = Vec::new();
    for (view, named) in grid.views.iter().enumerate() {
        for &temperature in &grid.temperatures {
            let own: Vec<&CellScore> =
                scores.iter().filter(|s| s.view == view && s.temperature == temperature).collect();
            let of = |value: fn(&CellScore) -> f64| Spread::of(&own.iter().map(|s| value(s)).collect::<Vec<_>>());
            let (knn, linear) = (of(|s| s.knn), of(|s| s.linear));
            all.row([named.name.clone(), temperature.to_string(), own.len().to_string(), said(knn), said(linear)]);
            let values = own.iter().map(|score| score.knn).collect();
            points.push(StudyPoint { column: view, series: format!("T {temperature}"), values });
        }
    }
    let helped = |value| effects(grid, &scores, value);
    let (knn, linear) = (helped(|s: &CellScore| s.knn), helped(|s: &CellScore| s.linear));
    let mut table =
        Table::new([&format!("against {}", grid.views[0].name), "pairs", "k-NN 20", "linear"].map(String::from));
    for (view, named) in grid.views.iter().enumerate().skip(1) {
        let pairs = knn[view].map_or(0, |spread| spread.count);
        table.row([named.name.clone(), pairs.to_string(), gain(knn[view]), gain(linear[view])]);
    }
    let missing = cells.len() - scores.len();
    let names: Vec<String> = grid.views.iter().map(|view| view.name.clone()).collect();
    let note = format!(
        "{} of {} runs; {} training tiles, {} validation tiles, half of which choose the regulariser; ± is the standard \
         deviation over seeds, and over pairs of equal temperature and seed in the second table",
        scores.len(),
        cells.len(),
        labelled.train.len(),
        labelled.val.len()
    );
    reporter.table(&all);
    reporter.line("\nwhat helped on this imagery");
    reporter.table(&table);
    reporter.line(&format!("\n{note}"));
    if missing > 0 {
        reporter.note(&format!("{missing} runs are missing: other shards, or the same command again, make them"));
    }
    let markdown = format!("# What helped on this imagery\n\n{note}\n\n{}\n{}", table.markdown(), all.markdown());
    atomic_file::write(&out.join("study.md"), markdown.as_bytes())?;
    if !scores.is_empty() {
        let svg = study_svg("k-NN 20 accuracy of every run, and the mean over seeds", &names, &points)?;
        atomic_file::write(&out.join("study.svg"), svg.as_bytes())?;
    }
    Ok(())
}

fn said(spread: Option<Spread>) -> String {
    match spread {
        None => String::new(),
        Some(Spread { count: 1, mean, .. }) => percent(mean),
        Some(Spread { mean, deviation, .. }) => format!("{} ± {:.1}", percent(mean), 100.0 * deviation),
    }
}

fn gain(spread: Option<Spread>) -> String {
    match spread {
        None => String::new(),
        Some(Spread { count: 1, mean, .. }) => format!("{:+.1}", 100.0 * mean),
        Some(Spread { mean, deviation, .. }) => format!("{:+.1} ± {:.1}", 100.0 * mean, 100.0 * deviation),
    }
}
