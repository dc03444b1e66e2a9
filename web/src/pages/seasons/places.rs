//! The places to choose from.

use leptos::prelude::*;

use super::state::{Place, use_seasons};

/// A place's name in the address, what people call it, its picture.
type Choice = (String, String, Option<String>);

/// A button for each place, with its picture from the middle of its dates, set by set.
#[component]
pub fn Places() -> impl IntoView {
    let seasons = use_seasons();
    // Vectors come in one by one; what the buttons show does not change with them.
    let choices = Memo::new(move |_| {
        let choice = |place: &Place| {
            let picture = place.shots.get(place.shots.len() / 2).and_then(|shot| shot.picture.clone());
            (place.set, (place.id.clone(), place.name.clone(), picture))
        };
        seasons.places.with(|places| places.iter().map(choice).collect::<Vec<(Option<usize>, Choice)>>())
    });
    let chosen = Memo::new(move |_| seasons.place().map(|place| place.id));
    let button = move |(id, name, picture): Choice| {
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
    let group = move |set: Option<usize>, title: Option<String>| {
        let own =
            choices.get().into_iter().filter(|(of, _)| *of == set).map(|(_, choice)| button(choice)).collect_view();
        view! {
            <ul>{own}</ul>
            {title.map(|title| view! { <p class="credit">{title}</p> })}
        }
    };
    let groups = move || {
        let shipped = seasons.sets.get().into_iter().enumerate().map(|(set, about)| (Some(set), Some(about.title)));
        shipped.chain([(None, None)]).map(|(set, title)| group(set, title)).collect_view()
    };
    view! {
        <div class="places">
            <h2>"Places"</h2>
            {groups}
        </div>
    }
}
