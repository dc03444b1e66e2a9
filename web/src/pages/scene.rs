//! A large picture as a class map: on the Classify page, in place of one answer.

mod around;
mod canvas;
mod detail;
mod export;
mod hand;
mod legend;
mod list;
mod options;
mod own;
mod paint;
mod state;
mod work;

use leptos::html::Canvas;
use leptos::prelude::*;

use crate::components::problem_card::ProblemCard;
use crate::components::reading_panel::ReadingPanel;
use crate::pages::classify::label::state::use_labels;
use crate::scene::doubt::Doubt;
use crate::scene::pace::duration;
use crate::scene::reading::{Reading, Taken};
use crate::scene::step::Traffic;
use crate::wording::{self, grouped, workers};
use around::Locator;
use canvas::SceneCanvas;
use detail::{PatchDetail, Similar};
use export::SceneDownloads;
use legend::SceneLegend;
use list::SceneTabs;
pub use list::{Scenes, use_scenes};
use options::SceneOptions;
use own::follow_labels;
pub use state::{SceneMap, ScenePhase, use_map};

/// The map in view with everything about it, and the way to the others.
#[component]
pub fn SceneCardView() -> impl IntoView {
    let scenes = use_scenes();
    let in_view = Memo::new(move |_| scenes.in_view());
    view! {
        <SceneTabs />
        {move || {
            in_view
                .get()
                .map(|map| {
                    provide_context(map);
                    view! { <OneScene /> }
                })
        }}
    }
}

#[component]
fn OneScene() -> impl IntoView {
    let map = use_map();
    let (picture, overlay) = (NodeRef::<Canvas>::new(), NodeRef::<Canvas>::new());
    let has_card = Memo::new(move |_| map.card.with(Option::is_some));
    follow_labels(map, use_labels());
    let problem = move || match map.phase.get() {
        ScenePhase::Failed(problem) => Some(problem),
        _ => None,
    };
    view! {
        <article class="card scene" aria-label=move || format!("Answer for {}", map.name.get())>
            <Head />
            <Progress />
            <Fetched />
            <Guess />
            {move || problem().map(|problem| view! { <ProblemCard problem=problem /> })}
            <Show when=move || has_card.get()>
                <div class="scene-body">
                    <div class="scene-left">
                        <SceneCanvas picture=picture overlay=overlay />
                        <SceneOptions />
                        <SceneDownloads picture=picture overlay=overlay />
                    </div>
                    <div class="scene-side">
                        <SceneLegend />
                        <Locator />
                        <PatchDetail picture=picture />
                        <Similar picture=picture />
                    </div>
                </div>
            </Show>
            <Values />
        </article>
    }
}

/// Name, facts, and the ways out.
#[component]
fn Head() -> impl IntoView {
    let map = use_map();
    let facts = move || {
        let card = map.card.get()?;
        let grid = card.grid;
        let facts = [
            format!("{} × {} px", grid.width, grid.height),
            card.format.clone(),
            format!("patches of {}", card.ground(grid.patch_px)),
        ];
        Some(facts.into_iter().map(|fact| view! { <li>{fact}</li> }).collect_view())
    };
    let as_tile = move |_| {
        if let Some(file) = map.file() {
            map.scenes.close();
            map.session.classify(vec![file]);
        }
    };
    view! {
        <div class="scene-head">
            <div>
                <h2>"Class map"</h2>
                <p class="file-name">{move || map.name.get()}</p>
                <ul class="facts">{facts}</ul>
            </div>
            <div class="downloads">
                <Show when=move || map.name.with(|_| map.file().is_some())>
                    <button type="button" class="small quiet" on:click=as_tile>
                        "Classify as one tile"
                    </button>
                </Show>
                <button type="button" class="small quiet" on:click=move |_| map.scenes.close()>
                    "Clear"
                </button>
            </div>
        </div>
    }
}

