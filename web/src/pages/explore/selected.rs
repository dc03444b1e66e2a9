//! The selection: how many, of which classes, and as a file.

use leptos::prelude::*;

use super::state::{Focus, use_explore};
use super::thumb::Thumb;
use crate::download;
use crate::map::colour::Votes;
use crate::map::data::{MapData, Projection};
use crate::map::export;
use crate::map::selection::Combine;
use crate::order;
use crate::wording::{class_label, grouped, percent};

/// Selected tiles shown as pictures.
const SHOWN: usize = 12;

/// The card; a hint while nothing is selected.
#[component]
pub fn Selected() -> impl IntoView {
    let explore = use_explore();
    let selected = Memo::new(move |_| explore.choice.with(|choice| choice.now().selected.clone()));
    let histogram = move || {
        let data = explore.data()?;
        let selected = selected.get();
        let mut counts = vec![0_usize; data.card.classes.len() + 1];
        for row in selected.rows() {
            counts[usize::from(data.labels[row]).min(data.card.classes.len())] += 1;
        }
        let total = selected.count().max(1) as f64;
        let name =
            |class: usize| data.card.classes.get(class).map_or_else(|| "No label".to_owned(), |name| class_label(name));
        let mut lines: Vec<(usize, usize)> = counts.into_iter().enumerate().filter(|(_, count)| *count > 0).collect();
        order::sort_by_key(&mut lines, |&(class, count)| (std::cmp::Reverse(count), class));
        let bars = lines
            .into_iter()
            .map(|(class, count)| {
                let share = count as f64 / total;
                view! {
                    <li>
                        <span class="bar-name">{name(class)}</span>
                        <span class="bar-track" aria-hidden="true">
                            <span class="bar-fill" style:width=format!("{:.2}%", share * 100.0)></span>
                        </span>
                        <span class="bar-value" title=percent(share)>{grouped(count)}</span>
                    </li>
                }
            })
            .collect_view();
        Some(view! { <ol aria-label="Classes in the selection">{bars}</ol> })
    };
    let pictures = move || {
        let data = explore.data()?;
        let tiles = selected.with(|selected| selected.rows().take(SHOWN).collect::<Vec<_>>());
        let tiles = tiles
            .into_iter()
            .map(|row| {
                let name = data.names[row].clone();
                view! {
                    <li>
                        <button type="button" aria-label=name.clone() title=name on:click=move |_| explore.look_at(Focus::Row(row))>
                            <Thumb row=row side=40 />
                        </button>
                    </li>
                }
            })
            .collect_view();
        Some(view! { <ul class="picked">{tiles}</ul> })
    };
    let save = move |write: fn(&MapData, &Votes, Projection, &[usize]) -> String, name: &str, kind: &str| {
        let Some(data) = explore.data_untracked() else { return };
        let rows: Vec<usize> = selected.with_untracked(|selected| selected.rows().collect());
        let votes = explore.votes.get_untracked();
        download::save(name, kind, &write(&data, &votes, explore.projection.get_untracked(), &rows));
    };
    view! {
        <div class="card selected">
            <Show
                when=move || selected.with(|selected| !selected.is_empty())
                fallback=|| {
                    view! {
                        <p class="note">
                            "Select tiles with the lasso or the rectangle. Shift adds to the selection, Alt takes away, Esc clears it, Ctrl-Z takes the last step back."
                        </p>
                    }
                }
            >
                <div class="card-head">
                    <h2>{move || format!("{} selected", grouped(selected.with(|selected| selected.count())))}</h2>
                    <button type="button" class="small quiet" on:click=move |_| explore.select(Combine::Replace, Vec::new())>
                        "Clear"
                    </button>
                </div>
                <div class="bars">{histogram}</div>
                {pictures}
                <div class="downloads">
                    <button type="button" class="small" on:click=move |_| save(export::csv, "selection.csv", "text/csv")>
                        "Download CSV"
                    </button>
                    <button type="button" class="small" on:click=move |_| save(export::json, "selection.json", "application/json")>
                        "Download JSON"
                    </button>
                </div>
            </Show>
        </div>
    }
}
