//! One tile in detail: what it is, and its nearest tiles.

use std::sync::Arc;

use leptos::prelude::*;

use super::address::MAX_K;
use super::examples::ExampleButtons;
use super::state::{Explore, Focus, use_explore};
use super::thumb::Thumb;
use crate::engine::protocol::Neighbour;
use crate::map::data::MapData;
use crate::map::export::predicted;
use crate::map::place::PLACED_BY;
use crate::wording::{class_label, percent};

/// The card; a hint while no tile is chosen.
#[component]
pub fn Detail() -> impl IntoView {
    let explore = use_explore();
    let subject = Memo::new(move |_| (explore.focus.get(), explore.visitors.with(Vec::len)));
    let head = move || {
        let data = explore.data()?;
        match subject.get().0? {
            Focus::Row(row) => Some(of_row(explore, &data, row)?.into_any()),
            Focus::Visitor(at) => Some(of_visitor(explore, at)?.into_any()),
        }
    };
    let has_subject = Memo::new(move |_| explore.focus.get().is_some() && explore.data().is_some());
    view! {
        <div class="card detail">
            <Show
                when=move || has_subject.get()
                fallback=|| {
                    view! {
                        <p class="note">
                            "Click a tile to see the tiles most like it. On a keyboard: the arrow keys move the map, + and − zoom, Enter picks the tile in the middle."
                        </p>
                    }
                }
            >
                {head}
                <label class="k">
                    <span>{move || format!("{} nearest tiles, by cosine", explore.k.get())}</span>
                    <input
                        type="range"
                        min="1"
                        max=MAX_K.to_string()
                        aria-label="Number of neighbours"
                        prop:value=move || explore.k.get().to_string()
                        on:input=move |event| {
                            if let Ok(k) = event_target_value(&event).parse::<usize>() {
                                explore.k.set(k.clamp(1, MAX_K));
                            }
                        }
                    />
                </label>
                <p class="agreement">{move || agreement(explore)}</p>
                <ul class="near">{move || neighbours(explore)}</ul>
            </Show>
        </div>
    }
}

fn of_row(explore: Explore, data: &Arc<MapData>, row: usize) -> Option<impl IntoView + use<>> {
    let name = data.names.get(row)?.clone();
    let class = data.class(row).map_or_else(|| "No label".to_owned(), class_label);
    let whole = Arc::clone(data);
    let vote = move || {
        let votes = explore.votes.get();
        let class = predicted(&whole, &votes, row)?;
        Some(format!("Prediction: {}, {} of the votes", class_label(class), percent(f64::from(votes.share[row]))))
    };
    Some(view! {
        <div class="detail-head">
            <Thumb row=row side=96 />
            <div>
                <h2>{class}</h2>
                <p class="file-name">{name}</p>
                <p class="note">{vote}</p>
                <ExampleButtons row=row />
                <Close />
            </div>
        </div>
    })
}

fn of_visitor(explore: Explore, at: usize) -> Option<impl IntoView + use<>> {
    let own = explore.visitors.with(|visitors| visitors.get(at).cloned())?;
    let class = explore.session.card.with(|card| {
        let best = *own.answer.ranking().first()?;
        let name = card.as_ref()?.classes.get(best)?;
        Some(format!("{}, {}", class_label(name), percent(f64::from(own.answer.probabilities[best]))))
    });
    Some(view! {
        <div class="detail-head">
            {own.picture.map(|address| view! { <img class="own-picture" src=address alt=format!("Your tile {}", own.name) /> })}
            <div>
                <h2>{class.unwrap_or_else(|| "Your tile".to_owned())}</h2>
                <p class="file-name">{own.name}</p>
                <p class="note">
                    {format!(
                        "The star lies at the average place of its {PLACED_BY} nearest tiles, the more similar ones counting more: the map itself was not computed again.",
                    )}
                </p>
                <Close />
            </div>
        </div>
    })
}

#[component]
fn Close() -> impl IntoView {
    let explore = use_explore();
    view! {
        <button type="button" class="small quiet" on:click=move |_| explore.focus.set(None)>
            "Close"
        </button>
    }
}

/// The class that neighbours are compared with: the label, or what the model says of an own tile.
fn own_class(explore: Explore) -> Option<String> {
    match explore.focus.get()? {
        Focus::Row(row) => explore.data()?.class(row).map(str::to_owned),
        Focus::Visitor(at) => {
            let best = explore.visitors.with(|own| own.get(at)?.answer.ranking().first().copied())?;
            explore.session.card.with(|card| card.as_ref()?.classes.get(best).cloned())
        }
    }
}

fn agreement(explore: Explore) -> String {
    let Some(class) = own_class(explore) else { return String::new() };
    explore.neighbours.with(|found| {
        let agreeing = found.iter().filter(|near| near.class == class).count();
        format!("{agreeing} of {} share its class, {}.", found.len(), class_label(&class))
    })
}

fn neighbours(explore: Explore) -> impl IntoView {
    let class = own_class(explore);
    let line = |near: Neighbour| {
        let label = class_label(&near.class);
        let agrees = class.as_ref() == Some(&near.class);
        let row = near.index;
        let more = format!(" by cosine{}: {}", if agrees { ", same class" } else { "" }, near.name);
        view! {
            <li class:agrees=agrees>
                <button type="button" title=near.name.clone() on:click=move |_| explore.look_at(Focus::Row(row))>
                    <Thumb row=row side=56 />
                    <span>{label}</span>
                    <span class="number">{format!("{:.3}", near.similarity)}</span>
                    <span class="spoken">{more}</span>
                </button>
            </li>
        }
    };
    explore.neighbours.get().into_iter().map(line).collect_view()
}
