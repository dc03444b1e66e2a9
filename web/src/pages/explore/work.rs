//! What the page asks the worker for, as its state changes: the map, neighbours, votes, places of new tiles.

use std::sync::Arc;

use futures_util::future::abortable;
use js_sys::{ArrayBuffer, Uint8Array};
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::Blob;

use super::address;
use super::state::{Explore, Focus, MapState, Sheet, Visitor};
use crate::catalogue::GalleryEntry;
use crate::engine::protocol::{Query, Shelf};
use crate::fetch;
use crate::map::data::MapData;
use crate::map::place::PLACED_BY;
use crate::problem::Problem;
use crate::scope::{Over, Scope, Slot};
use crate::state::{GalleryState, Phase};

/// Neighbours that vote on a tile's prediction: the larger of the two figures in a model's card.
pub const VOTERS: usize = 20;
/// Tiles that are found by examples.
const ALIKE: usize = 24;
/// Pairs compared in one question to the worker: some tens of milliseconds.
const PAIRS_AT_ONCE: usize = 400_000;
/// Own tiles that are placed on the map.
const MAX_VISITORS: usize = 200;

/// Starts following the state; ends with the page.
pub fn follow(explore: Explore) {
    let is_able = Memo::new(move |_| {
        let session = explore.session;
        session.has_gallery() && session.devices.with(|devices| devices.active.is_some())
    });
    let loading = Slot::default();
    Effect::new(move |_| {
        let (gallery, model) = (explore.session.gallery.get(), explore.session.model.get());
        if explore.data_untracked().is_some() || loading.is_taken() {
            return;
        }
        if let GalleryState::Failed(problem) = gallery {
            explore.map.set(MapState::Failed(problem));
        } else if is_able.get() {
            if let Some(file) = explore.listed.get_untracked() {
                // The address asks for it.
                explore.stop_fetching();
                explore.listed.set(None);
                let further = explore.session.further.get_untracked();
                if let Some(entry) = further.into_iter().find(|entry| entry.file.file == file) {
                    return open_listed(explore, entry, true);
                }
            }
            let scope = loading.begin(&model);
            spawn_local(async move {
                // Given up: another model is in use, whose map is asked for anew.
                let Ok(found) = scope.hold(explore.session.shipped_map()).await else { return };
                scope.end();
                match found {
                    Ok(data) if explore.data_untracked().is_none() => {
                        show(explore, data, Shelf::Shipped, shipped_sheets);
                    }
                    Ok(_) => {}
                    Err(problem) => explore.map.set(MapState::Failed(problem)),
                }
            });
        }
    });
    let searching = Slot::default();
    Effect::new(move |_| {
        let (query, k, map) = (explore.query(), explore.k.get(), explore.data());
        let scope = searching.begin(&explore.gallery.get());
        let (Some(query), Some(_)) = (query, map) else { return explore.neighbours.set(Vec::new()) };
        spawn_local(async move {
            // Given up: another tile is in detail by now, or another gallery on the map.
            match scope.hold(explore.session.nearest(explore.shelf.get_untracked(), query, k)).await {
                Ok(Ok(neighbours)) => {
                    explore.problem.set(None);
                    explore.neighbours.set(neighbours);
                }
                Ok(Err(problem)) => explore.problem.set(Some(problem)),
                Err(Over) => {}
            }
        });
    });
    let matching = Slot::default();
    Effect::new(move |_| {
        let (examples, map) = (explore.examples.get(), explore.data());
        let scope = matching.begin(&explore.gallery.get());
        if examples.more.is_empty() || map.is_none() {
            return explore.alike.set(Vec::new());
        }
        spawn_local(async move {
            let query = Query::Examples { more: examples.more.clone(), less: examples.less.clone() };
            match scope.hold(explore.session.nearest(explore.shelf.get_untracked(), query, ALIKE)).await {
                Ok(Ok(alike)) => explore.alike.set(alike),
                Ok(Err(problem)) => explore.problem.set(Some(problem)),
                Err(Over) => {}
            }
        });
    });
    let needs_votes = Memo::new(move |_| {
        explore.choice.with(|choice| choice.now().colour.needs_votes()) || explore.is_auditing.get()
    });
    let voting = Slot::default();
    on_cleanup({
        let voting = voting.clone();
        move || voting.end()
    });
    Effect::new(move |_| {
        let (data, gallery) = (explore.data(), explore.gallery.get());
        match data {
            Some(data) if needs_votes.get() => {
                if !voting.is_taken() {
                    let scope = voting.begin(&gallery);
                    spawn_local(async move {
                        if let Ok(Err(problem)) = vote(explore, &data, &scope).await {
                            explore.problem.set(Some(problem));
                        }
                        scope.end();
                    });
                }
            }
            // Nobody wants to know any more; what has come stays.
            _ => voting.end(),
        }
    });
    let placing = Slot::default();
    Effect::new(move |_| {
        let is_ready = explore.session.phase.with(|phase| *phase == Phase::Ready);
        let arrivals =
            explore.session.tiles.with(|tiles| tiles.iter().filter(|tile| tile.outcome.answer().is_some()).count());
        let Some(data) = explore.data() else { return };
        if is_ready && (arrivals > 0 || explore.visitors.with_untracked(|visitors| !visitors.is_empty())) {
            let scope = placing.begin(&explore.gallery.get());
            spawn_local(async move {
                if let Ok(Err(problem)) = place_visitors(explore, data, &scope).await {
                    explore.problem.set(Some(problem));
                }
            });
        }
    });
}

