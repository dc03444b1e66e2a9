//! What `trainer gather` knows of its sets: clouds, cities, and how near places come to those of another set.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use gather::geo::LonLat;
use gather::neighbours::near;
use gather::patch::Record;
use gather::plan::Plan;
use gather::store::Store;

use crate::report::{Reporter, grouped, percent};

/// A gathered set.
struct Set {
    path: PathBuf,
    plan: Plan,
    records: Vec<Record>,
}

/// Prints what is known of those of `paths` that were gathered, and warns of places in two of them that share ground.
///
/// # Errors
/// When a plan or a record is damaged.
pub fn report(paths: &[PathBuf], reporter: &mut Reporter<'_>) -> Result<()> {
    let sets: Vec<Set> = paths.iter().filter_map(|path| load(path).transpose()).collect::<Result<_>>()?;
    for set in &sets {
        describe(set, reporter);
    }
    for (at, one) in sets.iter().enumerate() {
        for other in &sets[at + 1..] {
            let limit_m = (one.plan.patch_m + other.plan.patch_m) / 2.0 * std::f64::consts::SQRT_2;
            let (ours, theirs) = (places(one), places(other));
            let centres = |places: &[(u64, LonLat)]| places.iter().map(|(_, centre)| *centre).collect::<Vec<_>>();
            let pairs = near(&centres(&ours), &centres(&theirs), limit_m);
            if let Some(&(first, second, distance_m)) = pairs.first() {
                reporter.warning(&format!(
                    "{} places of {} may share ground with {}: nearest {:06} and {:06}, {:.2} km; a split between them leaks",
                    grouped(pairs.len()),
                    one.path.display(),
                    other.path.display(),
                    ours[first].0,
                    theirs[second].0,
                    distance_m / 1e3
                ));
            } else {
                reporter.line(&format!(
                    "no place of {} is within {:.2} km of {}",
                    one.path.display(),
                    limit_m / 1e3,
                    other.path.display()
                ));
            }
        }
    }
    Ok(())
}

fn load(path: &Path) -> Result<Option<Set>> {
    let Some(plan) = path.is_dir().then(|| Plan::load(path)).transpose()?.flatten() else { return Ok(None) };
    let all: Vec<usize> = (0..plan.locations).collect();
    let records = Store::existing(path, plan.places_per_tar).records(&all)?;
    Ok(Some(Set { path: path.to_owned(), plan, records }))
}

fn places(set: &Set) -> Vec<(u64, LonLat)> {
    let centre = |record: &Record| LonLat { lon: record.longitude, lat: record.latitude };
    let all: BTreeMap<u64, _> = set.records.iter().map(|record| (record.place, centre(record))).collect();
    all.into_iter().collect()
}

fn describe(set: &Set, reporter: &mut Reporter<'_>) {
    let mut countries: BTreeMap<&str, usize> = BTreeMap::new();
    set.records.iter().filter_map(|record| record.country.as_deref()).for_each(|country| {
        *countries.entry(country).or_default() += 1;
    });
    let mut scene: Vec<f64> = set.records.iter().filter_map(|record| record.scene_cloud).collect();
    scene.sort_by(f64::total_cmp);
    let median =
        scene.get(scene.len() / 2).map_or(String::new(), |value| format!("; scenes' clouds: median {value:.1} %"));
    let patch = set.records.iter().filter_map(|record| record.patch_cloud).fold(0.0, f64::max);
    reporter.line(&format!(
        "gathered: {} of {} places, {} pictures, {} countries{median}; cloudiest patch {}",
        grouped(places(set).len()),
        grouped(set.plan.locations),
        grouped(set.records.len()),
        countries.len(),
        percent(patch)
    ));
}
