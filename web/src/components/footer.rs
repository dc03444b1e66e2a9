//! What is under everything: a promise, whom to thank, and what else belongs to every page.

use leptos::prelude::*;

use crate::session::use_session;
use crate::state::GalleryState;

/// The footer.
#[component]
pub fn Footer(
    /// What stands under both.
    children: Children,
) -> impl IntoView {
    let session = use_session();
    let credit = move || match session.gallery.get() {
        GalleryState::Ready(gallery) => gallery.credit,
        _ => String::new(),
    };
    view! {
        <footer>
            <p>"Runs in your browser with Burn. After loading, nothing is sent anywhere."</p>
            <p>{credit}</p>
            {children()}
        </footer>
    }
}
