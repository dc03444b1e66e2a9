//! Sending tiles to the worker and putting its answers on the page.

use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use js_sys::ArrayBuffer;
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::Blob;

use super::{RunReport, Session};
use crate::download::bitmap_address;
use crate::engine::handle::{Event, Handle};
use crate::engine::pool::Pool;
use crate::engine::protocol::{Bundle, FromWorker, ToWorker};
use crate::engine::slabs::Slabs;
use crate::problem::Problem;
use crate::scene::reading::Reading;
use crate::scope::{Over, Scope};
use crate::state::{DeviceState, GalleryState, Outcome, Phase, Preference, TileEntry};

/// Gallery tiles shown beside an answer.
const NEIGHBOURS: usize = 8;
/// Larger files are not read at all.
const MAX_FILE_BYTES: f64 = 512.0 * 1024.0 * 1024.0;
/// How long an answer may wait for others to be shown with.
const SHOWN_EVERY: Duration = Duration::from_millis(60);

/// Ties answers to tiles.
pub(super) struct Question {
    worker: Rc<Handle>,
    /// Index on the page of each of its files.
    tiles: Vec<usize>,
}

/// An answer that is not on the page yet.
pub(super) struct Arrival {
    tile: usize,
    picture: Option<String>,
    outcome: Outcome,
}

impl Session {
    /// Replaces the tiles on the page and classifies the new ones as soon as a device is ready.
    pub fn classify(self, files: Vec<(String, Blob)>) {
        if files.is_empty() {
            return;
        }
        self.forget_tiles();
        // Choices are about the files before.
        self.reading.set(Reading::default());
        self.unclear_bands.set(Vec::new());
        let (names, blobs): (Vec<_>, Vec<_>) = files.into_iter().unzip();
        let entries = names.into_iter().zip(&blobs).map(|(name, blob)| TileEntry {
            picture: is_shown_by_browsers(&name).then(|| picture_address(blob)).flatten(),
            name,
            outcome: Outcome::Waiting,
        });
        self.tiles.set(entries.collect());
        *self.parts().files.borrow_mut() = blobs;
        self.new_tile_set();
        self.run_waiting();
    }

    /// Reads all tiles again, in another way.
    pub fn read_as(self, reading: Reading) {
        self.unclear_bands.set(Vec::new());
        self.reading.set(reading);
        self.run_again();
    }

    /// Takes all tiles off the page.
    pub fn clear(self) {
        self.forget_tiles();
        self.tiles.set(Vec::new());
        if self.phase.with_untracked(Phase::is_able) {
            self.phase.set(Phase::Ready);
        }
    }

    /// Stops after the chunk in work; what is answered stays.
    pub fn cancel(self) {
        self.abandon();
        if self.phase.with_untracked(Phase::is_able) {
            self.phase.set(Phase::Ready);
        }
    }

    /// Classifies what is still waiting, if a device is ready.
    pub(super) fn run_waiting(self) {
        if !self.open_tiles().is_empty() && self.phase.with_untracked(Phase::is_able) {
            self.abandon();
            let scope = self.parts().run.begin(&self.model.get_untracked());
            spawn_local(async move {
                // Given up: whoever did it has begun something else.
                let _ = self.run(&scope).await;
            });
        }
    }

    /// Classifies all tiles again, on the device that is active now.
    pub(super) fn run_again(self) {
        self.tiles.update(|tiles| tiles.iter_mut().for_each(|tile| tile.outcome = Outcome::Waiting));
        self.run_waiting();
    }

    /// Indices of the tiles that have no answer yet, or one without neighbours from before the gallery came: that one stays on
    /// the page until the better one takes its place.
    fn open_tiles(self) -> Vec<usize> {
        let has_gallery = untrack(|| self.has_gallery());
        let is_open = |outcome: &Outcome| match outcome {
            Outcome::Waiting => true,
            Outcome::Undecodable(_) => false,
            Outcome::Answered(answer, _) => has_gallery && answer.neighbours.is_empty(),
        };
        self.tiles.with_untracked(|tiles| {
            let open = tiles.iter().enumerate().filter(|(_, tile)| is_open(&tile.outcome)).map(|(index, _)| index);
            open.collect()
        })
    }

