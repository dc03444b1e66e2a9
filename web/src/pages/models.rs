//! Models: which one answers, what it is, and how it compares with another.

mod about;
mod choice;
mod compared;
mod kept;
pub mod state;

use leptos::prelude::*;

use self::about::{CandidateCard, InUseCard};
use self::choice::Choice;
use self::compared::Compared;
use self::kept::KeptFiles;
use self::state::use_models;
use crate::components::problem_card::ProblemCard;

/// The page.
#[component]
pub fn ModelsPage() -> impl IntoView {
    let models = use_models();
    models.load();
    Effect::new(move |_| {
        // Both are kept as soon as they have come whole.
        models.session.card.track();
        models.session.gallery.track();
        leptos::task::spawn_local(models.look_into_cache());
    });
    view! {
        <div class="intro">
            <h1>"Which model answers?"</h1>
            <p>
                "What the model in use is, how it was trained and measured; another one in its place, or beside it on the same tiles. A
                model proves itself on this device before it answers. "
                <strong>"Your own file is opened inside this page"</strong> "."
            </p>
        </div>
        <div class="columns models">
            <section class="column-in" aria-label="Models to choose from">
                <Choice />
                <div aria-live="polite">
                    {move || models.work.get().map(|work| view! { <p class="card work">{work} " …"</p> })}
                    {move || models.problem.get().map(|problem| view! { <ProblemCard problem=problem /> })}
                </div>
                <KeptFiles />
            </section>
            <section class="column-out" aria-label="About the models">
                <Compared />
                <CandidateCard />
                <InUseCard />
            </section>
        </div>
    }
}
