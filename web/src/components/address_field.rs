//! A large picture on the web, by the address that the user types: the one thing this page ever asks another site for.

use leptos::html::Input;
use leptos::prelude::*;
use web_sys::{SubmitEvent, Url};

use crate::pages::scene::use_scenes;
use crate::problem::Problem;
use crate::session::scenes::Origin;

/// The field, folded away until it is wanted.
#[component]
pub fn AddressField() -> impl IntoView {
    let scenes = use_scenes();
    let input = NodeRef::<Input>::new();
    let on_submit = move |event: SubmitEvent| {
        event.prevent_default();
        let address = input.get().map(|input| input.value()).unwrap_or_default();
        match checked(address.trim()) {
            Ok((name, address)) => scenes.open(name, Origin::Address(address), 0),
            Err(problem) => {
                scenes.close();
                scenes.session.show_problem(address, problem);
            }
        }
    };
    view! {
        <details class="address-field">
            <summary>"Or map a GeoTIFF on the web"</summary>
            <form on:submit=on_submit>
                <label>
                    "Address of a GeoTIFF"
                    <input type="url" node_ref=input placeholder="https://example.org/scene.tif" required />
                </label>
                <button type="submit" class="small">
                    "Open"
                </button>
            </form>
            <p class="note">
                "This is the one thing that this page ever asks another site for: parts of that file, as the map needs them. Its server sees the requests; nothing of yours is sent along. Cloud-optimised GeoTIFFs are read best."
            </p>
        </details>
    }
}

/// Name and whole address of a file on the web.
fn checked(address: &str) -> Result<(String, String), Problem> {
    let url = Url::new(address).ok().filter(|url| matches!(url.protocol().as_str(), "https:" | "http:"));
    let url = url.ok_or_else(|| {
        Problem::new(
            "This is no address of a file on the web",
            format!("“{address}” does not begin with https:// or http://."),
            "Copy the whole address, from https:// to .tif.",
        )
    })?;
    let path = url.pathname();
    let name = path.rsplit('/').find(|part| !part.is_empty()).map_or_else(|| url.host(), str::to_owned);
    Ok((name, url.href()))
}
