//! What the Models page knows, as signals; it outlives the page.

use std::cell::Cell;
use std::rc::Rc;

use js_sys::{ArrayBuffer, Uint8Array};
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::Blob;

use crate::engine::handle::Event;
use crate::engine::protocol::{Bundle, FromWorker, ModelCard};
use crate::fetch::{self, Kept};
use crate::problem::Problem;
use crate::scope::{Over, Scope, Slot};
use crate::session::Session;
use crate::session::models::{Second, Wanted};
use crate::side_by_side::{Line, Said};
use crate::state::Outcome;
use crate::wording;

/// Larger files are not read: the largest model that the trainer makes has a quarter of it.
const MAX_FILE_BYTES: f64 = 512.0 * 1024.0 * 1024.0;

/// A model that has proven itself beside the one in use.
pub struct Candidate {
    /// What people call it.
    pub title: String,
    /// How to change to it.
    wanted: Wanted,
    /// The worker that it runs in, and what it says of itself.
    pub second: Second,
    /// Ties the worker's answers to tiles: the request, and the first tile of it.
    asked: Rc<Cell<(u64, usize)>>,
}

/// How a comparison stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// One for each tile on the page.
    pub answers: Vec<Option<Result<Said, String>>>,
    /// Whether it goes on.
    pub is_running: bool,
}

/// The whole state, cheap to copy into every component.
#[derive(Clone, Copy)]
pub struct Models {
    /// The page's session.
    pub session: Session,
    /// What is being done, in words; nothing when nothing is.
    pub work: RwSignal<Option<String>>,
    /// A model that could be used, or compared with.
    pub candidate: RwSignal<Option<Rc<Candidate>>, LocalStorage>,
    /// The two on the same tiles.
    pub comparison: RwSignal<Option<Comparison>>,
    /// What could not be done.
    pub problem: RwSignal<Option<Problem>>,
    /// What this browser keeps; nothing before it was asked.
    pub kept: RwSignal<Option<Vec<Kept>>>,
    /// The candidate's answers that the page does not show yet: it does so chunk by chunk.
    fresh: StoredValue<Vec<(usize, Result<Said, String>)>>,
    /// The attempt or the comparison that goes on.
    task: StoredValue<Slot>,
}

impl Models {
    /// Nothing was tried yet.
    #[must_use]
    pub fn new(session: Session) -> Self {
        let models = Self {
            session,
            work: RwSignal::new(None),
            candidate: RwSignal::new_local(None),
            comparison: RwSignal::new(None),
            problem: RwSignal::new(None),
            kept: RwSignal::new(None),
            fresh: StoredValue::new(Vec::new()),
            task: StoredValue::new(Slot::default()),
        };
        Effect::new(move |before: Option<(Scope, Scope)>| {
            // Other tiles, or another model in use: a comparison is of what is there no more.
            let now = (session.tile_set.get(), session.model.get());
            if before.as_ref().is_some_and(|before| *before != now) {
                models.stop();
                models.comparison.set(None);
            }
            now
        });
        models
    }

    /// Reads what the page shows besides the model in use.
    pub fn load(self) {
        spawn_local(async move {
            if let Err(problem) = self.session.list_models().await {
                self.problem.set(Some(problem));
            }
        });
    }

    /// Lists what is kept.
    pub async fn look_into_cache(self) {
        self.kept.set(Some(fetch::kept().await));
    }

    /// Throws away what is kept.
    pub fn clear_cache(self) {
        spawn_local(async move {
            fetch::forget_kept().await;
            self.look_into_cache().await;
        });
    }

    /// Proves a listed model beside the one in use; then changes to it, or compares the two.
    pub fn try_listed(self, id: String, is_to_be_used: bool) {
        let scope = self.begin();
        spawn_local(async move {
            let Ok(outcome) = scope.hold(self.fetch_listed(&id, &scope)).await else { return };
            let Some(candidate) = self.settle(outcome) else { return };
            if is_to_be_used {
                self.use_candidate();
            } else {
                self.compare_with(candidate).await;
            }
            self.look_into_cache().await;
        });
    }

