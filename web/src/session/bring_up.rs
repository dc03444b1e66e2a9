//! Getting ready: model from the network, device from the browser, and the proof that both agree.
//!
//! The small CPU bundle loads beside the model and answers first. WebGPU is tried behind it, and takes over when it
//! proves itself and is measured faster. (Where it is forced, it loads first.) Each device must embed the model's golden tile before it may answer.

use std::pin::pin;
use std::rc::Rc;

use futures_util::future::{Either, select};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::{Session, copied};
use crate::catalogue::{BundleIndex, GalleryIndex};
use crate::engine::capability::{self, WebGpu, has_relaxed_simd};
use crate::engine::handle::{Event, Handle};
use crate::engine::pool::Pool;
use crate::engine::protocol::{Bundle, FromWorker, GalleryCard, ToWorker};
use crate::fetch;
use crate::problem::Problem;
use crate::state::{DeviceState, GalleryState, Phase, Preference, Transfers};

impl Session {
    /// From nothing to [`Phase::Ready`], or to a [`Phase::Failed`] that says why not.
    pub(super) async fn bring_up(self) {
        self.phase.set(Phase::Probing("Looking at this browser".to_owned()));
        self.transfers.set(Transfers::default());
        let first = self.first_bundle().await;
        let (model_id, handle) = match self.fetch_both(first).await {
            Ok(both) => both,
            Err(problem) => return self.fail(problem),
        };
        self.phase.set(Phase::Probing("Proving the model on this device".to_owned()));
        self.prove(first, handle).await;
        self.settle();
        let turn = self.model_turn.get_untracked();
        spawn_local(async move {
            let fetched = self.fetch_gallery(model_id.as_deref(), turn).await;
            if let Err(problem) = fetched
                && self.model_turn.get_untracked() == turn
            {
                self.gallery.set(GalleryState::Failed(problem));
            }
        });
        self.try_devices().await;
        self.settle();
    }

    /// The small CPU bundle answers first, unless WebGPU is forced and there is any.
    async fn first_bundle(self) -> Bundle {
        let is_gpu_forced = self.preference.get_untracked() == Preference::Force(Bundle::Gpu);
        if is_gpu_forced && !matches!(adapter().await, WebGpu::Absent(_)) { Bundle::Gpu } else { Bundle::Cpu }
    }

    /// The model, and beside it the worker that will run it. A worker that does not start is no reason to give up yet.
    async fn fetch_both(self, first: Bundle) -> Result<(Option<String>, Result<Handle, Problem>), Problem> {
        self.devices.update(|devices| *devices.of_mut(first) = DeviceState::Proving);
        let (fetching, opening) = (pin!(self.fetch_model(first)), pin!(self.open(first)));
        match select(fetching, opening).await {
            Either::Left((model_id, opening)) => Ok((model_id?, opening.await)),
            Either::Right((handle, fetching)) => Ok((fetching.await?, handle)),
        }
    }

    /// Brings up whatever the preference asks for and has not been tried, then chooses.
    pub(super) async fn try_devices(self) {
        let preference = self.preference.get_untracked();
        if preference.allows(Bundle::Gpu) {
            self.try_gpu(preference == Preference::Force(Bundle::Gpu)).await;
        } else {
            self.devices.update(|devices| {
                if devices.gpu == DeviceState::Untried {
                    devices.gpu = DeviceState::Absent("you chose the CPU".to_owned());
                }
            });
        }
        let gpu_answers = self.devices.with_untracked(|devices| matches!(devices.gpu, DeviceState::Proven { .. }));
        if preference.allows(Bundle::Cpu) || !gpu_answers {
            self.try_bundle(Bundle::Cpu).await;
        }
        self.devices.update(|devices| devices.choose(preference));
        self.count_crew();
    }

    /// Ready if some device answers; failed with the reason of each if none does.
    fn settle(self) {
        self.devices.update(|devices| devices.choose(self.preference.get_untracked()));
        self.count_crew();
        let devices = self.devices.get_untracked();
        if devices.active.is_some() {
            if !self.phase.with_untracked(Phase::is_able) {
                self.phase.set(Phase::Ready);
                self.run_waiting();
            }
        } else if let DeviceState::Failed(problem) = &devices.cpu {
            let why = format!("{} WebGPU: {}.", problem.why, devices.gpu.excuse());
            self.fail(Problem::new(problem.what.clone(), why, problem.remedy.clone()));
        }
    }

    async fn fetch_gallery(self, model_id: Option<&str>, turn: u64) -> Result<(), Problem> {
        let none = || {
            Problem::new(
                "There is no gallery for this model",
                "Known tiles that another model has embedded mean nothing to it, so none are shown.",
                "Export one with it, or change to the model that the gallery was made with.",
            )
        };
        let model_id = model_id.ok_or_else(none)?;
        let index: GalleryIndex = fetch::json("gallery/index.json").await?;
        let entry = index.of_model(model_id)?.ok_or_else(none)?;
        let bytes = fetch::checked("gallery", &entry.file, |_| ()).await?;
        if self.model_turn.get_untracked() != turn {
            // Another model is in use by now, and has its own.
            return Ok(());
        }
        *self.parts().gallery.borrow_mut() = Some((bytes, entry.unlike_below));
        self.further.set(index.further_of(model_id));
        for bundle in [Bundle::Cpu, Bundle::Gpu] {
            let pool = self.parts().slot(bundle).borrow().clone();
            for handle in pool.iter().flat_map(|pool| pool.workers()) {
                self.hand_over_gallery(&handle).await?;
            }
        }
        self.count_crew();
        self.run_waiting();
        Ok(())
    }

