//! Large pictures: opened in the worker of the active device, classified step by step, searched.

use std::rc::Rc;

use leptos::prelude::*;
use web_sys::Blob;

use super::Session;
use crate::engine::handle::Handle;
use crate::engine::pool::Pool;
use crate::engine::protocol::{Bundle, FromWorker, ToWorker};
use crate::problem::Problem;
use crate::scene::bands::Refusal;
use crate::scene::card::SceneCard;
use crate::scene::reading::Reading;
use crate::scene::step::Step;
use crate::state::Phase;

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
        file: &Blob,
        stride_px: usize,
        reading: Reading,
    ) -> Result<(Rc<OpenScene>, SceneCard), Trouble> {
        let pool = self.active_pool().ok_or(Trouble::Device)?;
        let worker = pool.first().ok_or(Trouble::Device)?;
        let request = worker.next_request();
        let question = ToWorker::SceneOpen { request, stride_px, reading };
        match worker.ask_about_file(request, &question, file).await {
            Ok(FromWorker::Scene { scene, .. }) => Ok((Rc::new(OpenScene { pool, worker }), *scene)),
            Ok(FromWorker::SceneBroken { problem, bands, .. }) => Err(Trouble::Picture(Refusal { problem, bands })),
            Ok(_) => Err(Trouble::Picture(misunderstood().into())),
            Err(problem) => Err(self.device_failed(&pool, &worker, problem).await),
        }
    }

    /// Classifies up to `patches` more.
    pub async fn step_scene(self, scene: &OpenScene, patches: usize) -> Result<Step, Trouble> {
        let handle = &scene.worker;
        let request = handle.next_request();
        match handle.ask_for_bytes(request, &ToWorker::SceneStep { request, patches }, &[]).await {
            Ok((FromWorker::SceneStep { first, preview_row, .. }, buffers)) => {
                if handle.bundle() == Bundle::Gpu {
                    self.parts().is_gpu_on_probation.set(false);
                }
                let Ok([states, probabilities, preview]) = <[Vec<u8>; 3]>::try_from(buffers) else {
                    return Err(Trouble::Picture(misunderstood().into()));
                };
                Ok(Step { first, states, probabilities: floats(&probabilities), preview_row, preview })
            }
            Ok((FromWorker::SceneBroken { problem, bands, .. }, _)) => {
                Err(Trouble::Picture(Refusal { problem, bands }))
            }
            Ok(_) => Err(Trouble::Picture(misunderstood().into())),
            Err(problem) => Err(self.device_failed(&scene.pool, handle, problem).await),
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
