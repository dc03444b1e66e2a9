//! A gathering from beginning to end: what is there already, the work, and the index of all.
//!
//! What is done is what lies finished in the folder; refused candidates are noted so that they are not asked for again.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::runtime::Builder;

pub use crate::effort::{Effort, Progress, Watch};
use crate::index;
use crate::journal::Journal;
use crate::plan::{Plan, Shard, groups};
use crate::store::Store;
use crate::work::{Job, Work};

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The counts at the end.
    pub progress: Progress,
    /// Pictures in the index.
    pub pictures: usize,
    /// Size of all bands, bytes.
    pub stored_bytes: u64,
    /// Bytes of the tiles that the pictures in the index touch: the least that could be read for them.
    pub tile_bytes: u64,
    /// Places that are missing, and why.
    pub missing: Vec<(usize, String)>,
}

/// Gathers a shard of a plan into a folder; continues what is there.
///
/// # Errors
/// When the archive cannot be opened, another set is in the folder, or the folder cannot be written to. Places that could
/// not be gathered are no error: they are named in the outcome.
pub fn run(plan: &Plan, folder: &Path, shard: Shard, effort: &Effort, watch: &mut dyn Watch) -> Result<Outcome> {
    plan.check()?;
    plan.settle(folder)?;
    let store = Store::open(folder, plan.places_per_tar)?;
    let slots = shard.slots(plan);
    let mut open = Vec::new();
    for &slot in &slots {
        if !store.has(slot)? {
            open.push(slot);
        }
    }
    let mut progress = Progress {
        total: slots.len(),
        done: slots.len() - open.len(),
        before: slots.len() - open.len(),
        ..Progress::default()
    };
    let mut missing = BTreeMap::new();
    if !open.is_empty() {
        let runtime = Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
        let work = async {
            let job = Arc::new(Job::new(plan, &store, effort).await?);
            Work::new(job, &slots, open, &mut progress, &mut missing).run(effort.places, watch).await
        };
        runtime.block_on(work)?;
    }
    for (group, places) in groups(plan, &slots) {
        store.pack(group, &places)?;
    }
    finish(plan, &store, &slots, progress, missing)
}

/// Sorts the notes and writes the index.
fn finish(
    plan: &Plan,
    store: &Store,
    slots: &[usize],
    progress: Progress,
    missing: BTreeMap<usize, String>,
) -> Result<Outcome> {
    Journal::load(store)?.save(store)?;
    let records = store.records(slots)?;
    let outcome = Outcome {
        progress,
        pictures: records.len(),
        stored_bytes: records.iter().flat_map(|record| record.bands.values()).map(|band| band.bytes).sum(),
        tile_bytes: records.iter().map(|record| record.tile_bytes).sum(),
        missing: missing.into_iter().collect(),
    };
    write_index(plan, store, records)?;
    Ok(outcome)
}

/// Writes the index of a set's records.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write_index(plan: &Plan, store: &Store, records: Vec<crate::patch::Record>) -> Result<()> {
    let in_tar = |place: usize| {
        plan.places_per_tar?;
        store.tar_of(place)?.file_name().map(|name| name.to_string_lossy().into_owned())
    };
    index::write(store.root(), records, &in_tar)
}