/// How far it is.
#[component]
fn Progress() -> impl IntoView {
    let map = use_map();
    let device = move || map.session.devices.with(|devices| devices.active.map_or("", |bundle| bundle.label()));
    let line = move || match map.phase.get() {
        ScenePhase::Failed(_) => String::new(),
        ScenePhase::Waiting if map.session.has_device() => "Waiting for its turn …".to_owned(),
        ScenePhase::Waiting => "Waiting for a device …".to_owned(),
        ScenePhase::Opening => "Reading the picture …".to_owned(),
        ScenePhase::Running(pace) => format!("Patch {}", pace.line()),
        ScenePhase::Stopped(pace) => {
            format!("Stopped after {} of {} patches.", grouped(pace.done), grouped(pace.total))
        }
        ScenePhase::Done(pace) => format!(
            "{} patches in {}, {:.0} a second, on {}{}.",
            grouped(pace.total),
            duration(pace.elapsed_ms),
            pace.per_second(),
            device(),
            workers(map.workers.get()).map(|crew| format!(" ({crew})")).unwrap_or_default()
        ),
    };
    // Every tick would be read aloud: only what changes for good is.
    let spoken = Memo::new(move |_| match map.phase.get() {
        ScenePhase::Opening => "Reading the picture",
        ScenePhase::Running(_) => "Classifying the picture patch by patch",
        ScenePhase::Stopped(_) => "Stopped",
        ScenePhase::Done(_) => "The class map is complete",
        _ => "",
    });
    let pace = move || match map.phase.get() {
        ScenePhase::Running(pace) => Some((pace.done, pace.total)),
        _ => None,
    };
    let kind = move || match map.phase.get() {
        ScenePhase::Waiting => "waiting",
        ScenePhase::Opening => "opening",
        ScenePhase::Running(_) => "running",
        ScenePhase::Done(_) => "done",
        ScenePhase::Stopped(_) => "stopped",
        ScenePhase::Failed(_) => "failed",
    };
    view! {
        <div class="scene-progress" data-scene=kind>
            <p>{line}</p>
            <p class="spoken" aria-live="polite">
                {move || spoken.get()}
            </p>
            <Show when=move || pace().is_some()>
                <progress
                    value=move || pace().map(|(done, _)| done.to_string())
                    max=move || pace().map(|(_, total)| total.to_string())
                    aria-label="Patches classified"
                ></progress>
                <button type="button" class="small" on:click=move |_| map.stop()>
                    "Stop"
                </button>
            </Show>
            <Show when=move || matches!(map.phase.get(), ScenePhase::Stopped(_))>
                <button type="button" class="small" on:click=move |_| map.resume()>
                    "Go on"
                </button>
            </Show>
        </div>
    }
}

/// Why classes of this picture are guesses, when they are.
#[component]
fn Guess() -> impl IntoView {
    let map = use_map();
    let why = Memo::new(move |_| {
        let doubts = map.card.with(|card| card.as_ref().map(|card| card.doubts.clone()).unwrap_or_default());
        doubts.into_iter().map(Doubt::why).collect::<Vec<_>>().join(" ")
    });
    view! {
        <Show when=move || why.with(|why| !why.is_empty())>
            <p class="notice" role="note">
                <strong>"The model knows nothing like this. "</strong>
                {move || why.get()}
                " Classes and areas below are guesses."
            </p>
        </Show>
    }
}

/// What came over the network, for a picture at an address.
#[component]
fn Fetched() -> impl IntoView {
    let map = use_map();
    let line = move || {
        let Traffic { requests, bytes } = map.traffic.get();
        let fetched = wording::bytes(bytes);
        (requests > 0)
            .then(|| format!("Fetched from its address: {fetched} in {} requests.", grouped(requests as usize)))
    };
    move || line().map(|line| view! { <p class="note fetched">{line}</p> })
}

/// How the picture's values are read, when there is anything to choose.
#[component]
fn Values() -> impl IntoView {
    let map = use_map();
    let on_change = move |reading: Reading| {
        map.reading.set(reading);
        map.start();
    };
    let taken = Memo::new(move |_| {
        let names = map.unclear_bands.get();
        let unclear = (!names.is_empty()).then(|| Taken { names, ..Taken::default() });
        unclear.or_else(|| map.card.get().map(|card| card.taken).filter(Taken::has_choices))
    });
    let wanted = move || map.session.card.with(|card| card.as_ref().map(|card| card.bands.clone()).unwrap_or_default());
    move || {
        taken.get().map(|taken| {
            view! {
                <ReadingPanel taken=taken wanted=wanted() reading=map.reading.get_untracked() on_change=on_change />
            }
        })
    }
}
