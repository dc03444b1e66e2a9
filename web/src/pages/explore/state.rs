//! What the Explore page knows, as signals; it outlives the page, so that coming back shows the same place.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::AbortHandle;
use leptos::prelude::*;
use web_sys::Blob;

use crate::engine::protocol::{Answer, Neighbour, Query, Shelf};
use crate::map::camera::{Camera, Frame};
use crate::map::colour::{Categories, ColourBy, Votes};
use crate::map::data::{MapData, Projection};
use crate::map::density::{Cluster, Density, SHARES, Segment};
use crate::map::history::History;
use crate::map::place::place;
use crate::map::selection::{Combine, Selection};
use crate::problem::Problem;
use crate::scope::{Scope, Slot};
use crate::session::Session;

/// Zoom at which a single tile is looked at.
const LOOK_ZOOM: f64 = 4.0;

/// The gallery on the map.
#[derive(Clone)]
pub enum MapState {
    /// Not there yet.
    Waiting,
    /// On the map.
    Ready(Arc<MapData>),
    /// Cannot be had.
    Failed(Problem),
}

/// What undo takes back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Selected tiles.
    pub selected: Selection,
    /// What dots are coloured by; the hidden lines belong to it.
    pub colour: ColourBy,
    /// Lines of the legend that are switched off.
    pub hidden: BTreeSet<u16>,
}

/// What a drag on the map does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tool {
    /// Moves it.
    #[default]
    Move,
    /// Draws a line around tiles.
    Lasso,
    /// Draws a rectangle around them.
    Rectangle,
}

/// Tiles that stand for what is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Examples {
    /// Wanted.
    pub more: Vec<usize>,
    /// Not wanted.
    pub less: Vec<usize>,
}

impl Examples {
    /// Makes `row` an example, or no longer one when it is that already; it is never both.
    pub fn toggle(&mut self, row: usize, is_wanted: bool) {
        let (own, other) = if is_wanted { (&mut self.more, &mut self.less) } else { (&mut self.less, &mut self.more) };
        other.retain(|example| *example != row);
        match own.iter().position(|example| *example == row) {
            Some(at) => {
                own.remove(at);
            }
            None => own.push(row),
        }
    }
}

/// What is shown of how thick tiles lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overlays {
    /// Lines around shares of the tiles.
    pub contours: bool,
    /// The names of clusters.
    pub names: bool,
}

/// Tiles that lie together on the present layout.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heaps {
    /// Largest first.
    pub clusters: Vec<Cluster>,
    /// One set of lines for each of [`SHARES`].
    pub contours: Vec<Vec<Segment>>,
}

/// The tile shown in detail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Focus {
    /// One of the gallery.
    Row(usize),
    /// One of the user's own: index into the visitors.
    Visitor(usize),
}

/// A tile of the user's own, on the map.
#[derive(Clone, Debug, PartialEq)]
pub struct Visitor {
    /// File name.
    pub name: String,
    /// Something an `<img>` can show.
    pub picture: Option<String>,
    /// What the model says.
    pub answer: Answer,
    /// The gallery's nearest tiles, which say where it lies.
    pub neighbours: Vec<Neighbour>,
}

impl Visitor {
    /// Where it lies on a layout.
    #[must_use]
    pub fn place(&self, data: &MapData, projection: Projection) -> Option<[f32; 2]> {
        let points = &data.layout(projection).points;
        place(self.neighbours.iter().filter_map(|near| Some((*points.get(near.index)?, near.similarity))))
    }
}

/// A picture of thumbnails: where an `<img>` finds it, and the file when it was opened from disk.
#[derive(Clone)]
pub struct Sheet {
    /// Address; of the page's own origin, or of an object.
    pub address: String,
    /// The file.
    pub file: Option<Blob>,
}