    /// Gives a worker its copy of the gallery, if there is one yet, and says so.
    async fn hand_over_gallery(self, handle: &Handle) -> Result<(), Problem> {
        if let Some(gallery) = self.give_gallery(handle).await? {
            self.gallery.set(GalleryState::Ready(gallery));
        }
        Ok(())
    }

    /// Gives a worker its copy of the gallery, if there is one yet.
    pub(super) async fn give_gallery(self, handle: &Handle) -> Result<Option<GalleryCard>, Problem> {
        let Some((bytes, unlike_below)) = self.parts().gallery.borrow().clone() else { return Ok(None) };
        let request = handle.next_request();
        let question = ToWorker::Gallery { request, unlike_below };
        let FromWorker::GalleryReady { gallery, .. } = handle.ask(request, &question, &[copied(&bytes)]).await? else {
            return Err(unexpected("an answer to another question"));
        };
        Ok(Some(*gallery))
    }

    async fn try_gpu(self, is_forced: bool) {
        let (name, is_wanted, why_not) = match adapter().await {
            WebGpu::Absent(why) => (None, false, why),
            WebGpu::Software(name) => {
                let why = format!("WebGPU is only emulated on the CPU here ({name})");
                (Some(name), is_forced, why)
            }
            WebGpu::Hardware(name) => (Some(name), true, String::new()),
        };
        self.devices.update(|devices| devices.adapter = name);
        if is_wanted {
            self.try_bundle(Bundle::Gpu).await;
        } else {
            self.devices.update(|devices| {
                if !matches!(devices.gpu, DeviceState::Proven { .. }) {
                    devices.gpu = DeviceState::Absent(why_not);
                }
            });
        }
    }

    /// Opens and proves a bundle, unless that was done before.
    pub(super) async fn try_bundle(self, bundle: Bundle) {
        let is_settled = self.devices.with_untracked(|devices| {
            matches!(devices.of(bundle), DeviceState::Proven { .. } | DeviceState::Failed(_) | DeviceState::Proving)
        });
        if is_settled {
            return;
        }
        self.devices.update(|devices| *devices.of_mut(bundle) = DeviceState::Proving);
        let handle = self.open(bundle).await;
        self.prove(bundle, handle).await;
    }

    async fn open(self, bundle: Bundle) -> Result<Handle, Problem> {
        Handle::open(bundle, None, move |event: Event| self.on_event(bundle, event)).await
    }

    /// The model goes to the worker, which embeds the golden tile; the verdict lands in [`Session::devices`].
    async fn prove(self, bundle: Bundle, handle: Result<Handle, Problem>) {
        let verdict = match handle {
            Ok(handle) => self.load_into(Rc::new(handle)).await,
            Err(problem) => Err(problem),
        };
        let state = verdict.unwrap_or_else(DeviceState::Failed);
        self.devices.update(|devices| *devices.of_mut(bundle) = state);
    }

    /// The model goes to a worker, which proves itself with it.
    pub(super) async fn give_model(self, handle: &Handle, is_timed: bool) -> Result<FromWorker, Problem> {
        let model = self.parts().model.borrow().clone().ok_or_else(|| unexpected("the model is not there yet"))?;
        let request = handle.next_request();
        handle.ask(request, &ToWorker::Load { request, is_timed }, &[copied(&model)]).await
    }

    async fn load_into(self, handle: Rc<Handle>) -> Result<DeviceState, Problem> {
        let answer = self.give_model(&handle, true).await?;
        let FromWorker::Loaded { card, self_test, ms_per_tile: Some(ms_per_tile), .. } = answer else {
            return Err(unexpected("an answer to another question"));
        };
        self.card.set(Some(*card));
        if let Err(problem) = self.hand_over_gallery(&handle).await {
            self.gallery.set(GalleryState::Failed(problem));
        }
        let bundle = handle.bundle();
        self.parts().slot(bundle).replace(Some(Rc::new(Pool::new(handle))));
        Ok(DeviceState::Proven { ms_per_tile, self_test })
    }
}

/// The browser's word on WebGPU, unless this copy of the page was built without the worker for it.
async fn adapter() -> WebGpu {
    let bundles: Result<BundleIndex, Problem> = fetch::json("bundles.json").await;
    match bundles {
        Ok(bundles) if bundles.lacks(Bundle::Gpu, has_relaxed_simd()) => {
            WebGpu::Absent("this copy of the page was built without WebGPU".to_owned())
        }
        // Without the list nothing is known against it.
        _ => capability::probe().await,
    }
}

fn unexpected(what: &str) -> Problem {
    Problem::new("The page and its worker misunderstood each other", format!("Unexpected: {what}."), "Reload the page.")
}
