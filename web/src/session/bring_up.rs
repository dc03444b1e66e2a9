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
use crate::scope::{Over, Scope};
use crate::state::{DeviceState, GalleryState, Phase, Preference, Transfers};

/// The model's identity in the index, if it has one, and the worker that will run it.
type Both = (Result<Option<String>, Problem>, Result<Handle, Problem>);

impl Session {
    /// From nothing to [`Phase::Ready`], or to a [`Phase::Failed`] that says why not.
    pub(super) async fn bring_up(self, devices: Scope) -> Result<(), Over> {
        self.phase.set(Phase::Probing("Looking at this browser".to_owned()));
        self.transfers.set(Transfers::default());
        let first = devices.hold(self.first_bundle()).await?;
        let (model_id, handle) = self.fetch_both(first, &devices).await?;
        let model_id = match model_id {
            Ok(model_id) => model_id,
            Err(problem) => {
                self.fail(problem);
                return Ok(());
            }
        };
        self.phase.set(Phase::Probing("Proving the model on this device".to_owned()));
        self.prove(first, handle, &devices).await?;
        self.settle();
        let gallery = devices.clone();
        spawn_local(async move {
            // Given up: another model is in use by now, and has its own.
            if let Ok(Err(problem)) = gallery.hold(self.fetch_gallery(model_id.as_deref(), &gallery)).await {
                self.gallery.set(GalleryState::Failed(problem));
            }
        });
        self.try_devices(&devices).await?;
        self.settle();
        Ok(())
    }

    /// The small CPU bundle answers first, unless WebGPU is forced and there is any.
    async fn first_bundle(self) -> Bundle {
        let is_gpu_forced = self.preference.get_untracked() == Preference::Force(Bundle::Gpu);
        if is_gpu_forced && !matches!(adapter().await, WebGpu::Absent(_)) { Bundle::Gpu } else { Bundle::Cpu }
    }

    /// The model, and beside it the worker that will run it. A worker that does not start is no reason to give up yet.
    async fn fetch_both(self, first: Bundle, devices: &Scope) -> Result<Both, Over> {
        self.devices.update(|devices| *devices.of_mut(first) = DeviceState::Proving);
        let (fetching, opening) = (pin!(self.fetch_model(first, devices)), pin!(self.open(first)));
        match select(fetching, opening).await {
            // Without a model there is nothing to prove: the worker need not be waited for.
            Either::Left((model_id, opening)) => match model_id? {
                Ok(id) => Ok((Ok(id), devices.hold(opening).await?)),
                Err(problem) => Ok((Err(problem.clone()), Err(problem))),
            },
            Either::Right((handle, fetching)) => Ok((fetching.await?, handle)),
        }
    }

    /// Brings up whatever the preference asks for and has not been tried, then chooses.
    pub(super) async fn try_devices(self, scope: &Scope) -> Result<(), Over> {
        let preference = self.preference.get_untracked();
        if preference.allows(Bundle::Gpu) {
            self.try_gpu(preference == Preference::Force(Bundle::Gpu), scope).await?;
        } else {
            self.devices.update(|devices| {
                if devices.gpu == DeviceState::Untried {
                    devices.gpu = DeviceState::Absent("you chose the CPU".to_owned());
                }
            });
        }
        let gpu_answers = self.devices.with_untracked(|devices| matches!(devices.gpu, DeviceState::Proven { .. }));
        if preference.allows(Bundle::Cpu) || !gpu_answers {
            self.try_bundle(Bundle::Cpu, scope).await?;
        }
        self.choose_device();
        Ok(())
    }

    /// Puts the device in use that the user wants now, whatever was wanted when somebody began to try one. After a change
    /// that the user asked for, the tiles are classified again.
    pub(super) fn choose_device(self) {
        let before = self.devices.with_untracked(|devices| devices.active);
        let cpu_workers = self.parts().cpu.borrow().as_ref().map_or(1, |pool| self.most_workers(pool));
        self.devices.update(|devices| {
            devices.cpu_workers = cpu_workers;
            devices.choose(self.preference.get_untracked());
        });
        self.count_crew();
        let after = self.devices.with_untracked(|devices| devices.active);
        if after.is_some() && before.is_some() && after != before && self.parts().is_choice_fresh.replace(false) {
            self.run_again();
        }
    }

