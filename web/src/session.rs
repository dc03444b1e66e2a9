//! The page's session: its state as signals, and what can be done with it.
//!
//! [`models`] says which model, [`bring_up`] gets it onto a proven device; [`run`] sends tiles to it, [`embed`] those of
//! the Seasons page, both through [`crew`], which spreads them over workers; [`maps`] asks about galleries.

mod bring_up;
mod crew;
mod embed;
mod maps;
pub mod models;
mod run;
pub mod scenes;
mod tutor;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use futures_util::future::{AbortHandle, abortable};
use js_sys::{ArrayBuffer, Uint8Array};
use leptos::prelude::*;
use leptos::task::spawn_local;
use web_sys::Blob;

use crate::catalogue::GalleryEntry;
use crate::engine::handle::Handle;
use crate::engine::pool::Pool;
use crate::engine::protocol::{Bundle, ModelCard};
use crate::problem::Problem;
use crate::route;
use crate::scene::reading::Reading;
use crate::scope::{Scope, Slot};
use crate::state::{Crew, DeviceState, Devices, GalleryState, Outcome, Phase, Preference, TileEntry, Transfers};
use crate::wording;

/// Key of the wanted device in local storage and in the address.
const DEVICE_KEY: &str = "device";

/// The whole state, cheap to copy into every component.
#[derive(Clone, Copy)]
pub struct Session {
    /// What the page is doing.
    pub phase: RwSignal<Phase>,
    /// Which devices there are, and which one answers.
    pub devices: RwSignal<Devices>,
    /// Which one the user wants.
    pub preference: RwSignal<Preference>,
    /// The workers in use.
    pub crew: RwSignal<Crew>,
    /// What the model says of itself.
    pub card: RwSignal<Option<ModelCard>>,
    /// Bytes of model and workers.
    pub transfers: RwSignal<Transfers>,
    /// The gallery that answers are compared with.
    pub gallery: RwSignal<GalleryState>,
    /// Larger galleries of the model, to be fetched when somebody asks for them.
    pub further: RwSignal<Vec<GalleryEntry>>,
    /// The tiles on the page.
    pub tiles: RwSignal<Vec<TileEntry>>,
    /// Over as soon as other tiles, or a large picture, take the place of those on the page.
    pub tile_set: RwSignal<Scope>,
    /// The tile shown in detail.
    pub selected: RwSignal<usize>,
    /// Which models there are, and which one is in use.
    pub models: RwSignal<models::Shelf>,
    /// Over as soon as another model is wanted: what the old one said is of no use then.
    pub model: RwSignal<Scope>,
    /// How the values of the tiles become what the model sees.
    pub reading: RwSignal<Reading>,
    /// Bands of the last file of which the model's could not be told.
    pub unclear_bands: RwSignal<Vec<String>>,
    /// How the last run went.
    pub last_run: RwSignal<Option<RunReport>>,
    parts: StoredValue<Rc<Parts>, LocalStorage>,
}

/// Figures of a finished run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RunReport {
    /// Tiles answered.
    pub tiles: usize,
    /// Milliseconds from first to last.
    pub elapsed_ms: f64,
    /// Inside the encoder, of all workers together.
    pub encoder_ms: f64,
    /// Workers that shared it.
    pub workers: usize,
}

