//! One tile's answer in full.

use leptos::prelude::*;

use super::class_bars::ClassBars;
use super::neighbours::Neighbours;
use super::own_bars::OwnBars;
use super::problem_card::ProblemCard;
use super::reading_panel::ReadingPanel;
use crate::download;
use crate::engine::protocol::{Answer, Bundle, ModelCard};
use crate::label::own::OwnClasses;
use crate::pages::classify::label::state::{Labels, use_labels};
use crate::pages::scene::use_scenes;
use crate::report;
use crate::scene::reading::Taken;
use crate::session::scenes::Origin;
use crate::session::{Session, use_session};
use crate::state::{Outcome, TileEntry};
use crate::wording::{class_label, milliseconds, percent};

/// The selected tile.
#[component]
pub fn ResultCard() -> impl IntoView {
    let (session, labels) = (use_session(), use_labels());
    let tile = Memo::new(move |_| session.tiles.with(|tiles| tiles.get(session.selected.get()).cloned()));
    move || {
        tile.get().map(|tile| {
            let body = match &tile.outcome {
                Outcome::Waiting => view! { <Waiting /> }.into_any(),
                Outcome::Undecodable(problem) => view! {
                    <ProblemCard problem=problem.clone() />
                    <Values taken=unclear(session) />
                }
                .into_any(),
                Outcome::Answered(answer, bundle) => answered(session, answer, *bundle).into_any(),
            };
            view! {
                <article class="card result" aria-label=format!("Answer for {}", tile.name)>
                    <div class="result-head">
                        {picture(&tile)}
                        <div class="result-title">
                            {headline(session, labels, &tile)}
                            <p class="file-name">{tile.name.clone()}</p>
                            {facts(&tile)}
                        </div>
                    </div>
                    {body}
                </article>
            }
        })
    }
}

fn picture(tile: &TileEntry) -> impl IntoView + use<> {
    match tile.picture.clone() {
        Some(address) => {
            view! { <img class="tile-picture" src=address alt=format!("The tile {}", tile.name) /> }.into_any()
        }
        None => view! { <div class="tile-picture empty" aria-hidden="true"></div> }.into_any(),
    }
}

fn headline(session: Session, labels: Labels, tile: &TileEntry) -> impl IntoView + use<> {
    let own = Memo::new(move |_| labels.verdict(session.selected.get()));
    let text = match &tile.outcome {
        Outcome::Waiting => "Waiting …".to_owned(),
        Outcome::Undecodable(_) => "Not classified".to_owned(),
        Outcome::Answered(answer, _) => session.card.with(|card| {
            let top = answer.ranking().first().copied();
            let name = top.and_then(|class| card.as_ref()?.classes.get(class));
            name.map_or_else(|| "Embedded".to_owned(), |name| class_label(name))
        }),
    };
    let share = tile.outcome.answer().and_then(|answer| answer.probabilities.iter().copied().reduce(f32::max));
    let is_unlike = tile.outcome.answer().is_some_and(Answer::is_unlike);
    move || {
        let (text, share) = match own.get() {
            Some((class, share)) => (class, Some(share)),
            None => (text.clone(), share),
        };
        view! {
            <h2>
                <span class="verdict">{text}</span>
                {match (is_unlike, share) {
                    // A number would say that the model knows what it talks of.
                    (true, _) => view! { <span class="share guess">"a guess: unlike anything known"</span> }.into_any(),
                    (false, Some(share)) => {
                        view! { <span class="share">{percent(f64::from(share))}</span> }.into_any()
                    }
                    (false, None) => ().into_any(),
                }}
            </h2>
        }
    }
}

fn facts(tile: &TileEntry) -> impl IntoView + use<> {
    let Outcome::Answered(answer, bundle) = &tile.outcome else { return ().into_any() };
    let facts = [
        format!("{} × {} px", answer.width, answer.height),
        format!("{}, {} {}", answer.format, answer.bands, if answer.bands == 1 { "band" } else { "bands" }),
        format!("{} on {}", milliseconds(answer.encoder_ms), bundle.label()),
        format!("decoded in {}", milliseconds(answer.decode_ms)),
    ];
    view! { <ul class="facts">{facts.into_iter().map(|fact| view! { <li>{fact}</li> }).collect_view()}</ul> }.into_any()
}

