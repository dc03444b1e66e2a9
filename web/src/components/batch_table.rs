//! Several tiles at once: a table to sort, with every row opening in full below.

use std::cmp::Ordering;

use leptos::prelude::*;

use crate::label::own::OwnClasses;
use crate::pages::classify::label::cells::{ChooseBox, ClassCell, ShareCell};
use crate::pages::classify::label::state::use_labels;
use crate::session::use_session;
use crate::state::{Outcome, TileEntry};
use crate::wording::{class_label, milliseconds};

/// What the table is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Name,
    Class,
    Probability,
    Similarity,
    Time,
}

impl Column {
    const ALL: [Self; 5] = [Self::Name, Self::Class, Self::Probability, Self::Similarity, Self::Time];

    const fn label(self) -> &'static str {
        match self {
            Self::Name => "Tile",
            Self::Class => "Class",
            Self::Probability => "Probability",
            Self::Similarity => "Nearest",
            Self::Time => "Time",
        }
    }
}

/// A tile as a row: what is shown and what is sorted by.
#[derive(Clone, PartialEq)]
struct Row {
    index: usize,
    name: String,
    picture: Option<String>,
    class: String,
    probability: Option<f64>,
    similarity: Option<f64>,
    ms: Option<f64>,
    is_unlike: bool,
    problem: Option<String>,
    /// What the model says, whatever is shown.
    model_class: String,
    /// See `model_class`.
    model_probability: Option<f64>,
}

impl Row {
    /// With the user's own classes, when those are shown.
    fn of(index: usize, tile: &TileEntry, classes: &[String], own: Option<&OwnClasses>) -> Self {
        let answer = tile.outcome.answer();
        let top = answer.and_then(|answer| answer.ranking().first().copied());
        let problem = match &tile.outcome {
            Outcome::Undecodable(problem) => Some(problem.what.clone()),
            _ => None,
        };
        let model_class = top.and_then(|class| classes.get(class)).map(|name| class_label(name)).unwrap_or_default();
        let model_probability = answer.zip(top).map(|(answer, class)| f64::from(answer.probabilities[class]));
        let own_class = own.and_then(|own| own.class(index));
        let (class, probability) = match own_class {
            Some((class, share)) => (class.to_owned(), Some(f64::from(share))),
            None => (model_class.clone(), model_probability),
        };
        Self {
            index,
            name: tile.name.clone(),
            picture: tile.picture.clone(),
            class,
            probability,
            model_class,
            model_probability,
            similarity: answer
                .and_then(|answer| answer.neighbours.first())
                .map(|nearest| f64::from(nearest.similarity)),
            ms: answer.map(|answer| answer.encoder_ms),
            is_unlike: answer.is_some_and(|answer| answer.unlike_gallery == Some(true)),
            problem,
        }
    }

    fn compare(&self, other: &Self, column: Column) -> Ordering {
        // Rows without a value come last when rising.
        let number = |value: Option<f64>| value.unwrap_or(f64::INFINITY);
        let order = match column {
            Column::Name => self.name.cmp(&other.name),
            Column::Class => self.class.is_empty().cmp(&other.class.is_empty()).then(self.class.cmp(&other.class)),
            Column::Probability => number(self.probability).total_cmp(&number(other.probability)),
            Column::Similarity => number(self.similarity).total_cmp(&number(other.similarity)),
            Column::Time => number(self.ms).total_cmp(&number(other.ms)),
        };
        order.then(self.index.cmp(&other.index))
    }
}

/// The table.
#[component]
pub fn BatchTable() -> impl IntoView {
    let (session, labels) = (use_session(), use_labels());
    let sorting = RwSignal::new(None::<(Column, bool)>);
    let rows = Memo::new(move |_| {
        let classes = session.card.with(|card| card.as_ref().map(|card| card.classes.clone()).unwrap_or_default());
        let own = labels.shown_classes();
        let row = |(index, tile): (usize, &TileEntry)| Row::of(index, tile, &classes, own.as_ref());
        let mut rows: Vec<Row> = session.tiles.with(|tiles| tiles.iter().enumerate().map(row).collect());
        if let Some((column, is_falling)) = sorting.get() {
            rows.sort_by(|a, b| a.compare(b, column));
            if is_falling {
                rows.reverse();
            }
        }
        rows
    });
    let summary = move || {
        let (done, failed) = session.tiles.with(|tiles| {
            let failed = tiles.iter().filter(|tile| matches!(tile.outcome, Outcome::Undecodable(_))).count();
            (tiles.iter().filter(|tile| tile.outcome.answer().is_some()).count(), failed)
        });
        let speed = session.last_run.get().filter(|run| run.tiles > 0).map(|run| {
            format!(" in {} ({} a tile)", milliseconds(run.elapsed_ms), milliseconds(run.elapsed_ms / run.tiles as f64))
        });
        let failed = if failed > 0 { format!(", {failed} not readable") } else { String::new() };
        format!("{done} classified{}{failed}", speed.unwrap_or_default())
    };
    let sort_by = move |column: Column| {
        sorting.update(|sorting| {
            *sorting = match *sorting {
                Some((current, false)) if current == column => Some((column, true)),
                Some((current, true)) if current == column => None,
                _ => Some((column, false)),
            };
        });
    };
    let heads = Column::ALL
        .into_iter()
        .map(|column| {
            let direction = move || match sorting.get() {
                Some((current, is_falling)) if current == column => {
                    if is_falling {
                        "descending"
                    } else {
                        "ascending"
                    }
                }
                _ => "none",
            };
            view! {
                <th scope="col" aria-sort=direction>
                    <button type="button" on:click=move |_| sort_by(column)>
                        {column.label()}
                    </button>
                </th>
            }
        })
        .collect_view();
    view! {
        <div class="card batch">
            <p class="batch-summary">{summary}</p>
            <div class="table-frame" tabindex="0" role="region" aria-label="Answers, one row for each tile">
                <table>
                    <thead>
                        <tr>{heads}</tr>
                    </thead>
                    <tbody>
                        <For each=move || rows.get() key=|row| (row.index, row.ms.map(f64::to_bits), row.problem.clone(), row.similarity.map(f64::to_bits)) let:row>
                            <BatchRow row=row />
                        </For>
                    </tbody>
                </table>
            </div>
        </div>
    }
}

#[component]
fn BatchRow(row: Row) -> impl IntoView {
    let session = use_session();
    let index = row.index;
    let is_selected = move || session.selected.get() == index;
    let class = match &row.problem {
        Some(problem) => view! { <span class="row-problem">{problem.clone()}</span> }.into_any(),
        None => view! { <ClassCell tile=index model=row.model_class.clone() /> }.into_any(),
    };
    view! {
        <tr aria-current=move || is_selected().then_some("true") on:click=move |_| session.selected.set(index)>
            <th scope="row">
                <ChooseBox tile=index name=row.name.clone() />
                <button type="button" class="row-button" aria-pressed=move || is_selected().to_string()>
                    {row.picture.clone().map(|address| view! { <img src=address alt="" loading="lazy" /> })}
                    <span title=row.name.clone()>{row.name.clone()}</span>
                </button>
            </th>
            <td>{class}</td>
            <td class="number"><ShareCell tile=index model=row.model_probability /></td>
            <td class="number" class:unlike=row.is_unlike title=row.is_unlike.then_some("Unlike anything in the gallery")>
                {row.similarity.map(|similarity| format!("{similarity:.3}"))}
            </td>
            <td class="number">{row.ms.map(milliseconds)}</td>
        </tr>
    }
}
