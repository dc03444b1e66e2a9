//! Everything that a model says of itself, and how it did on this device.

use leptos::prelude::*;

use super::state::{on_device, use_models};
use crate::components::model_card::{by_protocol, measured};
use crate::engine::protocol::{Bundle, ModelCard, SelfTest};
use crate::state::{DeviceState, GalleryState};
use crate::wording::{bytes, class_label, grouped, milliseconds};

/// The model in use.
#[component]
pub fn InUseCard() -> impl IntoView {
    let models = use_models();
    let session = models.session;
    let proof = Memo::new(move |_| {
        session.devices.with(|devices| {
            let bundle = devices.active?;
            match devices.of(bundle) {
                DeviceState::Proven { ms_per_tile, self_test } => Some((bundle, *ms_per_tile, *self_test)),
                _ => None,
            }
        })
    });
    let gallery = move || match session.gallery.get() {
        GalleryState::Waiting => "still loading …".to_owned(),
        GalleryState::Ready(gallery) => format!("{} known tiles, embedded with this model", grouped(gallery.tiles)),
        GalleryState::Failed(problem) => format!("none. {}", problem.why),
    };
    move || {
        let title =
            session.models.with(|shelf| shelf.in_use.as_ref().map(|model| model.title.clone())).unwrap_or_default();
        match session.card.get() {
            None => view! { <p class="card note">"No model is ready: the line above says what is being done."</p> }
                .into_any(),
            Some(card) => {
                let gallery = view! { <dt>"Gallery"</dt><dd>{gallery}</dd> };
                view! {
                    <article class="card about-model" aria-label="The model in use">
                        <div class="about-head">
                            <h2>{title}</h2>
                            <span class="tag">"in use"</span>
                        </div>
                        {facts(&card, proof.get(), gallery)}
                    </article>
                }
                .into_any()
            }
        }
    }
}

/// A model that waits to be used or compared.
#[component]
pub fn CandidateCard() -> impl IntoView {
    let models = use_models();
    move || {
        let candidate = models.candidate.get()?;
        let second = &candidate.second;
        let proof = Some((second.bundle(), second.ms_per_tile, second.self_test));
        Some(view! {
            <article class="card about-model" aria-label="The other model">
                <div class="about-head">
                    <h2>{candidate.title.clone()}</h2>
                    <span class="note">"proven beside the one in use"</span>
                </div>
                <div class="downloads">
                    <button type="button" class="small" on:click=move |_| models.use_candidate()>"Use this model"</button>
                    <button type="button" class="small" on:click=move |_| models.compare()>"Compare with the one in use"</button>
                    <button type="button" class="small quiet" on:click=move |_| models.put_away()>"Put away"</button>
                </div>
                {facts(&second.card, proof, ())}
            </article>
        })
    }
}

/// Names and values, then what was measured with how, then the checksum.
fn facts<V: IntoView + 'static>(
    card: &ModelCard,
    proof: Option<(Bundle, f64, SelfTest)>,
    more: V,
) -> impl IntoView + use<V> {
    let classes: Vec<String> = card.classes.iter().map(|class| class_label(class)).collect();
    let proof = proof.map(|(bundle, ms, test)| {
        format!(
            "{} a tile{}; its answer to the model's own test picture is right (largest difference {:.0e})",
            milliseconds(ms),
            on_device(Some(bundle)),
            test.max_relative_error
        )
    });
    let calibration = match (card.classes.is_empty(), card.temperature) {
        (true, _) => String::new(),
        (false, Some(temperature)) => format!("probabilities are calibrated (temperature {temperature:.3})"),
        (false, None) => "probabilities are not calibrated".to_owned(),
    };
    let subspaces =
        if card.subspaces.is_empty() { "none: a single space".to_owned() } else { card.subspaces.join(", ") };
    let classes = if classes.is_empty() { "none: it embeds only".to_owned() } else { classes.join(", ") };
    let facts = [
        ("Name", card.name.clone()),
        ("Method", card.method.clone()),
        ("Training data", card.data.clone()),
        ("Training", card.training.clone()),
        ("Encoder", card.architecture.clone()),
        ("Parameters", grouped(card.parameters)),
        ("Work a tile", format!("{:.0} M multiply-adds", card.multiply_adds as f64 / 1e6)),
        ("Input", format!("{0} × {0} px", card.input_px)),
        ("Bands", card.bands.join(" ")),
        ("Embedding", format!("{} numbers", card.embedding_width)),
        ("Classes", classes),
        ("Calibration", calibration),
        ("Subspaces", subspaces),
        (
            "File",
            format!("{} ({} bytes), format {}", bytes(card.bytes), grouped(card.bytes as usize), card.format_version),
        ),
        ("Weights", card.weight_format.clone()),
        ("Licence", card.licence.clone()),
        ("Here", proof.unwrap_or_default()),
    ];
    let facts = facts
        .into_iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(name, text)| view! { <dt>{name}</dt><dd>{text}</dd> })
        .collect_view();
    let metrics = by_protocol(&card.metrics).into_iter().map(measured).collect_view();
    let unmeasured = card.metrics.is_empty().then(|| view! { <p class="note">"Nothing measured came with it."</p> });
    view! {
        <dl>
            {facts}
            {more}
            <dt>"Checksum"</dt>
            <dd class="checksum">{card.sha256.clone()}</dd>
        </dl>
        <div class="about-metrics model-card">{metrics} {unmeasured}</div>
    }
}