/// What no signal can hold: workers, bytes and files.
#[derive(Default)]
struct Parts {
    cpu: RefCell<Option<Rc<Pool>>>,
    gpu: RefCell<Option<Rc<Pool>>>,
    model: RefCell<Option<Uint8Array>>,
    /// Which model that is, or will be.
    wanted: RefCell<models::Wanted>,
    /// Bytes, and the similarity under which a tile is unlike all of it.
    gallery: RefCell<Option<(Uint8Array, Option<f32>)>>,
    files: RefCell<Vec<Blob>>,
    /// The devices that [`Session::start`] brings up, and all that is done on them.
    starting: Slot,
    /// Ends what is on its way there.
    fetching: RefCell<Option<AbortHandle>>,
    /// The last choice of a device.
    choosing: Slot,
    /// The user has chosen a device that is not in use yet.
    is_choice_fresh: Cell<bool>,
    /// WebGPU failed in its work, was opened afresh, and has not finished anything since.
    is_gpu_on_probation: Cell<bool>,
    /// Classifying the tiles on the page.
    run: Slot,
    /// Questions for vectors alone, with the answers that have come.
    embeddings: RefCell<HashMap<u64, Vec<embed::Answer>>>,
    /// The questions that classified tiles belong to.
    questions: RefCell<HashMap<u64, run::Question>>,
    /// Answers that are not on the page yet.
    arrived: RefCell<Vec<run::Arrival>>,
    /// The worker that learns the user's own classes, once there are any.
    tutor: RefCell<Option<Rc<Handle>>>,
    /// A gallery from disk, and the worker that has read it.
    opened: RefCell<Option<maps::Opened>>,
}

impl Parts {
    fn slot(&self, bundle: Bundle) -> &RefCell<Option<Rc<Pool>>> {
        match bundle {
            Bundle::Cpu => &self.cpu,
            Bundle::Gpu => &self.gpu,
        }
    }
}

impl Session {
    /// A fresh session; nothing has started.
    #[must_use]
    pub fn new() -> Self {
        let parts = Parts { wanted: RefCell::new(models::Wanted::from_address()), ..Parts::default() };
        let wanted = route::parameter(DEVICE_KEY).or_else(|| remembered(DEVICE_KEY));
        Self {
            phase: RwSignal::new(Phase::Probing("Looking at this browser".to_owned())),
            devices: RwSignal::new(Devices::default()),
            preference: RwSignal::new(wanted.as_deref().map_or(Preference::Auto, Preference::parse)),
            crew: RwSignal::new(Crew::default()),
            card: RwSignal::new(None),
            transfers: RwSignal::new(Transfers::default()),
            gallery: RwSignal::new(GalleryState::default()),
            further: RwSignal::new(Vec::new()),
            tiles: RwSignal::new(Vec::new()),
            tile_set: RwSignal::new(Scope::new()),
            selected: RwSignal::new(0),
            models: RwSignal::new(models::Shelf::default()),
            model: RwSignal::new(Scope::new()),
            reading: RwSignal::new(Reading::default()),
            unclear_bands: RwSignal::new(Vec::new()),
            last_run: RwSignal::new(None),
            parts: StoredValue::new_local(Rc::new(parts)),
        }
    }

    /// Takes another preference: brings up what it needs, and classifies the tiles again if the device changes.
    pub fn prefer(self, preference: Preference) {
        self.preference.set(preference);
        remember(DEVICE_KEY, preference.as_str());
        route::set_parameter(DEVICE_KEY, (preference != Preference::Auto).then(|| preference.as_str()));
        let parts = self.parts();
        // Before the model is there, nothing can prove itself: whoever brings it up asks what is wanted then.
        let Some(devices) = parts.starting.current().filter(|_| parts.model.borrow().is_some()) else { return };
        parts.is_choice_fresh.set(true);
        let choice = parts.choosing.begin(&devices);
        self.choose_device();
        spawn_local(async move {
            // What is tried belongs to the devices, and outlives this choice; what is done with it does not.
            if let Ok(Ok(())) = choice.hold(self.try_devices(&devices)).await {
                let is_pending = self.devices.with_untracked(|devices| {
                    [Bundle::Cpu, Bundle::Gpu].into_iter().any(|bundle| *devices.of(bundle) == DeviceState::Proving)
                });
                self.parts().is_choice_fresh.set(is_pending);
            }
        });
    }

    /// Goes from nothing to ready, in the background.
    pub fn start(self) {
        let devices = self.parts().starting.begin(&self.model.get_untracked());
        let (bringing_up, fetching) = abortable(self.bring_up(devices));
        self.parts().fetching.replace(Some(fetching));
        spawn_local(async move {
            // Cancelled: the one who did it says so on the page.
            let _ = bringing_up.await;
        });
    }

