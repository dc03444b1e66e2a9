//! Explore: the gallery as the model sees it, every tile a dot, similar tiles side by side.

mod address;
mod audit;
mod canvas;
mod clusters;
mod confusion;
mod detail;
mod dots;
mod draw;
mod examples;
mod files;
mod further;
mod graphics;
mod hover;
mod legend;
mod overlay;
mod search;
mod selected;
mod sprites;
mod state;
mod thumb;
mod toolbar;
mod work;

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{HtmlInputElement, KeyboardEvent};

use crate::components::problem_card::ProblemCard;
use crate::map::colour::Votes;
use crate::map::data::MapData;
use crate::wording::{grouped, percent};
use audit::Audit;
use canvas::MapCanvas;
use clusters::Clusters;
use confusion::Confusion;
use detail::Detail;
use examples::Examples;
use files::Files;
use further::Further;
use legend::Legend;
use search::Search;
use selected::Selected;
pub use state::{Explore, use_explore};
use state::{Focus, MapState};
use toolbar::Toolbar;

/// The page.
#[component]
pub fn ExplorePage() -> impl IntoView {
    let explore = use_explore();
    address::follow(explore);
    work::follow(explore);
    follow_keys(explore);
    let problem = move || match explore.map.get() {
        MapState::Failed(problem) => Some(problem),
        _ => explore.problem.get().or_else(|| work::missing_sheets(explore)),
    };
    view! {
        <div class="intro">
            <h1>"How the model sees its tiles"</h1>
            <p>
                "Every dot is a tile; tiles that the model finds similar lie together. Come near and dots become pictures."
            </p>
        </div>
        <div class="explore">
            <section class="explore-map card" aria-label="Map">
                <Toolbar />
                <MapCanvas />
                <Legend />
                <Confusion />
                <p class="explore-status note" aria-live="polite">{move || summary(explore)}</p>
                <Further />
            </section>
            <section class="explore-side" aria-label="About the map">
                {move || problem().map(|problem| view! { <ProblemCard problem=problem /> })}
                <Detail />
                <Examples />
                <Selected />
            </section>
            <section class="explore-more" aria-label="Find and add tiles">
                <Search />
                <Clusters />
                <Audit />
                <Files />
            </section>
        </div>
    }
}

/// What is on the map, in a sentence or two; read aloud when it changes.
fn summary(explore: Explore) -> String {
    let Some(data) = explore.data() else {
        return match explore.map.get() {
            MapState::Failed(_) => "There is no map.".to_owned(),
            _ => "The gallery is still loading …".to_owned(),
        };
    };
    let choice = explore.choice_now();
    let categories = explore.categories.get();
    let hidden: usize = choice
        .hidden
        .iter()
        .filter_map(|line| categories.legend.get(usize::from(*line)))
        .map(|category| category.count)
        .sum();
    let mut text = match hidden {
        0 => format!("{} tiles.", grouped(data.count())),
        hidden => format!("{} of {} tiles shown.", grouped(data.count() - hidden), grouped(data.count())),
    };
    if !choice.selected.is_empty() {
        text.push_str(&format!(" {} selected.", grouped(choice.selected.count())));
    }
    match explore.focus.get() {
        Some(Focus::Row(row)) => {
            text.extend(data.names.get(row).map(|name| format!(" In detail: {name}.")));
        }
        Some(Focus::Visitor(at)) => {
            text.extend(
                explore.visitors.with(|own| own.get(at).map(|own| format!(" In detail: your tile {}.", own.name))),
            );
        }
        None => {}
    }
    if choice.colour.needs_votes() {
        text.push_str(&vote_summary(&data, &explore.votes.get()));
    }
    text
}

fn vote_summary(data: &MapData, votes: &Votes) -> String {
    if votes.predicted.len() < data.count() {
        let share = votes.predicted.len() * 100 / data.count().max(1);
        return format!(" Neighbours are voting: {share} % done.");
    }
    let accuracy = votes.accuracy(&data.labels).map(|share| format!(", right for {}", percent(share)));
    format!(
        " Prediction: the {} nearest other tiles vote{}.",
        work::VOTERS.min(data.count().saturating_sub(1)),
        accuracy.unwrap_or_default()
    )
}

/// Esc clears, Ctrl-Z takes back, Ctrl-Shift-Z or Ctrl-Y does again; text fields keep their own.
fn follow_keys(explore: Explore) {
    let listener = window_event_listener(leptos::ev::keydown, move |event: KeyboardEvent| {
        let field = event.target().and_then(|target| target.dyn_into::<HtmlInputElement>().ok());
        if field.is_some_and(|field| matches!(field.type_().as_str(), "text" | "search")) {
            return;
        }
        let has_control = event.ctrl_key() || event.meta_key();
        match event.key().to_lowercase().as_str() {
            "escape" => explore.clear(),
            "z" if has_control && event.shift_key() => explore.redo(),
            "y" if has_control => explore.redo(),
            "z" if has_control => explore.undo(),
            _ => return,
        }
        event.prevent_default();
    });
    on_cleanup(move || listener.remove());
}
