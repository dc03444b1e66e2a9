//! The state of a class map: one picture, its answers, and how they are looked at.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use leptos::prelude::*;

use super::list::Scenes;
use crate::label::head::Head;
use crate::problem::Problem;
use crate::route::parameter;
use crate::scene::card::SceneCard;
use crate::scene::cells::{Cells, Filter};
use crate::scene::kept::Kept;
use crate::scene::pace::Pace;
use crate::scene::reading::{Reading, StretchChoice};
use crate::scene::step::Traffic;
use crate::scene::tally::{Counting, Tally};
use crate::scope::Slot;
use crate::session::Session;
use crate::session::scenes::{OpenScene, Origin};

/// Under this probability a patch is left unpainted, unless the user says otherwise.
const THRESHOLD: f32 = 0.5;
/// How near one can come.
const MAX_ZOOM: f64 = 16.0;
/// How much of the picture the classes cover.
const OPACITY: f64 = 0.6;
/// Parameters of the address: `stretch=eurosat` or `none`, `neighbours=off`.
const STRETCH_KEY: &str = "stretch";
const NEIGHBOURS_KEY: &str = "neighbours";

/// What becomes of the picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ScenePhase {
    /// No device is ready, or others come first.
    #[default]
    Waiting,
    /// Its header is being read.
    Opening,
    /// Patches are being classified.
    Running(Pace),
    /// All are.
    Done(Pace),
    /// The user stopped it.
    Stopped(Pace),
    /// It cannot be read, or not on.
    Failed(Problem),
}

/// Patches by their similarity to some of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Heat {
    /// Patches that are wanted, the first one at least.
    pub more: Vec<usize>,
    /// Patches that are not.
    pub less: Vec<usize>,
    /// Cosine of each patch; NaN without data.
    pub similarities: Vec<f32>,
}

/// All of it, cheap to copy into every component.
#[derive(Clone, Copy)]
pub struct SceneMap {
    /// The session that computes.
    pub session: Session,
    /// What it is one of.
    pub scenes: Scenes,
    /// What becomes of the picture.
    pub phase: RwSignal<ScenePhase>,
    /// The file's name.
    pub name: RwSignal<String>,
    /// What the worker found.
    pub card: RwSignal<Option<SceneCard>>,
    /// What was fetched for it from elsewhere.
    pub traffic: RwSignal<Traffic>,
    /// How many workers shared it.
    pub workers: RwSignal<usize>,
    /// The answers that are shown: the model's, or those of a head of the user's.
    pub cells: RwSignal<Cells>,
    /// That head.
    pub own: RwSignal<Option<Arc<Head>>>,
    /// From one patch to the next; 0 for a patch's side.
    pub stride_px: RwSignal<usize>,
    /// How values are read.
    pub reading: RwSignal<Reading>,
    /// Whether patches around one have a say in its class.
    pub has_neighbours: RwSignal<bool>,
    /// Bands of a picture of which the model's could not be told.
    pub unclear_bands: RwSignal<Vec<String>>,
    /// What is painted.
    pub filter: RwSignal<Filter>,
    /// How much the classes cover the picture, 0 to 1.
    pub opacity: RwSignal<f64>,
    /// The patch in detail.
    pub cursor: RwSignal<Option<usize>>,
    /// Places like one patch, in place of classes.
    pub heat: RwSignal<Option<Heat>>,
    /// How many times its width the frame shows of the picture.
    pub zoom: RwSignal<f64>,
    /// Whether meridians and parallels are drawn.
    pub has_graticule: RwSignal<bool>,
    parts: StoredValue<Rc<Parts>, LocalStorage>,
}

/// What no signal can hold.
#[derive(Default)]
pub struct Parts {
    /// Where it is.
    pub origin: Option<Origin>,
    /// The worker that has it open.
    pub open: RefCell<Option<Rc<OpenScene>>>,
    /// The picture, RGBA, as far as it has been read.
    pub preview: RefCell<Vec<u8>>,
    /// Rows of it that have been read.
    pub preview_rows: Cell<usize>,
    /// What each class covers, so far.
    pub counting: RefCell<Counting>,
    /// The model's answers, while others are shown.
    pub of_model: OfModel,
    /// Embeddings of the patches, so far.
    pub kept: RefCell<Kept>,
    /// Classifying it by a head of the user's.
    pub relabelling: Slot,
    /// Reading it once, from the first patch to the last; another model, or another way of reading, begins anew.
    pub attempt: Slot,
    /// Working on it, as a part of that, until the user stops.
    pub running: Slot,
}

