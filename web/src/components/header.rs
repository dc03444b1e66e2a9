//! The header: where we are, which device answers, light or dark.

use leptos::prelude::*;

use super::device_menu::DeviceMenu;
use super::theme_toggle::ThemeToggle;
use crate::route::Page;

/// The header.
#[component]
pub fn Header(
    /// The page in view.
    page: ReadSignal<Page>,
) -> impl IntoView {
    view! {
        <header class="top">
            <a class="brand" href=Page::Classify.path() aria-label="Solstice, start page">
                <svg viewBox="0 0 32 32" aria-hidden="true" class="mark">
                    <circle class="mark-sky" cx="16" cy="16" r="15" />
                    <path class="mark-orbit" d="M4.5 20.5 A 12.5 12.5 0 0 1 27.5 20.5" />
                    <path class="mark-sun" d="M9.5 20.5 a 6.5 6.5 0 0 1 13 0 z" />
                    <path class="mark-ground" d="M3 20.5 h26 M6.5 24 h19 M11.5 27.5 h9" />
                </svg>
                <span>"Solstice"</span>
            </a>
            <nav aria-label="Pages">
                {Page::ALL
                    .into_iter()
                    .map(|target| {
                        view! {
                            <a
                                href=target.path()
                                aria-current=move || (page.get() == target).then_some("page")
                            >
                                {target.label()}
                            </a>
                        }
                    })
                    .collect_view()}
            </nav>
            <div class="top-right">
                <DeviceMenu />
                <ThemeToggle />
            </div>
        </header>
    }
}
