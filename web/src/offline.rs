//! Without a network: registers the service worker, tells it what to keep, and notices a new release.
//!
//! It starts when the page is ready, so that the first answer waits for none of it. Browsers without service workers, or
//! pages that are not served securely, do without.

use std::cell::Cell;

use js_sys::{Array, Object, Reflect};
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    MessageEvent, RegistrationOptions, ServiceWorker, ServiceWorkerContainer, ServiceWorkerRegistration,
    ServiceWorkerState, ServiceWorkerUpdateViaCache,
};

use crate::catalogue::{SampleIndex, SceneIndex, SceneSample, SeasonIndex};
use crate::fetch;
use crate::session::Session;
use crate::state::{GalleryState, Phase};

/// What the page knows of its service worker.
#[derive(Clone, Copy)]
pub struct Offline {
    /// Another release is on this device: the next reload shows it.
    pub is_update_ready: RwSignal<bool>,
    /// Raised whenever the service worker has kept something more.
    pub changes: RwSignal<usize>,
    registration: StoredValue<Option<ServiceWorkerRegistration>, LocalStorage>,
    is_reloading: StoredValue<bool>,
}

impl Offline {
    /// Nothing is registered yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            is_update_ready: RwSignal::new(false),
            changes: RwSignal::new(0),
            registration: StoredValue::new_local(None),
            is_reloading: StoredValue::new(false),
        }
    }

    /// Registers the service worker as soon as the first answer is possible, and has it keep the rest.
    pub fn follow(self, session: Session) {
        let is_settled = Memo::new(move |_| {
            let has_gallery = session.gallery.with(|gallery| *gallery != GalleryState::Waiting);
            has_gallery && session.phase.with(|phase| *phase == Phase::Ready)
        });
        let is_started = StoredValue::new(false);
        Effect::new(move |_| {
            if is_settled.get() && !is_started.get_value() {
                is_started.set_value(true);
                spawn_local(async move {
                    if let Some(worker) = self.register().await {
                        keep(&worker, session).await;
                    }
                });
            }
        });
    }

    /// Shows the release that is ready.
    pub fn reload(self) {
        self.is_reloading.set_value(true);
        match self.registration.with_value(|registration| registration.as_ref()?.waiting()) {
            // It takes over, which `controllerchange` says; then the page is loaded anew.
            Some(waiting) => say(&waiting, "take over", &Array::new()),
            None => reload_page(),
        }
    }

    /// Ends what is still being kept.
    pub fn keep_no_more(self) {
        if let Some(worker) = self.registration.with_value(|registration| registration.as_ref()?.active()) {
            say(&worker, "keep", &Array::new());
        }
    }

    /// The worker that serves this release, once it has kept the page; none, where there are no service workers.
    async fn register(self) -> Option<ServiceWorker> {
        let container = container()?;
        let options = RegistrationOptions::new();
        // A release must not hide behind the browser's cache.
        options.set_update_via_cache(ServiceWorkerUpdateViaCache::None);
        self.listen(&container);
        let registering = container.register_with_options(&fetch::address("sw.js"), &options);
        let registration: ServiceWorkerRegistration = JsFuture::from(registering).await.ok()?.dyn_into().ok()?;
        self.watch(&container, &registration);
        let ready = container.ready().ok()?;
        JsFuture::from(ready).await.ok()?;
        let active = registration.active();
        self.registration.set_value(Some(registration));
        active
    }

    fn listen(self, container: &ServiceWorkerContainer) {
        let had_one = Cell::new(container.controller().is_some());
        let on_change = Closure::<dyn FnMut()>::new(move || {
            if self.is_reloading.get_value() {
                reload_page();
            } else if had_one.replace(true) {
                // Another tab has changed to a new release, which now serves this one too.
                self.is_update_ready.set(true);
            }
        });
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |_| self.changes.update(|changes| *changes += 1));
        container.set_oncontrollerchange(Some(on_change.as_ref().unchecked_ref()));
        container.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        // They live as long as the page.
        on_change.forget();
        on_message.forget();
    }

    /// Notices a release that is kept already, or comes while the page is open.
    fn watch(self, container: &ServiceWorkerContainer, registration: &ServiceWorkerRegistration) {
        let is_controlled = container.controller().is_some();
        if is_controlled && registration.waiting().is_some() {
            self.is_update_ready.set(true);
        }
        let found = registration.clone();
        let attend = move || {
            let Some(worker) = found.installing() else { return };
            let coming = worker.clone();
            let on_state = Closure::<dyn FnMut()>::new(move || {
                let is_first = self::container().is_none_or(|container| container.controller().is_none());
                if coming.state() == ServiceWorkerState::Installed && !is_first {
                    self.is_update_ready.set(true);
                }
            });
            worker.set_onstatechange(Some(on_state.as_ref().unchecked_ref()));
            on_state.forget();
        };
        // One may be on its way already.
        attend();
        let on_found = Closure::<dyn FnMut()>::new(attend);
        registration.set_onupdatefound(Some(on_found.as_ref().unchecked_ref()));
        on_found.forget();
    }
}

