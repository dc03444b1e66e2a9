//! What the Seasons page knows: places with their dates, which of them are in view, and the vectors as they come.

use std::collections::BTreeMap;
use std::sync::Arc;

use leptos::prelude::*;
use leptos::task::spawn_local;
use web_sys::Blob;

use super::own;
use crate::catalogue::{SeasonIndex, SeasonPlace, SeasonSet};
use crate::download::bitmap_address;
use crate::engine::protocol::Vectors;
use crate::fetch;
use crate::order;
use crate::problem::Problem;
use crate::route;
use crate::scope::{Over, Scope, Slot};
use crate::season::date::Date;
use crate::season::pairs::direction;
use crate::season::series::{self, Sorted};
use crate::session::Session;
use crate::state::Phase;

/// Keys in the address.
const PLACE_KEY: &str = "place";
const LEFT_KEY: &str = "left";
const RIGHT_KEY: &str = "right";
const SPACE_KEY: &str = "space";
/// Pictures that are embedded together, unless a place has more: enough for several workers.
const SHOTS_AT_ONCE: usize = 72;

/// A picture of a place.
#[derive(Clone, Debug, PartialEq)]
pub struct Shot {
    /// When.
    pub date: Date,
    /// Its file's name.
    pub name: String,
    /// Something an `<img>` can show, once there is one.
    pub picture: Option<String>,
    /// Whether that is the picture in full, not a small preview of it.
    pub is_sharp: bool,
    /// Directions of length 1: of the whole embedding, then of each subspace; `None` before they came.
    pub directions: Option<Arc<Vec<Vec<f32>>>>,
}

/// A place at several dates, in the order of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// Its name in the address.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Where it is, in words.
    pub location: String,
    /// The set of shipped places that it is of.
    pub set: Option<usize>,
    /// Its pictures.
    pub shots: Vec<Shot>,
}

impl Place {
    /// The directions of all dates in one space; `None` until all have come.
    #[must_use]
    pub fn directions(&self, space: usize) -> Option<Vec<Vec<f32>>> {
        self.shots.iter().map(|shot| shot.directions.as_ref()?.get(space).cloned()).collect()
    }

    fn is_waiting(&self) -> bool {
        self.shots.iter().any(|shot| shot.directions.is_none())
    }
}

/// The page's state, cheap to copy into every component. It outlives the page: coming back finds all as it was.
#[derive(Clone, Copy)]
pub struct Seasons {
    /// All places; the user's own come last.
    pub places: RwSignal<Vec<Place>>,
    /// What the shipped sets say of themselves.
    pub sets: RwSignal<Vec<SeasonSet>>,
    /// What could not be done.
    pub problems: RwSignal<Vec<Problem>>,
    /// How many times the user chose a place.
    pub choices: RwSignal<usize>,
    chosen: RwSignal<String>,
    left: RwSignal<Option<Date>>,
    right: RwSignal<Option<Date>>,
    space: RwSignal<Option<String>>,
    /// Files of the user's own place, by name.
    files: StoredValue<BTreeMap<String, Blob>, LocalStorage>,
    own_count: StoredValue<usize>,
    is_loaded: StoredValue<bool>,
    embedding: StoredValue<Slot>,
    sharpening: StoredValue<Slot>,
}

impl Seasons {
    /// Nothing is fetched before the page is opened.
    #[must_use]
    pub fn new() -> Self {
        Self {
            places: RwSignal::new(Vec::new()),
            sets: RwSignal::new(Vec::new()),
            problems: RwSignal::new(Vec::new()),
            choices: RwSignal::new(0),
            chosen: RwSignal::new(String::new()),
            left: RwSignal::new(None),
            right: RwSignal::new(None),
            space: RwSignal::new(None),
            files: StoredValue::new_local(BTreeMap::new()),
            own_count: StoredValue::new(0),
            is_loaded: StoredValue::new(false),
            embedding: StoredValue::new(Slot::default()),
            sharpening: StoredValue::new(Slot::default()),
        }
    }

