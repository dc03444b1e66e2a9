//! A new release has come: a line that says so, and the button that shows it.

use leptos::prelude::*;

use crate::offline::use_offline;

/// Nothing, most of the time.
#[component]
pub fn UpdateNotice() -> impl IntoView {
    let offline = use_offline();
    view! {
        <div class="update-notice" aria-live="polite">
            <Show when=move || offline.is_update_ready.get()>
                <span>"A new version is ready."</span>
                <button type="button" class="small" on:click=move |_| offline.reload()>
                    "Reload"
                </button>
            </Show>
        </div>
    }
}