fn answered(session: Session, answer: &Answer, bundle: Bundle) -> impl IntoView + use<> {
    let card = session.card.get().unwrap_or_default();
    let has_head = !card.classes.is_empty();
    view! {
        {doubted(answer)}
        <OwnBars />
        {has_head.then(|| view! { <ClassBars probabilities=answer.probabilities.clone() card=card.clone() is_guess=answer.is_unlike() /> })}
        <Neighbours answer=answer.clone() card=card.clone() />
        <Values taken=Some(answer.taken.clone()).filter(Taken::has_choices) />
        <div class="result-foot">
            <p class="note">{format!("Computed on {}.", bundle.label())}</p>
            <MapButton answer=answer.clone() />
            <Downloads />
        </div>
    }
}

/// What is wrong with asking the model about this tile, when something is.
fn doubted(answer: &Answer) -> Option<impl IntoView + use<>> {
    let why = answer.doubts.iter().map(|doubt| doubt.why()).collect::<Vec<_>>().join(" ");
    (!why.is_empty()).then(|| {
        view! {
            <p class="notice" role="note">
                <strong>"Unlike anything known. "</strong>
                {why}
                " The class is a guess."
            </p>
        }
    })
}

/// Bands of a file of which the model's could not be told.
fn unclear(session: Session) -> Option<Taken> {
    let names = session.unclear_bands.get();
    let is_alone = session.tiles.with(Vec::len) == 1;
    (is_alone && !names.is_empty()).then(|| Taken { names, ..Taken::default() })
}

/// How the tile's values are read, when there is anything to choose.
#[component]
fn Values(
    /// What was taken.
    taken: Option<Taken>,
) -> impl IntoView {
    let session = use_session();
    let wanted = session.card.with(|card| card.as_ref().map(|card| card.bands.clone()).unwrap_or_default());
    taken.map(|taken| {
        let reading = session.reading.get_untracked();
        view! { <ReadingPanel taken=taken wanted=wanted reading=reading on_change=move |reading| session.read_as(reading) /> }
    })
}

/// A class map of a picture that is larger than a patch, but not so large that it became one by itself.
#[component]
fn MapButton(
    /// The picture's answer.
    answer: Answer,
) -> impl IntoView {
    let scenes = use_scenes();
    let patch_px = scenes.patch_px();
    let is_enough = answer.width.min(answer.height) >= patch_px && answer.width.max(answer.height) >= 2 * patch_px;
    let open = move |_| {
        if let Some((name, file)) = scenes.session.file(scenes.session.selected.get_untracked()) {
            scenes.open(name, Origin::File(file), 0);
        }
    };
    is_enough.then(|| {
        view! {
            <button type="button" class="small" on:click=open>
                "Make a class map"
            </button>
        }
    })
}

/// All answers as files.
#[component]
pub fn Downloads() -> impl IntoView {
    let (session, labels) = (use_session(), use_labels());
    let save = move |write: fn(&ModelCard, &[TileEntry], &OwnClasses) -> String, name: &str, kind: &str| {
        let card = session.card.get_untracked().unwrap_or_default();
        let own = untrack(|| labels.classes());
        download::save(name, kind, &session.tiles.with_untracked(|tiles| write(&card, tiles, &own)));
    };
    view! {
        <div class="downloads">
            <button type="button" class="small" on:click=move |_| save(report::csv, "solstice.csv", "text/csv")>
                "Download CSV"
            </button>
            <button
                type="button"
                class="small"
                title="With embeddings"
                on:click=move |_| save(report::json, "solstice.json", "application/json")
            >
                "Download JSON"
            </button>
            <button type="button" class="small quiet" on:click=move |_| session.clear()>
                "Clear"
            </button>
        </div>
    }
}

#[component]
fn Waiting() -> impl IntoView {
    view! {
        <div class="skeleton" aria-hidden="true">
            <span></span>
            <span></span>
            <span></span>
            <span></span>
        </div>
    }
}

/// What stands there before the first tile.
#[component]
pub fn EmptyResult() -> impl IntoView {
    view! {
        <div class="card empty-result">
            <svg viewBox="0 0 200 120" aria-hidden="true">
                <path class="grid-line" d="M20 20h48v48H20z M44 20v48 M20 44h48" />
                <path class="arrow" d="M80 44h36 m-8-7 8 7-8 7" />
                <path class="grid-line" d="M130 26h50 M130 38h34 M130 50h20 M130 62h12" />
            </svg>
            <h2>"No tile yet"</h2>
            <p>"Choose a sample or drop your own. You will see its land cover, how sure the model is, and the known tiles that look most like it."</p>
        </div>
    }
}
