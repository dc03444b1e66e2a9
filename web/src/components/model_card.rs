//! What the model says of itself: method, data, size, and figures with how they were measured.

use leptos::prelude::*;

use super::wording::{bytes, grouped, percent};
use crate::session::use_session;

/// A card that opens.
#[component]
pub fn ModelCardView() -> impl IntoView {
    let session = use_session();
    move || {
        session.card.get().map(|card| {
            let facts = [
                ("Encoder", format!("{}, {} parameters", card.architecture, grouped(card.parameters))),
                ("Input", format!("{} × {} px, bands {}", card.input_px, card.input_px, card.bands.join(" "))),
                ("Embedding", format!("{} numbers", card.embedding_width)),
                ("Pre-training", format!("{}, on {}", card.method, card.data)),
                ("File", format!("{}, {}", bytes(session.model_bytes.get()), card.weight_format)),
                ("Licence", card.licence.clone()),
            ];
            let metrics = card
                .metrics
                .iter()
                .map(|metric| {
                    let value = if (0.0..=1.0).contains(&metric.value) { percent(metric.value) } else { format!("{:.3}", metric.value) };
                    view! {
                        <tr>
                            <th scope="row">{metric.name.clone()}</th>
                            <td class="number">{value}</td>
                            <td class="protocol">{metric.protocol.clone()}</td>
                        </tr>
                    }
                })
                .collect_view();
            let facts = facts
                .into_iter()
                .filter(|(_, text)| !text.is_empty())
                .map(|(name, text)| view! { <dt>{name}</dt><dd>{text}</dd> })
                .collect_view();
            view! {
                <details class="card model-card">
                    <summary>
                        <span class="model-name">{card.name.clone()}</span>
                        <span class="note">"About this model"</span>
                    </summary>
                    <dl>{facts}</dl>
                    <table>
                        <caption>"Measured"</caption>
                        <tbody>{metrics}</tbody>
                    </table>
                </details>
            }
        })
    }
}
