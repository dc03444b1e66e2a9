//! Light, dark, or as the system has it.

use leptos::prelude::*;

use crate::session::{remember, remembered};

/// What the page looks like.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Theme {
    System,
    Light,
    Dark,
}

impl Theme {
    const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    fn parse(text: &str) -> Self {
        [Self::Light, Self::Dark].into_iter().find(|theme| theme.as_str() == text).unwrap_or(Self::System)
    }

    const fn next(self) -> Self {
        match self {
            Self::System => Self::Light,
            Self::Light => Self::Dark,
            Self::Dark => Self::System,
        }
    }
}

/// A button that goes through the three.
#[component]
pub fn ThemeToggle() -> impl IntoView {
    let theme = RwSignal::new(remembered("theme").map_or(Theme::System, |text| Theme::parse(&text)));
    Effect::new(move |_| {
        let theme = theme.get();
        if let Some(root) = document().document_element() {
            // The attribute's name is valid: setting it cannot fail.
            let _ = root.set_attribute("data-theme", theme.as_str());
        }
        remember("theme", theme.as_str());
    });
    let label = move || format!("Colours: {}. Change to {}.", theme.get().as_str(), theme.get().next().as_str());
    view! {
        <button
            type="button"
            class="icon-button"
            aria-label=label
            title=label
            on:click=move |_| theme.update(|theme| *theme = theme.next())
        >
            <svg viewBox="0 0 24 24" aria-hidden="true">
                {move || match theme.get() {
                    Theme::System => view! { <path d="M12 3a9 9 0 1 0 0 18z M12 3a9 9 0 0 1 0 18" /> }.into_any(),
                    Theme::Light => {
                        view! {
                            <path d="M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8 M12 2v2 M12 20v2 M2 12h2 M20 12h2 M4.9 4.9l1.4 1.4 M17.7 17.7l1.4 1.4 M4.9 19.1l1.4-1.4 M17.7 6.3l1.4-1.4" />
                        }
                            .into_any()
                    }
                    Theme::Dark => view! { <path d="M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5" /> }.into_any(),
                }}
            </svg>
        </button>
    }
}
