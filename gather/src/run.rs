//! The work itself: a number of threads, each with one place in hand, until all places are there.
//!
//! Each thread waits for the archive by itself, so the number of threads bounds requests in flight and memory alike. What
//! is done is what lies finished in the folder; refused candidates are noted so that they are not asked for again.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::archive::Signer;
use crate::cog::Cogs;
use crate::http::{Http, HttpConfig, HttpError};
use crate::index;
use crate::patch::{Reading, Verdict};
use crate::plan::{Plan, Shard};
use crate::sample::Candidates;
use crate::stac::Catalog;
use crate::store::{Store, write_file};

/// Between two reports of progress.
const PACE: Duration = Duration::from_millis(200);
/// Places that fail one after another before the archive counts as down.
const FAILURES_IN_A_ROW: usize = 20;
/// Refused candidates: one JSON a line.
const REFUSED_FILE: &str = "refused.jsonl";

/// How the work is done; nothing of it changes the result.
#[derive(Clone, Debug)]
pub struct Effort {
    /// Places in hand at the same time.
    pub threads: usize,
    /// Retries, patience, byte rate.
    pub http: HttpConfig,
}

/// How far the work is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// Places that are there.
    pub done: usize,
    /// Places wanted.
    pub total: usize,
    /// Places that were there when the work began.
    pub before: usize,
    /// Candidates refused since.
    pub refused: usize,
    /// Requests since.
    pub requests: u64,
    /// Requests that had to be repeated.
    pub retries: u64,
    /// Bytes read since.
    pub bytes: u64,
    /// Seconds since.
    pub elapsed_secs: f64,
}

/// Told of what happens.
pub trait Watch {
    /// How far it is, several times a second.
    fn progress(&mut self, progress: &Progress);
    /// Something went wrong without ending the work.
    fn warning(&mut self, text: &str);
}

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

/// A refused candidate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Refusal {
    place: usize,
    round: usize,
    why: String,
}

enum Message {
    Done(usize),
    Refused,
    Failed { slot: usize, why: String, is_archive: bool },
    Warning(String),
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
        let http = Http::new(HttpConfig { connections: effort.threads, ..effort.http.clone() });
        let catalog = Catalog::open(&http, &plan.archive.stac, &plan.archive.collections)?;
        let job = Job {
            plan,
            store: &store,
            catalog: &catalog,
            http: &http,
            cogs: &Cogs::new(),
            signer: &plan.signer(),
            candidates: &plan.candidates()?,
            refused: &Journal::load(&store)?,
            notes: Mutex::new(Journal::append_to(&store)?),
            open: &open,
            next: AtomicUsize::new(0),
        };
        job.work(effort.threads, &slots, &mut progress, &mut missing, watch)?;
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

/// The places of each tar, in order; nothing for folders.
pub(crate) fn groups(plan: &Plan, slots: &[usize]) -> BTreeMap<usize, Vec<usize>> {
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    if let Some(per_tar) = plan.places_per_tar {
        slots.iter().for_each(|&slot| groups.entry(slot / per_tar.max(1)).or_default().push(slot));
    }
    groups
}

struct Job<'a> {
    plan: &'a Plan,
    store: &'a Store,
    catalog: &'a Catalog,
    http: &'a Http,
    cogs: &'a Cogs,
    signer: &'a Signer,
    candidates: &'a Candidates,
    refused: &'a Journal,
    notes: Mutex<File>,
    open: &'a [usize],
    next: AtomicUsize,
}

