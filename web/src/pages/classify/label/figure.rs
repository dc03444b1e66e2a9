//! What was learned, how good it is on tiles that it has not seen, and what is missing.

use leptos::prelude::*;

use super::state::{Figure, use_labels};
use crate::label::book::MIN_TILES;
use crate::label::leave_one_out::LeftOut;
use crate::wording::{milliseconds, part};

/// Doubtful tiles named at most.
const NAMED: usize = 6;

/// The figures, read aloud as they change.
#[component]
pub fn Figures() -> impl IntoView {
    let labels = use_labels();
    let missing = Memo::new(move |_| {
        let is_from_file = labels.head.with(Option::is_some) && labels.learned_ms.with(Option::is_none);
        if is_from_file {
            return Some("This head came without its tiles. Marking tiles starts a new one.".to_owned());
        }
        labels.book.with(|book| book.missing())
    });
    let learned = Memo::new(move |_| {
        let (taught, tiles) = labels.book.with(|book| {
            let (taught, counts) = (book.taught(), book.counts());
            (taught.len(), taught.iter().map(|&class| counts[class]).sum::<usize>())
        });
        let ms = labels.learned_ms.get()?;
        Some(format!("Learned {taught} classes from {tiles} tiles in {}.", milliseconds(ms.max(0.1))))
    });
    view! {
        <div class="figures" aria-live="polite">
            {move || missing.get().map(|missing| view! { <p class="missing">{missing}</p> })}
            {move || learned.get().map(|learned| view! { <p>{learned}</p> })}
            {move || match labels.figure.get() {
                Figure::None => ().into_any(),
                Figure::Working(done, all) => {
                    view! { <p class="note" aria-live="off">{format!("Leaving one tile out at a time: {done} of {all} …")}</p> }.into_any()
                }
                Figure::Done(found) => view! { <Found found=(*found).clone() /> }.into_any(),
            }}
        </div>
    }
}

#[component]
fn Found(found: LeftOut) -> impl IntoView {
    let labels = use_labels();
    let share = |count: usize| percent_of(count, found.tiles);
    let how = if found.parts == found.tiles {
        format!("each of the {} marked tiles was named by a head that had learned from all the others", found.tiles)
    } else {
        format!(
            "the {} marked tiles were left out in {} groups, and named by heads that had learned from the rest",
            found.tiles, found.parts
        )
    };
    let few =
        (found.tiles < 10 * MIN_TILES).then_some(" With so few tiles, one more or less changes the figure a lot.");
    let doubtful = named(labels, &found);
    view! {
        <dl class="figure-pair">
            <div>
                <dt>"Leave-one-out accuracy"</dt>
                <dd><strong>{share(found.right)}</strong> {format!(" · {} of {} tiles", found.right, found.tiles)}</dd>
            </div>
            <div>
                <dt>"Always the most frequent class"</dt>
                <dd>{share(found.majority)} {format!(" · {} of {}", found.majority, found.tiles)}</dd>
            </div>
        </dl>
        <p class="note">{format!("Of your own marks only: {how}.")} {few}</p>
        {(!doubtful.is_empty()).then(|| view! {
            <div class="doubtful">
                <h3>"Worth a second look"</h3>
                <ul>{doubtful}</ul>
            </div>
        })}
    }
}

/// Marked tiles that the others would have called something else.
fn named(labels: super::state::Labels, found: &LeftOut) -> Vec<AnyView> {
    labels.book.with_untracked(|book| {
        let lines = found.doubtful.iter().take(NAMED).filter_map(|&(index, class)| {
            let example = book.examples.get(index)?;
            let (own, other) = (book.classes.get(example.class)?, book.classes.get(class)?);
            let text = format!("is marked {own}; the other tiles say {other}");
            Some(view! { <li><span class="file-name">{example.file.clone()}</span> " " {text}</li> }.into_any())
        });
        let mut lines: Vec<AnyView> = lines.collect();
        let rest = found.doubtful.len().saturating_sub(NAMED);
        if rest > 0 {
            lines.push(view! { <li>{format!("and {rest} more")}</li> }.into_any());
        }
        lines
    })
}

fn percent_of(count: usize, all: usize) -> String {
    match count {
        0 => "0 %".to_owned(),
        count if count == all => "100 %".to_owned(),
        count => part(count, all),
    }
}
