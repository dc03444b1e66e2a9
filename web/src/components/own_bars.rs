//! The user's own classes of the tile in detail, most likely first.

use leptos::prelude::*;

use crate::order;
use crate::pages::classify::label::state::use_labels;
use crate::session::use_session;
use crate::wording::percent;

/// The bars; nothing while no own classes are shown.
#[component]
pub fn OwnBars() -> impl IntoView {
    let (session, labels) = (use_session(), use_labels());
    move || {
        let own = labels.shown_classes()?;
        let tile = session.selected.get();
        let probabilities = own.tiles.get(tile)?.probabilities.clone();
        let mut ranking: Vec<usize> = (0..probabilities.len()).collect();
        order::sort_by(&mut ranking, |&a, &b| probabilities[b].total_cmp(&probabilities[a]).then(a.cmp(&b)));
        let bars = ranking
            .into_iter()
            .map(|class| {
                let share = f64::from(probabilities[class]);
                view! {
                    <li>
                        <span class="bar-name">{own.learned.get(class).cloned()}</span>
                        <span class="bar-track" aria-hidden="true">
                            <span class="bar-fill" style:width=format!("{:.2}%", share * 100.0)></span>
                        </span>
                        <span class="bar-value">{percent(share)}</span>
                    </li>
                }
            })
            .collect_view();
        let mark = own.mark(tile).map_or_else(String::new, |mark| format!("You marked this tile as {mark}. "));
        Some(view! {
            <div class="bars">
                <h3>"Your classes"</h3>
                <ol>{bars}</ol>
                <p class="note">{mark} "Probabilities are those of the head learned from your marks; they are not calibrated."</p>
            </div>
        })
    }
}
