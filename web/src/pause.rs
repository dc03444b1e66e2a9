//! Long work in slices: between two of them the page draws and hears.

use futures_channel::oneshot;
use leptos::prelude::set_timeout;

/// Lets the page draw and hear.
pub async fn breathe() {
    let (wake, awake) = oneshot::channel();
    set_timeout(
        move || {
            // Whoever waited may be gone.
            let _ = wake.send(());
        },
        std::time::Duration::ZERO,
    );
    // The sender is called exactly once, by the timer.
    let _ = awake.await;
}
