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
use crate::engine::protocol::{Bundle, Cutting, FromWorker, ToWorker};
use crate::engine::slabs::Slabs;
use crate::problem::Problem;
use crate::scene::bands::Refusal;
use crate::scene::card::SceneCard;
use crate::scene::cells::{ANSWERED, UNLIKE};
use crate::scene::reading::Reading;
use crate::scene::step::{Cut, Step};
use crate::scope::{Over, Scope};
use crate::season::pairs::direction;
use crate::state::Phase;

/// Where a picture is.
#[derive(Clone)]
pub enum Origin {
    /// A file of the user's.
    File(Blob),
    /// An address that the user typed.
    Address(String),
}

/// A picture that a worker holds open, until this is dropped.
pub struct OpenScene {
    pool: Rc<Pool>,
    /// The worker that reads it: one of the pool's for a file, one of its own for an address.
    worker: Rc<Handle>,
    /// Its number there.
    scene: u64,
}

impl OpenScene {
    /// The device that answers.
    #[must_use]
    pub fn bundle(&self) -> Bundle {
        self.worker.bundle()
    }

    /// Has the worker that reads the picture cut out some patches; or says what is wrong with the picture.
    async fn cut(&self, first: usize, patches: usize, is_to_look_at: bool) -> Result<Result<Cut, Refusal>, Problem> {
        let request = self.worker.next_request();
        let question = ToWorker::SceneCut { request, scene: self.scene, first, patches, is_to_look_at };
        let (answer, buffers) = self.worker.ask_for_bytes(request, &question, &[]).await?;
        match (answer, <[Vec<u8>; 3]>::try_from(buffers)) {
            (FromWorker::SceneCut { preview_row, traffic, .. }, Ok([states, pixels, preview])) => {
                Ok(Ok(Cut { states, pixels, traffic, preview_row, preview }))
            }
            (FromWorker::SceneBroken { problem, bands, .. }, _) => Ok(Err(Refusal { problem, bands })),
            _ => Err(Problem::wrong_answer()),
        }
    }

    /// Has any worker embed and classify what was cut.
    async fn encode(&self, worker: &Handle, cut: &Cut, has_projections: bool) -> Result<Encoded, Problem> {
        let patches = cut.states.iter().filter(|state| **state == ANSWERED).count();
        if patches == 0 {
            return Ok(Encoded::default());
        }
        let request = worker.next_request();
        let pixels = Uint8Array::from(cut.pixels.as_slice()).buffer();
        let question = ToWorker::SceneEncode { request, patches, has_projections };
        let (answer, mut buffers) = worker.ask_for_bytes(request, &question, &[pixels]).await?;
        let FromWorker::SceneEncoded { encoder_ms, .. } = answer else { return Err(Problem::wrong_answer()) };
        let projections = if buffers.len() > 3 { floats(&buffers.swap_remove(3)) } else { Vec::new() };
        let parts = <[Vec<u8>; 3]>::try_from(buffers);
        let [embeddings, probabilities, unlike] = parts.map_err(|_| Problem::wrong_answer())?;
        Ok(Encoded { embeddings, probabilities: floats(&probabilities), unlike, projections, encoder_ms })
    }

    /// Hands the embeddings to the worker that searches them.
    fn keep(&self, first: usize, states: &[u8], embeddings: &[u8]) -> Result<(), Problem> {
        let buffers = [states, embeddings].map(|bytes| Uint8Array::from(bytes).buffer());
        self.worker.send(&ToWorker::SceneKeep { scene: self.scene, first }, &buffers)
    }
}

impl Drop for OpenScene {
    fn drop(&mut self) {
        // A dead worker holds nothing open.
        let _ = self.worker.send(&ToWorker::SceneClose { scene: self.scene }, &[]);
    }
}

/// What the encoder made of some patches; one entry for each that has data.
#[derive(Default)]
struct Encoded {
    /// Of length 1, f32 as bytes.
    embeddings: Vec<u8>,
    /// `[patches, classes]`.
    probabilities: Vec<f32>,
    /// 1 for what is unlike anything known.
    unlike: Vec<u8>,
    /// `[patches, subspaces, width]`, when they were wanted.
    projections: Vec<f32>,
    encoder_ms: f64,
}

