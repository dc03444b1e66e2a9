//! Learning the user's own classes, in a worker that does nothing else: marking stays smooth however many tiles are marked.

use std::rc::Rc;

use js_sys::Uint8Array;

use super::Session;
use crate::engine::handle::Handle;
use crate::engine::protocol::{FromWorker, ToWorker};
use crate::label::book::Book;
use crate::label::head::Head;
use crate::label::leave_one_out::LeftOut;
use crate::problem::Problem;

impl Session {
    /// What is learned from marked tiles, and how many milliseconds it took; no head while fewer than two classes have tiles enough.
    ///
    /// # Errors
    /// When no worker can be started, or it dies.
    pub async fn learn(self, book: &Book) -> Result<(Option<Head>, f64), Problem> {
        let tutor = self.tutor().await?;
        let marks: Vec<u8> = book.examples.iter().flat_map(|example| (example.class as u32).to_le_bytes()).collect();
        let values = book.examples.iter().flat_map(|example| &example.embedding);
        let embeddings: Vec<u8> = values.flat_map(|value| value.to_le_bytes()).collect();
        let buffers = [marks, embeddings].map(|bytes| Uint8Array::from(bytes.as_slice()).buffer());
        let request = tutor.next_request();
        let question = ToWorker::Learn { request, classes: book.classes.clone() };
        match tutor.ask(request, &question, &buffers).await? {
            FromWorker::Learned { head, elapsed_ms, .. } => Ok((head.map(|head| *head), elapsed_ms)),
            _ => Err(Problem::wrong_answer()),
        }
    }

    /// Leaves tiles of the last book out for a moment: heads learned so far and in all, and what came of it once all are.
    ///
    /// # Errors
    /// When the worker is dead.
    pub async fn leave_out(self) -> Result<(usize, usize, Option<LeftOut>), Problem> {
        let tutor = self.tutor().await?;
        let request = tutor.next_request();
        match tutor.ask(request, &ToWorker::LeaveOut { request }, &[]).await? {
            FromWorker::LeftOut { done, all, report, .. } => Ok((done, all, report)),
            _ => Err(Problem::wrong_answer()),
        }
    }

    /// The worker; started from a compiled program, without a model, when it is first asked for.
    async fn tutor(self) -> Result<Rc<Handle>, Problem> {
        let parts = self.parts();
        let known = parts.tutor.borrow().clone().filter(|tutor| tutor.is_alive());
        if let Some(tutor) = known {
            return Ok(tutor);
        }
        let pool = self.active_pool().ok_or_else(|| {
            Problem::new("No device is ready", "The worker that would learn cannot be started.", "Reload the page.")
        })?;
        let tutor = Rc::new(Handle::open(pool.bundle(), pool.module(), |_| ()).await?);
        *parts.tutor.borrow_mut() = Some(Rc::clone(&tutor));
        Ok(tutor)
    }
}
