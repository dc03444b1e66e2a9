//! The places to choose from.

use leptos::prelude::*;

use super::state::{Place, use_seasons};

/// A button for each place, with its picture from the middle of the year.
#[component]
pub fn Places() -> impl IntoView {
    let seasons = use_seasons();
    // Vectors come in one by one; what the buttons show does not change with them.
    let choices = Memo::new(move |_| {
        let choice = |place: &Place| {
            let picture = place.shots.get(place.shots.len() / 2).and_then(|shot| shot.picture.clone());
            (place.id.clone(), place.name.clone(), picture)
        };
        seasons.places.with(|places| places.iter().map(choice).collect::<Vec<_>>())
    });
    let chosen = Memo::new(move |_| seasons.place().map(|place| place.id));
    let button = move |(id, name, picture): (String, String, Option<String>)| {
        let is_chosen = {
            let id = id.clone();
            move || (chosen.get().as_ref() == Some(&id)).to_string()
        };
        view! {
            <li>
                <button type="button" class="place-choice" aria-pressed=is_chosen on:click=move |_| seasons.choose(id.clone())>
                    {picture.map(|address| view! { <img src=address alt="" width="64" height="64" loading="lazy" /> })}
                    <span>{name}</span>
                </button>
            </li>
        }
    };
    view! {
        <div class="places">
            <h2>"Places"</h2>
            <ul>{move || choices.get().into_iter().map(button).collect_view()}</ul>
            <p class="credit">{move || seasons.about.get()[0].clone()}</p>
        </div>
    }
}
