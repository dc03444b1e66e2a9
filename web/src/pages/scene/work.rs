//! What happens to a file: looked at, opened as a map when it is large, and classified step by step.

use std::cell::Cell;

use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen_futures::JsFuture;
use web_sys::Blob;

use super::state::{Heat, ScenePhase, Scenes};
use crate::scene::cells::Cells;
use crate::scene::pace::Pace;
use crate::scene::peek::{Peek, peek};
use crate::scene::reading::Reading;
use crate::scene::step::{Cut, Step, Traffic};
use crate::session::scenes::{OpenScene, Origin, Trouble};
use crate::state::Phase;

/// A picture with sides of at least so many patches becomes a map.
const PATCHES_OF_A_MAP: usize = 4;
/// The side of a patch, as long as no model says.
const USUAL_PATCH_PX: usize = 64;
/// Read of a file to find its size.
const PEEKED_BYTES: f64 = 65_536.0;
/// Segments that a JPEG may have before its size.
const MAX_PEEKS: usize = 16;

impl Scenes {
    /// Takes new files: a single large picture becomes a map, everything else is classified tile by tile.
    pub fn take(self, mut files: Vec<(String, Blob)>) {
        let generation = self.parts().generation.get() + 1;
        if files.is_empty() {
            return;
        }
        if files.len() > 1 {
            self.close();
            return self.session.classify(files);
        }
        self.parts().generation.set(generation);
        spawn_local(async move {
            let Some((name, file)) = files.pop() else { return };
            let size = size_of(&file).await;
            if self.parts().generation.get() != generation {
                // Other files came meanwhile.
                return;
            }
            let patch_px = self.patch_px();
            let is_large = |side: u32| side as usize >= PATCHES_OF_A_MAP * patch_px;
            match size {
                Some((width, height)) if is_large(width) && is_large(height) => {
                    self.open(name, Origin::File(file), 0);
                }
                _ => {
                    self.close();
                    self.session.classify(vec![(name, file)]);
                }
            }
        });
    }

    /// Makes a map of a picture, whatever its size, with a patch every `stride_px`; 0 for patches side by side.
    pub fn open(self, name: String, origin: Origin, stride_px: usize) {
        self.session.clear();
        self.stride_px.set(stride_px);
        self.name.set(name);
        self.reading.set(Reading::default());
        self.zoom.set(1.0);
        self.card.set(None);
        self.traffic.set(Traffic::default());
        *self.parts().origin.borrow_mut() = Some(origin);
        self.session.arrivals.update(|arrivals| *arrivals += 1);
        self.start();
    }

    /// Takes the picture off the page.
    pub fn close(self) {
        self.parts().open.borrow().iter().for_each(|open| open.close());
        self.forget_answers();
        self.card.set(None);
        self.parts().origin.take();
        self.phase.set(ScenePhase::Closed);
    }

    /// The open file, when it is one of the user's.
    #[must_use]
    pub fn file(self) -> Option<(String, Blob)> {
        match self.parts().origin.borrow().clone()? {
            Origin::File(file) => Some((self.name.get_untracked(), file)),
            Origin::Address(_) => None,
        }
    }

    /// Side of a patch.
    #[must_use]
    pub fn patch_px(self) -> usize {
        self.session.card.with_untracked(|card| card.as_ref().map_or(USUAL_PATCH_PX, |card| card.input_px))
    }

    /// Classifies the picture from its first patch on, as soon as a device is ready.
    pub fn start(self) {
        let generation = self.forget_answers();
        self.phase.set(ScenePhase::Waiting);
        self.start_waiting(generation);
    }

    /// Stops after the patches in work; what is painted stays.
    pub fn stop(self) {
        if let ScenePhase::Running(pace) = self.phase.get_untracked() {
            let parts = self.parts();
            parts.generation.set(parts.generation.get() + 1);
            self.phase.set(ScenePhase::Stopped(pace));
        }
    }

    /// Goes on after [`Self::stop`].
    pub fn resume(self) {
        let ScenePhase::Stopped(pace) = self.phase.get_untracked() else { return };
        let parts = self.parts();
        parts.generation.set(parts.generation.get() + 1);
        let generation = parts.generation.get();
        let open = parts.open.borrow().clone();
        match open {
            Some(open) => spawn_local(async move { self.go_on(generation, &open, pace).await }),
            None => self.start(),
        }
    }

    /// Starts what waits for a device, whenever one becomes ready.
    pub fn follow_devices(self) {
        Effect::new(move |_| {
            let is_able = self.session.phase.with(Phase::is_able);
            if is_able && self.phase.with_untracked(|phase| *phase == ScenePhase::Waiting) {
                self.start_waiting(self.parts().generation.get());
            }
        });
    }

    fn start_waiting(self, generation: u64) {
        if self.session.phase.with_untracked(Phase::is_able) && self.session.has_device() {
            self.phase.set(ScenePhase::Opening);
            spawn_local(self.run(generation));
        }
    }

