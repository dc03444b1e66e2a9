//! The frame around the pages: context, header, status line, footer.

use leptos::prelude::*;
use wasm_bindgen::JsCast;

use crate::components::{footer::Footer, header::Header, status::StatusLine};
use crate::offline::Offline;
use crate::pages::classify::Classify;
use crate::pages::classify::label::state::Labels;
use crate::pages::explore::{Explore, ExplorePage};
use crate::pages::models::ModelsPage;
use crate::pages::models::state::Models;
use crate::pages::project::ProjectFile;
use crate::pages::scene::Scenes;
use crate::pages::seasons::SeasonsPage;
use crate::pages::seasons::state::Seasons;
use crate::pages::welcome::{Tour, Welcome};
use crate::route::{Page, use_page};
use crate::scope::Scope;
use crate::session::Session;

/// Mounts the page.
pub fn start() {
    // A panic is a bug of ours; the boot script shows it in words before the page stops.
    std::panic::set_hook(Box::new(|panic| report_panic(&panic.to_string())));
    leptos::mount::mount_to_body(App);
}

fn report_panic(message: &str) {
    let detail = wasm_bindgen::JsValue::from_str(message);
    let options = web_sys::CustomEventInit::new();
    options.set_detail(&detail);
    if let Ok(event) = web_sys::CustomEvent::new_with_event_init_dict("solstice-panic", &options) {
        // Without a listener there is nobody left to tell.
        let _ = window().dispatch_event(&event);
    }
}

/// The whole page.
#[component]
pub fn App() -> impl IntoView {
    let session = Session::new();
    provide_context(session);
    let offline = Offline::new();
    provide_context(offline);
    provide_context(Labels::new(session));
    provide_context(Models::new(session));
    let (seasons, explore, scenes) = (Seasons::new(), Explore::new(session), Scenes::new(session));
    provide_context(seasons);
    provide_context(explore);
    scenes.follow_devices();
    provide_context(scenes);
    provide_context(Welcome::new());
    // Before the page changes: after that, the address names the model in use again.
    let on_address = window_event_listener(leptos::ev::hashchange, move |_| session.follow_address());
    on_cleanup(move || on_address.remove());
    let page = use_page();
    Effect::new(move |before: Option<Scope>| {
        // Another model: what the old one said of places and known tiles is of no use.
        let model = session.model.get();
        if before.is_some_and(|before| before != model) {
            seasons.forget_vectors();
            explore.forget_map();
            scenes.start_over();
        }
        model
    });
    Effect::new(move |before: Option<Page>| {
        let page = page.get();
        session.write_model_to_address();
        document().set_title(page.title());
        if before.is_some_and(|before| before != page) {
            // Whoever reads by ear or moves by keyboard begins at the new page's beginning, as after any link.
            focus_main();
        }
        page
    });
    session.start();
    offline.follow(session);
    view! {
        <button type="button" class="skip" on:click=move |_| focus_main()>
            "Skip to content"
        </button>
        <Header page=page />
        <StatusLine />
        <main id="main" tabindex="-1">
            {move || match page.get() {
                Page::Classify => view! { <Classify /> }.into_any(),
                Page::Seasons => view! { <SeasonsPage /> }.into_any(),
                Page::Explore => view! { <ExplorePage /> }.into_any(),
                Page::Models => view! { <ModelsPage /> }.into_any(),
            }}
        </main>
        <Footer>
            <ProjectFile />
        </Footer>
        <Tour />
    }
}

/// Moves the keyboard past the header. (A link to `#main` would overwrite the address that the router reads.)
fn focus_main() {
    let main = document().get_element_by_id("main").and_then(|main| main.dyn_into::<web_sys::HtmlElement>().ok());
    if let Some(main) = main {
        // Focusing an element that is on the page cannot fail.
        let _ = main.focus();
    }
}
