//! Tiles worth a second look: those least like any other, and pairs that are nearly the same.

use leptos::prelude::*;

use super::state::{Focus, use_explore};
use super::thumb::Thumb;
use crate::decimal::decimal;
use crate::map::selection::Combine;
use crate::wording::grouped;

/// Outliers, and pairs, that are listed.
const LISTED: usize = 12;
/// Pairs that may be selected at once.
const MOST_PAIRS: usize = 10_000;
/// Cosines that the threshold goes through.
const THRESHOLDS: std::ops::RangeInclusive<f32> = 0.8..=1.0;

/// The card; the neighbours are asked when it is opened first.
#[component]
pub fn Audit() -> impl IntoView {
    let explore = use_explore();
    let threshold = RwSignal::new(0.98_f32);
    let progress = move || {
        let (done, all) =
            (explore.votes.with(|votes| votes.nearest.len()), explore.data().map_or(0, |data| data.count()));
        if done < all {
            format!("Every tile is compared with every other: {} % done.", done * 100 / all.max(1))
        } else {
            "Every tile was compared with every other.".to_owned()
        }
    };
    let tile = move |row: usize, similarity: f32| {
        let name = explore.data().and_then(|data| data.names.get(row).cloned()).unwrap_or_default();
        let label = format!("{name}, {similarity:.3} to its nearest");
        view! {
            <button type="button" aria-label=label.clone() title=label on:click=move |_| explore.look_at(Focus::Row(row))>
                <Thumb row=row side=40 />
            </button>
        }
    };
    let outliers = move || {
        let votes = explore.votes.get();
        let rows = votes.outliers(LISTED).into_iter();
        rows.map(|row| view! { <li>{tile(row, votes.similarity[row])}</li> }).collect_view()
    };
    let pairs = Memo::new(move |_| explore.votes.with(|votes| votes.near_duplicates(threshold.get(), MOST_PAIRS)));
    let duplicates = move || {
        let votes = explore.votes.get();
        let shown = pairs.get().into_iter().take(LISTED);
        shown
            .map(|[a, b]| view! { <li class="pair">{tile(a, votes.similarity[a])} {tile(b, votes.similarity[b])}</li> })
            .collect_view()
    };
    let select = move |rows: Vec<usize>| explore.select(Combine::Replace, rows);
    view! {
        <details
            class="card audit"
            prop:open=move || explore.is_auditing.get()
            on:toggle=move |event| explore.is_auditing.set(crate::pages::is_open(&event))
        >
            <summary>"Outliers and near duplicates"</summary>
            <Show when=move || explore.is_auditing.get()>
                <p class="note" aria-live="polite">{progress}</p>
                <div class="card-head">
                    <h3>"Least like any other"</h3>
                    <button
                        type="button"
                        class="small quiet"
                        on:click=move |_| select(explore.votes.with_untracked(|votes| votes.outliers(LISTED)))
                    >
                        "Select"
                    </button>
                </div>
                <ul class="picked" aria-label="Outliers">
                    {outliers}
                </ul>
                <div class="card-head">
                    <h3>{move || format!("{} near duplicates", grouped(pairs.with(Vec::len)))}</h3>
                    <button
                        type="button"
                        class="small quiet"
                        disabled=move || pairs.with(Vec::is_empty)
                        on:click=move |_| select(pairs.with_untracked(|pairs| pairs.as_flattened().to_vec()))
                    >
                        "Select all"
                    </button>
                </div>
                <label class="k">
                    <span>{move || format!("Pairs that are each other's nearest, cosine from {:.3}", threshold.get())}</span>
                    <input
                        type="range"
                        min=THRESHOLDS.start().to_string()
                        max=THRESHOLDS.end().to_string()
                        step="0.005"
                        aria-label="Least similarity of near duplicates"
                        prop:value=move || threshold.get().to_string()
                        on:input=move |event| {
                            if let Some(value) = decimal(&event_target_value(&event)) {
                                threshold.set((value as f32).clamp(*THRESHOLDS.start(), *THRESHOLDS.end()));
                            }
                        }
                    />
                </label>
                <ul class="picked" aria-label="Near duplicates">
                    {duplicates}
                </ul>
            </Show>
        </details>
    }
}
