//! Large pictures: opened and cut by the first worker of the active device, classified by all of them, searched.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use js_sys::Uint8Array;
use leptos::prelude::*;
use web_sys::Blob;

use super::Session;
use crate::engine::handle::Handle;
use crate::engine::pool::Pool;
use crate::engine::protocol::{Bundle, FromWorker, ToWorker};
use crate::engine::slabs::Slabs;
use crate::problem::Problem;
use crate::scene::bands::Refusal;
use crate::scene::card::SceneCard;
use crate::scene::cells::ANSWERED;
use crate::scene::reading::Reading;
use crate::scene::step::{Cut, Step};
use crate::state::Phase;

/// Where a picture is.
#[derive(Clone)]
pub enum Origin {
    /// A file of the user's.
    File(Blob),
    /// An address that the user typed.
    Address(String),
}

/// A picture that a worker holds open.
#[derive(Clone)]
pub struct OpenScene {
    pool: Rc<Pool>,
    worker: Rc<Handle>,
}

impl OpenScene {
    /// The device that answers.
    #[must_use]
    pub fn bundle(&self) -> Bundle {
        self.worker.bundle()
    }

    /// Has the worker that reads the picture cut out some patches; or says what is wrong with the picture.
    async fn cut(&self, first: usize, patches: usize) -> Result<Result<Cut, Refusal>, Problem> {
        let request = self.worker.next_request();
        let question = ToWorker::SceneCut { request, first, patches };
        let (answer, buffers) = self.worker.ask_for_bytes(request, &question, &[]).await?;
        match (answer, <[Vec<u8>; 3]>::try_from(buffers)) {
            (FromWorker::SceneCut { preview_row, traffic, .. }, Ok([states, pixels, preview])) => {
                Ok(Ok(Cut { states, pixels, traffic, preview_row, preview }))
            }
            (FromWorker::SceneBroken { problem, bands, .. }, _) => Ok(Err(Refusal { problem, bands })),
            _ => Err(misunderstood()),
        }
    }

    /// Has any worker embed and classify what was cut: embeddings and probabilities of the patches with data, as bytes and
    /// numbers, and the milliseconds that took.
    async fn encode(&self, worker: &Handle, cut: &Cut) -> Result<(Vec<u8>, Vec<f32>, f64), Problem> {
        let patches = cut.states.iter().filter(|state| **state == ANSWERED).count();
        if patches == 0 {
            return Ok((Vec::new(), Vec::new(), 0.0));
        }
        let request = worker.next_request();
        let pixels = Uint8Array::from(cut.pixels.as_slice()).buffer();
        let question = ToWorker::SceneEncode { request, patches };
        let (answer, buffers) = worker.ask_for_bytes(request, &question, &[pixels]).await?;
        match (answer, <[Vec<u8>; 2]>::try_from(buffers)) {
            (FromWorker::SceneEncoded { encoder_ms, .. }, Ok([embeddings, probabilities])) => {
                Ok((embeddings, floats(&probabilities), encoder_ms))
            }
            _ => Err(misunderstood()),
        }
    }

    /// Hands the embeddings to the worker that searches them.
    fn keep(&self, first: usize, states: &[u8], embeddings: &[u8]) -> Result<(), Problem> {
        let buffers = [states, embeddings].map(|bytes| Uint8Array::from(bytes).buffer());
        self.worker.send(&ToWorker::SceneKeep { first }, &buffers)
    }

    /// Lets the worker forget it. (Opening another one does so too.)
    pub fn close(&self) {
        // A dead worker holds nothing open.
        let _ = self.worker.send(&ToWorker::SceneClose, &[]);
    }
}

/// Why there is no answer.
pub enum Trouble {
    /// The picture cannot be read; see [`Refusal::bands`] for what may help.
    Picture(Refusal),
    /// The device failed, which the session sees to: ask again as soon as it is able.
    Device,
}