    async fn run(self, generation: u64) {
        let Some(origin) = self.parts().origin.borrow().clone() else { return };
        let stride_px = match self.stride_px.get_untracked() {
            0 => self.patch_px(),
            stride_px => stride_px.min(self.patch_px()),
        };
        let outcome = self.session.open_scene(&origin, stride_px, self.reading.get_untracked()).await;
        if self.parts().generation.get() != generation {
            return;
        }
        let (open, card) = match outcome {
            Ok(opened) => opened,
            Err(trouble) => return self.fail(trouble),
        };
        let (width, height) = card.preview_size();
        let patches = card.grid.count();
        *self.parts().preview.borrow_mut() = vec![0; width * height * 4];
        self.cells.set(Cells::new(patches, self.classes_untracked()));
        self.card.set(Some(card));
        *self.parts().open.borrow_mut() = Some(open.clone());
        self.go_on(generation, &open, Pace { total: patches, ..Pace::default() }).await;
    }

    async fn go_on(self, generation: u64, open: &OpenScene, before: Pace) {
        self.phase.set(ScenePhase::Running(before));
        let (started, pace) = (now_ms(), Cell::new(before));
        let is_stale = || self.parts().generation.get() != generation;
        // Work that was on its way when the user stopped still counts; that of another picture does not.
        let on_cut = |cut: &Cut| {
            if self.is_current(open) {
                self.traffic.set(cut.traffic);
                self.put_preview(cut.preview_row, &cut.preview);
            }
        };
        let on_step = |step: Step| {
            if !self.is_current(open) {
                return;
            }
            self.cells.update(|cells| cells.put(step.first, &step.states, &step.probabilities));
            let done = pace.get().done + step.states.len();
            pace.set(Pace { done, elapsed_ms: before.elapsed_ms + now_ms() - started, ..before });
            match self.phase.get_untracked() {
                ScenePhase::Running(_) if !is_stale() => self.phase.set(ScenePhase::Running(pace.get())),
                ScenePhase::Stopped(_) => self.phase.set(ScenePhase::Stopped(pace.get())),
                _ => {}
            }
        };
        let outcome = self.session.classify_scene(open, before.done..before.total, is_stale, on_cut, on_step).await;
        match outcome {
            _ if is_stale() => {}
            Ok(workers) => {
                self.workers.set(workers);
                self.phase.set(ScenePhase::Done(pace.get()));
            }
            Err(trouble) => self.fail(trouble),
        }
    }

    fn is_current(self, open: &OpenScene) -> bool {
        self.parts().open.borrow().as_ref().is_some_and(|current| std::ptr::eq(&**current, open))
    }

    fn classes_untracked(self) -> usize {
        self.session.card.with_untracked(|card| card.as_ref().map_or(0, |card| card.classes.len()))
    }

    fn put_preview(self, row: usize, rgba: &[u8]) {
        let Some((width, _)) = self.card.with_untracked(|card| card.as_ref().map(|card| card.preview_size())) else {
            return;
        };
        let parts = self.parts();
        let mut preview = parts.preview.borrow_mut();
        let at = row * width * 4;
        if let Some(place) = preview.get_mut(at..at + rgba.len()) {
            place.copy_from_slice(rgba);
            parts.preview_rows.set(row + rgba.len() / (width * 4).max(1));
        }
    }

    fn fail(self, trouble: Trouble) {
        self.parts().open.take();
        match trouble {
            Trouble::Picture(refusal) => {
                if self.cells.with_untracked(Cells::is_empty) {
                    self.card.set(None);
                }
                self.unclear_bands.set(refusal.bands);
                self.phase.set(ScenePhase::Failed(refusal.problem));
            }
            Trouble::Device => {
                // Its embeddings went with the worker: everything is classified again on the next one.
                let generation = self.forget_answers();
                self.phase.set(ScenePhase::Waiting);
                self.start_waiting(generation);
            }
        }
    }

    /// Shows how similar every patch is to one of them.
    pub fn find_similar(self, patch: usize) {
        let Some(open) = self.parts().open.borrow().clone() else { return };
        spawn_local(async move {
            let found = self.session.similar_in_scene(&open, patch).await;
            if self.is_current(&open) {
                self.heat.set(found.map(|similarities| Heat { patch, similarities }));
            }
        });
    }
}

/// Width and height of a picture, from its header; `None` when it has none that is known.
async fn size_of(file: &Blob) -> Option<(u32, u32)> {
    let head = part(file, 0.0).await?;
    let mut found = peek(&head, 0, &head);
    for _ in 0..MAX_PEEKS {
        match found {
            Peek::Size(width, height) => return Some((width, height)),
            Peek::ReadAt(offset) => found = peek(&head, offset, &part(file, offset as f64).await?),
            Peek::Unknown => break,
        }
    }
    None
}

async fn part(file: &Blob, from: f64) -> Option<Vec<u8>> {
    let slice = file.slice_with_f64_and_f64(from, from + PEEKED_BYTES).ok()?;
    let bytes = JsFuture::from(slice.array_buffer()).await.ok()?;
    Some(js_sys::Uint8Array::new(&bytes).to_vec())
}

fn now_ms() -> f64 {
    js_sys::Date::now()
}
