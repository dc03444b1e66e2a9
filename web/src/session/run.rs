//! Sending tiles to the worker and putting its answers on the page.

use std::rc::Rc;

use js_sys::ArrayBuffer;
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::Blob;

use super::{Question, RunReport, Session};
use crate::download::bitmap_address;
use crate::engine::handle::{Event, Handle};
use crate::engine::protocol::{Bundle, FromWorker, ToWorker};
use crate::problem::Problem;
use crate::scene::reading::Reading;
use crate::state::{DeviceState, GalleryState, Outcome, Phase, Preference, TileEntry};

/// Files read and sent at once: bounds memory, and is the grain of cancelling.
const FILES_AT_ONCE: usize = 32;
/// Gallery tiles shown beside an answer.
const NEIGHBOURS: usize = 8;
/// Larger files are not read at all.
const MAX_FILE_BYTES: f64 = 512.0 * 1024.0 * 1024.0;

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
        self.arrivals.update(|arrivals| *arrivals += 1);
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
        let has_waiting = self.tiles.with_untracked(|tiles| tiles.iter().any(|tile| tile.outcome == Outcome::Waiting));
        if has_waiting && self.phase.with_untracked(Phase::is_able) {
            let generation = self.abandon();
            spawn_local(self.run(generation));
        }
    }

    /// Classifies all tiles again, on the device that is active now.
    pub(super) fn run_again(self) {
        self.tiles.update(|tiles| tiles.iter_mut().for_each(|tile| tile.outcome = Outcome::Waiting));
        self.run_waiting();
    }

    /// The gallery came after the answers: asks again for those that lack neighbours.
    pub(super) fn run_without_neighbours_again(self) {
        let lacks = |tile: &TileEntry| tile.outcome.answer().is_some_and(|answer| answer.neighbours.is_empty());
        if self.tiles.with_untracked(|tiles| tiles.iter().any(lacks)) {
            self.tiles.update(|tiles| {
                tiles.iter_mut().filter(|tile| lacks(tile)).for_each(|tile| tile.outcome = Outcome::Waiting);
            });
            self.run_waiting();
        }
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

    /// Makes every answer on its way stale; returns the new generation.
    fn abandon(self) -> u64 {
        let parts = self.parts();
        if let (Some(question), Some(handle)) = (parts.question.take(), self.active_handle()) {
            // A worker that cannot hear it is dead, which its own event says.
            let _ = handle.send(&ToWorker::Cancel { request: question.request }, &[]);
        }
        parts.generation.set(parts.generation.get() + 1);
        parts.generation.get()
    }

    async fn run(self, generation: u64) {
        let is_stale = || self.parts().generation.get() != generation;
        let total = self.tiles.with_untracked(Vec::len);
        let mut report = RunReport { tiles: 0, elapsed_ms: 0.0, encoder_ms: 0.0 };
        let mut offset = 0;
        while offset < total {
            let next =
                |tiles: &Vec<TileEntry>| tiles.iter().skip(offset).position(|tile| tile.outcome == Outcome::Waiting);
            let Some(step) = self.tiles.with_untracked(next) else { break };
            offset += step;
            self.phase.set(Phase::Running { done: offset, total });
            let Some(handle) = self.active_handle() else { return };
            match self.ask_slab(&handle, offset, generation).await {
                Ok(FromWorker::Finished { done, elapsed_ms, encoder_ms, .. }) => {
                    if handle.bundle() == Bundle::Gpu {
                        self.parts().is_gpu_on_probation.set(false);
                    }
                    report.tiles += done;
                    report.elapsed_ms += elapsed_ms;
                    report.encoder_ms += encoder_ms;
                    offset += FILES_AT_ONCE;
                }
                Ok(_) => offset += FILES_AT_ONCE,
                Err(_) if is_stale() => return,
                Err(problem) => {
                    if !self.fall_back(&handle, problem).await {
                        return;
                    }
                    if is_stale() {
                        // Other tiles came meanwhile, and found no device.
                        self.phase.set(Phase::Ready);
                        return self.run_waiting();
                    }
                }
            }
            if is_stale() {
                return;
            }
        }
        self.parts().question.set(None);
        self.last_run.set(Some(report));
        self.phase.set(Phase::Ready);
    }

    /// Reads up to [`FILES_AT_ONCE`] files from `offset` on and asks about them.
    async fn ask_slab(self, handle: &Handle, offset: usize, generation: u64) -> Result<FromWorker, Problem> {
        let parts = self.parts();
        let files: Vec<Blob> = parts.files.borrow().iter().skip(offset).take(FILES_AT_ONCE).cloned().collect();
        let mut buffers = Vec::with_capacity(files.len());
        for file in &files {
            buffers.push(read_file(file).await);
        }
        let names = self.tiles.with_untracked(|tiles| {
            tiles.iter().skip(offset).take(FILES_AT_ONCE).map(|tile| tile.name.clone()).collect()
        });
        let request = handle.next_request();
        parts.question.set(Some(Question { bundle: handle.bundle(), request, generation, offset }));
        let reading = self.reading.get_untracked();
        let question = ToWorker::Classify { request, names, neighbours: NEIGHBOURS, reading };
        handle.ask(request, &question, &buffers).await
    }

    /// A device failed in the middle of its work; the tiles stay. WebGPU gets one more chance, in a new worker with a fresh
    /// device: drivers restart. Then the other device takes over. False if there is none.
    pub(super) async fn fall_back(self, handle: &Rc<Handle>, problem: Problem) -> bool {
        let (parts, bundle) = (self.parts(), handle.bundle());
        let is_in_place = parts.slot(bundle).borrow().as_ref().is_some_and(|current| Rc::ptr_eq(current, handle));
        if !is_in_place {
            // Another question met the same failure, and sees to it.
            return false;
        }
        parts.slot(bundle).take();
        if bundle == Bundle::Gpu && !parts.is_gpu_on_probation.replace(true) {
            self.devices.update(|devices| devices.gpu = DeviceState::Untried);
            self.phase.set(Phase::Probing("The graphics device was lost: opening it afresh".to_owned()));
            self.try_bundle(bundle).await;
        } else {
            self.devices.update(|devices| *devices.of_mut(bundle) = DeviceState::Failed(problem.clone()));
            self.phase.set(Phase::Probing("Changing to the other device".to_owned()));
        }
        self.try_devices().await;
        if self.devices.with_untracked(|devices| devices.active.is_some()) {
            return true;
        }
        if self.preference.get_untracked() == Preference::Force(Bundle::Gpu) {
            self.devices.update(|devices| devices.choose(Preference::Auto));
        }
        self.fail(problem);
        false
    }

    /// Answers that arrive one by one.
    pub(super) fn on_event(self, bundle: Bundle, event: Event) {
        if let FromWorker::Fetching { received } = event.message {
            return self.transfers.update(|transfers| transfers.of_mut(bundle).received = received);
        }
        let Some(event) = self.take_embedding(bundle, event) else { return };
        let Some(question) = self.parts().question.get() else { return };
        let is_current = |request: u64| {
            question.bundle == bundle
                && question.request == request
                && question.generation == self.parts().generation.get()
        };
        let (index, outcome) = match event.message {
            FromWorker::Classified { request, index, answer } if is_current(request) => {
                (index, Outcome::Answered(answer, bundle))
            }
            FromWorker::Undecodable { request, index, problem, bands } if is_current(request) => {
                self.unclear_bands.set(bands);
                (index, Outcome::Undecodable(problem))
            }
            // Stale, or a crash, which the one who asked hears of.
            _ => return,
        };
        let index = question.offset + index;
        let picture = event.preview.and_then(|(width, rgba)| bitmap_address(width, &rgba));
        let total = self.tiles.with_untracked(Vec::len);
        self.tiles.update(|tiles| {
            if let Some(tile) = tiles.get_mut(index) {
                // What cannot be decoded cannot be shown either.
                let before = tile.picture.take().filter(|_| matches!(outcome, Outcome::Answered(..)));
                tile.picture = picture.or(before);
                tile.outcome = outcome;
            }
        });
        self.phase.set(Phase::Running { done: index + 1, total });
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

fn picture_address(blob: &Blob) -> Option<String> {
    web_sys::Url::create_object_url_with_blob(blob).ok()
}

fn is_shown_by_browsers(name: &str) -> bool {
    let lower = name.to_lowercase();
    !(lower.ends_with(".tif") || lower.ends_with(".tiff"))
}
