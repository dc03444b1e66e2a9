//! Joining the parts of a set that were gathered apart.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::UsageError;
use crate::journal::Journal;
use crate::plan::{PLAN_FILE, Plan, Shard};
use crate::run::write_index;
use crate::store::Store;

/// What was joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Merged {
    /// Parts.
    pub shards: usize,
    /// Places.
    pub places: usize,
    /// Pictures.
    pub pictures: usize,
}

/// Checks the parts `shard-…-of-…` inside a folder, every file against its checksum, and joins them into that folder; what
/// comes out is byte for byte what one machine would have written. May be repeated after a failure.
///
/// # Errors
/// When a part or a place is missing or damaged, or parts have different settings.
pub fn merge(folder: &Path, tell: &mut dyn FnMut(usize, usize)) -> Result<Merged> {
    let shards = parts(folder)?;
    let count = shards.first().map_or(0, |(shard, _)| shard.count);
    let absent: Vec<String> = (0..count)
        .filter(|index| !shards.iter().any(|(shard, _)| shard.index == *index))
        .map(|index| Shard { index, count }.folder())
        .collect();
    if let Some(first) = absent.first() {
        bail!(
            "{} of {count} parts are not in {}, first {first}\nhint: gather them with --shard, or copy them here",
            absent.len(),
            folder.display()
        );
    }
    let mut plan: Option<Plan> = None;
    for (_, path) in &shards {
        let own = Plan::load(path)?
            .with_context(|| format!("{} has no {PLAN_FILE}\nhint: gather it again", path.display()))?;
        match &plan {
            None => plan = Some(own),
            Some(first) if *first == own => {}
            Some(_) => bail!(
                "{} has other settings than the first part\nhint: gather all parts with the same settings",
                path.display()
            ),
        }
    }
    let Some(plan) = plan else { bail!("no parts") };
    // All of it is checked before anything is moved.
    let target = Store::existing(folder, plan.places_per_tar);
    for (at, (shard, path)) in shards.iter().enumerate() {
        tell(at, 2 * shards.len());
        let store = Store::existing(path, plan.places_per_tar);
        for place in shard.slots(&plan) {
            if !is_there(&store, place) && !is_there(&target, place) {
                bail!(
                    "{} lacks place {place}\nhint: repeat its gather --shard {}/{}",
                    path.display(),
                    shard.index,
                    shard.count
                );
            }
        }
        let own: Vec<usize> = shard.slots(&plan).into_iter().filter(|place| is_there(&store, *place)).collect();
        store.verify(&own)?;
    }
    plan.settle(folder)?;
    let target = Store::open(folder, plan.places_per_tar)?;
    let mut journal = Journal::load(&target)?;
    for (at, (shard, path)) in shards.iter().enumerate() {
        tell(shards.len() + at, 2 * shards.len());
        let store = Store::existing(path, plan.places_per_tar);
        journal.join(Journal::load(&store)?);
        for place in shard.slots(&plan) {
            target.adopt(&store, place)?;
        }
    }
    journal.save(&target)?;
    let all: Vec<usize> = (0..plan.locations).collect();
    let records = target.records(&all)?;
    let pictures = records.len();
    write_index(&plan, &target, records)?;
    for (_, path) in &shards {
        std::fs::remove_dir_all(path).with_context(|| format!("cannot remove the empty part {}", path.display()))?;
    }
    Ok(Merged { shards: shards.len(), places: plan.locations, pictures })
}

fn is_there(store: &Store, place: usize) -> bool {
    match store.tar_of(place) {
        Some(tar) => tar.exists(),
        None => store.root().join(crate::store::place_name(place)).exists(),
    }
}

/// The parts in a folder, by number; all must be of as many.
fn parts(folder: &Path) -> Result<Vec<(Shard, PathBuf)>> {
    let shown = folder.display();
    let mut parts = Vec::new();
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("cannot read {shown}\nhint: the folder that was given to gather --out"))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let numbers = name.strip_prefix("shard-").and_then(|rest| rest.split_once("-of-"));
        if let Some((index, count)) = numbers
            && let (Ok(index), Ok(count)) = (index.parse(), count.parse())
        {
            parts.push((Shard { index, count }, path));
        }
    }
    parts.sort_by_key(|(shard, _)| shard.index);
    let Some((first, _)) = parts.first() else {
        return Err(UsageError(format!(
            "no parts in {shown}\nhint: the folder that was given to gather --shard i/n --out"
        ))
        .into());
    };
    if let Some((other, _)) = parts.iter().find(|(shard, _)| shard.count != first.count) {
        bail!("{shown} has parts of {} and of {}\nhint: remove those of one of them", first.count, other.count);
    }
    Ok(parts)
}
