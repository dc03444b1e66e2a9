//! Which classes are taken for which; every cell selects its tiles.

use leptos::prelude::*;

use super::state::use_explore;
use crate::map::colour::confusion;
use crate::map::selection::Combine;
use crate::wording::{class_label, grouped};

/// More classes than this make no readable table.
const MAX_CLASSES: usize = 40;

/// The table, folded; only while colours show the vote, and once all have voted.
#[component]
pub fn Confusion() -> impl IntoView {
    let explore = use_explore();
    let votes = Memo::new(move |_| {
        let data = explore.data()?;
        let is_wanted = explore.choice.with(|choice| choice.now().colour.needs_votes());
        let votes = explore.votes.get();
        let is_complete = votes.predicted.len() == data.count() && data.card.classes.len() <= MAX_CLASSES;
        (is_wanted && is_complete).then_some(votes)
    });
    let select = move |label: usize, predicted: usize| {
        let Some(data) = explore.data_untracked() else { return };
        let votes = explore.votes.get_untracked();
        let is_cell = |row: &usize| {
            usize::from(data.labels[*row]) == label
                && votes.predicted.get(*row).is_some_and(|found| usize::from(*found) == predicted)
        };
        explore.select(Combine::Replace, (0..data.count()).filter(is_cell).collect());
    };
    move || {
        let (data, votes) = (explore.data()?, votes.get()?);
        let names: Vec<String> = data.card.classes.iter().map(|class| class_label(class)).collect();
        let heads = names.iter().map(|name| view! { <th scope="col">{name.clone()}</th> }).collect_view();
        let cell = |label: usize, predicted: usize, count: usize| {
            let spoken = format!(
                "{} of {} taken for {}",
                grouped(count),
                names[label].to_lowercase(),
                names[predicted].to_lowercase()
            );
            let button = (count > 0).then(|| {
                view! {
                    <button type="button" aria-label=spoken.clone() title=spoken on:click=move |_| select(label, predicted)>
                        {grouped(count)}
                    </button>
                }
            });
            view! { <td class:right=label == predicted>{button}</td> }
        };
        let lines = confusion(&data, &votes)
            .into_iter()
            .enumerate()
            .map(|(label, counts)| {
                let cells = counts
                    .into_iter()
                    .enumerate()
                    .map(|(predicted, count)| cell(label, predicted, count))
                    .collect_view();
                view! {
                    <tr>
                        <th scope="row">{names[label].clone()}</th>
                        {cells}
                    </tr>
                }
            })
            .collect_view();
        Some(view! {
            <details class="confusion">
                <summary>"Which class is taken for which"</summary>
                <div class="confusion-frame" tabindex="0" role="region" aria-label="Labels in rows, predictions in columns">
                    <table>
                        <thead>
                            <tr>
                                <td></td>
                                {heads}
                            </tr>
                        </thead>
                        <tbody>{lines}</tbody>
                    </table>
                </div>
                <p class="note">"Rows are labels, columns are predictions. A number selects its tiles."</p>
            </details>
        })
    }
}
