//! Which model answers: one that the index lists, or a file from the user's disk; and another one beside it, in a worker
//! of its own, to be proven and compared before anything is taken away.

use std::rc::Rc;

use js_sys::Uint8Array;
use leptos::prelude::*;
use web_sys::Blob;

use super::run::read_file;
use super::{Session, copied};
use crate::catalogue::{BundleIndex, ModelEntry, ModelIndex};
use crate::engine::capability::has_relaxed_simd;
use crate::engine::handle::{Event, Handle};
use crate::engine::protocol::{Bundle, FromWorker, ModelCard, SelfTest, ToWorker};
use crate::fetch;
use crate::problem::Problem;
use crate::route;
use crate::scope::{Over, Scope};
use crate::state::{Outcome, Phase, Transfer};

/// Files that the second model reads at once: bounds memory, and is the grain of stopping.
const FILES_AT_ONCE: usize = 32;

/// Key of the model in the address.
pub const MODEL_KEY: &str = "model";

/// A choice of model.
#[derive(Clone, Default)]
pub enum Wanted {
    /// The one that the index starts with.
    #[default]
    Default,
    /// Of this identity in the index.
    Listed(String),
    /// A file that the user opened.
    Opened {
        /// Its name.
        file: String,
        /// Its bytes.
        bytes: Uint8Array,
    },
}

/// The model in use, as far as it is known before it is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InUse {
    /// Identity in the index; none for a file of the user's.
    pub id: Option<String>,
    /// What people call it, or the file's name.
    pub title: String,
}

/// The models that there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shelf {
    /// Those of the index.
    pub listed: Vec<ModelEntry>,
    /// Identity of the one to start with.
    pub default: String,
    /// The one in use.
    pub in_use: Option<InUse>,
}

/// A model that has proven itself in a worker of its own.
pub struct Second {
    handle: Rc<Handle>,
    /// What it says of itself.
    pub card: ModelCard,
    /// How it proved itself.
    pub self_test: SelfTest,
    /// Milliseconds a tile, warm.
    pub ms_per_tile: f64,
}

impl Second {
    /// The device that it runs on.
    #[must_use]
    pub fn bundle(&self) -> Bundle {
        self.handle.bundle()
    }
}

impl Wanted {
    /// What the address asks for.
    pub(super) fn from_address() -> Self {
        route::parameter(MODEL_KEY).map_or(Self::Default, Self::Listed)
    }
}

impl Session {
    /// Lists the models, without changing anything else.
    ///
    /// # Errors
    /// When the index is missing, or of another release.
    pub async fn list_models(self) -> Result<ModelIndex, Problem> {
        let index: ModelIndex = fetch::json("models/index.json").await?;
        index.default_model()?;
        self.models.update(|shelf| {
            shelf.listed = index.models.clone();
            shelf.default = index.default.clone();
        });
        Ok(index)
    }

    /// Changes to another model: everything that the old one said is dropped, the new one proves itself, and the tiles on the
    /// page are classified again.
    pub fn use_model(self, wanted: Wanted) {
        // First of all: whoever waits for the old model's word must find that it is of no use any more.
        self.model.get_untracked().end();
        self.abandon();
        self.stop();
        let parts = self.parts();
        parts.model.take();
        parts.gallery.take();
        parts.opened.take();
        parts.wanted.replace(wanted);
        self.card.set(None);
        self.last_run.set(None);
        self.models.update(|shelf| shelf.in_use = None);
        self.tiles.update(|tiles| tiles.iter_mut().for_each(|tile| tile.outcome = Outcome::Waiting));
        self.model.set(Scope::new());
        self.start();
    }

    /// Changes to the model of the address, when it names another one than is in use.
    pub fn follow_address(self) {
        let Some(id) = route::parameter(MODEL_KEY) else { return };
        let is_wanted = matches!(&*self.parts().wanted.borrow(), Wanted::Listed(wanted) if *wanted == id);
        let is_in_use = self
            .models
            .with_untracked(|shelf| shelf.in_use.as_ref().is_some_and(|model| model.id.as_ref() == Some(&id)));
        if !is_wanted && !is_in_use {
            self.use_model(Wanted::Listed(id));
        }
    }

    /// Keeps the model in use in the address, unless it is the one that the page starts with anyway.
    pub fn write_model_to_address(self) {
        let Some((model, default)) = self.models.with(|shelf| Some((shelf.in_use.clone()?, shelf.default.clone())))
        else {
            return;
        };
        let id = model.id.filter(|id| *id != default);
        if route::parameter(MODEL_KEY) != id {
            route::set_parameter(MODEL_KEY, id.as_deref());
        }
    }

