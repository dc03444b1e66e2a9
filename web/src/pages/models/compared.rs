//! The model in use and another one, on the same tiles.

use leptos::prelude::*;

use super::state::{Models, on_device, only_in_one, use_models};
use crate::download;
use crate::side_by_side::{self, Line, Said};
use crate::state::Outcome;
use crate::wording::{class_label, milliseconds, part, percent};

/// Lines shown at first, and how many more at a time.
const PAGE: usize = 100;

/// The comparison; a hint where there is nothing to compare.
#[component]
pub fn Compared() -> impl IntoView {
    let models = use_models();
    let is_there =
        Memo::new(move |_| models.comparison.with(Option::is_some) && models.candidate.with(Option::is_some));
    view! {
        <Show when=move || is_there.get()>
            <Table />
        </Show>
    }
}

#[component]
fn Table() -> impl IntoView {
    let models = use_models();
    let session = models.session;
    let shown = RwSignal::new(PAGE);
    let lines = Memo::new(move |_| {
        let mut lines = models.lines();
        side_by_side::sort(&mut lines);
        lines
    });
    let names = move || names(models);
    let heads = move || {
        let head = |name: String| view! { <th scope="col">{name}</th> };
        names().map(head).collect_view()
    };
    let rows = move || lines.with(|lines| lines.iter().take(shown.get()).map(|line| row(models, line)).collect_view());
    let rest = move || lines.with(Vec::len).saturating_sub(shown.get());
    let is_running = Memo::new(move |_| models.comparison.with(|it| it.as_ref().is_some_and(|it| it.is_running)));
    let save = move |_| {
        let names = untrack(names);
        let text = lines.with_untracked(|lines| side_by_side::csv([&names[0], &names[1]], lines));
        download::save("solstice-comparison.csv", "text/csv", &text);
    };
    view! {
        <article class="card compared" aria-label="Two models side by side">
            <div class="card-head">
                <h2>"Side by side"</h2>
                <Show when=move || is_running.get()>
                    <button type="button" class="small" on:click=move |_| models.stop()>"Stop"</button>
                </Show>
            </div>
            <div aria-live="polite" class="compared-sum">{move || sum(models, &lines.get())}</div>
            {move || differing_classes(models).map(|text| view! { <p class="note">{text}</p> })}
            <p class="note">{move || about_neighbours(models)}</p>
            <Show
                when=move || session.tiles.with(|tiles| !tiles.is_empty())
                fallback=|| view! { <p class="missing">"There are no tiles on the page: drop some on the Classify page, then compare."</p> }
            >
                <div class="table-frame" tabindex="0" role="region" aria-label="Both models' answers, differences first">
                    <table>
                        <thead>
                            <tr>
                                <th scope="col">"Tile"</th>
                                {heads}
                            </tr>
                        </thead>
                        <tbody>{rows}</tbody>
                    </table>
                </div>
                <div class="downloads">
                    <Show when=move || { rest() > 0 }>
                        <button type="button" class="small" on:click=move |_| shown.update(|shown| *shown += PAGE)>
                            {move || format!("Show {} more", rest().min(PAGE))}
                        </button>
                    </Show>
                    <button type="button" class="small" on:click=save>"Download comparison"</button>
                </div>
            </Show>
        </article>
    }
}

/// What both are called; by the file's title where the names are the same.
fn names(models: Models) -> [String; 2] {
    let first = models.session.card.with(|card| card.as_ref().map(|card| card.name.clone())).unwrap_or_default();
    let Some(candidate) = models.candidate.get() else { return [first, String::new()] };
    let second = candidate.second.card.name.clone();
    if first == second { [first, candidate.title.clone()] } else { [first, second] }
}

fn sum(models: Models, lines: &[Line]) -> impl IntoView + use<> {
    let tally = side_by_side::tally(lines);
    let (first, second) = {
        let [first, second] = names(models);
        (first, second)
    };
    let devices = (
        models.session.tiles.with(|tiles| {
            tiles
                .iter()
                .find_map(|tile| if let Outcome::Answered(_, bundle) = tile.outcome { Some(bundle) } else { None })
        }),
        models.candidate.get().map(|candidate| candidate.second.bundle()),
    );
    let agreement = match tally.compared {
        0 => "No tile has a class from both yet.".to_owned(),
        compared => {
            let share = if tally.alike == compared { "100 %".to_owned() } else { part(tally.alike, compared) };
            let share = if tally.alike == 0 { "0 %".to_owned() } else { share };
            format!("The same class for {} of {compared} tiles ({share})", tally.alike)
        }
    };
    let time = |name: String, ms: Option<f64>, device| {
        ms.map(|ms| view! { <li>{name} ": " <strong>{milliseconds(ms)}</strong> " a tile" {on_device(device)}</li> })
    };
    view! {
        <p class="agreement">{agreement}</p>
        <ul class="facts">
            {time(first, tally.first_ms, devices.0)}
            {time(second, tally.second_ms, devices.1)}
        </ul>
    }
}

fn row(models: Models, line: &Line) -> impl IntoView + use<> {
    let picture =
        models.session.tiles.with_untracked(|tiles| tiles.get(line.index).and_then(|tile| tile.picture.clone()));
    let differs = line.is_alike() == Some(false);
    view! {
        <tr class:differs=differs>
            <th scope="row">
                <div class="compared-tile">
                    {picture.map(|address| view! { <img src=address alt="" loading="lazy" /> })}
                    <span title=line.name.clone()>{line.name.clone()}</span>
                    {differs.then(|| view! { <span class="tag">"differs"</span> })}
                </div>
            </th>
            {cell(line.first.as_ref())}
            {cell(line.second.as_ref())}
        </tr>
    }
}

fn cell(said: Option<&Result<Said, String>>) -> AnyView {
    match said {
        None => view! { <td>"…"</td> }.into_any(),
        Some(Err(problem)) => view! { <td class="row-problem">{problem.clone()}</td> }.into_any(),
        Some(Ok(said)) => {
            let class = match &said.class {
                Some(class) => format!("{} {}", class_label(class), percent(f64::from(said.share))),
                None => "No classes".to_owned(),
            };
            view! {
                <td>
                    <span class="said">{class}</span>
                    <span class="note number">{milliseconds(said.ms)}</span>
                </td>
            }
            .into_any()
        }
    }
}

fn differing_classes(models: Models) -> Option<String> {
    let candidate = models.candidate.get()?;
    let first = models.session.card.get()?;
    let second = &candidate.second.card;
    let [name, other] = names(models);
    for (card, name) in [(&first, &name), (second, &other)] {
        if card.classes.is_empty() {
            return Some(format!("{name} names no classes: only times can be compared."));
        }
    }
    let lists = only_in_one(&first, second);
    let say = |name: &String, classes: &Vec<String>| {
        (!classes.is_empty()).then(|| format!("Only {name} knows {}.", classes.join(", ")))
    };
    let parts: Vec<String> = [say(&name, &lists[0]), say(&other, &lists[1])].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// Known tiles belong to the model that embedded them.
fn about_neighbours(models: Models) -> String {
    let [first, second] = names(models);
    if models.session.has_gallery() {
        format!(
            "Nearest known tiles are not compared: {first} has embedded the gallery, and its places mean nothing to {second}."
        )
    } else {
        format!("Nearest known tiles are not compared: there is no gallery of {first}, nor one of {second} beside it.")
    }
}