/// A picture in full, square by square.
pub struct Squares {
    /// How it was cut.
    pub card: SceneCard,
    /// Of every square, its direction in every space, the whole embedding first; none without data.
    pub directions: Vec<Option<Vec<Vec<f32>>>>,
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
        cutting: Cutting,
        reading: Reading,
    ) -> Result<(Rc<OpenScene>, SceneCard), Trouble> {
        let pool = self.active_pool().ok_or(Trouble::Device)?;
        let (worker, address) = match origin {
            Origin::File(_) => (pool.first().ok_or(Trouble::Device)?, None),
            Origin::Address(address) => (self.web_reader(&pool).await?, Some(address.clone())),
        };
        let request = worker.next_request();
        let question = ToWorker::SceneOpen { request, address, cutting, reading };
        let answer = match origin {
            Origin::File(file) => worker.ask_about_file(request, &question, file).await,
            Origin::Address(_) => worker.ask(request, &question, &[]).await,
        };
        match answer {
            Ok(FromWorker::Scene { scene, .. }) => Ok((Rc::new(OpenScene { pool, worker, scene: request }), *scene)),
            Ok(FromWorker::SceneBroken { problem, bands, .. }) => Err(Trouble::Picture(Refusal { problem, bands })),
            Ok(_) => Err(Trouble::Picture(Problem::wrong_answer().into())),
            Err(problem) => Err(self.device_failed(&pool, &worker, problem).await),
        }
    }

    /// Classifies some patches, on as many workers as it is worth; what has been cut and what has been answered is told as it
    /// comes. When `scope` is given up, nothing more is begun. Returns how many workers took part.
    pub async fn classify_scene(
        self,
        scene: &OpenScene,
        patches: Range<usize>,
        scope: &Scope,
        on_cut: impl Fn(&Cut),
        on_step: impl Fn(Step),
    ) -> Result<usize, Trouble> {
        let broken = RefCell::new(None);
        let ask = async |worker: &Rc<Handle>, slab: Range<usize>| {
            let first = patches.start + slab.start;
            let cut = match scene.cut(first, slab.len(), false).await? {
                Ok(cut) => cut,
                Err(refusal) => {
                    let problem = refusal.problem.clone();
                    broken.borrow_mut().get_or_insert(refusal);
                    return Err(problem);
                }
            };
            on_cut(&cut);
            let encoded = scene.encode(worker, &cut, false).await?;
            scene.keep(first, &cut.states, &encoded.embeddings)?;
            if worker.bundle() == Bundle::Gpu {
                self.parts().is_gpu_on_probation.set(false);
            }
            let done = cut.states.len();
            let probabilities = spread(&encoded.probabilities, &cut.states);
            let embeddings = spread(&floats(&encoded.embeddings), &cut.states);
            on_step(Step { first, states: marked(cut.states, &encoded.unlike), probabilities, embeddings });
            Ok(FromWorker::Finished { request: 0, done, elapsed_ms: 0.0, encoder_ms: encoded.encoder_ms })
        };
        let shared = self.share_out(&scene.pool, Slabs::new(vec![0.0; patches.len()]), scope, ask).await;
        match (broken.into_inner(), shared.problem) {
            (Some(refusal), _) => Err(Trouble::Picture(refusal)),
            (None, Some(problem)) => Err(self.device_failed(&scene.pool, &scene.worker, problem).await),
            (None, None) => Ok(shared.workers),
        }
    }

    /// A worker that may fetch from other sites, and does nothing else: those that see the user's pictures may not.
    async fn web_reader(self, pool: &Pool) -> Result<Rc<Handle>, Trouble> {
        let opened = async {
            let reader = Handle::open_reader(pool.bundle(), pool.module()).await?;
            self.give_model(&reader, false).await?;
            Ok(Rc::new(reader))
        };
        opened.await.map_err(|problem: Problem| Trouble::Picture(problem.into()))
    }

    /// Embeds a picture square by square, for comparing it with another date's.
    ///
    /// # Errors
    /// When `scope` was given up.
    pub async fn embed_squares(self, file: &Blob, scope: &Scope) -> Result<Result<Squares, Trouble>, Over> {
        let (open, card) =
            match scope.hold(self.open_scene(&file_of(file), Cutting::Squares, Reading::default())).await? {
                Ok(opened) => opened,
                Err(trouble) => return Ok(Err(trouble)),
            };
        let count = card.grid.count();
        let directions = RefCell::new(vec![None; count]);
        let broken = RefCell::new(None);
        let ask = async |worker: &Rc<Handle>, slab: Range<usize>| {
            let cut = match open.cut(slab.start, slab.len(), false).await? {
                Ok(cut) => cut,
                Err(refusal) => {
                    let problem = refusal.problem.clone();
                    broken.borrow_mut().get_or_insert(refusal);
                    return Err(problem);
                }
            };
            let encoded = open.encode(worker, &cut, true).await?;
            let with_data: Vec<usize> =
                slab.clone().zip(&cut.states).filter(|(_, state)| **state == ANSWERED).map(|(at, _)| at).collect();
            let whole = floats(&encoded.embeddings);
            let width = whole.len() / with_data.len().max(1);
            let spaces = self.card.with_untracked(|card| card.as_ref().map_or(0, |card| card.subspaces.len()));
            let projected = encoded.projections.len() / with_data.len().max(1);
            for (at, square) in with_data.iter().enumerate() {
                let own = |values: &[f32], length: usize| values[at * length..(at + 1) * length].to_vec();
                let projections = own(&encoded.projections, projected);
                let each = (projected / spaces.max(1)).max(1);
                let all = std::iter::once(own(&whole, width)).chain(projections.chunks_exact(each).map(direction));
                directions.borrow_mut()[*square] = Some(all.collect());
            }
            let done = cut.states.len();
            Ok(FromWorker::Finished { request: 0, done, elapsed_ms: 0.0, encoder_ms: encoded.encoder_ms })
        };
        let shared = scope.hold(self.share_out(&open.pool, Slabs::new(vec![0.0; count]), scope, ask)).await?;
        Ok(match (broken.into_inner(), shared.problem) {
            (Some(refusal), _) => Err(Trouble::Picture(refusal)),
            (None, Some(problem)) => Err(self.device_failed(&open.pool, &open.worker, problem).await),
            (None, None) => Ok(Squares { card, directions: directions.into_inner() }),
        })
    }

    /// A picture as it can be looked at, up to 2048 pixels along its longer side: width and RGBA.
    ///
    /// # Errors
    /// When `scope` was given up.
    pub async fn look_at(self, file: &Blob, scope: &Scope) -> Result<Option<(usize, Vec<u8>)>, Over> {
        let opened = scope.hold(self.open_scene(&file_of(file), Cutting::Squares, Reading::default())).await?;
        let Ok((open, card)) = opened else { return Ok(None) };
        let (width, height) = card.preview_size();
        let mut rgba = Vec::with_capacity(width * height * 4);
        let columns = card.grid.columns().max(1);
        for row in 0..card.grid.rows() {
            let cut = scope.hold(open.cut(row * columns, columns, true)).await?;
            let Ok(Ok(cut)) = cut else { return Ok(None) };
            rgba.extend(cut.preview);
        }
        Ok((rgba.len() == width * height * 4).then_some((width, rgba)))
    }

    /// How similar every patch so far is to one of them; NaN where there is no data. `None` when it has none itself, or the
    /// worker is gone.
    pub async fn similar_in_scene(self, scene: &OpenScene, patch: usize) -> Option<Vec<f32>> {
        let request = scene.worker.next_request();
        let question = ToWorker::SceneSimilar { request, scene: scene.scene, patch };
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

/// Values of the patches with data → of all, `[patches, values of one]`; zeros where there is none.
fn spread(answered: &[f32], states: &[u8]) -> Vec<f32> {
    let classes = answered.len() / states.iter().filter(|state| **state == ANSWERED).count().max(1);
    let mut rows = answered.chunks_exact(classes.max(1));
    let none = vec![0.0; classes];
    let row = |state: &u8| if *state == ANSWERED { rows.next().unwrap_or(&none) } else { &none }.to_vec();
    states.iter().flat_map(row).collect()
}

/// States of patches, with those marked that are unlike anything known: `unlike` has an entry for each with data.
fn marked(mut states: Vec<u8>, unlike: &[u8]) -> Vec<u8> {
    let with_data = states.iter_mut().filter(|state| **state == ANSWERED);
    with_data.zip(unlike).filter(|(_, unlike)| **unlike != 0).for_each(|(state, _)| *state = UNLIKE);
    states
}

fn file_of(file: &Blob) -> Origin {
    Origin::File(file.clone())
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}
