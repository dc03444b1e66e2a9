//! The large pictures on the page: each becomes a map of its own, one after the other.

use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen_futures::JsFuture;
use web_sys::Blob;

use super::state::{SceneMap, ScenePhase};
use crate::components::samples::SAMPLE_KEY;
use crate::components::scene_samples::SCENE_KEY;
use crate::components::stacking::together;
use crate::route;
use crate::scene::peek::{Peek, is_large, peek};
use crate::scope::{Scope, Slot};
use crate::session::Session;
use crate::session::scenes::Origin;
use crate::state::Phase;

/// The side of a patch, as long as no model says.
const USUAL_PATCH_PX: usize = 64;
/// Read of a file to find its size.
const PEEKED_BYTES: f64 = 65_536.0;
/// Segments that a JPEG may have before its size.
const MAX_PEEKS: usize = 16;

/// All of them, cheap to copy into every component.
#[derive(Clone, Copy)]
pub struct Scenes {
    /// The session that computes.
    pub session: Session,
    /// In the order in which they came.
    pub maps: RwSignal<Vec<SceneMap>>,
    /// The one in view, by its place among them.
    pub shown: RwSignal<usize>,
    /// What was made of the files that came last, when they were not taken as they are.
    pub said: RwSignal<String>,
    /// Finding out how large new files are.
    looking: StoredValue<Slot>,
    /// What maps live in: they outlast the button that one was asked for by.
    owner: StoredValue<Option<Owner>>,
}

impl Scenes {
    /// None yet.
    #[must_use]
    pub fn new(session: Session) -> Self {
        Self {
            session,
            maps: RwSignal::new(Vec::new()),
            shown: RwSignal::new(0),
            said: RwSignal::new(String::new()),
            looking: StoredValue::new(Slot::default()),
            owner: StoredValue::new(Owner::current()),
        }
    }

    /// Takes files of the user's own: the address names none of the samples any more, so that neither coming back nor loading
    /// the page again puts one in their place.
    pub fn take_own(self, files: Vec<(String, Blob)>) {
        if !files.is_empty() {
            route::set_parameter(SAMPLE_KEY, None);
            route::set_parameter(SCENE_KEY, None);
        }
        self.take(files);
    }

    /// Takes new files: every large picture becomes a map, everything else is classified tile by tile.
    pub fn take(self, files: Vec<(String, Blob)>) {
        if files.is_empty() {
            return;
        }
        let scope = self.begin_looking();
        spawn_local(async move {
            let patch_px = self.patch_px();
            let Ok(together) = scope.hold(together(files, &self.wanted())).await else { return };
            self.said.set(together.said);
            let (mut large, mut tiles) = (Vec::new(), Vec::new());
            for (name, file) in together.files {
                // Other files may come meanwhile.
                let Ok(size) = scope.hold(size_of(&file)).await else { return };
                let becomes_map = size.is_some_and(|(width, height)| is_large(width, height, patch_px));
                if becomes_map { large.push((name, Origin::File(file), 0)) } else { tiles.push((name, file)) }
            }
            if large.is_empty() {
                self.close();
            } else {
                self.open_all(large);
            }
            self.session.classify(tiles);
        });
    }

    /// Makes a map of a picture, whatever its size, with a patch every `stride_px`; 0 for patches side by side.
    pub fn open(self, name: String, origin: Origin, stride_px: usize) {
        self.open_all(vec![(name, origin, stride_px)]);
    }

    fn open_all(self, pictures: Vec<(String, Origin, usize)>) {
        self.close();
        self.session.clear();
        let map = |(name, origin, stride_px)| SceneMap::new(self, name, origin, stride_px);
        let maps = || pictures.into_iter().map(map).collect();
        let owner = self.owner.get_value();
        self.maps.set(match owner {
            Some(owner) => owner.with(maps),
            None => maps(),
        });
        self.shown.set(0);
        self.session.new_tile_set();
        self.work();
    }

    /// Takes all pictures off the page.
    pub fn close(self) {
        self.looking.get_value().end();
        let maps = self.maps.try_update(std::mem::take).unwrap_or_default();
        for map in maps {
            map.forget_answers();
        }
    }

    /// Begins to fetch or look at files; what was being looked at is given up.
    #[must_use]
    pub fn begin_looking(self) -> Scope {
        self.looking.get_value().begin(&Scope::new())
    }

    /// True when there are pictures on the page, large or small.
    #[must_use]
    pub fn has_pictures(self) -> bool {
        self.is_open() || self.session.tiles.with(|tiles| !tiles.is_empty())
    }

