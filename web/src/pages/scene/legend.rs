//! What the colours say, what each class covers, and which are shown.

use leptos::prelude::*;

use super::state::use_map;
use crate::map::palette::{Paint, hex};
use crate::scene::tally::{Share, Tally};
use crate::wording::{class_label, grouped, part};

/// The legend, which is also the filter and the table of areas.
#[component]
pub fn SceneLegend() -> impl IntoView {
    let map = use_map();
    let tally = Memo::new(move |_| map.tally());
    let has_ground = move || map.card.with(|card| card.as_ref().is_some_and(|card| card.georeference.is_some()));
    let classes = Memo::new(move |_| map.classes());
    let lines = move || {
        classes
            .get()
            .into_iter()
            .enumerate()
            .map(|(class, name)| {
                let is_shown = move || !map.filter.with(|filter| filter.hidden.contains(&class));
                let toggle = move |_| {
                    map.filter.update(|filter| {
                        if !filter.hidden.remove(&class) {
                            filter.hidden.insert(class);
                        }
                    });
                };
                let share = move || tally.with(|tally| tally.classes.get(class).copied().unwrap_or_default());
                let colour = hex(Paint::Class(class).rgb(false));
                view! {
                    <tr>
                        <th scope="row">
                            <button type="button" class="legend-line" aria-pressed=move || is_shown().to_string() on:click=toggle>
                                <span class="swatch" aria-hidden="true" style:background-color=colour></span>
                                <span class="legend-label">{class_label(&name)}</span>
                            </button>
                        </th>
                        <Figures tally=tally share=Signal::derive(share) has_ground=Signal::derive(has_ground) />
                    </tr>
                }
            })
            .collect_view()
    };
    let rest = move |label: &'static str, of: fn(&Tally) -> Share, is_always_shown: bool| {
        let share = Memo::new(move |_| tally.with(of));
        view! {
            <Show when=move || is_always_shown || { share.get().patches > 0 }>
                <tr class="legend-rest">
                    <th scope="row">{label}</th>
                    <Figures tally=tally share=share.into() has_ground=Signal::derive(has_ground) />
                </tr>
            </Show>
        }
    };
    view! {
        <div class="scene-legend">
            <table>
                <caption>"Area by class"</caption>
                <thead>
                    <tr>
                        <th scope="col">"Class"</th>
                        <th scope="col" class="number">
                            "Patches"
                        </th>
                        <th scope="col" class="number">
                            "Share"
                        </th>
                        <Show when=has_ground>
                            <th scope="col" class="number">
                                "km²"
                            </th>
                        </Show>
                    </tr>
                </thead>
                <tbody>
                    {lines} {rest("Unsure", |tally| tally.unsure, true)}
                    {rest("Unlike anything known", |tally| tally.unlike, false)}
                    {rest("No data", |tally| tally.no_data, false)}
                </tbody>
            </table>
            <Show when=move || map.filter.with(|filter| !filter.hidden.is_empty())>
                <button type="button" class="small" on:click=move |_| map.filter.update(|filter| filter.hidden.clear())>
                    "Show all classes"
                </button>
            </Show>
        </div>
    }
}

/// Patches, share of what was looked at, and square kilometres.
#[component]
fn Figures(
    /// All of them.
    tally: Memo<Tally>,
    /// This one.
    share: Signal<Share>,
    /// Whether square kilometres are known.
    has_ground: Signal<bool>,
) -> impl IntoView {
    let share_text = move || {
        let whole = tally.with(|tally| tally.seen.pixels);
        let pixels = share.get().pixels;
        if pixels == 0 { "–".to_owned() } else { part(pixels, whole) }
    };
    view! {
        <td class="number">{move || grouped(share.get().patches)}</td>
        <td class="number">{share_text}</td>
        <Show when=move || has_ground.get()>
            <td class="number">{move || square_kilometres(share.get().area_m2)}</td>
        </Show>
    }
}

/// `1 234`, `12.3`, `0.41`.
fn square_kilometres(area_m2: f64) -> String {
    match area_m2 / 1e6 {
        area if area >= 1000.0 => grouped(area.round() as usize),
        area if area >= 10.0 => format!("{area:.1}"),
        area => format!("{area:.2}"),
    }
}