/// The whole state, cheap to copy into every component.
#[derive(Clone, Copy)]
pub struct Explore {
    /// The page's session.
    pub session: Session,
    /// The gallery on the map.
    pub map: RwSignal<MapState>,
    /// Over as soon as another gallery is on the map.
    pub gallery: RwSignal<Scope>,
    /// The gallery that is about to be.
    opening: StoredValue<Slot>,
    /// Which gallery that is.
    pub shelf: RwSignal<Shelf>,
    /// The file in the index that it is, or is about to be, when it is one of [`Session::further`].
    pub listed: RwSignal<Option<String>>,
    /// Bytes of that file which are here, while it is being fetched.
    pub fetched: RwSignal<Option<u64>>,
    /// Ends fetching it.
    pub fetching: StoredValue<Option<AbortHandle>, LocalStorage>,
    /// Its thumbnails, as far as they are there.
    pub sheets: RwSignal<Vec<Option<Sheet>>, LocalStorage>,
    /// Which layout.
    pub projection: RwSignal<Projection>,
    /// Which part of it.
    pub camera: RwSignal<Camera>,
    /// Size of the map on the screen.
    pub frame: RwSignal<Frame>,
    /// Selection and filter, with their past.
    pub choice: RwSignal<History<Choice>>,
    /// The tile shown in detail.
    pub focus: RwSignal<Option<Focus>>,
    /// The gallery tile under the pointer.
    pub hovered: RwSignal<Option<usize>>,
    /// How many neighbours are shown.
    pub k: RwSignal<usize>,
    /// Nearest tiles of the one in detail.
    pub neighbours: RwSignal<Vec<Neighbour>>,
    /// What is looked for by examples.
    pub examples: RwSignal<Examples>,
    /// The tiles most like it, best first.
    pub alike: RwSignal<Vec<Neighbour>>,
    /// What a drag does.
    pub tool: RwSignal<Tool>,
    /// Whether somebody looks at outliers and near duplicates.
    pub is_auditing: RwSignal<bool>,
    /// What neighbours vote for, as far as it has come.
    pub votes: RwSignal<Arc<Votes>>,
    /// The user's own tiles.
    pub visitors: RwSignal<Vec<Visitor>>,
    /// Something went wrong that does not take the map away.
    pub problem: RwSignal<Option<Problem>>,
    /// Raised when the map must be drawn again for a reason that is no signal.
    pub redraw: RwSignal<usize>,
    /// Whether the map's ground is dark.
    pub is_dark: RwSignal<bool>,
    /// Every tile's category.
    pub categories: Memo<Arc<Categories>>,
    /// What is shown of how thick tiles lie.
    pub overlays: RwSignal<Overlays>,
    /// Contours and clusters of the layout; computed when somebody looks.
    pub heaps: Memo<Arc<Heaps>>,
}

impl Explore {
    /// Nothing is loaded yet.
    #[must_use]
    pub fn new(session: Session) -> Self {
        let map = RwSignal::new(MapState::Waiting);
        let choice = RwSignal::new(History::<Choice>::default());
        let votes = RwSignal::new(Arc::new(Votes::default()));
        let colour = Memo::new(move |_| choice.with(|choice| choice.now().colour));
        let categories = Memo::new(move |_| {
            let MapState::Ready(data) = map.get() else { return Arc::default() };
            let colour = colour.get();
            let votes = if colour.needs_votes() { votes.get() } else { Arc::default() };
            Arc::new(Categories::new(colour, &data, &votes))
        });
        let projection = RwSignal::new(Projection::default());
        let heaps = Memo::new(move |_| {
            let MapState::Ready(data) = map.get() else { return Arc::default() };
            let points = &data.layout(projection.get()).points;
            let density = Density::new(points);
            let contour = |share: f32| density.level(share).map_or_else(Vec::new, |level| density.contour(level));
            let contours = SHARES.into_iter().map(contour).collect();
            Arc::new(Heaps { clusters: density.clusters(points, &data.labels), contours })
        });
        Self {
            session,
            map,
            gallery: RwSignal::new(Scope::new()),
            opening: StoredValue::new(Slot::default()),
            shelf: RwSignal::new(Shelf::Shipped),
            listed: RwSignal::new(None),
            fetched: RwSignal::new(None),
            fetching: StoredValue::new_local(None),
            sheets: RwSignal::new_local(Vec::new()),
            projection,
            camera: RwSignal::new(Camera::default()),
            frame: RwSignal::new(Frame::default()),
            choice,
            focus: RwSignal::new(None),
            hovered: RwSignal::new(None),
            k: RwSignal::new(10),
            neighbours: RwSignal::new(Vec::new()),
            examples: RwSignal::new(Examples::default()),
            alike: RwSignal::new(Vec::new()),
            is_auditing: RwSignal::new(false),
            tool: RwSignal::new(Tool::default()),
            votes,
            visitors: RwSignal::new(Vec::new()),
            problem: RwSignal::new(None),
            redraw: RwSignal::new(0),
            is_dark: RwSignal::new(false),
            categories,
            overlays: RwSignal::new(Overlays::default()),
            heaps,
        }
    }