    /// Proves a file of the user's beside the model in use; it then waits to be used or compared.
    pub fn open_file(self, file: String, blob: Blob) {
        let scope = self.begin();
        spawn_local(async move {
            if let Ok(outcome) = scope.hold(self.read_file(file, blob, &scope)).await {
                self.settle(outcome);
            }
        });
    }

    /// Changes to the candidate.
    pub fn use_candidate(self) {
        let Some(candidate) = self.candidate.get_untracked() else { return };
        self.put_away();
        self.session.use_model(candidate.wanted.clone());
    }

    /// Changes to the model that the page starts with.
    pub fn go_back(self) {
        self.put_away();
        self.session.use_model(Wanted::Default);
    }

    /// Ends the candidate's worker, and the comparison with it.
    pub fn put_away(self) {
        self.stop();
        self.comparison.set(None);
        self.candidate.set(None);
    }

    /// Compares the candidate with the model in use, on the tiles of the page.
    pub fn compare(self) {
        let Some(candidate) = self.candidate.get_untracked() else { return };
        spawn_local(self.compare_with(candidate));
    }

    /// Stops what goes on; what has come stays.
    pub fn stop(self) {
        self.task.get_value().end();
        self.work.set(None);
        self.comparison.update(|comparison| {
            comparison.iter_mut().for_each(|comparison| comparison.is_running = false);
        });
    }

    /// The lines of the comparison, as far as both models have come.
    #[must_use]
    pub fn lines(self) -> Vec<Line> {
        let classes = self.session.card.with(|card| card.as_ref().map(|card| card.classes.clone()).unwrap_or_default());
        let Some(comparison) = self.comparison.get() else { return Vec::new() };
        self.session.tiles.with(|tiles| {
            let line = |(index, (tile, second)): (usize, (&crate::state::TileEntry, &Option<_>))| {
                let first = match &tile.outcome {
                    Outcome::Waiting => None,
                    Outcome::Answered(answer, _) => Some(Ok(said(&answer.probabilities, answer.encoder_ms, &classes))),
                    Outcome::Undecodable(problem) => Some(Err(problem.what.clone())),
                };
                Line { index, name: tile.name.clone(), first, second: second.clone() }
            };
            tiles.iter().zip(&comparison.answers).enumerate().map(line).collect()
        })
    }

    fn begin(self) -> Scope {
        self.put_away();
        self.problem.set(None);
        self.task.get_value().begin(&self.session.model.get_untracked())
    }

    /// Shows the candidate, or why there is none.
    fn settle(self, outcome: Result<Candidate, Problem>) -> Option<Rc<Candidate>> {
        self.work.set(None);
        match outcome {
            Ok(candidate) => {
                let candidate = Rc::new(candidate);
                self.candidate.set(Some(Rc::clone(&candidate)));
                Some(candidate)
            }
            Err(problem) => {
                self.problem.set(Some(problem));
                None
            }
        }
    }

    async fn fetch_listed(self, id: &str, scope: &Scope) -> Result<Candidate, Problem> {
        let index = self.session.list_models().await?;
        let entry = index.model(id)?;
        let report = |received| {
            if !scope.is_over() {
                let (received, total) = (wording::bytes(received), wording::bytes(entry.file.bytes));
                self.work.set(Some(format!("Fetching {}: {received} of {total}", entry.title)));
            }
        };
        let bytes = fetch::checked("models", &entry.file, report).await?;
        self.prove(entry.title.clone(), Wanted::Listed(id.to_owned()), &bytes, scope).await
    }

    async fn read_file(self, file: String, blob: Blob, scope: &Scope) -> Result<Candidate, Problem> {
        let unreadable = |why: String| {
            Problem::new(
                format!("{file} cannot be opened"),
                why,
                "Choose a model file (.safetensors) that `trainer export` has written.",
            )
        };
        if blob.size() > MAX_FILE_BYTES {
            let size = wording::bytes(blob.size() as u64);
            return Err(unreadable(format!(
                "It has {size}; {} are read at most.",
                wording::bytes(MAX_FILE_BYTES as u64)
            )));
        }
        self.work.set(Some(format!("Reading {file}")));
        let bytes = JsFuture::from(blob.array_buffer()).await;
        let bytes: ArrayBuffer = bytes
            .ok()
            .and_then(|bytes| bytes.dyn_into().ok())
            .ok_or_else(|| unreadable("The browser could not read it.".to_owned()))?;
        let bytes = Uint8Array::new(&bytes);
        let wanted = Wanted::Opened { file: file.clone(), bytes: bytes.clone() };
        let proven = self.prove(file.clone(), wanted, &bytes, scope).await;
        proven.map_err(|problem| Problem { what: format!("{file}: {}", lower_first(&problem.what)), ..problem })
    }

