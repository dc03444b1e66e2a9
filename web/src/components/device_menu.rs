//! Which model on which device, why that one, how much memory they take, and a choice.

use leptos::html::Details;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

use super::kept_files::KeptFiles;
use crate::engine::protocol::Bundle;
use crate::session::use_session;
use crate::state::{DeviceState, Preference, Transfer};
use crate::wording;

/// Bytes while they come, the test after that.
fn proving(transfer: Transfer) -> String {
    if transfer.received >= transfer.total {
        return "loaded, proving itself …".to_owned();
    }
    format!("loading: {} of {}", wording::bytes(transfer.received), wording::bytes(transfer.total))
}

/// A chip in the header that opens into the details.
#[component]
pub fn DeviceMenu() -> impl IntoView {
    let session = use_session();
    let name = move || {
        let device = session.devices.with(|devices| devices.active.map_or("No device yet", Bundle::label));
        let workers = session.crew.with(|crew| wording::workers(crew.workers));
        let model = session.card.with(|card| card.as_ref().map(|card| card.name.clone()));
        [model, Some(device.to_owned()), workers].into_iter().flatten().collect::<Vec<_>>().join(" · ")
    };
    let facts = move || {
        let memory = session.crew.with(|crew| crew.memory_bytes);
        let memory = (memory > 0).then(|| wording::bytes(memory));
        let speed = session.devices.with(|devices| match devices.of(devices.active?) {
            DeviceState::Proven { ms_per_tile, .. } => Some(format!("{} a tile", wording::milliseconds(*ms_per_tile))),
            _ => None,
        });
        [memory, speed].into_iter().flatten().collect::<Vec<_>>().join(" · ")
    };
    let memory = move || {
        session.crew.with(|crew| {
            let of = if crew.workers > 1 { format!(" of {} workers", crew.workers) } else { String::new() };
            let trouble = crew
                .trouble
                .as_ref()
                .map(|problem| format!(" Fewer workers than cores: {}: {}", problem.what, problem.why));
            format!("Memory{of}: {}.{}", wording::bytes(crew.memory_bytes), trouble.unwrap_or_default())
        })
    };
    let row = move |bundle: Bundle| {
        let state = session.devices.with(|devices| devices.of(bundle).clone());
        let adapter = session.devices.with(|devices| devices.adapter.clone()).filter(|_| bundle == Bundle::Gpu);
        let is_active = session.devices.with(|devices| devices.active == Some(bundle));
        let (mark, text) = match state {
            DeviceState::Untried => ("waiting", "not tried yet".to_owned()),
            DeviceState::Absent(why) => ("absent", why),
            DeviceState::Proving => ("waiting", proving(*session.transfers.read().of(bundle))),
            DeviceState::Proven { ms_per_tile, self_test } => (
                "proven",
                format!(
                    "{} a tile; its answer to the model's own test picture is right (largest difference {:.0e}); first run {}",
                    wording::milliseconds(ms_per_tile),
                    self_test.max_relative_error,
                    wording::milliseconds(self_test.first_run_ms),
                ),
            ),
            DeviceState::Failed(problem) => ("failed", format!("{}: {}", problem.what, problem.why)),
        };
        view! {
            <div class="device-row" data-state=mark>
                <span class="dot" aria-hidden="true"></span>
                <div>
                    <p class="device-name">
                        {bundle.label()} {adapter.map(|name| format!(" · {name}"))}
                        {is_active.then(|| view! { <span class="tag">"in use"</span> })}
                    </p>
                    <p class="device-text">{text}</p>
                </div>
            </div>
        }
    };
    // Esc, or a click somewhere else, closes it.
    let menu = NodeRef::<Details>::new();
    let is_open = RwSignal::new(false);
    let on_toggle = move |_| is_open.set(menu.get_untracked().is_some_and(|menu| menu.open()));
    let close = move || menu.get_untracked().into_iter().for_each(|menu| menu.set_open(false));
    let on_key = window_event_listener(leptos::ev::keydown, move |event| {
        if event.key() == "Escape" {
            close();
        }
    });
    let on_click = window_event_listener(leptos::ev::click, move |event| {
        let target = event.target().and_then(|target| target.dyn_into::<web_sys::Node>().ok());
        if !menu.get_untracked().is_some_and(|menu| menu.contains(target.as_ref())) {
            close();
        }
    });
    on_cleanup(move || {
        on_key.remove();
        on_click.remove();
    });
    let choose = move |event| session.prefer(Preference::parse(&event_target_value(&event)));
    view! {
        <details class="menu device-menu" node_ref=menu on:toggle=on_toggle>
            <summary>
                <span class="dot" aria-hidden="true" data-active=move || session.devices.with(|d| d.active.is_some()).to_string()></span>
                <span class="device-lines">
                    <span class="device-main">{name}</span>
                    <span class="device-facts" title=facts>{facts}</span>
                </span>
            </summary>
            <div class="menu-body">
                {move || row(Bundle::Gpu)}
                {move || row(Bundle::Cpu)}
                <p class="device-why">{move || session.with_device(|device, why| format!("{device} answers: {why}."))}</p>
                <p class="device-text">{memory}</p>
                <KeptFiles is_shown=is_open />
                <label>
                    "Device "
                    <select on:change=choose prop:value=move || session.preference.get().as_str()>
                        <option value="auto">"Automatic (the faster)"</option>
                        <option value="webgpu">"WebGPU"</option>
                        <option value="cpu">"CPU"</option>
                    </select>
                </label>
            </div>
        </details>
    }
}