    /// The map, when it is there.
    #[must_use]
    pub fn data(self) -> Option<Arc<MapData>> {
        self.map.with(|map| if let MapState::Ready(data) = map { Some(Arc::clone(data)) } else { None })
    }

    /// The same, without following it.
    #[must_use]
    pub fn data_untracked(self) -> Option<Arc<MapData>> {
        untrack(|| self.data())
    }

    /// Selection and filter.
    #[must_use]
    pub fn choice_now(self) -> Choice {
        self.choice.with(|choice| choice.now().clone())
    }

    /// Takes a step that can be undone.
    pub fn choose(self, change: impl FnOnce(&mut Choice)) {
        let mut choice = untrack(|| self.choice_now());
        change(&mut choice);
        self.choice.update(|history| history.set(choice));
    }

    /// Changes the selection.
    pub fn select(self, how: Combine, rows: Vec<usize>) {
        self.choose(|choice| choice.selected = choice.selected.combined(how, rows));
    }

    /// Changes what dots are coloured by; the filter goes with the old colours.
    pub fn colour_by(self, colour: ColourBy) {
        self.choose(|choice| {
            if choice.colour != colour {
                (choice.colour, choice.hidden) = (colour, BTreeSet::new());
            }
        });
    }

    /// Esc: first the selection and the tile in detail go; a filter stays, it has its own button.
    pub fn clear(self) {
        self.focus.set(None);
        self.select(Combine::Replace, Vec::new());
    }

    /// One step back.
    pub fn undo(self) {
        self.choice.update(|history| {
            history.undo();
        });
    }

    /// One step forward.
    pub fn redo(self) {
        self.choice.update(|history| {
            history.redo();
        });
    }

    /// Shows a tile of the gallery in detail and brings it into view.
    pub fn look_at(self, focus: Focus) {
        self.focus.set(Some(focus));
        let Some(data) = self.data_untracked() else { return };
        let projection = self.projection.get_untracked();
        let place = match focus {
            Focus::Row(row) => data.layout(projection).points.get(row).copied(),
            Focus::Visitor(at) => {
                self.visitors.with_untracked(|visitors| visitors.get(at).and_then(|own| own.place(&data, projection)))
            }
        };
        if let Some(place) = place {
            self.camera.update(|camera| *camera = camera.centred_on(place, LOOK_ZOOM));
        }
    }

    /// Forgets everything that belongs to the gallery on the map.
    pub fn start_over(self) {
        self.choice.set(History::default());
        self.focus.set(None);
        self.hovered.set(None);
        self.neighbours.set(Vec::new());
        self.examples.set(Examples::default());
        self.alike.set(Vec::new());
        self.votes.set(Arc::default());
        self.visitors.set(Vec::new());
        self.camera.set(Camera::default());
    }

    /// Another gallery comes onto the map: what was asked about the one before is of no use.
    pub fn new_gallery(self) {
        self.gallery.get_untracked().end();
        self.gallery.set(self.session.model.get_untracked().part());
    }

    /// Begins to open a gallery, in place of any other that is being opened.
    #[must_use]
    pub fn begin_opening(self) -> Scope {
        self.opening.get_value().begin(&self.session.model.get_untracked())
    }

    /// Forgets the map itself: it was another model's. The page asks for the new one's when it is there.
    pub fn forget_map(self) {
        self.stop_fetching();
        self.new_gallery();
        self.map.set(MapState::Waiting);
        self.shelf.set(Shelf::Shipped);
        self.listed.set(None);
        self.problem.set(None);
        self.start_over();
    }

    /// Ends the transfer of another gallery, if there is one.
    pub fn stop_fetching(self) {
        self.fetching.try_update_value(Option::take).flatten().iter().for_each(AbortHandle::abort);
        self.fetched.set(None);
    }

    /// What neighbours are wanted of, for the tile in detail.
    #[must_use]
    pub fn query(self) -> Option<Query> {
        match self.focus.get()? {
            Focus::Row(row) => Some(Query::Row(row)),
            Focus::Visitor(at) => {
                self.visitors.with(|visitors| Some(Query::Embedding(visitors.get(at)?.answer.embedding.clone())))
            }
        }
    }
}

/// The state that [`crate::app`] provides.
#[must_use]
pub fn use_explore() -> Explore {
    expect_context::<Explore>()
}
