//! A problem in three sentences: what, why, and what to do.

use leptos::prelude::*;

use crate::problem::Problem;

/// The card.
#[component]
pub fn ProblemCard(
    /// What to show.
    problem: Problem,
) -> impl IntoView {
    view! {
        <div class="problem" role="alert">
            <svg viewBox="0 0 24 24" aria-hidden="true">
                <path d="M12 4 2.5 20h19z M12 10v5 M12 17.5v.5" />
            </svg>
            <div>
                <p class="problem-what">{problem.what}</p>
                <p class="problem-why">{problem.why}</p>
                <p class="problem-remedy">{problem.remedy}</p>
            </div>
        </div>
    }
}