    fn forget_tiles(self) {
        self.abandon();
        self.selected.set(0);
        self.last_run.set(None);
        for picture in
            self.tiles.with_untracked(|tiles| tiles.iter().filter_map(|tile| tile.picture.clone()).collect::<Vec<_>>())
        {
            // Revoking an address that is gone already is harmless.
            let _ = web_sys::Url::revoke_object_url(&picture);
        }
        self.parts().files.borrow_mut().clear();
    }

    /// Gives up what goes on: every answer on its way is of no use.
    pub(super) fn abandon(self) {
        self.show_arrived();
        let parts = self.parts();
        for (request, question) in parts.questions.take() {
            // A worker that cannot hear it is dead, which its own event says.
            let _ = question.worker.send(&ToWorker::Cancel { request }, &[]);
        }
        parts.run.end();
    }

    async fn run(self, scope: &Scope) -> Result<(), Over> {
        let started = now_ms();
        let mut report = RunReport { tiles: 0, elapsed_ms: 0.0, encoder_ms: 0.0, workers: 0 };
        loop {
            let (waiting, total) = (self.open_tiles(), self.tiles.with_untracked(Vec::len));
            self.phase.set(Phase::Running { done: total - waiting.len(), total });
            let Some(pool) = self.active_pool() else { return Ok(()) };
            let sizes = self.parts().files.borrow().iter().map(Blob::size).collect::<Vec<_>>();
            let slabs = Slabs::new(waiting.iter().map(|&index| sizes.get(index).copied().unwrap_or(0.0)).collect());
            let ask = async |worker: &Rc<Handle>, slab: Range<usize>| {
                self.ask_slab(worker, waiting[slab].to_vec(), scope).await
            };
            let shared = self.share_out(&pool, slabs, scope, ask).await;
            if scope.is_over() && shared.problem.is_none() {
                return Err(Over);
            }
            report.tiles += shared.tiles;
            report.encoder_ms += shared.encoder_ms;
            report.workers = report.workers.max(shared.workers);
            let Some(problem) = shared.problem else { break };
            if scope.is_over() || !self.fall_back(&pool, problem).await {
                return Err(Over);
            }
            if scope.is_over() {
                // Other tiles came meanwhile, and found no device.
                self.phase.set(Phase::Ready);
                self.run_waiting();
                return Err(Over);
            }
        }
        report.elapsed_ms = now_ms() - started;
        self.last_run.set(Some(report));
        self.phase.set(Phase::Ready);
        Ok(())
    }

    /// Reads the files of some tiles and asks about them.
    async fn ask_slab(self, worker: &Rc<Handle>, tiles: Vec<usize>, scope: &Scope) -> Result<FromWorker, Problem> {
        let parts = self.parts();
        let of_tile = |files: &Vec<Blob>| tiles.iter().filter_map(|&index| files.get(index).cloned()).collect();
        let files: Vec<Blob> = of_tile(&parts.files.borrow());
        let mut buffers = Vec::with_capacity(files.len());
        for file in &files {
            buffers.push(read_file(file).await);
        }
        if scope.is_over() {
            return Err(Problem::given_up());
        }
        let names = self.tiles.with_untracked(|entries| {
            tiles.iter().filter_map(|&index| entries.get(index)).map(|tile| tile.name.clone()).collect()
        });
        let request = worker.next_request();
        let question = Question { worker: Rc::clone(worker), tiles };
        parts.questions.borrow_mut().insert(request, question);
        let reading = self.reading.get_untracked();
        let message = ToWorker::Classify { request, names, neighbours: NEIGHBOURS, reading };
        let outcome = worker.ask(request, &message, &buffers).await;
        parts.questions.borrow_mut().remove(&request);
        if !scope.is_over() {
            if worker.bundle() == Bundle::Gpu && outcome.is_ok() {
                parts.is_gpu_on_probation.set(false);
            }
            self.show_arrived();
        }
        outcome
    }