impl Default for Offline {
    fn default() -> Self {
        Self::new()
    }
}

/// What [`crate::app`] provides.
#[must_use]
pub fn use_offline() -> Offline {
    expect_context::<Offline>()
}

/// Names everything that a visit without network needs, unless the user wants to save data.
async fn keep(worker: &ServiceWorker, session: Session) {
    let property = |object: &JsValue, key: &str| Reflect::get(object, &key.into()).unwrap_or(JsValue::UNDEFINED);
    let connection = property(&window().navigator(), "connection");
    if connection.is_object() && property(&connection, "saveData").is_truthy() {
        return;
    }
    let mut names: Vec<String> =
        ["models", "gallery", "samples", "seasons", "scenes"].map(|folder| format!("{folder}/index.json")).into();
    if let Ok(index) = fetch::json::<SampleIndex>("samples/index.json").await {
        names.extend(index.samples.iter().map(|sample| format!("samples/{}", sample.file)));
    }
    if let GalleryState::Ready(gallery) = session.gallery.get_untracked() {
        names.extend(gallery.files.iter().map(|file| format!("gallery/{file}")));
    }
    if let Ok(index) = fetch::json::<SceneIndex>("scenes/index.json").await.and_then(SceneIndex::checked) {
        let both = |scene: SceneSample| [scene.file, scene.picture].map(|file| format!("scenes/{file}"));
        names.extend(index.scenes.into_iter().flat_map(both));
    }
    if let Ok(index) = fetch::json::<SeasonIndex>("seasons/index.json").await {
        let pictures = |place: crate::catalogue::SeasonPlace| {
            let name = move |date: &String| format!("seasons/{}/{date}.jpg", place.id);
            place.dates.iter().map(name).collect::<Vec<_>>()
        };
        names.extend(index.places.into_iter().flat_map(pictures));
    }
    persist().await;
    say(worker, "keep", &names.iter().map(JsValue::from).collect());
}

/// Asks the browser not to throw away what is kept when space gets short. It may refuse: then it is fetched again.
async fn persist() {
    let storage = window().navigator().storage();
    if let Ok(asked) = storage.persist() {
        let _ = JsFuture::from(asked).await;
    }
}

fn say(worker: &ServiceWorker, kind: &str, names: &Array) {
    let message = Object::new();
    // Setting a property of a fresh plain object cannot fail, nor can posting one that holds strings.
    let _ = Reflect::set(&message, &"kind".into(), &kind.into());
    let _ = Reflect::set(&message, &"names".into(), names);
    let _ = worker.post_message(&message);
}

/// None in insecure contexts, and where the browser has none.
fn container() -> Option<ServiceWorkerContainer> {
    let found = Reflect::get(&window().navigator(), &"serviceWorker".into()).ok()?;
    found.dyn_into().ok()
}

fn reload_page() {
    // Reloading is refused to no page that the user is looking at.
    let _ = window().location().reload();
}