    /// Starts over after a failure, keeping the tiles.
    pub fn retry(self) {
        self.stop();
        self.start();
    }

    /// Ends the download; "Try again" starts over.
    pub fn cancel_download(self) {
        let Phase::Downloading(first) = self.phase.get_untracked() else { return };
        self.stop();
        let transfer = self.transfers.get_untracked().with(first);
        self.fail(Problem::new(
            "The download was cancelled",
            format!("{} of {} had arrived.", wording::bytes(transfer.received), wording::bytes(transfer.total)),
            "Nothing can be classified without the model. Try again when you like; your tiles are kept.",
        ));
    }

    /// Back to nothing, but for the tiles.
    fn stop(self) {
        let parts = self.parts();
        parts.starting.end();
        parts.fetching.take().iter().for_each(AbortHandle::abort);
        parts.cpu.take();
        parts.gpu.take();
        parts.is_gpu_on_probation.set(false);
        self.devices.set(Devices::default());
        self.count_crew();
        self.gallery.set(GalleryState::Waiting);
        self.further.set(Vec::new());
    }

    /// The active device's name and why it is the one, put into words by `say`; a filler before there is one.
    pub fn with_device(self, say: impl Fn(&str, &str) -> String) -> String {
        self.devices.with(|devices| match devices.active {
            Some(active) => say(active.label(), &devices.why),
            None => "No device has proven itself yet".to_owned(),
        })
    }

    /// True when some device answers.
    #[must_use]
    pub fn has_device(self) -> bool {
        self.active_handle().is_some()
    }

    /// A file on the page.
    #[must_use]
    pub fn file(self, index: usize) -> Option<(String, Blob)> {
        let name = self.tiles.with_untracked(|tiles| tiles.get(index).map(|tile| tile.name.clone()))?;
        Some((name, self.parts().files.borrow().get(index)?.clone()))
    }

    /// Other tiles are on the page than before, or a large picture.
    pub fn new_tile_set(self) {
        self.tile_set.get_untracked().end();
        self.tile_set.set(Scope::new());
    }

    /// Shows a tile that could not even be fetched.
    pub fn show_problem(self, name: String, problem: Problem) {
        self.clear();
        self.tiles.set(vec![TileEntry { name, picture: None, outcome: Outcome::Undecodable(problem) }]);
    }

    fn parts(self) -> Rc<Parts> {
        self.parts.get_value()
    }

    fn active_pool(self) -> Option<Rc<Pool>> {
        let active = self.devices.with_untracked(|devices| devices.active)?;
        self.parts().slot(active).borrow().clone()
    }

    /// The worker that answers what one alone can answer.
    fn active_handle(self) -> Option<Rc<Handle>> {
        self.active_pool()?.first()
    }

    fn fail(self, problem: Problem) {
        self.phase.set(Phase::Failed(problem));
    }
}

impl Default for Session {
    fn default() -> Self {
        Self::new()
    }
}

/// The session that [`crate::app`] provides.
#[must_use]
pub fn use_session() -> Session {
    expect_context::<Session>()
}

/// A copy that a worker may keep.
fn copied(bytes: &Uint8Array) -> ArrayBuffer {
    bytes.slice(0, bytes.length()).buffer()
}

/// Something this browser was told before. Storage may be switched off; then nothing is remembered.
#[must_use]
pub fn remembered(key: &str) -> Option<String> {
    window().local_storage().ok()??.get_item(&format!("solstice.{key}")).ok()?
}

/// Remembers it for the next visit, where storage is allowed.
pub fn remember(key: &str, value: &str) {
    if let Ok(Some(storage)) = window().local_storage() {
        // A full or forbidden storage only means that the choice is not remembered.
        let _ = storage.set_item(&format!("solstice.{key}"), value);
    }
}