impl Job<'_> {
    fn work(
        &self,
        threads: usize,
        slots: &[usize],
        progress: &mut Progress,
        missing: &mut BTreeMap<usize, String>,
        watch: &mut dyn Watch,
    ) -> Result<()> {
        let began = Instant::now();
        let groups = groups(self.plan, slots);
        let mut waiting: HashMap<usize, BTreeSet<usize>> = HashMap::new();
        for &slot in self.open {
            if let Some(per_tar) = self.plan.places_per_tar {
                waiting.entry(slot / per_tar.max(1)).or_default().insert(slot);
            }
        }
        let mut warned: HashSet<String> = HashSet::new();
        let mut failures = 0;
        std::thread::scope(|scope| {
            let (sender, receiver) = channel();
            for _ in 0..threads.clamp(1, self.open.len()) {
                let sender = sender.clone();
                scope.spawn(move || self.thread(&sender));
            }
            drop(sender);
            let mut result = Ok(());
            loop {
                let message = receiver.recv_timeout(PACE);
                let mut take = |message| -> Result<()> {
                    match message {
                        Message::Done(slot) => {
                            (progress.done, failures) = (progress.done + 1, 0);
                            if let Some(per_tar) = self.plan.places_per_tar {
                                let group = slot / per_tar.max(1);
                                let left = waiting.entry(group).or_default();
                                left.remove(&slot);
                                if left.is_empty()
                                    && let Some(places) = groups.get(&group)
                                {
                                    self.store.pack(group, places)?;
                                }
                            }
                        }
                        Message::Refused => progress.refused += 1,
                        Message::Failed { slot, why, is_archive } => {
                            missing.insert(slot, why.clone());
                            failures += usize::from(is_archive);
                            if failures == FAILURES_IN_A_ROW {
                                bail!(
                                    "the archive fails again and again, last with {why}\nhint: repeat the command later; what is there is kept"
                                );
                            }
                        }
                        Message::Warning(text) => {
                            if warned.insert(text.clone()) {
                                watch.warning(&text);
                            }
                        }
                    }
                    Ok(())
                };
                match message {
                    Ok(message) if result.is_ok() => {
                        if let Err(error) = take(message) {
                            result = Err(error);
                            self.http.stop();
                            self.next.store(self.open.len(), Ordering::Relaxed);
                        }
                    }
                    Ok(_) | Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
                    Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                }
                progress.requests = self.http.traffic.requests.load(Ordering::Relaxed);
                progress.retries = self.http.traffic.retries.load(Ordering::Relaxed);
                progress.bytes = self.http.traffic.bytes.load(Ordering::Relaxed);
                progress.elapsed_secs = began.elapsed().as_secs_f64();
                watch.progress(progress);
            }
            result
        })
    }

    fn thread(&self, sender: &Sender<Message>) {
        let warn_sender = Mutex::new(sender.clone());
        let warn = |text: String| {
            let sender = warn_sender.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            // Whoever listened is gone only when the work is being ended.
            let _ = sender.send(Message::Warning(text));
        };
        let reading = Reading {
            plan: self.plan,
            catalog: self.catalog,
            http: self.http,
            cogs: self.cogs,
            signer: self.signer,
            warn: &warn,
        };
        while let Some(&slot) = self.open.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            let message = match self.place(&reading, slot, sender) {
                Ok(()) => Message::Done(slot),
                Err(error) if matches!(error.downcast_ref(), Some(HttpError::Stopped)) => return,
                Err(error) => {
                    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
                    let line = causes.join(": ");
                    let why = line.split("\nhint:").next().unwrap_or(&line).to_owned();
                    Message::Failed { slot, why, is_archive: error.is::<HttpError>() }
                }
            };
            if sender.send(message).is_err() {
                return;
            }
        }
    }

    fn note(&self, refusal: &Refusal) -> Result<()> {
        let mut line = serde_json::to_string(refusal)?;
        line.push('\n');
        let mut notes = self.notes.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        notes.write_all(line.as_bytes()).context("cannot note a refused place\nhint: check the disk's space")
    }

    /// Gathers one place: the first candidate of its slot that has all dates.
    fn place(&self, reading: &Reading<'_>, slot: usize, sender: &Sender<Message>) -> Result<()> {
        for round in 0..self.plan.max_candidates {
            if self.refused.has(slot, round) {
                continue;
            }
            let Some(candidate) = self.candidates.get(slot, round) else {
                bail!("there is no room left for it in the region");
            };
            match reading.candidate(slot as u64, round as u64, &candidate)? {
                Verdict::Whole(patches) => return self.store.write(slot, &patches),
                Verdict::Refused(why) => {
                    // Before the next candidate is tried: a kill must not lose it.
                    self.note(&Refusal { place: slot, round, why })?;
                    // As above.
                    let _ = sender.send(Message::Refused);
                }
            }
        }
        bail!("none of its {} candidates has all dates", self.plan.max_candidates);
    }
}

/// Refused candidates.
#[derive(Default)]
pub(crate) struct Journal {
    refusals: BTreeSet<Refusal>,
    known: HashSet<(usize, usize)>,
}

impl Journal {
    /// The notes of a folder; a line that was cut off is passed over.
    pub(crate) fn load(store: &Store) -> Result<Self> {
        let path = store.root().join(REFUSED_FILE);
        let mut journal = Self::default();
        if path.exists() {
            let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            for refusal in text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()) {
                journal.add(refusal);
            }
        }
        Ok(journal)
    }

    fn add(&mut self, refusal: Refusal) {
        self.known.insert((refusal.place, refusal.round));
        self.refusals.insert(refusal);
    }

    /// Takes in another folder's.
    pub(crate) fn join(&mut self, other: Self) {
        other.refusals.into_iter().for_each(|refusal| self.add(refusal));
    }

    fn has(&self, place: usize, round: usize) -> bool {
        self.known.contains(&(place, round))
    }

    /// Writes them in order, each once.
    pub(crate) fn save(&self, store: &Store) -> Result<()> {
        let mut text = String::new();
        for refusal in &self.refusals {
            text.push_str(&serde_json::to_string(refusal)?);
            text.push('\n');
        }
        write_file(&store.root().join(REFUSED_FILE), text.as_bytes())
    }

    fn append_to(store: &Store) -> Result<File> {
        // Written anew first: a line that was cut off would spoil the next one.
        Self::load(store)?.save(store)?;
        let path = store.root().join(REFUSED_FILE);
        OpenOptions::new().append(true).open(&path).with_context(|| format!("cannot write {}", path.display()))
    }
}
