//! One line that always says what the page is doing; read aloud to those who listen.

use leptos::prelude::*;

use super::problem_card::ProblemCard;
use super::update_notice::UpdateNotice;
use crate::session::use_session;
use crate::state::Phase;
use crate::wording;

/// The line, a progress bar while there is progress, and the problem when there is one.
#[component]
pub fn StatusLine() -> impl IntoView {
    let session = use_session();
    let text = move || match session.phase.get() {
        Phase::Probing(step) => format!("{step} …"),
        Phase::Downloading(first) => {
            let transfer = session.transfers.read().with(first);
            let (received, total) = (wording::bytes(transfer.received), wording::bytes(transfer.total));
            format!("Fetching the model and its program: {received} of {total}")
        }
        Phase::Ready => session.with_device(|device, why| format!("Ready on {device}: {why}.")),
        Phase::Running { done, total } => format!("Classifying: {done} of {total}"),
        Phase::Failed(problem) | Phase::Unsupported(problem) => problem.what,
    };
    let progress = move || match session.phase.get() {
        Phase::Downloading(first) => {
            let transfer = session.transfers.read().with(first);
            Some((transfer.received as f64, transfer.total as f64))
        }
        Phase::Running { done, total } => Some((done as f64, total as f64)),
        _ => None,
    };
    let kind = move || match session.phase.get() {
        Phase::Probing(_) => "probing",
        Phase::Downloading(_) => "downloading",
        Phase::Ready => "ready",
        Phase::Running { .. } => "running",
        Phase::Failed(_) => "failed",
        Phase::Unsupported(_) => "unsupported",
    };
    let problem = move || match session.phase.get() {
        Phase::Failed(problem) => Some((problem, true)),
        Phase::Unsupported(problem) => Some((problem, false)),
        _ => None,
    };
    view! {
        <div class="status" data-phase=kind>
            <p role="status" aria-live="polite">
                <span class="dot" aria-hidden="true"></span>
                {text}
            </p>
            <Show when=move || matches!(session.phase.get(), Phase::Downloading(_))>
                <button type="button" class="small" aria-label="Cancel download" on:click=move |_| session.cancel_download()>
                    "Cancel"
                </button>
            </Show>
            <Show when=move || matches!(session.phase.get(), Phase::Running { total, .. } if total > 1)>
                <button type="button" class="small" on:click=move |_| session.cancel()>
                    "Cancel"
                </button>
            </Show>
            <UpdateNotice />
            {move || {
                progress().map(|(value, total)| view! { <progress value=value max=total aria-label="Progress"></progress> })
            }}
        </div>
        {move || {
            problem()
                .map(|(problem, can_retry)| {
                    view! {
                        <div class="problem-frame">
                            <ProblemCard problem=problem />
                            <Show when=move || can_retry>
                                <button type="button" on:click=move |_| session.retry()>
                                    "Try again"
                                </button>
                            </Show>
                        </div>
                    }
                })
        }}
    }
}