    /// Gets the bytes of the wanted model; returns its identity in the index, if it has one.
    pub(super) async fn fetch_model(
        self,
        first: Bundle,
        devices: &Scope,
    ) -> Result<Result<Option<String>, Problem>, Over> {
        let found = devices.hold(self.download_model(first, devices)).await?;
        Ok(found.map(|(bytes, in_use)| {
            let id = in_use.id.clone();
            *self.parts().model.borrow_mut() = Some(bytes);
            self.models.update(|shelf| shelf.in_use = Some(in_use));
            id
        }))
    }

    async fn download_model(self, first: Bundle, devices: &Scope) -> Result<(Uint8Array, InUse), Problem> {
        // Sizes of the workers are for the progress only: without them, the model alone is counted.
        let bundles: BundleIndex = fetch::json("bundles.json").await.unwrap_or_default();
        let wanted = self.parts().wanted.borrow().clone();
        let is_opened = matches!(wanted, Wanted::Opened { .. });
        let index = match self.list_models().await {
            Ok(index) => Some(index),
            // A file of the user's needs no index.
            Err(_) if is_opened => None,
            Err(problem) => return Err(problem),
        };
        let entry = match (&wanted, &index) {
            (Wanted::Default, Some(index)) => Some(index.default_model()?),
            (Wanted::Listed(id), Some(index)) => Some(index.model(id)?),
            _ => None,
        };
        let size = match (&wanted, entry) {
            (Wanted::Opened { bytes, .. }, _) => {
                let size = u64::from(bytes.length());
                Transfer { received: size, total: size }
            }
            (_, entry) => Transfer { received: 0, total: entry.map_or(0, |entry| entry.file.bytes) },
        };
        if devices.is_over() {
            return Err(Problem::given_up());
        }
        self.transfers.update(|transfers| {
            transfers.model = size;
            transfers.cpu.total = bundles.bytes_of(Bundle::Cpu, has_relaxed_simd());
            transfers.gpu.total = bundles.bytes_of(Bundle::Gpu, has_relaxed_simd());
        });
        self.phase.set(Phase::Downloading(first));
        match (wanted, entry) {
            (Wanted::Opened { file, bytes }, _) => Ok((bytes, InUse { id: None, title: file })),
            (_, Some(entry)) => {
                let report = |received| {
                    if !devices.is_over() {
                        self.transfers.update(|transfers| transfers.model.received = received);
                    }
                };
                let bytes = fetch::checked("models", &entry.file, report).await?;
                Ok((bytes, InUse { id: Some(entry.id.clone()), title: entry.title.clone() }))
            }
            (_, None) => Err(Problem::misunderstood("a wish for a model without a list of them")),
        }
    }

    /// Loads a model into a worker of its own, on the device that is in use, and proves it there. What it answers later goes
    /// to `on_event`.
    ///
    /// # Errors
    /// When the file is no model, is damaged, or of another release; or when the device fails.
    pub async fn open_second(self, bytes: &Uint8Array, on_event: impl Fn(Event) + 'static) -> Result<Second, Problem> {
        let bundle = self.devices.with_untracked(|devices| devices.active).unwrap_or(Bundle::Cpu);
        let handle = Rc::new(Handle::open(bundle, None, on_event).await?);
        let request = handle.next_request();
        let answer = handle.ask(request, &ToWorker::Load { request, is_timed: true }, &[copied(bytes)]).await?;
        let FromWorker::Loaded { card, self_test, ms_per_tile: Some(ms_per_tile), .. } = answer else {
            return Err(Problem::wrong_answer());
        };
        Ok(Second { handle, card: *card, self_test, ms_per_tile })
    }

    /// Has the second model classify the files on the page from `offset` on, as many as go together; `is_asked` hears the
    /// request's number before the first answer. Returns how many there were.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn classify_with(self, second: &Second, offset: usize, is_asked: impl Fn(u64)) -> Result<usize, Problem> {
        let parts = self.parts();
        let files: Vec<Blob> = parts.files.borrow().iter().skip(offset).take(FILES_AT_ONCE).cloned().collect();
        if files.is_empty() {
            return Ok(0);
        }
        let mut buffers = Vec::with_capacity(files.len());
        for file in &files {
            buffers.push(read_file(file).await);
        }
        let names = files.iter().map(|_| String::new()).collect();
        let handle = Rc::clone(&second.handle);
        let request = handle.next_request();
        is_asked(request);
        // Its own known tiles are not there: neighbours would be another model's.
        let reading = self.reading.get_untracked();
        handle.ask(request, &ToWorker::Classify { request, names, neighbours: 0, reading }, &buffers).await?;
        Ok(files.len())
    }
}
