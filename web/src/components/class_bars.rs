//! Every class with its probability, most likely first.

use leptos::prelude::*;

use crate::engine::protocol::{ModelCard, ranking};
use crate::wording::{class_label, percent};

/// The bars.
#[component]
pub fn ClassBars(
    /// A probability for each class.
    probabilities: Vec<f32>,
    /// Names of the classes.
    card: ModelCard,
    /// Whether the tile is unlike anything that the model knows.
    is_guess: bool,
    /// Whether tiles around it had a say: the calibration is of tiles by themselves.
    #[prop(optional)]
    is_mixed: bool,
) -> impl IntoView {
    let note = if is_guess {
        "Probabilities mean nothing here: the model is asked about something unlike all that it knows."
    } else if is_mixed {
        "With the say of the patches around it, and of how frequent each class is in this picture."
    } else if card.calibrated {
        "Probabilities are calibrated: of tiles given 80 %, about 80 % are right."
    } else {
        "Probabilities are not calibrated for this model."
    };
    let bars = ranking(&probabilities)
        .into_iter()
        .map(|class| {
            let share = f64::from(probabilities[class]);
            let name = card.classes.get(class).map_or_else(|| format!("class {class}"), |name| class_label(name));
            view! {
                <li>
                    <span class="bar-name">{name}</span>
                    <span class="bar-track" aria-hidden="true">
                        <span class="bar-fill" style:width=format!("{:.2}%", share * 100.0)></span>
                    </span>
                    <span class="bar-value">{percent(share)}</span>
                </li>
            }
        })
        .collect_view();
    view! {
        <div class="bars">
            <h3>"Land cover"</h3>
            <ol>{bars}</ol>
            <p class="note">{note}</p>
        </div>
    }
}
