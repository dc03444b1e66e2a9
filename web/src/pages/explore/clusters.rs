//! The clusters that tiles form on the map, as a list: what most of them are, one that stands for them, and how many.

use leptos::prelude::*;

use super::state::use_explore;
use super::thumb::Thumb;
use crate::map::data::MapData;
use crate::map::density::Cluster;
use crate::map::selection::Combine;
use crate::wording::{class_label, grouped, part};

/// What most tiles of a cluster are.
#[must_use]
pub fn cluster_name(data: &MapData, cluster: &Cluster) -> String {
    let class = cluster.class.and_then(|(class, _)| data.card.classes.get(usize::from(class)));
    class.map_or_else(|| "No label".to_owned(), |class| class_label(class))
}

/// The list; a click selects a cluster's tiles and brings them into view.
#[component]
pub fn Clusters() -> impl IntoView {
    let explore = use_explore();
    let is_open = RwSignal::new(false);
    let lines = move || {
        let (data, heaps) = (explore.data()?, explore.heaps.get());
        let line = |cluster: &Cluster| {
            let (count, rows, peak) = (cluster.rows.len(), cluster.rows.clone(), cluster.peak);
            let share = cluster.class.map(|(_, of_class)| part(of_class, count));
            let note = share.map_or_else(
                || format!("{} tiles", grouped(count)),
                |share| format!("{share} of {} tiles", grouped(count)),
            );
            view! {
                <li>
                    <button
                        type="button"
                        on:click=move |_| {
                            explore.select(Combine::Replace, rows.clone());
                            explore.camera.update(|camera| *camera = camera.centred_on(peak, CLUSTER_ZOOM));
                        }
                    >
                        <Thumb row=cluster.representative side=40 />
                        <span class="hit-name">{cluster_name(&data, cluster)}</span>
                        <span class="note">{note}</span>
                    </button>
                </li>
            }
        };
        Some(heaps.clusters.iter().map(line).collect_view())
    };
    let count = move || {
        let found = explore.heaps.with(|heaps| heaps.clusters.len());
        format!("{found} on this layout; tiles that lie apart belong to none. A click selects a cluster.")
    };
    view! {
        <details class="card clusters" on:toggle=move |event| is_open.set(crate::pages::is_open(&event))>
            <summary>"Clusters"</summary>
            <Show when=move || is_open.get()>
                <p class="note">{count}</p>
                <ul class="hits" aria-label="Clusters">
                    {lines}
                </ul>
            </Show>
        </details>
    }
}

/// Close enough to see one cluster and what is round it.
const CLUSTER_ZOOM: f64 = 2.0;