    /// True when there is a picture.
    #[must_use]
    pub fn is_open(self) -> bool {
        self.maps.with(|maps| !maps.is_empty())
    }

    /// The picture in view.
    #[must_use]
    pub fn in_view(self) -> Option<SceneMap> {
        let shown = self.shown.get();
        self.maps.with(|maps| maps.get(shown).or(maps.first()).copied())
    }

    /// Side of a patch.
    #[must_use]
    pub fn patch_px(self) -> usize {
        self.session.card.with_untracked(|card| card.as_ref().map_or(USUAL_PATCH_PX, |card| card.input_px))
    }

    /// Bands that the model wants; none before there is one.
    fn wanted(self) -> Vec<String> {
        self.session.card.with_untracked(|card| card.as_ref().map(|card| card.bands.clone()).unwrap_or_default())
    }

    /// Classifies all of them again: another model is in use.
    pub fn start_over(self) {
        for map in self.maps.get_untracked() {
            map.wait();
        }
        self.work();
    }

    /// Works whenever a device becomes ready.
    pub fn follow_devices(self) {
        Effect::new(move |_| {
            if self.session.phase.with(Phase::is_able) {
                self.work();
            }
        });
    }

    /// Begins with a picture that waits, the one in view first, unless another is being worked on: all workers share one.
    pub fn work(self) {
        if !self.session.phase.with_untracked(Phase::is_able) || !self.session.has_device() {
            return;
        }
        let maps = self.maps.get_untracked();
        let phase = |map: &&SceneMap| map.phase.get_untracked();
        if maps.iter().any(|map| matches!(phase(&map), ScenePhase::Opening | ScenePhase::Running(_))) {
            return;
        }
        let in_view = untrack(|| self.in_view());
        let waits = |map: &&SceneMap| phase(map) == ScenePhase::Waiting;
        if let Some(map) = in_view.iter().find(waits).or_else(|| maps.iter().find(waits)) {
            map.begin();
        }
    }
}

/// The state that [`crate::app`] provides.
#[must_use]
pub fn use_scenes() -> Scenes {
    expect_context::<Scenes>()
}

/// A button for each picture; nothing for a single one.
#[component]
pub fn SceneTabs() -> impl IntoView {
    let scenes = use_scenes();
    let tab = move |(at, map): (usize, SceneMap)| {
        let state = move || match map.phase.try_get() {
            Some(ScenePhase::Waiting) => "waiting".to_owned(),
            Some(ScenePhase::Opening) => "being read".to_owned(),
            Some(ScenePhase::Running(pace)) => format!("{} %", pace.done * 100 / pace.total.max(1)),
            Some(ScenePhase::Stopped(_)) => "stopped".to_owned(),
            Some(ScenePhase::Done(_)) => "done".to_owned(),
            Some(ScenePhase::Failed(_)) => "cannot be read".to_owned(),
            None => String::new(),
        };
        view! {
            <li>
                <button
                    type="button"
                    class="small"
                    aria-pressed=move || (scenes.shown.get() == at).to_string()
                    on:click=move |_| {
                        scenes.shown.set(at);
                        scenes.work();
                    }
                >
                    <span class="scene-tab-name">{map.name.get_untracked()}</span>
                    <span class="note">{state}</span>
                </button>
            </li>
        }
    };
    view! {
        <Show when=move || scenes.maps.with(|maps| maps.len() > 1)>
            <ul class="scene-tabs" aria-label="Large pictures">
                {move || scenes.maps.get().into_iter().enumerate().map(tab).collect_view()}
            </ul>
        </Show>
    }
}

/// Width and height of a picture, from its header; `None` when it has none that is known.
async fn size_of(file: &Blob) -> Option<(u32, u32)> {
    let head = part(file, 0.0).await?;
    let mut found = peek(&head, 0, &head);
    for _ in 0..MAX_PEEKS {
        match found {
            Peek::Size(width, height) => return Some((width, height)),
            Peek::ReadAt(offset) => found = peek(&head, offset, &part(file, offset as f64).await?),
            Peek::Unknown => break,
        }
    }
    None
}

async fn part(file: &Blob, from: f64) -> Option<Vec<u8>> {
    let slice = file.slice_with_f64_and_f64(from, from + PEEKED_BYTES).ok()?;
    let bytes = JsFuture::from(slice.array_buffer()).await.ok()?;
    Some(js_sys::Uint8Array::new(&bytes).to_vec())
}
