//! Classify: what does this tile show, and which known tiles look like it?

pub mod label;

use leptos::html::Section;
use leptos::prelude::*;

use crate::components::address_field::AddressField;
use crate::components::batch_table::BatchTable;
use crate::components::drop_zone::DropZone;
use crate::components::model_card::ModelCardView;
use crate::components::result::{EmptyResult, ResultCard};
use crate::components::samples::Samples;
use crate::components::scene_samples::SceneSamples;
use crate::pages::scene::{SceneCardView, use_scenes};
use crate::pages::show_if_narrow;
use crate::pages::welcome::FirstVisit;
use crate::scope::Scope;
use crate::session::use_session;
use label::LabelPanel;
use label::keep;
use label::state::use_labels;

/// The page.
#[component]
pub fn Classify() -> impl IntoView {
    let (session, labels, scenes) = (use_session(), use_labels(), use_scenes());
    let is_map = Memo::new(move |_| scenes.is_open());
    let count = Memo::new(move |_| session.tiles.with(Vec::len));
    let answers = NodeRef::<Section>::new();
    Effect::new(move |before: Option<Scope>| {
        // On a narrow screen the answers are below the samples: new tiles bring them into view.
        let tile_set = session.tile_set.get();
        if before.is_some_and(|before| before != tile_set) {
            show_if_narrow(answers);
        }
        tile_set
    });
    view! {
        <div class="intro">
            <h1>"What does this tile show?"</h1>
            <p>
                "Drop a satellite tile. A small neural encoder names its land cover and finds the most similar known tiles, "
                <strong>"inside this page"</strong>": your pictures never leave your device."
            </p>
        </div>
        <FirstVisit />
        <div class="columns" class:has-map=move || is_map.get()>
            <section class="column-in" aria-label="Tiles to classify">
                <DropZone
                    title="Drop tiles here"
                    text="PNG, JPEG, WebP, TIFF or GeoTIFF · one or many, folders, zip and tar · every large picture becomes a class map"
                    on_files=move |files| {
                        // Labels that the page has saved are dropped like tiles.
                        let is_json = |name: &str| name.to_lowercase().ends_with(".json");
                        let (saved, tiles): (Vec<_>, Vec<_>) = files.into_iter().partition(|(name, _)| is_json(name));
                        keep::read(labels, saved);
                        scenes.take_own(tiles);
                    }
                />
                <p class="note incoming" aria-live="polite">
                    {scenes.said}
                </p>
                <Samples />
                <SceneSamples />
                <AddressField />
            </section>
            <section class="column-out" aria-label="Answers" node_ref=answers>
                <Show when=move || { count.get() > 1 }>
                    <BatchTable />
                    <LabelPanel />
                </Show>
                <Show when=move || is_map.get()>
                    <SceneCardView />
                </Show>
                <Show when=move || { count.get() > 0 }>
                    <ResultCard />
                </Show>
                <Show when=move || { count.get() == 0 && !is_map.get() }>
                    <EmptyResult />
                </Show>
                // A single tile's answer comes before the offer to label it.
                <Show when=move || { count.get() <= 1 }>
                    <LabelPanel />
                </Show>
            </section>
            <section class="column-card" aria-label="Model">
                <ModelCardView />
            </section>
        </div>
    }
}
