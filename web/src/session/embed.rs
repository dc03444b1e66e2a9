//! Vectors of pictures that are not on the Classify page: asked for, collected, and given back together.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use leptos::prelude::*;
use web_sys::Blob;

use super::Session;
use super::run::read_file;
use crate::download::bitmap_address;
use crate::engine::handle::{Event, Handle};
use crate::engine::protocol::{Bundle, FromWorker, ToWorker, Vectors};
use crate::engine::slabs::Slabs;
use crate::problem::Problem;
use crate::scope::{Over, Scope};
use crate::state::Phase;

/// A picture's vectors, or why there are none; with an address of a picture for what browsers cannot show.
#[derive(Default)]
pub struct Answer {
    /// The vectors; `None` before they came.
    pub vectors: Option<Result<Vectors, Problem>>,
    /// A preview.
    pub picture: Option<String>,
}

impl Session {
    /// Embeds `files`, in order, with the model in use. `None` when the device failed in the middle: the session then sees to
    /// another one, and asking again is worth it as soon as the phase allows it.
    ///
    /// # Errors
    /// When `scope` was given up, as another model does.
    pub async fn embed(self, files: &[Blob], scope: &Scope) -> Result<Option<Vec<Answer>>, Over> {
        scope.hold(self.embed_all(files, scope)).await
    }

    async fn embed_all(self, files: &[Blob], scope: &Scope) -> Option<Vec<Answer>> {
        let pool = self.active_pool()?;
        let answers: RefCell<Vec<Answer>> = RefCell::new(files.iter().map(|_| Answer::default()).collect());
        let ask = async |worker: &Rc<Handle>, slab: Range<usize>| {
            let (outcome, found) = self.embed_slab(worker, &files[slab.clone()]).await;
            for (answer, found) in answers.borrow_mut()[slab].iter_mut().zip(found) {
                *answer = found;
            }
            outcome
        };
        let slabs = Slabs::new(files.iter().map(Blob::size).collect());
        match self.share_out(&pool, slabs, scope, ask).await.problem {
            None => {
                if pool.bundle() == Bundle::Gpu {
                    self.parts().is_gpu_on_probation.set(false);
                }
                Some(answers.into_inner())
            }
            Some(problem) => {
                // A run of the Classify page goes through the phases by itself.
                if self.fall_back(&pool, problem).await {
                    self.phase.set(Phase::Ready);
                    self.run_waiting();
                }
                None
            }
        }
    }

    async fn embed_slab(self, worker: &Handle, files: &[Blob]) -> (Result<FromWorker, Problem>, Vec<Answer>) {
        let mut buffers = Vec::with_capacity(files.len());
        for file in files {
            buffers.push(read_file(file).await);
        }
        let request = worker.next_request();
        let parts = self.parts();
        parts.embeddings.borrow_mut().insert(request, files.iter().map(|_| Answer::default()).collect());
        let outcome = worker.ask(request, &ToWorker::Embed { request }, &buffers).await;
        let found = parts.embeddings.borrow_mut().remove(&request);
        (outcome, found.unwrap_or_default())
    }

    /// Keeps an event that belongs to [`Session::embed`]; gives back any other.
    pub(super) fn take_embedding(self, event: Event) -> Option<Event> {
        let (request, index) = match &event.message {
            FromWorker::Embedded { request, index, .. } | FromWorker::Undecodable { request, index, .. } => {
                (*request, *index)
            }
            _ => return Some(event),
        };
        let parts = self.parts();
        let mut embeddings = parts.embeddings.borrow_mut();
        let Some(answer) = embeddings.get_mut(&request).and_then(|answers| answers.get_mut(index)) else {
            return Some(event);
        };
        answer.picture = event.preview.and_then(|(width, rgba)| bitmap_address(width, &rgba));
        answer.vectors = match event.message {
            FromWorker::Embedded { vectors, .. } => Some(Ok(*vectors)),
            FromWorker::Undecodable { problem, .. } => Some(Err(problem)),
            _ => None,
        };
        None
    }
}