    /// Reads the list of shipped places, once.
    pub fn load(self) {
        if self.is_loaded.try_update_value(|is_loaded| std::mem::replace(is_loaded, true)) == Some(true) {
            return;
        }
        spawn_local(async move {
            let index = fetch::json::<SeasonIndex>("seasons/index.json").await.and_then(SeasonIndex::checked);
            match index {
                Ok(index) => {
                    self.sets.set(index.sets);
                    let shipped = index.places.into_iter().map(shipped);
                    self.places.update(|places| *places = shipped.chain(std::mem::take(places)).collect());
                }
                Err(problem) => {
                    self.is_loaded.set_value(false);
                    self.problems.update(|problems| problems.push(problem));
                }
            }
        });
    }

    /// What the set of the place in view says of itself; nothing for the user's own.
    #[must_use]
    pub fn about(self) -> SeasonSet {
        let set = self.place().and_then(|place| place.set);
        set.and_then(|set| self.sets.with(|sets| sets.get(set).cloned())).unwrap_or_default()
    }

    /// Takes the messages off the page, and reads the list again if it is missing.
    pub fn dismiss(self) {
        self.problems.set(Vec::new());
        self.load();
    }

    /// Takes the view out of the address, where it says something.
    pub fn read_address(self) {
        let date = |key: &str| route::parameter(key).and_then(|text| Date::in_name(&text));
        if let Some(id) = route::parameter(PLACE_KEY) {
            self.chosen.set(id);
        }
        if let Some(date) = date(LEFT_KEY) {
            self.left.set(Some(date));
        }
        if let Some(date) = date(RIGHT_KEY) {
            self.right.set(Some(date));
        }
        if let Some(space) = route::parameter(SPACE_KEY) {
            self.space.set(Some(space));
        }
    }