    /// A device failed in the middle of its work; the tiles stay. WebGPU gets one more chance, in a new worker with a fresh
    /// device: drivers restart. Then the other device takes over. False if there is none.
    pub(super) async fn fall_back(self, pool: &Rc<Pool>, problem: Problem) -> bool {
        let (parts, bundle) = (self.parts(), pool.bundle());
        let is_in_place = parts.slot(bundle).borrow().as_ref().is_some_and(|current| Rc::ptr_eq(current, pool));
        if !is_in_place {
            // Another question met the same failure, and sees to it.
            return false;
        }
        parts.slot(bundle).take();
        let Some(devices) = parts.starting.current() else { return false };
        if bundle == Bundle::Gpu && !parts.is_gpu_on_probation.replace(true) {
            self.devices.update(|devices| devices.gpu = DeviceState::Untried);
            self.phase.set(Phase::Probing("The graphics device was lost: opening it afresh".to_owned()));
            if self.try_bundle(bundle, &devices).await.is_err() {
                return false;
            }
        } else {
            self.devices.update(|devices| *devices.of_mut(bundle) = DeviceState::Failed(problem.clone()));
            self.phase.set(Phase::Probing("Changing to the other device".to_owned()));
        }
        if self.try_devices(&devices).await.is_err() {
            return false;
        }
        if self.devices.with_untracked(|devices| devices.active.is_some()) {
            return true;
        }
        if self.preference.get_untracked() == Preference::Force(Bundle::Gpu) {
            self.devices.update(|devices| devices.choose(Preference::Auto));
        }
        self.fail(problem);
        false
    }

    /// Answers that arrive one by one: shown together, a few times a second, since every showing looks at all tiles.
    pub(super) fn on_event(self, bundle: Bundle, event: Event) {
        if let FromWorker::Fetching { received } = event.message {
            return self.transfers.update(|transfers| transfers.of_mut(bundle).received = received);
        }
        let Some(event) = self.take_embedding(event) else { return };
        let (request, index, outcome) = match event.message {
            FromWorker::Classified { request, index, answer } => (request, index, Outcome::Answered(answer, bundle)),
            FromWorker::Undecodable { request, index, problem, bands } => {
                if self.parts().questions.borrow().contains_key(&request) {
                    self.unclear_bands.set(bands);
                }
                (request, index, Outcome::Undecodable(problem))
            }
            // A crash, which the one who asked hears of.
            _ => return,
        };
        let parts = self.parts();
        // No such question: it is stale.
        let asked = parts.questions.borrow().get(&request).and_then(|question| question.tiles.get(index).copied());
        let Some(tile) = asked else { return };
        let picture = event.preview.and_then(|(width, rgba)| bitmap_address(width, &rgba));
        let mut arrived = parts.arrived.borrow_mut();
        arrived.push(Arrival { tile, picture, outcome });
        if arrived.len() == 1 {
            set_timeout(move || self.show_arrived(), SHOWN_EVERY);
        }
    }

    /// Puts what has arrived on the page.
    fn show_arrived(self) {
        let arrived = self.parts().arrived.take();
        if arrived.is_empty() {
            return;
        }
        self.tiles.update(|tiles| {
            for Arrival { tile, picture, outcome } in arrived {
                if let Some(tile) = tiles.get_mut(tile) {
                    // What cannot be decoded cannot be shown either.
                    let before = tile.picture.take().filter(|_| matches!(outcome, Outcome::Answered(..)));
                    tile.picture = picture.or(before);
                    tile.outcome = outcome;
                }
            }
        });
        if self.phase.with_untracked(|phase| matches!(phase, Phase::Running { .. })) {
            let total = self.tiles.with_untracked(Vec::len);
            self.phase.set(Phase::Running { done: total - self.open_tiles().len(), total });
        }
    }

    /// True when a gallery can be searched.
    #[must_use]
    pub fn has_gallery(self) -> bool {
        self.gallery.with(|gallery| matches!(gallery, GalleryState::Ready(_)))
    }
}

/// A file's bytes; an unreadable or enormous one becomes an empty buffer, which the worker reports as such.
pub(super) async fn read_file(file: &Blob) -> ArrayBuffer {
    if file.size() > MAX_FILE_BYTES {
        return ArrayBuffer::new(0);
    }
    let bytes = JsFuture::from(file.array_buffer()).await;
    bytes.ok().and_then(|bytes| bytes.dyn_into().ok()).unwrap_or_else(|| ArrayBuffer::new(0))
}

fn now_ms() -> f64 {
    window().performance().map_or(0.0, |performance| performance.now())
}

fn picture_address(blob: &Blob) -> Option<String> {
    web_sys::Url::create_object_url_with_blob(blob).ok()
}

fn is_shown_by_browsers(name: &str) -> bool {
    let lower = name.to_lowercase();
    !(lower.ends_with(".tif") || lower.ends_with(".tiff"))
}
