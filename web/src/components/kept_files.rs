//! How much the page keeps on this device for visits without network, and a button that clears it.

use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::kept;
use crate::offline::use_offline;
use crate::session::use_session;
use crate::wording::bytes;

/// A line with its button; looks whenever it is shown and something has changed.
#[component]
pub fn KeptFiles(
    /// Whether it can be seen: looking takes some milliseconds.
    #[prop(into)]
    is_shown: Signal<bool>,
) -> impl IntoView {
    let (offline, session) = (use_offline(), use_session());
    let kept_bytes = RwSignal::new(None::<u64>);
    let look = move || {
        spawn_local(async move {
            let found = kept::size().await;
            // The component may be gone by now.
            kept_bytes.try_set(found);
        });
    };
    Effect::new(move |_| {
        offline.changes.track();
        session.gallery.track();
        if is_shown.get() {
            look();
        }
    });
    let text = move || match kept_bytes.get() {
        None => "This browser keeps nothing for later visits.".to_owned(),
        Some(0) => "Nothing is kept on this device.".to_owned(),
        Some(count) => format!("Kept on this device, for visits without network: {}.", bytes(count)),
    };
    let clear = move |_| {
        offline.keep_no_more();
        spawn_local(async move {
            kept::clear().await;
            look();
        });
    };
    view! {
        <div class="kept">
            <p class="device-text" aria-live="polite">{text}</p>
            <Show when=move || kept_bytes.get().is_some_and(|count| count > 0)>
                <button type="button" class="small" aria-label="Clear what is kept on this device" on:click=clear>
                    "Clear"
                </button>
            </Show>
        </div>
    }
}
