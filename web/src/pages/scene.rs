//! A large picture as a class map: on the Classify page, in place of one answer.

mod canvas;
mod detail;
mod export;
mod legend;
mod options;
mod paint;
mod state;
mod work;

use leptos::html::Canvas;
use leptos::prelude::*;

use crate::components::problem_card::ProblemCard;
use crate::components::reading_panel::ReadingPanel;
use crate::scene::pace::duration;
use crate::scene::reading::{Reading, Taken};
use crate::scene::step::Traffic;
use crate::wording::{self, grouped, workers};
use canvas::SceneCanvas;
use detail::{PatchDetail, Similar};
use export::SceneDownloads;
use legend::SceneLegend;
use options::SceneOptions;
pub use state::{ScenePhase, Scenes, use_scenes};

/// The map with everything about it.
#[component]
pub fn SceneCardView() -> impl IntoView {
    let scenes = use_scenes();
    let (picture, overlay) = (NodeRef::<Canvas>::new(), NodeRef::<Canvas>::new());
    let has_card = Memo::new(move |_| scenes.card.with(Option::is_some));
    let problem = move || match scenes.phase.get() {
        ScenePhase::Failed(problem) => Some(problem),
        _ => None,
    };
    view! {
        <article class="card scene" aria-label=move || format!("Answer for {}", scenes.name.get())>
            <Head />
            <Progress />
            <Fetched />
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
    let scenes = use_scenes();
    let facts = move || {
        let card = scenes.card.get()?;
        let grid = card.grid;
        let facts = [
            format!("{} × {} px", grid.width, grid.height),
            card.format.clone(),
            format!("patches of {}", card.ground(grid.patch_px)),
        ];
        Some(facts.into_iter().map(|fact| view! { <li>{fact}</li> }).collect_view())
    };
    let as_tile = move |_| {
        if let Some(file) = scenes.file() {
            scenes.close();
            scenes.session.classify(vec![file]);
        }
    };
    view! {
        <div class="scene-head">
            <div>
                <h2>"Class map"</h2>
                <p class="file-name">{move || scenes.name.get()}</p>
                <ul class="facts">{facts}</ul>
            </div>
            <div class="downloads">
                <Show when=move || scenes.name.with(|_| scenes.file().is_some())>
                    <button type="button" class="small quiet" on:click=as_tile>
                        "Classify as one tile"
                    </button>
                </Show>
                <button type="button" class="small quiet" on:click=move |_| scenes.close()>
                    "Clear"
                </button>
            </div>
        </div>
    }
}

/// How far it is.
#[component]
fn Progress() -> impl IntoView {
    let scenes = use_scenes();
    let device = move || scenes.session.devices.with(|devices| devices.active.map_or("", |bundle| bundle.label()));
    let line = move || match scenes.phase.get() {
        ScenePhase::Closed | ScenePhase::Failed(_) => String::new(),
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
            workers(scenes.workers.get()).map(|crew| format!(" ({crew})")).unwrap_or_default()
        ),
    };
    // Every tick would be read aloud: only what changes for good is.
    let spoken = Memo::new(move |_| match scenes.phase.get() {
        ScenePhase::Opening => "Reading the picture",
        ScenePhase::Running(_) => "Classifying the picture patch by patch",
        ScenePhase::Stopped(_) => "Stopped",
        ScenePhase::Done(_) => "The class map is complete",
        _ => "",
    });
    let pace = move || match scenes.phase.get() {
        ScenePhase::Running(pace) => Some((pace.done, pace.total)),
        _ => None,
    };
    let kind = move || match scenes.phase.get() {
        ScenePhase::Closed => "closed",
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
                <button type="button" class="small" on:click=move |_| scenes.stop()>
                    "Stop"
                </button>
            </Show>
            <Show when=move || matches!(scenes.phase.get(), ScenePhase::Stopped(_))>
                <button type="button" class="small" on:click=move |_| scenes.resume()>
                    "Go on"
                </button>
            </Show>
        </div>
    }
}

/// What came over the network, for a picture at an address.
#[component]
fn Fetched() -> impl IntoView {
    let scenes = use_scenes();
    let line = move || {
        let Traffic { requests, bytes } = scenes.traffic.get();
        let fetched = wording::bytes(bytes);
        (requests > 0)
            .then(|| format!("Fetched from its address: {fetched} in {} requests.", grouped(requests as usize)))
    };
    move || line().map(|line| view! { <p class="note fetched">{line}</p> })
}

/// How the picture's values are read, when there is anything to choose.
#[component]
fn Values() -> impl IntoView {
    let scenes = use_scenes();
    let on_change = move |reading: Reading| {
        scenes.reading.set(reading);
        scenes.start();
    };
    let taken = Memo::new(move |_| {
        let names = scenes.unclear_bands.get();
        let unclear = (!names.is_empty()).then(|| Taken { names, ..Taken::default() });
        unclear.or_else(|| scenes.card.get().map(|card| card.taken).filter(Taken::has_choices))
    });
    let wanted =
        move || scenes.session.card.with(|card| card.as_ref().map(|card| card.bands.clone()).unwrap_or_default());
    move || {
        taken.get().map(|taken| {
            view! {
                <ReadingPanel taken=taken wanted=wanted() reading=scenes.reading.get_untracked() on_change=on_change />
            }
        })
    }
}