    async fn prove(
        self,
        title: String,
        wanted: Wanted,
        bytes: &Uint8Array,
        scope: &Scope,
    ) -> Result<Candidate, Problem> {
        if !scope.is_over() {
            self.work.set(Some(format!("Proving {title} on this device")));
        }
        let asked = Rc::new(Cell::new((0, 0)));
        let classes = Rc::new(std::cell::RefCell::new(Vec::new()));
        let on_event = {
            let (asked, classes) = (Rc::clone(&asked), Rc::clone(&classes));
            move |event: Event| self.hear(asked.get(), &classes.borrow(), event.message)
        };
        let second = self.session.open_second(bytes, on_event).await?;
        classes.replace(second.card.classes.clone());
        Ok(Candidate { title, wanted, second, asked })
    }

    /// An answer of the candidate's worker.
    fn hear(self, (asked, offset): (u64, usize), classes: &[String], message: FromWorker) {
        let (index, answer) = match message {
            FromWorker::Classified { request, index, answer } if request == asked => {
                (index, Ok(said(&answer.probabilities, answer.encoder_ms, classes)))
            }
            FromWorker::Undecodable { request, index, problem, .. } if request == asked => (index, Err(problem.what)),
            _ => return,
        };
        self.fresh.update_value(|fresh| fresh.push((offset + index, answer)));
    }

    /// Shows what the candidate has answered since the last time.
    fn publish(self) {
        let fresh = self.fresh.try_update_value(std::mem::take).unwrap_or_default();
        self.comparison.update(|comparison| {
            let Some(comparison) = comparison else { return };
            for (index, answer) in fresh {
                if let Some(place) = comparison.answers.get_mut(index) {
                    *place = Some(answer);
                }
            }
        });
    }

    async fn compare_with(self, candidate: Rc<Candidate>) {
        self.stop();
        let scope = self.task.get_value().begin(&self.session.model.get_untracked());
        let count = self.session.tiles.with_untracked(Vec::len);
        self.comparison.set(Some(Comparison { answers: vec![None; count], is_running: count > 0 }));
        self.fresh.set_value(Vec::new());
        let mut offset = 0;
        while offset < count {
            let is_asked = |request| candidate.asked.set((request, offset));
            let asked = scope.hold(self.session.classify_with(&candidate.second, offset, is_asked)).await;
            match asked {
                // Stopped, or of tiles that are not on the page any more.
                Err(Over) => return,
                Ok(Ok(0)) => break,
                Ok(Ok(done)) => {
                    self.publish();
                    offset += done;
                }
                Ok(Err(problem)) => {
                    self.put_away();
                    return self.problem.set(Some(problem));
                }
            }
        }
        self.stop();
    }
}

/// The state that [`crate::app`] provides.
#[must_use]
pub fn use_models() -> Models {
    expect_context::<Models>()
}

/// The most probable class, the first of equals.
fn said(probabilities: &[f32], ms: f64, classes: &[String]) -> Said {
    let shares = probabilities.iter().copied().enumerate();
    let best = shares.reduce(|best, next| if next.1 > best.1 { next } else { best });
    let class = best.and_then(|(class, _)| classes.get(class)).cloned();
    Said { class, share: best.map_or(0.0, |(_, share)| share), ms }
}

/// Classes that only one of two models names: those of the first, then those of the second.
#[must_use]
pub fn only_in_one(first: &ModelCard, second: &ModelCard) -> [Vec<String>; 2] {
    let but =
        |these: &[String], those: &[String]| these.iter().filter(|class| !those.contains(class)).cloned().collect();
    [but(&first.classes, &second.classes), but(&second.classes, &first.classes)]
}

/// What a device is called beside a figure.
#[must_use]
pub fn on_device(bundle: Option<Bundle>) -> String {
    bundle.map(|bundle| format!(" on {}", bundle.label())).unwrap_or_default()
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}
