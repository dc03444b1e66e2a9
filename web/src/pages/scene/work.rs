//! What happens to a picture: opened as a map, and classified step by step.

use std::cell::Cell;

use leptos::prelude::*;
use leptos::task::spawn_local;
use web_sys::Blob;

use super::state::{Heat, SceneMap, ScenePhase};
use crate::engine::protocol::Cutting;
use crate::pause::breathe;
use crate::scene::cells::Cells;
use crate::scene::heat::refined;
use crate::scene::pace::Pace;
use crate::scene::step::{Cut, Step};
use crate::scope::{Over, Scope};
use crate::session::scenes::{OpenScene, Origin, Trouble};

/// Patches that are compared between two breaths.
const COMPARED_AT_ONCE: usize = 8192;
/// Patches that are decided anew between two breaths.
const SETTLED_AT_ONCE: usize = 8192;

impl SceneMap {
    /// The file, when it is one of the user's.
    #[must_use]
    pub fn file(self) -> Option<(String, Blob)> {
        match self.parts().origin.clone()? {
            Origin::File(file) => Some((self.name.get_untracked(), file)),
            Origin::Address(_) => None,
        }
    }

    /// Classifies the picture from its first patch on, as soon as it is its turn.
    pub fn start(self) {
        self.wait();
        self.scenes.work();
    }

    /// Forgets the answers and waits for its turn.
    pub fn wait(self) {
        self.forget_answers();
        self.phase.set(ScenePhase::Waiting);
    }

    /// Stops after the patches in work; what is painted stays.
    pub fn stop(self) {
        if let ScenePhase::Running(pace) = self.phase.get_untracked() {
            self.parts().running.end();
            self.phase.set(ScenePhase::Stopped(pace));
            self.scenes.work();
        }
    }

    /// Goes on after [`Self::stop`].
    pub fn resume(self) {
        let ScenePhase::Stopped(pace) = self.phase.get_untracked() else { return };
        let parts = self.parts();
        let open = parts.open.borrow().clone();
        match (parts.attempt.current(), open) {
            (Some(attempt), Some(open)) => {
                spawn_local(async move { self.run_on(&attempt, &open, pace).await });
            }
            _ => self.start(),
        }
    }

    /// Its turn has come.
    pub fn begin(self) {
        self.phase.set(ScenePhase::Opening);
        let attempt = self.parts().attempt.begin(&self.session.model.get_untracked());
        spawn_local(async move {
            // Given up: whoever did it has begun something else, or closed the picture.
            let _ = self.run(&attempt).await;
        });
    }

    async fn run(self, attempt: &Scope) -> Result<(), Over> {
        let Some(origin) = self.parts().origin.clone() else { return Ok(()) };
        let patch_px = self.scenes.patch_px();
        let stride_px = match self.stride_px.get_untracked() {
            0 => patch_px,
            stride_px => stride_px.min(patch_px),
        };
        let (cutting, reading) = (Cutting::Map { stride_px }, self.reading.get_untracked());
        let (open, card) = match attempt.hold(self.session.open_scene(&origin, cutting, reading)).await? {
            Ok(opened) => opened,
            Err(trouble) => {
                self.fail(trouble);
                return Ok(());
            }
        };
        let (width, height) = card.preview_size();
        let patches = card.grid.count();
        *self.parts().preview.borrow_mut() = vec![0; width * height * 4];
        self.cells.set(Cells::of(&card.grid, self.classes_untracked(), self.has_neighbours.get_untracked()));
        self.card.set(Some(card));
        *self.parts().open.borrow_mut() = Some(open.clone());
        self.run_on(attempt, &open, Pace { total: patches, ..Pace::default() }).await;
        Ok(())
    }

    async fn run_on(self, attempt: &Scope, open: &OpenScene, before: Pace) {
        let running = self.parts().running.begin(attempt);
        self.phase.set(ScenePhase::Running(before));
        let (started, pace) = (now_ms(), Cell::new(before));
        // Work that was on its way when the user stopped still counts; that of another attempt does not.
        let on_cut = |cut: &Cut| {
            if !attempt.is_over() {
                self.traffic.set(cut.traffic);
                self.put_preview(cut.preview_row, &cut.preview);
            }
        };
        let on_step = |step: Step| {
            if attempt.is_over() {
                return;
            }
            self.put(&step);
            let done = pace.get().done + step.states.len();
            pace.set(Pace { done, elapsed_ms: before.elapsed_ms + now_ms() - started, ..before });
            match self.phase.get_untracked() {
                ScenePhase::Running(_) if !running.is_over() => self.phase.set(ScenePhase::Running(pace.get())),
                ScenePhase::Stopped(_) => self.phase.set(ScenePhase::Stopped(pace.get())),
                _ => {}
            }
        };
        let work = self.session.classify_scene(open, before.done..before.total, &running, on_cut, on_step);
        match running.hold(work).await {
            Err(Over) => return,
            Ok(Ok(workers)) => {
                self.workers.set(workers);
                if self.own.get_untracked().is_none()
                    && self.cells.try_update_untracked(Cells::learn_priors) == Some(true)
                    && running.hold(self.settle_whole()).await.is_err()
                {
                    return;
                }
                self.phase.set(ScenePhase::Done(pace.get()));
            }
            Ok(Err(trouble)) => self.fail(trouble),
        }
        self.scenes.work();
    }

