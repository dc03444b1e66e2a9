//! Tiles to try at one click.

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::scene_samples::SCENE_KEY;
use crate::catalogue::SampleIndex;
use crate::fetch;
use crate::pages::scene::{Scenes, use_scenes};
use crate::route;
use crate::wording::class_label;

/// Key of the sample in the address.
pub const SAMPLE_KEY: &str = "sample";

/// The strip of samples; nothing at all when none were deployed.
#[component]
pub fn Samples() -> impl IntoView {
    let scenes = use_scenes();
    let index = LocalResource::new(|| async { fetch::json::<SampleIndex>("samples/index.json").await.ok() });
    let from_address = route::parameter(SAMPLE_KEY);
    Effect::new(move |_| {
        // A link to a sample opens it, if it is one of ours and nothing else is on the page.
        let Some(Some(samples)) = index.get() else { return };
        if untrack(|| scenes.has_pictures()) {
            return;
        }
        if let Some(sample) = samples.samples.iter().find(|sample| Some(&sample.file) == from_address.as_ref()) {
            open(scenes, sample.file.clone());
        }
    });
    view! {
        {move || {
            index
                .get()
                .flatten()
                .map(|index| {
                    let buttons = index
                        .samples
                        .into_iter()
                        .map(|sample| {
                            let label = class_label(&sample.class);
                            let file = sample.file.clone();
                            view! {
                                <li>
                                    <button type="button" class="sample" title=label.clone() on:click=move |_| open(scenes, file.clone())>
                                        <img
                                            src=fetch::address(&format!("samples/{}", sample.file))
                                            alt=format!("Sample tile: {label}")
                                            loading="lazy"
                                            width="64"
                                            height="64"
                                        />
                                    </button>
                                    <span class="sample-caption" aria-hidden="true">
                                        {label}
                                    </span>
                                </li>
                            }
                        })
                        .collect_view();
                    view! {
                        <div class="samples">
                            <h2>"Or try one of these"</h2>
                            <ul>{buttons}</ul>
                            <p class="credit">{index.credit}</p>
                        </div>
                    }
                })
        }}
    }
}

fn open(scenes: Scenes, file: String) {
    route::set_parameter(SCENE_KEY, None);
    route::set_parameter(SAMPLE_KEY, Some(&file));
    let scope = scenes.begin_looking();
    spawn_local(async move {
        // Given up: other files came meanwhile.
        let Ok(found) = scope.hold(fetch::blob(&format!("samples/{file}"))).await else { return };
        match found {
            Ok(blob) => scenes.take(vec![(file, blob)]),
            Err(problem) => {
                scenes.close();
                scenes.session.show_problem(file, problem);
            }
        }
    });
}
