//! The first visit: three real examples to begin with, and a tour that can be left at any step.

use leptos::prelude::*;
use web_sys::KeyboardEvent;

use super::scene::{Scenes, use_scenes};
use crate::components::scene_samples;
use crate::fetch;
use crate::route::Page;
use crate::session::{remember, remembered};

/// What this browser remembers, once somebody has seen it.
const SEEN_KEY: &str = "welcome";
const SCENE: &str = "beirut.jpg";
const PLACE: &str = "sn7-1481e-1119n";

/// A step of the tour: where it is, what it is called, what can be seen there.
struct Step {
    page: Page,
    title: &'static str,
    text: &'static str,
}

static STEPS: [Step; 5] = [
    Step {
        page: Page::Classify,
        title: "A picture becomes a map",
        text: "This scene was cut into patches and each of them named, here, on your device. Click one to see what else it might be; the table \
               counts areas.",
    },
    Step {
        page: Page::Classify,
        title: "Classes of your own",
        text: "Choose a patch, then “Mark patches with classes of your own”: name two or more, mark a few patches of each, and the whole map \
               follows.",
    },
    Step {
        page: Page::Seasons,
        title: "A place through the years",
        text: "Move the line between two dates, or choose a coloured square: each compares one date with another. Your own dated pictures work \
               as well.",
    },
    Step {
        page: Page::Explore,
        title: "All known tiles at once",
        text: "Every dot is a tile, and tiles that are alike lie together. Come nearer with the wheel, draw around some, or click one to see its \
               neighbours.",
    },
    Step {
        page: Page::Models,
        title: "What answers, and how well",
        text: "Where its figures come from, and other models, your own among them. Nothing that you drop leaves this device. Now try a picture \
               of yours.",
    },
];

/// The tour, if somebody takes it, and whether the examples are still offered.
#[derive(Clone, Copy)]
pub struct Welcome {
    step: RwSignal<Option<usize>>,
    is_offered: RwSignal<bool>,
}

impl Welcome {
    /// Offered to those who have not seen it.
    #[must_use]
    pub fn new() -> Self {
        Self { step: RwSignal::new(None), is_offered: RwSignal::new(remembered(SEEN_KEY).is_none()) }
    }

    fn dismiss(self) {
        remember(SEEN_KEY, "seen");
        self.is_offered.set(false);
    }

    fn go(self, scenes: Scenes, step: usize) {
        self.step.set(Some(step));
        let Some(Step { page, .. }) = STEPS.get(step) else { return self.leave() };
        visit(scenes, *page);
    }

    fn leave(self) {
        self.step.set(None);
        self.dismiss();
    }
}

impl Default for Welcome {
    fn default() -> Self {
        Self::new()
    }
}

/// Goes to a page with an example on it; what the user has there stays.
fn visit(scenes: Scenes, page: Page) {
    let parameters = match page {
        Page::Seasons => format!("?place={PLACE}"),
        Page::Classify if !untrack(|| scenes.has_pictures()) => {
            if Page::current() == Page::Classify {
                return scene_samples::open_named(scenes, SCENE);
            }
            format!("?{}={SCENE}", scene_samples::SCENE_KEY)
        }
        _ => String::new(),
    };
    if Page::current() != page {
        // An address of this page.
        let _ = window().location().set_hash(&format!("{}{parameters}", page.path()));
    }
}

/// Three examples, as long as there is nothing else on the page.
#[component]
pub fn FirstVisit() -> impl IntoView {
    let (scenes, welcome) = (use_scenes(), expect_context::<Welcome>());
    let is_shown =
        Memo::new(move |_| welcome.is_offered.get() && welcome.step.with(Option::is_none) && !scenes.has_pictures());
    let card = move |page: Page, picture: &'static str, title: &'static str, text: &'static str| {
        view! {
            <li>
                <button type="button" class="welcome-card" on:click=move |_| visit(scenes, page)>
                    <img src=fetch::address(picture) alt="" width="72" height="72" />
                    <span>
                        <strong>{title}</strong>
                        <span class="note">{text}</span>
                    </span>
                </button>
            </li>
        }
    };
    view! {
        <Show when=move || is_shown.get()>
            <section class="card welcome" aria-labelledby="welcome-title">
                <h2 id="welcome-title">"New here? Three real examples to begin with"</h2>
                <ul>
                    {card(Page::Classify, "scenes/beirut-small.jpg", "Beirut, mapped", "City, sea and harbour, patch by patch")}
                    {card(
                        Page::Seasons,
                        "seasons/sn7-1481e-1119n/2018-03.jpg",
                        "A capital being built",
                        "Two years of Amaravati, month by month",
                    )}
                    {card(Page::Explore, "icons/icon-192.png", "A map of 2 000 tiles", "What the model finds alike lies together")}
                </ul>
                <div class="downloads">
                    <button type="button" class="small" on:click=move |_| welcome.go(scenes, 0)>
                        "Show me around"
                    </button>
                    <button type="button" class="small quiet" on:click=move |_| welcome.dismiss()>
                        "Not now"
                    </button>
                </div>
            </section>
        </Show>
    }
}

/// The step of the tour, over the page that it is about.
#[component]
pub fn Tour() -> impl IntoView {
    let (scenes, welcome) = (use_scenes(), expect_context::<Welcome>());
    let listener = window_event_listener(leptos::ev::keydown, move |event: KeyboardEvent| {
        if event.key() == "Escape" && welcome.step.with_untracked(Option::is_some) {
            welcome.leave();
        }
    });
    on_cleanup(move || listener.remove());
    let step = move || Some((welcome.step.get()?, STEPS.get(welcome.step.get()?)?));
    view! {
        {move || {
            step()
                .map(|(at, step)| {
                    let is_last = at + 1 == STEPS.len();
                    view! {
                        <aside class="card tour" aria-label="Tour" aria-live="polite">
                            <p class="note">{format!("{} of {}", at + 1, STEPS.len())}</p>
                            <h2 class="tour-title">{step.title}</h2>
                            <p>{step.text}</p>
                            <div class="downloads">
                                <button type="button" class="small" on:click=move |_| welcome.go(scenes, at + 1)>
                                    {if is_last { "Finish" } else { "Next" }}
                                </button>
                                <button
                                    type="button"
                                    class="small"
                                    disabled=at == 0
                                    on:click=move |_| welcome.go(scenes, at.saturating_sub(1))
                                >
                                    "Back"
                                </button>
                                <button type="button" class="small quiet" on:click=move |_| welcome.leave()>
                                    "Leave the tour"
                                </button>
                            </div>
                        </aside>
                    }
                })
        }}
    }
}
