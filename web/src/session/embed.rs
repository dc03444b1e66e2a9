//! Vectors of pictures that are not on the Classify page: asked for, collected, and given back together.

use leptos::prelude::*;
use web_sys::Blob;

use super::Session;
use super::run::read_file;
use crate::download::bitmap_address;
use crate::engine::handle::Event;
use crate::engine::protocol::{Bundle, FromWorker, ToWorker, Vectors};
use crate::problem::Problem;
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
    /// Embeds `files` (a few dozen at most), in order. `None` when the device failed in the middle: the session then sees to
    /// another one, and asking again is worth it as soon as the phase allows it.
    pub async fn embed(self, files: &[Blob]) -> Option<Vec<Answer>> {
        let handle = self.active_handle()?;
        let mut buffers = Vec::with_capacity(files.len());
        for file in files {
            buffers.push(read_file(file).await);
        }
        let request = handle.next_request();
        let key = (handle.bundle(), request);
        let parts = self.parts();
        parts.embeddings.borrow_mut().insert(key, files.iter().map(|_| Answer::default()).collect());
        let outcome = handle.ask(request, &ToWorker::Embed { request }, &buffers).await;
        let answers = parts.embeddings.borrow_mut().remove(&key)?;
        match outcome {
            Ok(_) => {
                if handle.bundle() == Bundle::Gpu {
                    parts.is_gpu_on_probation.set(false);
                }
                Some(answers)
            }
            Err(problem) => {
                // A run of the Classify page goes through the phases by itself.
                if self.fall_back(&handle, problem).await {
                    self.phase.set(Phase::Ready);
                    self.run_waiting();
                }
                None
            }
        }
    }

    /// Keeps an event that belongs to [`Session::embed`]; gives back any other.
    pub(super) fn take_embedding(self, bundle: Bundle, event: Event) -> Option<Event> {
        let (request, index) = match &event.message {
            FromWorker::Embedded { request, index, .. } | FromWorker::Undecodable { request, index, .. } => {
                (*request, *index)
            }
            _ => return Some(event),
        };
        let parts = self.parts();
        let mut embeddings = parts.embeddings.borrow_mut();
        let Some(answer) = embeddings.get_mut(&(bundle, request)).and_then(|answers| answers.get_mut(index)) else {
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