impl Session {
    /// Opens a picture on the active device.
    pub async fn open_scene(
        self,
        origin: &Origin,
        stride_px: usize,
        reading: Reading,
    ) -> Result<(Rc<OpenScene>, SceneCard), Trouble> {
        let pool = self.active_pool().ok_or(Trouble::Device)?;
        let worker = pool.first().ok_or(Trouble::Device)?;
        let request = worker.next_request();
        let answer = match origin {
            Origin::File(file) => {
                let question = ToWorker::SceneOpen { request, address: None, stride_px, reading };
                worker.ask_about_file(request, &question, file).await
            }
            Origin::Address(address) => {
                let address = Some(address.clone());
                worker.ask(request, &ToWorker::SceneOpen { request, address, stride_px, reading }, &[]).await
            }
        };
        match answer {
            Ok(FromWorker::Scene { scene, .. }) => Ok((Rc::new(OpenScene { pool, worker }), *scene)),
            Ok(FromWorker::SceneBroken { problem, bands, .. }) => Err(Trouble::Picture(Refusal { problem, bands })),
            Ok(_) => Err(Trouble::Picture(misunderstood().into())),
            Err(problem) => Err(self.device_failed(&pool, &worker, problem).await),
        }
    }

    /// Classifies some patches, on as many workers as it is worth; what has been cut and what has been answered is told as it
    /// comes. When it `is_stale`, nothing more is begun. Returns how many workers took part.
    pub async fn classify_scene(
        self,
        scene: &OpenScene,
        patches: Range<usize>,
        is_stale: impl Fn() -> bool,
        on_cut: impl Fn(&Cut),
        on_step: impl Fn(Step),
    ) -> Result<usize, Trouble> {
        let broken = RefCell::new(None);
        let ask = async |worker: &Rc<Handle>, slab: Range<usize>| {
            let first = patches.start + slab.start;
            let cut = match scene.cut(first, slab.len()).await? {
                Ok(cut) => cut,
                Err(refusal) => {
                    let problem = refusal.problem.clone();
                    broken.borrow_mut().get_or_insert(refusal);
                    return Err(problem);
                }
            };
            on_cut(&cut);
            let (embeddings, answered, encoder_ms) = scene.encode(worker, &cut).await?;
            scene.keep(first, &cut.states, &embeddings)?;
            if worker.bundle() == Bundle::Gpu {
                self.parts().is_gpu_on_probation.set(false);
            }
            let done = cut.states.len();
            let probabilities = spread(&answered, &cut.states);
            on_step(Step { first, states: cut.states, probabilities });
            Ok(FromWorker::Finished { request: 0, done, elapsed_ms: 0.0, encoder_ms })
        };
        let shared = self.share_out(&scene.pool, Slabs::new(vec![0.0; patches.len()]), is_stale, ask).await;
        match (broken.into_inner(), shared.problem) {
            (Some(refusal), _) => Err(Trouble::Picture(refusal)),
            (None, Some(problem)) => Err(self.device_failed(&scene.pool, &scene.worker, problem).await),
            (None, None) => Ok(shared.workers),
        }
    }

    /// How similar every patch so far is to one of them; NaN where there is no data. `None` when it has none itself, or the
    /// worker is gone.
    pub async fn similar_in_scene(self, scene: &OpenScene, patch: usize) -> Option<Vec<f32>> {
        let request = scene.worker.next_request();
        let question = ToWorker::SceneSimilar { request, patch };
        let (_, buffers) = scene.worker.ask_for_bytes(request, &question, &[]).await.ok()?;
        buffers.first().map(|bytes| floats(bytes))
    }

    /// A dead worker is replaced by another one of the pool; one that lives, and cannot, has lost its device.
    async fn device_failed(self, pool: &Rc<Pool>, worker: &Handle, problem: Problem) -> Trouble {
        pool.bury();
        let goes_on = !worker.is_alive() && pool.first().is_some();
        if !goes_on && self.fall_back(pool, problem).await {
            self.phase.set(Phase::Ready);
            self.run_waiting();
        }
        Trouble::Device
    }
}

/// Probabilities of the patches with data → of all, `[patches, classes]`; zeros where there is none.
fn spread(answered: &[f32], states: &[u8]) -> Vec<f32> {
    let classes = answered.len() / states.iter().filter(|state| **state == ANSWERED).count().max(1);
    let mut rows = answered.chunks_exact(classes.max(1));
    let none = vec![0.0; classes];
    let row = |state: &u8| if *state == ANSWERED { rows.next().unwrap_or(&none) } else { &none }.to_vec();
    states.iter().flat_map(row).collect()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

fn misunderstood() -> Problem {
    Problem::new(
        "The page and its worker misunderstood each other",
        "Unexpected: an answer to another question.",
        "Reload the page.",
    )
}