/// Reads a gallery and its thumbnails from files that the user chose.
pub fn open(explore: Explore, files: Vec<(String, Blob)>) {
    let is_gallery = |name: &str| name.to_lowercase().ends_with(".safetensors");
    let (galleries, pictures): (Vec<_>, Vec<_>) = files.into_iter().partition(|(name, _)| is_gallery(name));
    let Some((_, gallery)) = galleries.into_iter().next() else { return };
    explore.stop_fetching();
    let scope = explore.begin_opening();
    spawn_local(async move {
        let opening = async {
            let bytes = JsFuture::from(gallery.array_buffer()).await.ok().and_then(|bytes| bytes.dyn_into().ok());
            let bytes: ArrayBuffer = bytes.unwrap_or_else(|| ArrayBuffer::new(0));
            explore.session.open_map(Uint8Array::new(&bytes)).await
        };
        match scope.hold(opening).await {
            Ok(Ok(data)) => show(explore, data, Shelf::Opened, |data| sheets_of(data, &pictures)),
            Ok(Err(problem)) => explore.problem.set(Some(problem)),
            Err(Over) => {}
        }
    });
}

/// Fetches one of the model's further galleries and puts it on the map; what the address says of its tiles is `is_linked`.
pub fn open_listed(explore: Explore, entry: GalleryEntry, is_linked: bool) {
    explore.stop_fetching();
    explore.fetched.set(Some(0));
    explore.listed.set(Some(entry.file.file.clone()));
    let on_progress = move |received| explore.fetched.set(Some(received));
    let (fetching, handle) = abortable(async move {
        let bytes = fetch::checked("gallery", &entry.file, on_progress).await?;
        let data = explore.session.open_map(bytes).await?;
        let folder =
            entry.file.file.rsplit_once('/').map_or("gallery".to_owned(), |(folder, _)| format!("gallery/{folder}"));
        Ok((data, folder))
    });
    explore.fetching.set_value(Some(handle));
    let scope = explore.begin_opening();
    spawn_local(async move {
        // Ended by whoever took its place.
        let Ok(Ok(outcome)) = scope.hold(fetching).await else { return };
        let file = explore.listed.get_untracked();
        match outcome {
            Ok((data, folder)) => {
                show(explore, data, Shelf::Opened, |data| sheets_in(&folder, data));
                explore.listed.set(file);
                if is_linked {
                    address::read(explore);
                }
            }
            Err(problem) => {
                without_listed(explore).await;
                explore.problem.set(Some(problem));
            }
        }
        explore.fetched.set(None);
    });
}

/// Ends the transfer of a further gallery; the one that is on the map stays.
pub fn stop_listed(explore: Explore) {
    explore.stop_fetching();
    spawn_local(without_listed(explore));
}

/// The map stays as it is; when there is none yet, it becomes the shipped gallery's.
async fn without_listed(explore: Explore) {
    explore.listed.set(None);
    let scope = explore.begin_opening();
    if explore.data_untracked().is_none()
        && let Ok(Ok(data)) = scope.hold(explore.session.shipped_map()).await
    {
        show(explore, data, Shelf::Shipped, shipped_sheets);
    }
}

/// Goes back to the gallery that came with the model.
pub fn close_opened(explore: Explore) {
    let scope = explore.begin_opening();
    spawn_local(async move {
        match scope.hold(explore.session.shipped_map()).await {
            Ok(Ok(data)) => show(explore, data, Shelf::Shipped, shipped_sheets),
            Ok(Err(problem)) => explore.problem.set(Some(problem)),
            Err(Over) => {}
        }
    });
}