    /// Takes a step's answers, and has the user's head say what it sees in them, when that is shown.
    fn put(self, step: &Step) {
        let count = step.states.len();
        let patches = self.cells.with_untracked(Cells::len);
        self.parts().kept.borrow_mut().put(patches, step.first, count, &step.embeddings);
        let put = |cells: &mut Cells| cells.put(step.first, &step.states, &step.probabilities);
        match self.own.get_untracked() {
            None => self.cells.update(put),
            Some(head) => {
                let parts = self.parts();
                let mut of_model = parts.of_model.take();
                of_model.as_mut().map(put);
                parts.of_model.set(of_model);
                self.put_own(&head, step.first, step.first + count);
            }
        }
    }

    /// Lets patches around one have a say in its class, or not.
    pub fn choose_neighbours(self, has_neighbours: bool) {
        self.has_neighbours.set(has_neighbours);
        let Some(attempt) = self.parts().attempt.current() else { return };
        self.cells.update_untracked(|cells| cells.choose_neighbours(has_neighbours));
        spawn_local(async move {
            // Given up: the picture is read anew.
            let _ = attempt.hold(self.settle_whole()).await;
        });
    }

    /// Decides anew what is shown of all patches, a part at a time so that the page stays smooth.
    pub(super) async fn settle_whole(self) {
        let patches = self.cells.with_untracked(Cells::len);
        for first in (0..patches).step_by(SETTLED_AT_ONCE) {
            self.cells.update(|cells| cells.settle(first..first + SETTLED_AT_ONCE));
            breathe().await;
        }
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
            // Its embeddings went with the worker: everything is classified again on the next one.
            Trouble::Device => self.wait(),
        }
        self.scenes.work();
    }

    /// Shows how similar every patch is to one of them.
    pub fn find_similar(self, patch: usize) {
        let Some(open) = self.parts().open.borrow().clone() else { return };
        let Some(attempt) = self.parts().attempt.current() else { return };
        spawn_local(async move {
            if let Ok(found) = attempt.hold(self.session.similar_in_scene(&open, patch)).await {
                let heat = |similarities| Heat { more: vec![patch], less: Vec::new(), similarities };
                self.heat.set(found.map(heat));
            }
        });
    }

    /// Makes a patch an example of what is wanted, or of what is not; no longer one when it is that already.
    pub fn refine(self, patch: usize, is_wanted: bool) {
        let Some(Heat { mut more, mut less, .. }) = self.heat.get_untracked() else { return };
        let (own, other) = if is_wanted { (&mut more, &mut less) } else { (&mut less, &mut more) };
        other.retain(|example| *example != patch);
        match own.iter().position(|example| *example == patch) {
            Some(at) => _ = own.remove(at),
            None => own.push(patch),
        }
        let Some(attempt) = self.parts().attempt.current() else { return };
        let parts = self.parts();
        let query = {
            let kept = parts.kept.borrow();
            let of = |patches: &[usize]| patches.iter().filter_map(|patch| kept.of(*patch)).collect::<Vec<_>>();
            refined(&of(&more), &of(&less))
        };
        // Without anything wanted there is nothing to be like.
        let Some(query) = query else { return self.heat.set(None) };
        spawn_local(async move {
            let patches = self.cells.with_untracked(Cells::len);
            let mut similarities = Vec::with_capacity(patches);
            for first in (0..patches).step_by(COMPARED_AT_ONCE) {
                {
                    let kept = parts.kept.borrow();
                    let alike = |patch: usize| {
                        let sum = |embedding: &[f32]| embedding.iter().zip(&query).map(|(a, b)| a * b).sum();
                        kept.of(patch).map_or(f32::NAN, sum)
                    };
                    similarities.extend((first..patches.min(first + COMPARED_AT_ONCE)).map(alike));
                }
                if attempt.hold(breathe()).await.is_err() {
                    return;
                }
            }
            self.heat.set(Some(Heat { more, less, similarities }));
        });
    }
}

fn now_ms() -> f64 {
    js_sys::Date::now()
}
