//! The user's own classes on a map: patches are marked, and the whole is classified anew as they are.

use std::sync::Arc;

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::state::{SceneMap, use_map};
use crate::label::head::Head;
use crate::pages::classify::label::state::{Labels, use_labels};
use crate::pause::breathe;
use crate::scene::card::SceneCard;
use crate::scene::cells::{ANSWERED, Cells, NO_DATA, WAITING};

/// Patches that are classified between two breaths.
const CLASSIFIED_AT_ONCE: usize = 1024;

impl SceneMap {
    /// The patch under the cursor as an example: what it is called, and its embedding.
    #[must_use]
    pub fn example(self) -> Option<(String, Vec<f32>)> {
        let patch = self.cursor.get_untracked()?;
        let name = self.card.with_untracked(|card| Some(self.example_name(card.as_ref()?, patch)))?;
        let embedding = self.parts().kept.borrow().of(patch)?.to_vec();
        Some((name, embedding))
    }

    /// A patch is known by its picture and its first pixel, however the picture is cut.
    fn example_name(self, card: &SceneCard, patch: usize) -> String {
        let (left, top) = card.grid.corner(patch);
        format!("{} · pixel {left}, {top}", self.name.get_untracked())
    }

    /// Marked patches of this picture, with the number of their class.
    fn marked(self, labels: Labels) -> Vec<(usize, usize)> {
        let front = format!("{} · pixel ", self.name.get());
        self.card.with(|card| {
            let Some(card) = card else { return Vec::new() };
            let place = |file: &str| {
                let (left, top) = file.strip_prefix(&front)?.split_once(", ")?;
                card.grid.patch_from((left.parse().ok()?, top.parse().ok()?))
            };
            labels.book.with(|book| {
                book.examples.iter().filter_map(|example| Some((place(&example.file)?, example.class))).collect()
            })
        })
    }

    /// Shows the classes of a head of the user's, or the model's again.
    fn classify_by(self, head: Option<Arc<Head>>) {
        let is_same = match (&self.own.get_untracked(), &head) {
            (None, None) => true,
            (Some(shown), Some(head)) => Arc::ptr_eq(shown, head),
            _ => false,
        };
        if is_same {
            return;
        }
        let parts = self.parts();
        let of_model = parts.of_model.take().unwrap_or_else(|| self.cells.get_untracked());
        parts.counting.take();
        self.filter.update(|filter| filter.hidden.clear());
        self.heat.set(None);
        let work = parts.relabelling.begin(&self.session.model.get_untracked());
        let Some(head) = head else {
            self.cells.set(of_model);
            self.own.set(None);
            return spawn_local(async move {
                // Answers that came meanwhile had no neighbours to hear.
                if self.cells.try_update_untracked(Cells::learn_priors) == Some(true) {
                    // Given up: other answers are shown already.
                    let _ = work.hold(self.settle_whole()).await;
                }
            });
        };
        let grid = self.card.with_untracked(|card| card.as_ref().map(|card| card.grid));
        let Some(grid) = grid else { return parts.of_model.set(Some(of_model)) };
        let count = of_model.len();
        parts.of_model.set(Some(of_model));
        self.cells.set(Cells::of(&grid, head.classes.len(), false));
        self.own.set(Some(Arc::clone(&head)));
        spawn_local(async move {
            for first in (0..count).step_by(CLASSIFIED_AT_ONCE) {
                self.put_own(&head, first, count.min(first + CLASSIFIED_AT_ONCE));
                if work.hold(breathe()).await.is_err() {
                    return;
                }
            }
        });
    }

    /// What a head of the user's says of the patches from `first` to `last`, as far as they are answered.
    pub fn put_own(self, head: &Head, first: usize, last: usize) {
        let parts = self.parts();
        let kept = parts.kept.borrow();
        let states = |patch: usize| parts.of_model.with(|cells| cells.state(patch));
        let (mut own, mut shares) = (Vec::with_capacity(last - first), Vec::new());
        for patch in first..last {
            // What the model knows nothing of may well be what the user has marked.
            let (state, probabilities) = match (states(patch), kept.of(patch)) {
                (NO_DATA, _) => (NO_DATA, None),
                (WAITING, _) | (_, None) => (WAITING, None),
                (_, Some(embedding)) => (ANSWERED, Some(head.probabilities(embedding))),
            };
            own.push(state);
            shares.extend(probabilities.unwrap_or_else(|| vec![0.0; head.classes.len()]));
        }
        self.cells.update(|cells| cells.put(first, &own, &shares));
    }
}

/// Keeps the map in step with what the user has marked, as long as it is in view.
pub fn follow_labels(map: SceneMap, labels: Labels) {
    let is_open = Memo::new(move |_| map.card.with(Option::is_some) && map.cells.with(|cells| !cells.is_empty()));
    Effect::new(move |_| {
        let head = labels.head.get().filter(|_| labels.is_shown.get());
        if is_open.get() {
            map.classify_by(head);
        }
    });
}

/// Marks with the user's classes, for the patch under the cursor.
#[component]
pub fn PatchMarks() -> impl IntoView {
    let (map, labels) = (use_map(), use_labels());
    let classes = Memo::new(move |_| labels.book.with(|book| book.classes.clone()));
    let marked = Memo::new(move |_| {
        let patch = map.cursor.get()?;
        map.marked(labels).into_iter().find(|(other, _)| *other == patch).map(|(_, class)| class)
    });
    let mark = move |class: Option<usize>| {
        if let Some(example) = map.example() {
            labels.mark_examples(vec![example], class);
        }
    };
    let button = move |(class, name): (usize, String)| {
        view! {
            <button
                type="button"
                class="small"
                data-class=(class % 10).to_string()
                aria-pressed=move || (marked.get() == Some(class)).to_string()
                on:click=move |_| mark(if marked.get_untracked() == Some(class) { None } else { Some(class) })
            >
                <span class="own-badge" data-number=(class + 1).to_string()></span>
                {name}
            </button>
        }
    };
    view! {
        <Show
            when=move || classes.with(|classes| !classes.is_empty())
            fallback=move || {
                view! {
                    <button type="button" class="small" on:click=move |_| labels.is_open.set(true)>
                        "Mark patches with classes of your own"
                    </button>
                }
            }
        >
            <div class="patch-marks" role="group" aria-label="Mark this patch as">
                <span class="note">"Mark it as"</span>
                {move || classes.get().into_iter().enumerate().map(button).collect_view()}
            </div>
        </Show>
    }
}

/// Outlines of the marked patches.
#[component]
pub fn Marked() -> impl IntoView {
    let (map, labels) = (use_map(), use_labels());
    let marked = Memo::new(move |_| map.marked(labels));
    let outline = move |(patch, class): (usize, usize)| {
        let card = map.card.get_untracked()?;
        let cell = card.grid.cell(patch);
        let share = |part: usize, whole: usize| format!("{:.4}%", part as f64 / whole.max(1) as f64 * 100.0);
        Some(view! {
            <div
                class="scene-own"
                data-class=(class % 10).to_string()
                aria-hidden="true"
                style:left=share(cell.left, card.grid.width)
                style:top=share(cell.top, card.grid.height)
                style:width=share(cell.right - cell.left, card.grid.width)
                style:height=share(cell.bottom - cell.top, card.grid.height)
            >
                <span class="own-badge" data-number=(class + 1).to_string()></span>
            </div>
        })
    };
    move || marked.get().into_iter().map(outline).collect_view()
}
