//! Seasons: how does a place change through the year, and is it still told from other places?

mod animation;
mod change;
mod dates;
mod matrix;
mod others;
mod own;
mod places;
mod spaces;
pub mod state;
mod swipe;
mod trajectory;

use leptos::html::Section;
use leptos::prelude::*;

use self::animation::Animation;
use self::change::Change;
use self::dates::Dates;
use self::matrix::Matrix;
use self::others::Others;
use self::places::Places;
use self::spaces::Spaces;
use self::state::{Place, use_seasons};
use self::swipe::Swipe;
use self::trajectory::Trajectory;
use crate::components::drop_zone::DropZone;
use crate::components::model_card::ModelCardView;
use crate::components::problem_card::ProblemCard;
use crate::pages::show_if_narrow;
use crate::route::{self, Page};
use crate::session::use_session;

/// The page.
#[component]
pub fn SeasonsPage() -> impl IntoView {
    let (session, seasons) = (use_session(), use_seasons());
    seasons.read_address();
    seasons.load();
    let parameters = Memo::new(move |_| seasons.parameters());
    let write_address = move || {
        // Before the places are known, the address is what says which one is wanted.
        let is_known = seasons.place_index().is_some() && Page::current() == Page::Seasons;
        for (key, value) in parameters.get().into_iter().filter(|_| is_known) {
            if route::parameter(key) != value {
                route::set_parameter(key, value.as_deref());
            }
        }
    };
    Effect::new(move |_| write_address());
    let on_address = window_event_listener(leptos::ev::hashchange, move |_| {
        seasons.read_address();
        untrack(write_address);
    });
    on_cleanup(move || on_address.remove());
    Effect::new(move |_| seasons.work(session));
    Effect::new(move |_| seasons.sharpen(session));
    let shown = NodeRef::<Section>::new();
    Effect::new(move |before: Option<usize>| {
        // On a narrow screen the place is below the list: a choice brings it into view.
        let choices = seasons.choices.get();
        if before.is_some_and(|before| before != choices) {
            show_if_narrow(shown);
        }
        choices
    });
    view! {
        <div class="intro">
            <h1>"How does a place change through the year?"</h1>
            <p>
                "The encoder turns every picture into a point; pictures that it finds alike lie close together. See how far the
                seasons move a place, and whether it stays recognisable among others, "
                <strong>"inside this page"</strong> "."
            </p>
        </div>
        <div class="columns seasons">
            <section class="column-in" aria-label="Places">
                <Places />
                <DropZone
                    title="Drop your own dated pictures"
                    text="One place, two dates or more, the date in each name: field_2021-03-15.jpg, 20210315.tif, 2021_03.png"
                    on_files=move |files| seasons.take(files)
                />
                <Problems />
            </section>
            <section class="column-out" aria-label="The place through the year" node_ref=shown>
                <Show when=move || seasons.place_index().is_some()>
                    <Compared />
                    <Change />
                    <Spaces />
                    <Matrix />
                    <Trajectory />
                    <Others />
                </Show>
            </section>
            <section class="column-card" aria-label="Model">
                <ModelCardView />
                <p class="credit">{move || seasons.about().credit}</p>
            </section>
        </div>
    }
}

/// The place's name, its dates, and two of them over each other.
#[component]
fn Compared() -> impl IntoView {
    let seasons = use_seasons();
    let heading = Memo::new(move |_| seasons.place().map(|place| (place.name, place.location)).unwrap_or_default());
    view! {
        <article class="card place" aria-label="Two dates">
            <div class="place-head">
                <h2>{move || heading.get().0}</h2>
                <p class="note">{move || heading.get().1}</p>
            </div>
            <Dates />
            <Swipe />
            <Animation />
        </article>
    }
}

#[component]
fn Problems() -> impl IntoView {
    let seasons = use_seasons();
    move || {
        let problems = seasons.problems.get();
        (!problems.is_empty()).then(|| {
            let has_places = seasons.place_index().is_some();
            view! {
                <div class="problems">
                    {problems.into_iter().map(|problem| view! { <ProblemCard problem=problem /> }).collect_view()}
                    <button type="button" class="small" on:click=move |_| seasons.dismiss()>
                        {if has_places { "Dismiss" } else { "Try again" }}
                    </button>
                </div>
            }
        })
    }
}

/// Why there is nothing to show yet, in words.
fn waiting(place: &Place) -> impl IntoView + use<> {
    let done = place.shots.iter().filter(|shot| shot.directions.is_some()).count();
    let text = format!("Reading the pictures: {done} of {} …", place.shots.len());
    view! { <p class="note">{text}</p> }
}
