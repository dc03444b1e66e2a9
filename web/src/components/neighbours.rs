//! The gallery tiles nearest to a tile: what justifies the answer.

use leptos::prelude::*;

use crate::engine::protocol::{Answer, GalleryCard, ModelCard, Neighbour};
use crate::fetch;
use crate::session::use_session;
use crate::state::GalleryState;
use crate::wording::{class_label, grouped};

/// Side of a thumbnail on the page.
const THUMBNAIL_PX: usize = 64;

/// Thumbnails with class and similarity, and a sentence on whether they agree.
#[component]
pub fn Neighbours(
    /// The tile's answer.
    answer: Answer,
    /// Names of the classes.
    card: ModelCard,
) -> impl IntoView {
    let session = use_session();
    view! {
        <div class="neighbours">
            <h3>"Most similar known tiles"</h3>
            {move || match session.gallery.get() {
                GalleryState::Waiting => view! { <p class="note">"The gallery is still loading …"</p> }.into_any(),
                GalleryState::Failed(problem) => {
                    view! { <p class="note">{format!("No gallery: {}. {}", problem.what, problem.why)}</p> }.into_any()
                }
                GalleryState::Ready(_) if answer.neighbours.is_empty() => {
                    view! { <p class="note">"Searching …"</p> }.into_any()
                }
                GalleryState::Ready(gallery) => found(&answer, &card, &gallery).into_any(),
            }}
        </div>
    }
}

fn found(answer: &Answer, card: &ModelCard, gallery: &GalleryCard) -> impl IntoView + use<> {
    let top = answer.ranking().first().and_then(|&class| card.classes.get(class)).cloned().unwrap_or_default();
    let agreeing = answer.neighbours.iter().filter(|neighbour| neighbour.class == top).count();
    let verdict = format!(
        "{agreeing} of {} are {}, out of {} tiles.",
        answer.neighbours.len(),
        class_label(&top),
        grouped(gallery.tiles)
    );
    let tiles =
        answer.neighbours.iter().map(|neighbour| thumbnail(neighbour, gallery, neighbour.class == top)).collect_view();
    let is_unlike = answer.unlike_gallery == Some(true);
    view! {
        {is_unlike
            .then(|| {
                view! {
                    <p class="notice" role="note">
                        <strong>"Unlike anything in the gallery. "</strong>
                        "The known tiles nearest to it are less like it than known tiles are like each other, so the class above is a guess."
                    </p>
                }
            })}
        <ul>{tiles}</ul>
        <p class="note">{verdict}</p>
    }
}

fn thumbnail(neighbour: &Neighbour, gallery: &GalleryCard, agrees: bool) -> impl IntoView + use<> {
    let (columns, per_atlas) = (gallery.columns.max(1), (gallery.columns * gallery.rows).max(1));
    let atlas = gallery.files.get(neighbour.index / per_atlas).map(|file| fetch::address(&format!("gallery/{file}")));
    let place = neighbour.index % per_atlas;
    let (column, row) = (place % columns, place / columns);
    let label = class_label(&neighbour.class);
    let title = format!("{}, {label}, similarity {:.3}", neighbour.name, neighbour.similarity);
    view! {
        <li class:agrees=agrees>
            <span
                class="thumbnail"
                role="img"
                aria-label=title.clone()
                title=title
                style:background-image=atlas.map(|atlas| format!("url(\"{atlas}\")"))
                style:background-size=format!("{}px auto", columns * THUMBNAIL_PX)
                style:background-position=format!("-{}px -{}px", column * THUMBNAIL_PX, row * THUMBNAIL_PX)
            ></span>
            <span class="neighbour-class">{label}</span>
            <span class="neighbour-similarity">{format!("{:.3}", neighbour.similarity)}</span>
        </li>
    }
}