/// The model's answers, while others are shown.
#[derive(Default)]
pub struct OfModel(RefCell<Option<Cells>>);

impl OfModel {
    /// Takes them out.
    pub fn take(&self) -> Option<Cells> {
        self.0.take()
    }

    /// Puts them away.
    pub fn set(&self, cells: Option<Cells>) {
        *self.0.borrow_mut() = cells;
    }

    /// Looks at them; at none when they are shown.
    pub fn with<T>(&self, look: impl FnOnce(&Cells) -> T) -> T {
        match &*self.0.borrow() {
            Some(cells) => look(cells),
            None => look(&Cells::default()),
        }
    }
}

impl Heat {
    /// All examples.
    #[must_use]
    pub fn examples(&self) -> Vec<usize> {
        self.more.iter().chain(&self.less).copied().collect()
    }
}

impl PartialEq for SceneMap {
    fn eq(&self, other: &Self) -> bool {
        self.phase == other.phase
    }
}

impl SceneMap {
    /// A picture, with a patch every `stride_px`; 0 for patches side by side.
    #[must_use]
    pub fn new(scenes: Scenes, name: String, origin: Origin, stride_px: usize) -> Self {
        Self {
            session: scenes.session,
            scenes,
            phase: RwSignal::new(ScenePhase::Waiting),
            name: RwSignal::new(name),
            card: RwSignal::new(None),
            traffic: RwSignal::new(Traffic::default()),
            workers: RwSignal::new(1),
            cells: RwSignal::new(Cells::default()),
            own: RwSignal::new(None),
            stride_px: RwSignal::new(stride_px),
            reading: RwSignal::new(Reading { stretch: stretch_in_address(), ..Reading::default() }),
            has_neighbours: RwSignal::new(parameter(NEIGHBOURS_KEY).as_deref() != Some("off")),
            unclear_bands: RwSignal::new(Vec::new()),
            filter: RwSignal::new(Filter { threshold: THRESHOLD, hidden: BTreeSet::new() }),
            opacity: RwSignal::new(OPACITY),
            cursor: RwSignal::new(None),
            heat: RwSignal::new(None),
            zoom: RwSignal::new(1.0),
            has_graticule: RwSignal::new(false),
            parts: StoredValue::new_local(Rc::new(Parts { origin: Some(origin), ..Parts::default() })),
        }
    }

    /// File, worker and pixels.
    #[must_use]
    pub fn parts(self) -> Rc<Parts> {
        self.parts.get_value()
    }

    /// Names of the classes that are shown.
    #[must_use]
    pub fn classes(self) -> Vec<String> {
        if let Some(head) = self.own.get() {
            return head.classes.clone();
        }
        self.session.card.with(|card| card.as_ref().map(|card| card.classes.clone()).unwrap_or_default())
    }

    /// What each class covers.
    #[must_use]
    pub fn tally(self) -> Tally {
        let threshold = self.filter.with(|filter| filter.threshold);
        let parts = self.parts();
        self.card.with(|card| {
            let Some(card) = card else { return Tally::default() };
            let count = |cells: &Cells| {
                let mut counting = parts.counting.borrow_mut();
                counting.follow(cells, &card.grid, card.georeference.as_ref(), threshold).clone()
            };
            self.cells.with(count)
        })
    }

    /// Moves the cursor to a patch.
    pub fn look_at(self, patch: usize) {
        self.cursor.set(Some(patch));
    }

    /// Comes nearer, or goes away.
    pub fn zoom_by(self, factor: f64) {
        self.zoom.update(|zoom| *zoom = (*zoom * factor).clamp(1.0, MAX_ZOOM));
    }

    /// Forgets the answers, not the file, nor what is known of it.
    pub fn forget_answers(self) {
        let parts = self.parts();
        parts.attempt.end();
        parts.open.take();
        parts.preview.borrow_mut().clear();
        parts.preview_rows.set(0);
        self.cells.set(Cells::default());
        self.own.set(None);
        parts.of_model.take();
        parts.relabelling.end();
        parts.kept.borrow_mut().clear();
        parts.counting.take();
        self.unclear_bands.set(Vec::new());
        self.cursor.set(None);
        self.heat.set(None);
    }
}

/// The stretch that the address asks for.
fn stretch_in_address() -> StretchChoice {
    match parameter(STRETCH_KEY).as_deref() {
        Some("eurosat") => StretchChoice::Picture,
        Some("none") => StretchChoice::None,
        _ => StretchChoice::Auto,
    }
}

/// The map that [`super::SceneCardView`] shows.
#[must_use]
pub fn use_map() -> SceneMap {
    expect_context::<SceneMap>()
}
