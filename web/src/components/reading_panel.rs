//! How the values of a file were read, and how else they may be: bands, offset, stretch.

use leptos::prelude::*;

use crate::scene::reading::{OffsetChoice, Reading, StretchChoice, Taken};

/// What was taken, in a sentence each, and the choices.
#[component]
pub fn ReadingPanel(
    /// What was taken; its `planes` are empty when the bands could not be told.
    taken: Taken,
    /// Names of the bands that the model wants.
    wanted: Vec<String>,
    /// The choices so far.
    reading: Reading,
    /// Is handed new choices.
    on_change: impl Fn(Reading) + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let has_bands = taken.names.len() > wanted.len();
    let is_unclear = taken.planes.is_empty();
    let facts = facts(&taken);
    let current = if is_unclear { (0..wanted.len()).collect() } else { taken.planes.clone() };
    let bands = has_bands.then(|| band_menus(&taken.names, &wanted, &current, &reading, on_change));
    let values = (taken.is_reflectance || taken.is_scene).then(|| value_menus(&taken, &reading, on_change));
    view! {
        <div class="reading">
            <h3>"How its values are read"</h3>
            <ul class="reading-facts">{facts.into_iter().map(|fact| view! { <li>{fact}</li> }).collect_view()}</ul>
            <div class="reading-menus">{bands} {values}</div>
        </div>
    }
}

/// What was done, as sentences.
fn facts(taken: &Taken) -> Vec<String> {
    let mut facts = Vec::new();
    if taken.planes.is_empty() {
        facts.push("Which of its bands are the model's could not be told: choose them here.".to_owned());
    } else {
        let count = taken.names.len();
        let of = if count > taken.planes.len() { format!(" of {count}") } else { String::new() };
        facts.push(format!("Bands {}{of} ({}).", taken.taken_names().join(", "), taken.order));
    }
    if taken.is_reflectance && !taken.offset_why.is_empty() {
        let value = match taken.offset {
            0 => "value".to_owned(),
            offset if offset < 0 => format!("(value − {})", -offset),
            offset => format!("(value + {offset})"),
        };
        facts.push(format!("Reflectance = {value} / 10 000: {}.", taken.offset_why));
    }
    if !taken.scaling.is_empty() {
        facts.push(taken.scaling.clone());
    }
    let why = &taken.stretch_why;
    if !taken.fitted.is_empty() {
        facts.push(format!(
            "What 3 % of each band are darker and brighter than became the dark and the bright end of the pictures that the model learned from: {why}."
        ));
    } else if taken.is_reflectance {
        facts.push(match taken.white {
            Some(white) => format!("Reflectance 0 to {white} became black to white: {why}."),
            None => format!("Reflectance is used as it is: {why}."),
        });
    } else if taken.is_scene {
        let why = if why.is_empty() { "you chose it" } else { why };
        facts.push(format!("Its colours are used as they are: {why}."));
    }
    facts
}

fn band_menus(
    names: &[String],
    wanted: &[String],
    current: &[usize],
    reading: &Reading,
    on_change: impl Fn(Reading) + Copy + Send + Sync + 'static,
) -> AnyView {
    let menu = |(place, band): (usize, &String)| {
        let (current, reading) = (current.to_vec(), reading.clone());
        let chosen = current.get(place).copied().unwrap_or(0);
        let options = names
            .iter()
            .enumerate()
            .map(|(plane, name)| {
                let number = format!("band {}", plane + 1);
                let label = if *name == number { number } else { format!("{}: {name}", plane + 1) };
                view! {
                    <option value=plane.to_string() selected=plane == chosen>
                        {label}
                    </option>
                }
            })
            .collect_view();
        let choose = move |event| {
            let mut planes = current.clone();
            if let (Some(slot), Ok(plane)) = (planes.get_mut(place), event_target_value(&event).parse()) {
                *slot = plane;
            }
            on_change(Reading { planes: Some(planes), ..reading.clone() });
        };
        let colour = ["Red", "Green", "Blue"].get(place).filter(|_| wanted == ["B04", "B03", "B02"]);
        let label = colour.map_or_else(|| band.clone(), |colour| format!("{colour} ({band})"));
        view! { <label>{label} " " <select on:change=choose>{options}</select></label> }
    };
    wanted.iter().enumerate().map(menu).collect_view().into_any()
}

fn value_menus(
    taken: &Taken,
    reading: &Reading,
    on_change: impl Fn(Reading) + Copy + Send + Sync + 'static,
) -> AnyView {
    let offsets = vec![
        (OffsetChoice::Auto, "as found out"),
        (OffsetChoice::None, "0"),
        (OffsetChoice::Baseline4, "− 1000 (baseline 04.00 and later)"),
    ];
    let auto = if taken.is_scene { "fitted to the scene" } else { "as the model learned" };
    let mut stretches = vec![(StretchChoice::Auto, auto)];
    if taken.is_reflectance {
        stretches.push((StretchChoice::Picture, "0 to 0.275, as EuroSAT's pictures"));
    }
    stretches.push((StretchChoice::None, if taken.is_reflectance { "none" } else { "as it is" }));
    let offset_menu = (!taken.offset_why.is_empty()).then(|| {
        let (reading, chosen) = (reading.clone(), reading.offset);
        let choose = move |offset| on_change(Reading { offset, ..reading.clone() });
        menu("Offset", offsets, chosen, choose)
    });
    let chosen = match reading.stretch {
        // There is one stretch less to choose from.
        StretchChoice::Picture if !taken.is_reflectance => StretchChoice::None,
        chosen => chosen,
    };
    let reading = reading.clone();
    let choose = move |stretch| on_change(Reading { stretch, ..reading.clone() });
    view! { {offset_menu} {menu("Stretch", stretches, chosen, choose)} }.into_any()
}

fn menu<T: Copy + PartialEq + Send + Sync + 'static>(
    title: &'static str,
    options: Vec<(T, &'static str)>,
    chosen: T,
    choose: impl Fn(T) + Send + Sync + 'static,
) -> impl IntoView {
    let lines = options
        .iter()
        .enumerate()
        .map(|(at, (value, label))| {
            view! {
                <option value=at.to_string() selected=*value == chosen>
                    {*label}
                </option>
            }
        })
        .collect_view();
    let on_change = move |event| {
        if let Some((value, _)) = event_target_value(&event).parse().ok().and_then(|at: usize| options.get(at)) {
            choose(*value);
        }
    };
    view! { <label>{title} " " <select on:change=on_change>{lines}</select></label> }
}
