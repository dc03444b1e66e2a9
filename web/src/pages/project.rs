//! Saves where one is as a file, and goes back to where such a file was.

use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen_futures::JsFuture;
use web_sys::Blob;

use super::classify::label::state::{Labels, use_labels};
use super::explore::{Explore, use_explore};
use super::scene::{Scenes, use_scenes};
use crate::components::file_button::FileButton;
use crate::components::problem_card::ProblemCard;
use crate::components::samples::SAMPLE_KEY;
use crate::components::scene_samples::SCENE_KEY;
use crate::download;
use crate::label::book::Book;
use crate::map::selection::Combine;
use crate::problem::Problem;
use crate::project::{self, MAX_FILE_BYTES, Project};
use crate::route::parameter;
use crate::session::models::Wanted;
use crate::session::{Session, use_session};

/// Everything that a project is made of.
#[derive(Clone, Copy)]
struct Desk {
    session: Session,
    labels: Labels,
    explore: Explore,
    scenes: Scenes,
    /// Waits for its model.
    opening: RwSignal<Option<(String, Project)>>,
    /// Waits for its map.
    choosing: RwSignal<Option<Project>>,
    said: RwSignal<String>,
    problem: RwSignal<Option<Problem>>,
}

/// Two buttons.
#[component]
pub fn ProjectFile() -> impl IntoView {
    let desk = Desk {
        session: use_session(),
        labels: use_labels(),
        explore: use_explore(),
        scenes: use_scenes(),
        opening: RwSignal::new(None),
        choosing: RwSignal::new(None),
        said: RwSignal::new(String::new()),
        problem: RwSignal::new(None),
    };
    Effect::new(move |_| desk.go_on());
    Effect::new(move |_| desk.choose());
    let has_model = move || desk.session.card.with(Option::is_some);
    view! {
        <div class="project">
            {move || desk.problem.get().map(|problem| view! { <ProblemCard problem=problem /> })}
            <div class="downloads">
                <button
                    type="button"
                    class="small"
                    disabled=move || !has_model()
                    title="Where you are, with which model, what is selected and marked; not your pictures"
                    on:click=move |_| desk.save()
                >
                    "Save project"
                </button>
                <FileButton label="Open project" accept=".json,application/json" on_files=move |files| desk.read(files) />
            </div>
            <p class="note" aria-live="polite">{desk.said}</p>
        </div>
    }
}

impl Desk {
    fn save(self) {
        let Some(card) = self.session.card.get_untracked() else { return };
        let is_marked =
            !self.labels.book.with_untracked(Book::is_empty) || self.labels.head.with_untracked(Option::is_some);
        let choice = untrack(|| self.explore.choice_now());
        let examples = self.explore.examples.get_untracked();
        // Samples come back by the address.
        let is_sample = parameter(SAMPLE_KEY).is_some() || parameter(SCENE_KEY).is_some();
        let tiles =
            self.session.tiles.with_untracked(|tiles| tiles.iter().map(|tile| tile.name.clone()).collect::<Vec<_>>());
        let maps =
            self.scenes.maps.with_untracked(|maps| maps.iter().map(|map| map.name.get_untracked()).collect::<Vec<_>>());
        let address = window().location().hash().unwrap_or_default();
        let project = Project {
            model: card.name,
            model_sha256: card.sha256,
            model_id: self.session.models.with_untracked(|shelf| shelf.in_use.as_ref()?.id.clone()),
            address: if address.starts_with("#/") { address } else { "#/classify".to_owned() },
            labels: is_marked.then(|| self.labels.text()),
            gallery: self.explore.listed.get_untracked(),
            tiles: self.explore.data_untracked().map_or(0, |data| data.count()),
            selected: choice.selected.rows().collect(),
            more: examples.more,
            less: examples.less,
            pictures: if is_sample { Vec::new() } else { maps.into_iter().chain(tiles).collect() },
        };
        download::save("solstice-project.json", "application/json", &project::write(&project));
        self.said.set("The project was saved.".to_owned());
    }

    fn read(self, files: Vec<(String, Blob)>) {
        let Some((name, file)) = files.into_iter().next() else { return };
        self.problem.set(None);
        self.said.set(String::new());
        spawn_local(async move {
            let is_small = file.size() <= MAX_FILE_BYTES as f64;
            let text = if is_small { JsFuture::from(file.text()).await.ok() } else { None };
            match project::read(&text.and_then(|text| text.as_string()).unwrap_or_default()) {
                Ok(found) => self.open(name, found),
                Err(problem) => self.problem.set(Some(problem)),
            }
        });
    }

    /// Changes to the project's model, where that is another one.
    fn open(self, file: String, found: Project) {
        let in_use = self.session.card.with_untracked(|card| card.as_ref().map(|card| card.sha256.clone()));
        let is_other = in_use.is_some_and(|sha256| sha256 != found.model_sha256);
        if is_other {
            let is_listed = |id: &String| {
                self.session.models.with_untracked(|shelf| shelf.listed.iter().any(|entry| entry.id == *id))
            };
            match found.model_id.clone().filter(is_listed) {
                Some(id) => self.session.use_model(Wanted::Listed(id)),
                None => return self.refuse(&found),
            }
        }
        self.opening.set(Some((file, found)));
    }

    /// Goes to where it was, as soon as its model is there.
    fn go_on(self) {
        let Some(sha256) = self.session.card.with(|card| card.as_ref().map(|card| card.sha256.clone())) else { return };
        let Some((file, found)) = self.opening.get() else { return };
        self.opening.set(None);
        if sha256 != found.model_sha256 {
            return self.refuse(&found);
        }
        if self.explore.listed.get_untracked() != found.gallery {
            self.explore.forget_map();
        }
        // Only an address of this page: it begins with the mark that [`project::read`] asks for.
        let _ = window().location().set_hash(&found.address);
        if let Some(text) = &found.labels {
            self.labels.load(&file, text);
        }
        let missing = match found.pictures.len() {
            0 => String::new(),
            1 => format!(" Drop its picture again: {}.", found.pictures[0]),
            count => format!(" Drop its {count} pictures again: {}.", found.pictures.join(", ")),
        };
        self.said.set(format!("{file} is open.{missing}"));
        self.choosing.set(Some(found).filter(|found| found.tiles > 0));
    }

    /// Selects what was selected, as soon as the map is there.
    fn choose(self) {
        let Some(found) = self.choosing.get() else { return };
        let Some(data) = self.explore.data() else { return };
        if self.explore.listed.get() != found.gallery {
            return;
        }
        self.choosing.set(None);
        if data.count() != found.tiles {
            return self.said.update(|said| {
                *said += &format!(
                    " What was selected is of a gallery of {} tiles; this one has {}.",
                    found.tiles,
                    data.count()
                );
            });
        }
        self.explore.select(Combine::Replace, found.selected);
        self.explore.examples.update(|examples| (examples.more, examples.less) = (found.more, found.less));
    }

    fn refuse(self, found: &Project) {
        self.problem.set(Some(Problem::new(
            "The project is of another model",
            format!(
                "It was made with “{}”, and what is marked and selected in it means nothing to another one.",
                found.model
            ),
            "Open that model's file on the Models page first, then the project again.",
        )));
    }
}
