//! What is under everything: a promise, and whom to thank.

use leptos::prelude::*;

use super::project::ProjectFile;
use crate::session::use_session;
use crate::state::GalleryState;

/// The footer.
#[component]
pub fn Footer() -> impl IntoView {
    let session = use_session();
    let credit = move || match session.gallery.get() {
        GalleryState::Ready(gallery) => gallery.credit,
        _ => String::new(),
    };
    view! {
        <footer>
            <p>"Runs in your browser with Burn. After loading, nothing is sent anywhere."</p>
            <p>{credit}</p>
            <ProjectFile />
        </footer>
    }
}
