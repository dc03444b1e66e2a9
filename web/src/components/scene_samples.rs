//! Large pictures to try at one click.

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::samples::SAMPLE_KEY;
use crate::catalogue::{SceneIndex, SceneSample};
use crate::fetch;
use crate::pages::scene::{Scenes, use_scenes};
use crate::route;
use crate::session::scenes::Origin;

/// Key of the picture in the address.
pub const SCENE_KEY: &str = "scene";

/// The list; nothing at all when none were deployed.
#[component]
pub fn SceneSamples() -> impl IntoView {
    let scenes = use_scenes();
    let index = LocalResource::new(|| async {
        fetch::json::<SceneIndex>("scenes/index.json").await.and_then(SceneIndex::checked).ok()
    });
    let from_address = route::parameter(SCENE_KEY);
    Effect::new(move |_| {
        // A link to a picture opens it, if it is one of ours and nothing else is on the page.
        let Some(Some(index)) = index.get() else { return };
        let wanted = index.scenes.into_iter().find(|scene| Some(&scene.file) == from_address.as_ref());
        if let Some(scene) = wanted.filter(|_| !untrack(|| scenes.has_pictures())) {
            open(scenes, scene);
        }
    });
    view! {
        {move || {
            index
                .get()
                .flatten()
                .map(|index| {
                    let buttons = index
                        .scenes
                        .into_iter()
                        .map(|scene| {
                            let (title, picture) = (scene.title.clone(), scene.picture.clone());
                            view! {
                                <li>
                                    <button type="button" class="place-choice" on:click=move |_| open(scenes, scene.clone())>
                                        <img
                                            src=fetch::address(&format!("scenes/{picture}"))
                                            alt=""
                                            loading="lazy"
                                            width="48"
                                            height="48"
                                        />
                                        <span>{title}</span>
                                    </button>
                                </li>
                            }
                        })
                        .collect_view();
                    view! {
                        <div class="places scene-samples">
                            <h2>"Or map a whole scene"</h2>
                            <ul>{buttons}</ul>
                            <p class="credit">{index.credit}</p>
                        </div>
                    }
                })
        }}
    }
}

/// Opens one of them by its file's name.
pub fn open_named(scenes: Scenes, file: &'static str) {
    spawn_local(async move {
        let index = fetch::json::<SceneIndex>("scenes/index.json").await.and_then(SceneIndex::checked);
        let found = index.ok().and_then(|index| index.scenes.into_iter().find(|scene| scene.file == file));
        // Without it, the list on the page is empty too.
        if let Some(scene) = found {
            open(scenes, scene);
        }
    });
}

fn open(scenes: Scenes, scene: SceneSample) {
    route::set_parameter(SAMPLE_KEY, None);
    route::set_parameter(SCENE_KEY, Some(&scene.file));
    let scope = scenes.begin_looking();
    spawn_local(async move {
        // Given up: other files came meanwhile.
        let Ok(found) = scope.hold(fetch::blob(&format!("scenes/{}", scene.file))).await else { return };
        match found {
            Ok(blob) => scenes.open(scene.file, Origin::File(blob), scene.stride_px),
            Err(problem) => {
                scenes.close();
                scenes.session.show_problem(scene.file, problem);
            }
        }
    });
}
