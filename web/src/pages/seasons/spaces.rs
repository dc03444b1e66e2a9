//! In which space similarity is measured, and what each one means.

use leptos::prelude::*;

use super::state::use_seasons;
use crate::session::use_session;

/// A choice where the model has several spaces; one sentence where it has one.
#[component]
pub fn Spaces() -> impl IntoView {
    let (session, seasons) = (use_session(), use_seasons());
    let subspaces = Memo::new(move |_| session.card.with(|card| card.as_ref().map(|card| card.subspaces.clone())));
    let choice = move |index: usize, name: Option<String>| {
        let (title, meaning) = words(name.as_deref());
        let chosen = name.clone();
        view! {
            <label class="space">
                <input
                    type="radio"
                    name="space"
                    prop:checked=move || seasons.space(session) == index
                    on:change=move |_| seasons.measure_in(chosen.clone())
                />
                <span>
                    <strong>{title}</strong>
                    <span class="note">{meaning}</span>
                </span>
            </label>
        }
    };
    let choices = move |subspaces: Vec<String>| {
        let names = std::iter::once(None).chain(subspaces.into_iter().map(Some));
        view! {
            <fieldset class="card spaces">
                <legend>"What counts as alike"</legend>
                {names.enumerate().map(|(index, name)| choice(index, name)).collect_view()}
            </fieldset>
        }
    };
    move || {
        match subspaces.get() {
        None => ().into_any(),
        Some(subspaces) if subspaces.is_empty() => {
            view! {
                <p class="card note spaces-none">
                    "This model has a single space: what the season changes and what stays are measured together. (A model trained
                    with SeCo and exported with its heads offers a choice here.)"
                </p>
            }
                .into_any()
        }
        Some(subspaces) => choices(subspaces).into_any(),
    }
    }
}

/// Title and meaning of a space, in words that need no training in machine learning.
fn words(name: Option<&str>) -> (String, &'static str) {
    match name {
        None => ("Everything".to_owned(), "All that the encoder sees: season, appearance and what lies underneath."),
        Some("invariant") => (
            "Ignore season and appearance".to_owned(),
            "Only what stays counts: the same place is alike in snow and in summer, in bright and in dull pictures.",
        ),
        Some("seasonal-invariant") => (
            "Ignore season".to_owned(),
            "The time of year does not count; how the picture looks otherwise (colours, brightness) still does.",
        ),
        Some("augmentation-invariant") => (
            "Ignore appearance".to_owned(),
            "Colours and brightness of the picture do not count; what the season does to the place still does.",
        ),
        Some(other) => (
            format!("Subspace “{other}”"),
            "A projection that this model was trained with; its makers know what it ignores.",
        ),
    }
}
