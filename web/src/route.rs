//! The address: `#/classify?device=cpu&sample=River_1.jpg`.
//!
//! Everything sits behind the `#`, so that any static server under any path will do. A new page is a new variant of
//! [`Page`]; the header lists them all.

use leptos::prelude::*;
use wasm_bindgen::JsValue;

/// The pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Page {
    /// What does this tile show?
    #[default]
    Classify,
    /// How does a place change through the year?
    Seasons,
    /// What does the gallery look like to the model?
    Explore,
    /// Which model answers?
    Models,
}

impl Page {
    /// All pages, in the order of the header.
    pub const ALL: [Self; 4] = [Self::Classify, Self::Seasons, Self::Explore, Self::Models];

    /// The page's address.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Classify => "#/classify",
            Self::Seasons => "#/seasons",
            Self::Explore => "#/explore",
            Self::Models => "#/models",
        }
    }

    /// The page's name.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Classify => "Classify",
            Self::Seasons => "Seasons",
            Self::Explore => "Explore",
            Self::Models => "Models",
        }
    }

    /// The page that the address names; the first when it names none.
    #[must_use]
    pub fn current() -> Self {
        let hash = hash();
        let path = hash.split('?').next().unwrap_or("");
        Self::ALL.into_iter().find(|page| page.path() == path).unwrap_or_default()
    }
}

impl Page {
    /// The title of the window on this page.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Classify => "Solstice: what does this satellite tile show?",
            Self::Seasons => "Seasons · Solstice",
            Self::Explore => "Explore · Solstice",
            Self::Models => "Models · Solstice",
        }
    }
}

/// A signal that follows the address.
#[must_use]
pub fn use_page() -> ReadSignal<Page> {
    let (page, set_page) = signal(Page::current());
    let listener = window_event_listener(leptos::ev::hashchange, move |_| set_page.set(Page::current()));
    on_cleanup(move || listener.remove());
    page
}

/// A parameter of the address.
#[must_use]
pub fn parameter(key: &str) -> Option<String> {
    let hash = hash();
    let query = hash.split_once('?')?.1;
    web_sys::UrlSearchParams::new_with_str(query).ok()?.get(key)
}

/// Sets or removes a parameter without a new entry in the history.
pub fn set_parameter(key: &str, value: Option<&str>) {
    let hash = hash();
    let query = hash.split_once('?').map_or("", |(_, query)| query);
    let Ok(parameters) = web_sys::UrlSearchParams::new_with_str(query) else { return };
    match value {
        Some(value) => parameters.set(key, value),
        None => parameters.delete(key),
    }
    let query = String::from(parameters.to_string());
    let mark = if query.is_empty() { "" } else { "?" };
    let address = format!("{}{mark}{query}", Page::current().path());
    if let Ok(history) = window().history() {
        // Browsers refuse only when called very often; the address is then a moment behind.
        let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&address));
    }
}

fn hash() -> String {
    window().location().hash().unwrap_or_default()
}
