//! Places at several dates: whether they are known again, what moves an embedding, and whether it tells the month.

mod spaces;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use shared::preprocess::fit;
use shared::tile::Tile;

use super::encoders::Candidate;
use super::protocol::Protocol;
use super::row::Measure;
use super::run::{Findings, Run, Unusable};
use super::task::Kind;
use crate::data::{Placement, Source, SourceKind, SourceSpec, TileSource, evenly_spaced};
use crate::eval::{
    Embedded, accuracy, linear_probe, mean_distance, mean_distance_of_pairs, regularisers, retrieve_places,
};
use crate::report::Reporter;
use crate::views::{Palette, Recipe, Transform, view_rng};
use spaces::{Space, spaces};

/// Places that are taken at the most of each side.
const MOST_PLACES: usize = 200;

/// Pictures of places, and what was done to each.
struct Pictures {
    clean: Vec<Tile>,
    /// Number of the place of each.
    places: Vec<usize>,
    /// The month of each, from 0, where its name tells.
    months: Vec<Option<usize>>,
    /// What was done, to every clean picture in order.
    changed: Vec<(&'static str, Vec<Tile>)>,
}

/// Runs the protocol.
///
/// # Errors
/// `Unusable` when there are no places of several dates; or when a result cannot be written.
pub fn run(
    run: &Run<'_>,
    findings: &mut Findings,
    reporter: &mut Reporter<'_>,
    on_change: &mut dyn FnMut(&Findings) -> Result<()>,
) -> Result<()> {
    let Kind::Places { test } = &run.task.what else { return Ok(()) };
    for candidate in run.candidates {
        // Statistics, which have no size of their own, are judged on the windows of the first encoder.
        let sized = run.candidates.iter().find(|other| other.description().is_some());
        let px = run
            .px(candidate.description().map_or(sized, |_| Some(candidate)).unwrap_or(candidate))
            .min(run.task.data.px);
        let cell = run.cell("places", candidate, Protocol::Seasons, &(test, px))?;
        if let Some(row) = cell.kept()? {
            findings.rows.push(row);
            findings.kept += 1;
            continue;
        }
        if let Some(bands) = candidate.bands().filter(|bands| !bands.is_rgb()) {
            findings
                .left_out
                .push(format!("{} on {}: it reads {bands}, the files have B04 B03 B02", candidate.name, run.task.name));
            continue;
        }
        let tested = read(run, candidate, px, test, true, reporter)?;
        let learned = if test.is_empty() { None } else { Some(read(run, candidate, px, test, false, reporter)?) };
        let mut row = run.row("places", candidate, Protocol::Seasons, [0; 3]);
        row.input_px = px;
        row.pictures = [learned.as_ref().map_or(0, |learned| learned.clean.len()), 0, tested.clean.len()];
        row.measures = measures(run, candidate, &tested, learned.as_ref(), px)?;
        row.procedure = format!(
            "frozen encoder; windows of {px} px side by side, each a place; rank-1 and mAP: every picture asks for the other dates of its \
             place among all others by cosine; moved by: mean cosine distance over that of different places; month: logistic \
             regression on the places that are not tested, twelve classes{}",
            if learned.is_some() { "" } else { " (not measured: no place is named to test on)" }
        );
        let places = tested.places.last().map_or(0, |last| last + 1);
        row.notes.push(format!("{places} windows of {} named places", test.len()));
        cell.keep(&row)?;
        findings.rows.push(row);
        on_change(findings)?;
    }
    Ok(())
}

/// What is done to the pictures, beside the season: the views of contrastive learning, each by itself and always.
fn changes() -> [(&'static str, Transform); 4] {
    [
        ("crop", Transform::RandomResizedCrop { scale: [0.2, 1.0], ratio: [0.75, 4.0 / 3.0] }),
        ("blur", Transform::Blur { sigma_min: 1.0, sigma_max: 1.0, p: 1.0 }),
        ("colour", Transform::ColourJitter { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1, p: 1.0 }),
        ("flip", Transform::FlipHorizontal { p: 1.0 }),
    ]
}

/// The pictures of the places that are tested on, or of the others.
fn read(
    run: &Run<'_>,
    candidate: &Candidate,
    px: usize,
    test: &[String],
    tested: bool,
    reporter: &mut Reporter<'_>,
) -> Result<Pictures> {
    let (keep_places, skip_places) = if tested { (test.to_vec(), Vec::new()) } else { (Vec::new(), test.to_vec()) };
    let spec = SourceSpec {
        kind: Some(SourceKind::Mosaic),
        name: Some(run.task.name.clone()),
        placement: Placement::Grid,
        window_px: Some(px),
        keep_places,
        skip_places,
        ..SourceSpec::new(run.path)
    };
    let mut warnings = Vec::new();
    let unusable = |error: anyhow::Error| Unusable(crate::error::render(&error).replacen("error: ", "", 1));
    let source = spec.open_tiles(Path::new(""), &mut warnings).map_err(unusable)?;
    reporter.data_warnings(&warnings);
    if (0..source.len()).all(|place| source.dates(place) < 2) {
        return Err(Unusable("its places have one date each".to_owned()).into());
    }
    let most = if run.settings.limit > 0 { run.settings.limit.min(MOST_PLACES) } else { MOST_PLACES };
    let changes = changes();
    let mut pictures = Pictures { clean: Vec::new(), places: Vec::new(), months: Vec::new(), changed: Vec::new() };
    pictures.changed = if tested { changes.iter().map(|(name, _)| (*name, Vec::new())).collect() } else { Vec::new() };
    let fill = candidate.normalisation().map_or_else(|| vec![0.5; 3], |own| own.mean().to_vec());
    let palette = Palette::new(source.bands(), source.range(), &fill);
    for (number, place) in evenly_spaced(source.len(), most).filter(|&place| source.dates(place) > 1).enumerate() {
        let dates: Vec<usize> = (0..source.dates(place)).collect();
        let mut rng = view_rng(run.settings.seed, 0, number as u64);
        for (tile, &date) in source.read(place, &dates, &mut rng)?.iter().zip(&dates) {
            for ((_, transform), (_, changed)) in changes.iter().zip(&mut pictures.changed) {
                changed.push(Recipe(vec![transform.clone()]).apply(tile, px, palette, &mut rng)?);
            }
            pictures.clean.push(fit(tile, px));
            pictures.places.push(number);
            pictures.months.push(month_of(&source, place, date));
        }
    }
    Ok(pictures)
}

/// The month, from 0, of a picture whose name holds `<year>-<month>` or `<year>_<month>`.
fn month_of(source: &TileSource, place: usize, date: usize) -> Option<usize> {
    month_in(source.date_name(place, date))
}

fn month_in(name: &str) -> Option<usize> {
    let file = name.rsplit('/').next()?;
    let bytes = file.as_bytes();
    let digits =
        |range: std::ops::Range<usize>| file.get(range).filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    (0..bytes.len().saturating_sub(6)).find_map(|at| {
        let year: usize = digits(at..at + 4)?.parse().ok()?;
        let is_apart = matches!(bytes[at + 4], b'-' | b'_') && (at == 0 || !bytes[at - 1].is_ascii_digit());
        let month: usize = digits(at + 5..at + 7)?.parse().ok()?;
        (is_apart && (1900..2200).contains(&year) && (1..=12).contains(&month)).then(|| month - 1)
    })
}

fn measures(
    run: &Run<'_>,
    candidate: &Candidate,
    tested: &Pictures,
    learned: Option<&Pictures>,
    px: usize,
) -> Result<Vec<Measure>> {
    let device = &run.settings.device;
    let lists: Vec<&[Tile]> =
        std::iter::once(&tested.clean[..]).chain(tested.changed.iter().map(|(_, tiles)| &tiles[..])).collect();
    let own = spaces(candidate, &lists, px, device)?;
    let others = learned.map(|learned| spaces(candidate, &[&learned.clean], px, device)).transpose()?;
    let mut measures = Vec::new();
    for (at, space) in own.iter().enumerate() {
        let name = |what: &str| format!("{what}, {}", space.name);
        let (rows, width) = (&space.lists[0], space.width);
        let found = retrieve_places(rows, width, &tested.places);
        measures.push(Measure::single(name("rank-1"), Some(found.rank_1)));
        measures.push(Measure::single(name("mAP"), Some(found.mean_average_precision)));
        let places = &tested.places;
        let apart = mean_distance_of_pairs(rows, width, |a, b| places[a] != places[b]).max(f64::MIN_POSITIVE);
        let season = mean_distance_of_pairs(rows, width, |a, b| places[a] == places[b]);
        measures.push(Measure::single(name("moved by season"), Some(season / apart)));
        for ((what, _), after) in tested.changed.iter().zip(&space.lists[1..]) {
            let moved = mean_distance(rows, after, width) / apart;
            measures.push(Measure::single(name(&format!("moved by {what}")), Some(moved)));
        }
        if let (Some(learned), Some(others)) = (learned, &others) {
            let month = month_accuracy(space, tested, &others[at], learned)?;
            measures.push(Measure::single(name("month"), month));
        }
    }
    Ok(measures)
}

/// Share of tested pictures whose month is told by a classifier of the others; nothing where too few names hold a month.
fn month_accuracy(space: &Space, tested: &Pictures, other: &Space, learned: &Pictures) -> Result<Option<f64>> {
    // Validation by place: every fifth.
    let dated = |space: &Space, pictures: &Pictures, fits: &dyn Fn(usize) -> bool| {
        let known = (0..pictures.clean.len()).filter_map(|row| Some((row, pictures.months[row]?)));
        let (mut values, mut labels) = (Vec::new(), Vec::new());
        for (row, month) in known.filter(|(row, _)| fits(pictures.places[*row])) {
            values.extend_from_slice(&space.lists[0][row * space.width..][..space.width]);
            labels.push(month);
        }
        Embedded::new(values, space.width, labels)
    };
    let train = dated(other, learned, &|place| place % 5 != 4)?;
    let validation = dated(other, learned, &|place| place % 5 == 4)?;
    let test = dated(space, tested, &|_| true)?;
    let mut months: BTreeMap<usize, usize> = BTreeMap::new();
    train.labels.iter().for_each(|month| *months.entry(*month).or_default() += 1);
    if months.len() < 2 || validation.count() == 0 || test.count() == 0 {
        return Ok(None);
    }
    let grid: Vec<f64> = regularisers().into_iter().step_by(3).collect();
    let probe = linear_probe(&train, &validation, 12, &grid, |_| {})?;
    Ok(Some(accuracy(&probe.probe.predict(&test), &test.labels)))
}