    /// The view, as parameters of the address.
    #[must_use]
    pub fn parameters(self) -> [(&'static str, Option<String>); 4] {
        let place = self.place();
        let key = |index: usize| Some(place.as_ref()?.shots.get(index)?.date.key());
        let (left, right) = place.as_ref().map(|place| self.pair(place)).unwrap_or_default();
        [
            (PLACE_KEY, place.as_ref().map(|place| place.id.clone())),
            (LEFT_KEY, key(left)),
            (RIGHT_KEY, key(right)),
            (SPACE_KEY, self.space.get()),
        ]
    }

    /// The place in view: the chosen one, or the first.
    #[must_use]
    pub fn place(self) -> Option<Place> {
        self.places.with(|places| places.get(self.place_index()?).cloned())
    }

    /// Its index among all.
    #[must_use]
    pub fn place_index(self) -> Option<usize> {
        let chosen = self.chosen.get();
        self.places.with(|places| {
            let found = places.iter().position(|place| place.id == chosen);
            found.or_else(|| (!places.is_empty()).then_some(0))
        })
    }

    /// Shows another place; the dates stay when it has them.
    pub fn choose(self, id: String) {
        self.chosen.set(id);
        self.choices.update(|choices| *choices += 1);
    }

    /// Indices of the two dates that are compared: at first, the first one and the one half a series later.
    #[must_use]
    pub fn pair(self, place: &Place) -> (usize, usize) {
        let index = |date: Option<Date>, otherwise: usize| {
            date.and_then(|date| place.shots.iter().position(|shot| shot.date == date)).unwrap_or(otherwise)
        };
        (index(self.left.get(), 0), index(self.right.get(), place.shots.len() / 2))
    }

    /// Compares other dates of the place in view.
    pub fn compare(self, left: Option<Date>, right: Option<Date>) {
        if left.is_some() {
            self.left.set(left);
        }
        if right.is_some() {
            self.right.set(right);
        }
    }

    /// The space that distances are measured in: 0 is the whole embedding, then the model's subspaces.
    #[must_use]
    pub fn space(self, session: Session) -> usize {
        let Some(name) = self.space.get() else { return 0 };
        session.card.with(|card| {
            let subspaces = card.as_ref().map(|card| card.subspaces.as_slice()).unwrap_or_default();
            subspaces.iter().position(|subspace| *subspace == name).map_or(0, |index| index + 1)
        })
    }

    /// Measures in another space; `None` is the whole embedding.
    pub fn measure_in(self, space: Option<String>) {
        self.space.set(space);
    }

    /// Takes the user's own files as one more place, in the place of their last ones.
    pub fn take(self, files: Vec<(String, Blob)>) {
        if files.is_empty() {
            return;
        }
        let names: Vec<String> = files.iter().map(|(name, _)| name.clone()).collect();
        let Sorted { dated, problems } = series::sort(&names);
        self.problems.set(problems);
        if dated.is_empty() {
            return;
        }
        self.own_count.update_value(|count| *count += 1);
        let id = format!("own{}", self.own_count.get_value());
        let files: BTreeMap<String, Blob> = files.into_iter().collect();
        let shots = dated
            .into_iter()
            .map(|(date, name)| {
                let picture = files.get(&name).and_then(|file| own::picture(&name, file));
                Shot { date, name, is_sharp: picture.is_some(), picture, directions: None }
            })
            .collect();
        self.files.set_value(files);
        let place = Place { id: id.clone(), name: "Your pictures".into(), location: String::new(), set: None, shots };
        self.places.update(|places| {
            for old in places.extract_if(.., |place| is_own(&place.id)) {
                own::forget(&old);
            }
            places.push(place);
        });
        self.choose(id);
    }

    /// Embeds what waits, the place in view first. Called whenever a device may have become ready.
    pub fn work(self, session: Session) {
        let has_waiting = self.places.with(|places| places.iter().any(Place::is_waiting));
        let embedding = self.embedding.get_value();
        if !session.phase.with(Phase::is_able) || !has_waiting || embedding.is_taken() {
            return;
        }
        let scope = embedding.begin(&session.model.get_untracked());
        spawn_local(async move {
            loop {
                let places = self.next_waiting();
                // Given up: another model is in use, which is asked anew.
                let goes_on = !places.is_empty() && matches!(self.embed(session, &places, &scope).await, Ok(true));
                if !goes_on {
                    break;
                }
            }
            scope.end();
        });
    }

    /// Forgets what the model said of every picture: another one is in use.
    pub fn forget_vectors(self) {
        self.places.update(|places| {
            places.iter_mut().flat_map(|place| &mut place.shots).for_each(|shot| shot.directions = None);
        });
    }

    /// The place in view alone; then several of the others at a time, which all workers share.
    fn next_waiting(self) -> Vec<Place> {
        let chosen = self.chosen.get_untracked();
        self.places.with_untracked(|places| {
            let in_view = places.iter().find(|place| place.id == chosen).or(places.first());
            if let Some(place) = in_view.filter(|place| place.is_waiting()) {
                return vec![place.clone()];
            }
            let mut shots = 0;
            let fits = |place: &&Place| {
                shots += place.shots.len();
                shots <= SHOTS_AT_ONCE || shots == place.shots.len()
            };
            places.iter().filter(|place| place.is_waiting()).take_while(fits).cloned().collect()
        })
    }

    /// False when no device answers; the work is then taken up again when one does.
    async fn embed(self, session: Session, places: &[Place], scope: &Scope) -> Result<bool, Over> {
        let (mut names, mut files) = (Vec::new(), Vec::new());
        for (id, shot) in places.iter().flat_map(|place| place.shots.iter().map(|shot| (&place.id, shot))) {
            match scope.hold(self.file(id, &shot.name)).await? {
                Ok(file) => {
                    names.push((id, shot.name.clone()));
                    files.push(file);
                }
                Err(problem) => self.leave_out(id, &shot.name, problem),
            }
        }
        let Some(answers) = session.embed(&files, scope).await? else { return Ok(false) };
        for ((id, name), answer) in names.iter().zip(answers) {
            match answer.vectors {
                Some(Ok(vectors)) => self.keep(id, name, &vectors, answer.picture),
                Some(Err(problem)) => self.leave_out(id, name, problem),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// The file of a shot of the place `id`.
    ///
    /// # Errors
    /// When a shipped one cannot be fetched.
    pub async fn file(self, id: &str, name: &str) -> Result<Blob, Problem> {
        match self.files.with_value(|files| files.get(name).cloned()) {
            Some(file) if is_own(id) => Ok(file),
            _ => fetch::blob(name).await,
        }
    }

    fn keep(self, id: &str, name: &str, vectors: &Vectors, picture: Option<String>) {
        let all = std::iter::once(&vectors.embedding).chain(&vectors.projections);
        let directions = Arc::new(all.map(|vector| direction(vector)).collect());
        self.places.update(|places| {
            let place = places.iter_mut().find(|place| place.id == id);
            if let Some(shot) = place.and_then(|place| place.shots.iter_mut().find(|shot| shot.name == name)) {
                shot.directions = Some(directions);
                if !shot.is_sharp {
                    shot.picture = picture.or(shot.picture.take());
                }
            }
        });
    }

    /// Has the pictures of the two dates in view in full, where browsers cannot show the files by themselves.
    pub fn sharpen(self, session: Session) {
        let Some(place) = self.place().filter(|place| is_own(&place.id)) else { return };
        let sharpening = self.sharpening.get_value();
        let (left, right) = self.pair(&place);
        let dull = [left, right].into_iter().filter_map(|at| place.shots.get(at)).find(|shot| !shot.is_sharp);
        let Some(shot) = dull.filter(|_| session.phase.with(Phase::is_able) && !sharpening.is_taken()) else { return };
        let (id, name) = (place.id.clone(), shot.name.clone());
        let scope = sharpening.begin(&session.model.get_untracked());
        spawn_local(async move {
            let found = match scope.hold(self.file(&id, &name)).await {
                Ok(Ok(file)) => session.look_at(&file, &scope).await,
                _ => Ok(None),
            };
            scope.end();
            let picture = found.ok().flatten().and_then(|(width, rgba)| bitmap_address(width, &rgba));
            self.places.update(|places| {
                let place = places.iter_mut().find(|place| place.id == id);
                if let Some(shot) = place.and_then(|place| place.shots.iter_mut().find(|shot| shot.name == name)) {
                    // The preview stays where the picture cannot be had: why, its vectors have said.
                    shot.is_sharp = true;
                    shot.picture = picture.or(shot.picture.take());
                }
            });
        });
    }

    fn leave_out(self, id: &str, name: &str, problem: Problem) {
        self.places.update(|places| {
            if let Some(place) = places.iter_mut().find(|place| place.id == id) {
                place.shots.retain(|shot| shot.name != name);
            }
            places.retain(|place| !place.shots.is_empty());
        });
        let what = format!("{name} is left out");
        let why = format!("{}: {}", problem.what, problem.why);
        self.problems.update(|problems| problems.push(Problem::new(what, why, problem.remedy)));
    }
}

impl Default for Seasons {
    fn default() -> Self {
        Self::new()
    }
}

/// The state that [`crate::app`] provides.
#[must_use]
pub fn use_seasons() -> Seasons {
    expect_context::<Seasons>()
}

/// Whether a place is made of the user's own files.
#[must_use]
pub fn is_own(id: &str) -> bool {
    id.starts_with("own")
}

fn shipped(place: SeasonPlace) -> Place {
    let side = |degrees: f64, names: [&str; 2]| {
        format!("{:.1}° {}", degrees.abs(), if degrees < 0.0 { names[1] } else { names[0] })
    };
    let location = format!("{}, {}", side(place.latitude, ["N", "S"]), side(place.longitude, ["E", "W"]));
    let shot = |text: &String| {
        let name = format!("seasons/{}/{text}.jpg", place.id);
        let picture = Some(fetch::address(&name));
        Some(Shot { date: Date::in_name(text)?, name, picture, is_sharp: true, directions: None })
    };
    let mut shots: Vec<Shot> = place.dates.iter().filter_map(shot).collect();
    order::sort_by_key(&mut shots, |shot| shot.date);
    Place { id: place.id.clone(), name: place.name.clone(), location, set: Some(place.set), shots }
}
