//! The work itself: a number of places in hand, each a task of its own, until all places are there.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::catalog::{Catalog, Warn};
use crate::cog::Cogs;
use crate::cpu::Cpu;
use crate::effort::{Effort, Progress, Watch};
use crate::http::{Http, HttpError};
use crate::journal::{Journal, Notes, Refusal};
use crate::one_line;
use crate::patch::{Reading, Verdict};
use crate::plan::{Plan, groups};
use crate::sample::Candidates;
use crate::store::Store;

/// Between two reports of progress.
const PACE: Duration = Duration::from_millis(200);
/// Places that fail one after another before the archive counts as down.
const FAILURES_IN_A_ROW: usize = 20;

/// What a place needs to be gathered.
pub(crate) struct Job {
    reading: Reading,
    store: Store,
    candidates: Arc<Candidates>,
    refused: Journal,
    notes: Notes,
    refusals: UnboundedSender<()>,
    news: tokio::sync::Mutex<News>,
}

/// What is heard of places that are still in hand.
struct News {
    refusals: UnboundedReceiver<()>,
    warnings: UnboundedReceiver<String>,
}

impl Job {
    /// Opens the archive.
    pub(crate) async fn new(plan: &Plan, store: &Store, effort: &Effort) -> Result<Self> {
        let http = Http::new(effort.http.clone())?;
        let cpu = Cpu::default();
        let (warn, warnings) = unbounded_channel();
        let (refusals, heard) = unbounded_channel();
        // Whoever listened is gone only when the work is being ended.
        let warn: Box<Warn> = Box::new(move |text| drop(warn.send(text)));
        let reading = Reading {
            catalog: Catalog::open(&http, &plan.archive.stac, &plan.archive.collections, &*warn).await?,
            cogs: Cogs::new(effort.memory_bytes, cpu.clone()),
            signer: plan.signer(),
            plan: plan.clone(),
            warn,
            http,
            cpu,
        };
        Ok(Self {
            candidates: Arc::new(plan.candidates()?),
            refused: Journal::load(store)?,
            notes: Journal::append_to(store)?,
            news: tokio::sync::Mutex::new(News { refusals: heard, warnings }),
            store: store.clone(),
            reading,
            refusals,
        })
    }

    /// Gathers one place: the first candidate of its slot that has all dates.
    async fn place(&self, slot: usize) -> Result<()> {
        let tried = self.reading.plan.max_candidates;
        for round in 0..tried {
            if self.refused.has(slot, round) {
                continue;
            }
            let candidates = Arc::clone(&self.candidates);
            // Drawing a round draws it for all places.
            let candidate = self.reading.cpu.run(move || candidates.get(slot, round)).await?;
            let candidate = candidate.context("there is no room left for it in the region")?;
            match self.reading.candidate(slot as u64, round as u64, &candidate).await? {
                Verdict::Whole(patches) => {
                    let store = self.store.clone();
                    return tokio::task::spawn_blocking(move || store.write(slot, &patches)).await?;
                }
                Verdict::Refused(why) => {
                    self.notes.add(&Refusal { place: slot, round, why })?;
                    // As with warnings.
                    let _ = self.refusals.send(());
                }
            }
        }
        bail!("none of its {tried} candidates has all dates");
    }
}

/// The places that are left, and what is known of them so far.
pub(crate) struct Work<'a> {
    job: Arc<Job>,
    left: std::vec::IntoIter<usize>,
    /// Tars of which places are still open.
    waiting: BTreeMap<usize, BTreeSet<usize>>,
    groups: BTreeMap<usize, Vec<usize>>,
    progress: &'a mut Progress,
    missing: &'a mut BTreeMap<usize, String>,
    failures: usize,
}

impl<'a> Work<'a> {
    pub(crate) fn new(
        job: Arc<Job>,
        slots: &[usize],
        open: Vec<usize>,
        progress: &'a mut Progress,
        missing: &'a mut BTreeMap<usize, String>,
    ) -> Self {
        let waiting = groups(&job.reading.plan, &open);
        Self {
            waiting: waiting.into_iter().map(|(group, open)| (group, open.into_iter().collect())).collect(),
            groups: groups(&job.reading.plan, slots),
            left: open.into_iter(),
            failures: 0,
            job,
            progress,
            missing,
        }
    }

    /// Keeps `places` of them in hand until none is left.
    pub(crate) async fn run(mut self, places: usize, watch: &mut dyn Watch) -> Result<()> {
        let job = Arc::clone(&self.job);
        let mut news = job.news.lock().await;
        let News { refusals, warnings } = &mut *news;
        let began = Instant::now();
        let mut warned = HashSet::new();
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Whatever is still in hand ends with this set.
        let mut in_hand = JoinSet::new();
        loop {
            while in_hand.len() < places.max(1)
                && let Some(slot) = self.left.next()
            {
                let job = Arc::clone(&self.job);
                in_hand.spawn(async move { (slot, job.place(slot).await) });
            }
            tokio::select! {
                done = in_hand.join_next() => match done {
                    Some(done) => {
                        let (slot, result) = done.context("a place could not be gathered")?;
                        self.judge(slot, result).await?;
                    }
                    None => break,
                },
                Some(()) = refusals.recv() => self.progress.refused += 1,
                Some(text) = warnings.recv() => if warned.insert(text.clone()) { watch.warning(&text) },
                _ = pace.tick() => self.report(began, watch),
            }
        }
        while refusals.try_recv().is_ok() {
            self.progress.refused += 1;
        }
        while let Ok(text) = warnings.try_recv() {
            if warned.insert(text.clone()) {
                watch.warning(&text);
            }
        }
        self.report(began, watch);
        Ok(())
    }

    /// Takes note of what became of a place.
    async fn judge(&mut self, slot: usize, result: Result<()>) -> Result<()> {
        let Err(error) = result else {
            (self.progress.done, self.failures) = (self.progress.done + 1, 0);
            return self.pack(slot).await;
        };
        let why = one_line(&error);
        self.failures += usize::from(error.is::<HttpError>());
        if self.failures == FAILURES_IN_A_ROW {
            bail!(
                "the archive fails again and again, last with {why}\nhint: repeat the command later; what is there is kept"
            );
        }
        self.missing.insert(slot, why);
        Ok(())
    }

    /// Packs the tar of a place when it was the last one missing.
    async fn pack(&mut self, slot: usize) -> Result<()> {
        let Some(per_tar) = self.job.reading.plan.places_per_tar else { return Ok(()) };
        let group = slot / per_tar.max(1);
        let waiting = self.waiting.entry(group).or_default();
        waiting.remove(&slot);
        let Some(places) = self.groups.get(&group).filter(|_| waiting.is_empty()).cloned() else { return Ok(()) };
        let store = self.job.store.clone();
        tokio::task::spawn_blocking(move || store.pack(group, &places)).await?.map(drop)
    }

    fn report(&mut self, began: Instant, watch: &mut dyn Watch) {
        let traffic = self.job.reading.http.traffic();
        self.progress.requests = traffic.requests.load(Ordering::Relaxed);
        self.progress.retries = traffic.retries.load(Ordering::Relaxed);
        self.progress.bytes = traffic.bytes.load(Ordering::Relaxed);
        self.progress.elapsed_secs = began.elapsed().as_secs_f64();
        watch.progress(self.progress);
    }
}