fn show(explore: Explore, data: MapData, shelf: Shelf, sheets: impl FnOnce(&MapData) -> Vec<Option<Sheet>>) {
    for sheet in explore.sheets.get_untracked().into_iter().flatten().filter(|sheet| sheet.file.is_some()) {
        // Revoking an address that is gone already is harmless.
        let _ = web_sys::Url::revoke_object_url(&sheet.address);
    }
    // The first map may be one that a link looks into; another gallery is looked at afresh.
    if explore.data_untracked().is_some() {
        explore.start_over();
    } else if let Some(Focus::Row(row)) = explore.focus.get_untracked()
        && row >= data.count()
    {
        explore.focus.set(None);
    }
    explore.problem.set(None);
    explore.listed.set(None);
    explore.new_gallery();
    explore.sheets.set(sheets(&data));
    explore.shelf.set(shelf);
    explore.map.set(MapState::Ready(Arc::new(data)));
}

fn shipped_sheets(data: &MapData) -> Vec<Option<Sheet>> {
    sheets_in("gallery", data)
}

/// Thumbnails that lie in a folder of the page's.
fn sheets_in(folder: &str, data: &MapData) -> Vec<Option<Sheet>> {
    let files = data.card.gallery.files.iter();
    files.map(|file| Some(Sheet { address: fetch::address(&format!("{folder}/{file}")), file: None })).collect()
}

/// Thumbnails that were chosen beside a gallery, by name; those that were not are missing.
fn sheets_of(data: &MapData, pictures: &[(String, Blob)]) -> Vec<Option<Sheet>> {
    let sheet = |file: &String| {
        let (_, blob) = pictures.iter().find(|(name, _)| name == file)?;
        let address = web_sys::Url::create_object_url_with_blob(blob).ok()?;
        Some(Sheet { address, file: Some(blob.clone()) })
    };
    data.card.gallery.files.iter().map(sheet).collect()
}

/// Slab by slab, so that other questions get their turn.
async fn vote(explore: Explore, data: &Arc<MapData>, scope: &Scope) -> Result<Result<(), Problem>, Over> {
    let rows_at_once = (PAIRS_AT_ONCE / data.count().max(1)).max(1);
    let mut votes = (*explore.votes.get_untracked()).clone();
    let mut shown = votes.predicted.len();
    while votes.predicted.len() < data.count() {
        let start = votes.predicted.len();
        let end = (start + rows_at_once).min(data.count());
        let shelf = explore.shelf.get_untracked();
        if let Err(problem) = scope.hold(explore.session.vote(shelf, start, end, VOTERS, &mut votes)).await? {
            return Ok(Err(problem));
        }
        // Every step redraws the map: a twentieth at a time will do.
        if votes.predicted.len() - shown >= data.count() / 20 || votes.predicted.len() == data.count() {
            shown = votes.predicted.len();
            explore.votes.set(Arc::new(votes.clone()));
        }
    }
    Ok(Ok(()))
}

/// Asks for the neighbours of every answered tile of the session; a single new one is shown in detail.
async fn place_visitors(explore: Explore, data: Arc<MapData>, scope: &Scope) -> Result<Result<(), Problem>, Over> {
    let before = explore.visitors.get_untracked();
    if !data.card.is_of_model_in_use {
        explore.visitors.set(Vec::new());
        return Ok(Ok(()));
    }
    let tiles = explore.session.tiles.get_untracked();
    let mut visitors = Vec::new();
    for tile in tiles.iter().take(MAX_VISITORS) {
        let Some(answer) = tile.outcome.answer() else { continue };
        let known = before.iter().find(|own| own.name == tile.name && own.answer.embedding == answer.embedding);
        let neighbours = match known {
            Some(own) => own.neighbours.clone(),
            None => {
                let query = Query::Embedding(answer.embedding.clone());
                let shelf = explore.shelf.get_untracked();
                match scope.hold(explore.session.nearest(shelf, query, PLACED_BY)).await? {
                    Ok(neighbours) => neighbours,
                    Err(problem) => return Ok(Err(problem)),
                }
            }
        };
        let (name, picture) = (tile.name.clone(), tile.picture.clone());
        visitors.push(Visitor { name, picture, answer: answer.clone(), neighbours });
    }
    if visitors != before {
        let count = visitors.len();
        explore.visitors.set(visitors);
        if count > 0 {
            explore.look_at(Focus::Visitor(0));
        } else if matches!(explore.focus.get_untracked(), Some(Focus::Visitor(_))) {
            explore.focus.set(None);
        }
    }
    Ok(Ok(()))
}

/// The problem, when thumbnails of an opened gallery were not chosen with it.
#[must_use]
pub fn missing_sheets(explore: Explore) -> Option<Problem> {
    let data = explore.data()?;
    let missing = explore.sheets.with(|sheets| sheets.iter().filter(|sheet| sheet.is_none()).count());
    (missing > 0).then(|| {
        Problem::new(
            "Thumbnails are missing",
            format!("{missing} of {} pictures of this gallery were not chosen with it.", data.card.gallery.files.len()),
            "Choose gallery.safetensors and all thumbnails-….jpg beside it together.",
        )
    })
}
