//! What the model says of itself: method, data, size, and figures with how they were measured.

use leptos::prelude::*;

use crate::engine::protocol::MetricLine;
use crate::route::Page;
use crate::session::use_session;
use crate::wording::{bytes, grouped, percent};

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
                ("File", format!("{}, {}", bytes(session.transfers.read().model.total), card.weight_format)),
                ("Licence", card.licence.clone()),
            ];
            let metrics = by_protocol(&card.metrics).into_iter().map(measured).collect_view();
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
                    {metrics}
                    <p class="more-models"><a href=Page::Models.path()>"All about it, and other models"</a></p>
                </details>
            }
        })
    }
}

/// Figures that were measured in the same way, together, in their order.
pub fn by_protocol(metrics: &[MetricLine]) -> Vec<(String, Vec<MetricLine>)> {
    let mut groups: Vec<(String, Vec<MetricLine>)> = Vec::new();
    for metric in metrics {
        match groups.iter_mut().find(|(protocol, _)| *protocol == metric.protocol) {
            Some((_, group)) => group.push(metric.clone()),
            None => groups.push((metric.protocol.clone(), vec![metric.clone()])),
        }
    }
    groups
}

/// A table of figures, and under it how they were measured.
pub fn measured((protocol, metrics): (String, Vec<MetricLine>)) -> impl IntoView {
    let rows = metrics
        .into_iter()
        .map(|metric| {
            let is_share = (0.0..=1.0).contains(&metric.value);
            let value = if is_share { percent(metric.value) } else { format!("{:.3}", metric.value) };
            view! {
                <tr>
                    <th scope="row">{metric.name}</th>
                    <td class="number">{value}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <table>
            <caption>"Measured"</caption>
            <tbody>{rows}</tbody>
        </table>
        <p class="protocol">{protocol}</p>
    }
}