    /// Ready if some device answers; failed with the reason of each if none does.
    fn settle(self) {
        self.choose_device();
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

    async fn fetch_gallery(self, model_id: Option<&str>, scope: &Scope) -> Result<(), Problem> {
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
        if scope.is_over() {
            return Ok(());
        }
        *self.parts().gallery.borrow_mut() = Some((bytes, entry.unlike_below));
        self.further.set(index.further_of(model_id));
        for bundle in [Bundle::Cpu, Bundle::Gpu] {
            let pool = self.parts().slot(bundle).borrow().clone();
            for handle in pool.iter().flat_map(|pool| pool.workers()) {
                self.hand_over_gallery(&handle, scope).await?;
            }
        }
        if scope.is_over() {
            return Ok(());
        }
        self.count_crew();
        self.run_waiting();
        Ok(())
    }

    /// Gives a worker its copy of the gallery, if there is one yet, and says so.
    async fn hand_over_gallery(self, handle: &Handle, scope: &Scope) -> Result<(), Problem> {
        if let Some(gallery) = self.give_gallery(handle).await?
            && !scope.is_over()
        {
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
            return Err(Problem::wrong_answer());
        };
        Ok(Some(*gallery))
    }

    async fn try_gpu(self, is_forced: bool, scope: &Scope) -> Result<(), Over> {
        let adapter = scope.hold(adapter()).await?;
        let (name, is_wanted, why_not) = match adapter {
            WebGpu::Absent(why) => (None, false, why),
            WebGpu::Software(name) => {
                let why = format!("WebGPU is only emulated on the CPU here ({name})");
                (Some(name), is_forced, why)
            }
            WebGpu::Hardware(name) => (Some(name), true, String::new()),
        };
        self.devices.update(|devices| devices.adapter = name);
        if is_wanted {
            return self.try_bundle(Bundle::Gpu, scope).await;
        }
        self.devices.update(|devices| {
            if !matches!(devices.gpu, DeviceState::Proven { .. } | DeviceState::Proving) {
                devices.gpu = DeviceState::Absent(why_not);
            }
        });
        Ok(())
    }

    /// Opens and proves a bundle, unless that was done before, or is being done.
    pub(super) async fn try_bundle(self, bundle: Bundle, scope: &Scope) -> Result<(), Over> {
        let is_settled = self.devices.with_untracked(|devices| {
            matches!(devices.of(bundle), DeviceState::Proven { .. } | DeviceState::Failed(_) | DeviceState::Proving)
        });
        if is_settled {
            return Ok(());
        }
        self.devices.update(|devices| *devices.of_mut(bundle) = DeviceState::Proving);
        let handle = scope.hold(self.open(bundle)).await?;
        self.prove(bundle, handle, scope).await
    }

    async fn open(self, bundle: Bundle) -> Result<Handle, Problem> {
        Handle::open(bundle, None, move |event: Event| self.on_event(bundle, event)).await
    }

    /// The model goes to the worker, which embeds the golden tile; the verdict lands in [`Session::devices`].
    async fn prove(self, bundle: Bundle, handle: Result<Handle, Problem>, scope: &Scope) -> Result<(), Over> {
        let verdict = match handle {
            Ok(handle) => self.load_into(Rc::new(handle), scope).await?,
            Err(problem) => Err(problem),
        };
        let state = verdict.unwrap_or_else(DeviceState::Failed);
        self.devices.update(|devices| *devices.of_mut(bundle) = state);
        Ok(())
    }

    /// The model goes to a worker, which proves itself with it.
    pub(super) async fn give_model(self, handle: &Handle, is_timed: bool) -> Result<FromWorker, Problem> {
        let model =
            self.parts().model.borrow().clone().ok_or_else(|| Problem::misunderstood("the model is not there yet"))?;
        let request = handle.next_request();
        handle.ask(request, &ToWorker::Load { request, is_timed }, &[copied(&model)]).await
    }

    /// Nothing of this is kept when the model was changed, or everything stopped, meanwhile.
    async fn load_into(self, handle: Rc<Handle>, scope: &Scope) -> Result<Result<DeviceState, Problem>, Over> {
        let (card, self_test, ms_per_tile) = match scope.hold(self.give_model(&handle, true)).await? {
            Ok(FromWorker::Loaded { card, self_test, ms_per_tile: Some(ms_per_tile), .. }) => {
                (card, self_test, ms_per_tile)
            }
            Ok(_) => return Ok(Err(Problem::wrong_answer())),
            Err(problem) => return Ok(Err(problem)),
        };
        self.card.set(Some(*card));
        if let Err(problem) = scope.hold(self.hand_over_gallery(&handle, scope)).await? {
            self.gallery.set(GalleryState::Failed(problem));
        }
        let bundle = handle.bundle();
        self.parts().slot(bundle).replace(Some(Rc::new(Pool::new(handle))));
        Ok(Ok(DeviceState::Proven { ms_per_tile, self_test }))
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
