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
    let is_loading = StoredValue::new(false);
    Effect::new(move |_| {
        let gallery = explore.session.gallery.get();
        if explore.data_untracked().is_some() || is_loading.get_value() {
            return;
        }
        if let GalleryState::Failed(problem) = gallery {
            explore.map.set(MapState::Failed(problem));
        } else if is_able.get() {
            is_loading.set_value(true);
            if let Some(file) = explore.listed.get_untracked() {
                // The address asks for it.
                explore.stop_fetching();
                explore.listed.set(None);
                let further = explore.session.further.get_untracked();
                if let Some(entry) = further.into_iter().find(|entry| entry.file.file == file) {
                    is_loading.set_value(false);
                    return open_listed(explore, entry, true);
                }
            }
            spawn_local(async move {
                let found = explore.session.shipped_map().await;
                // The page may be gone by now, and its memory of this with it.
                is_loading.try_set_value(false);
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
    Effect::new(move |_| {
        let (query, k, map) = (explore.query(), explore.k.get(), explore.data());
        let (Some(query), Some(_)) = (query, map) else { return explore.neighbours.set(Vec::new()) };
        spawn_local(async move {
            let found = explore.session.nearest(explore.shelf.get_untracked(), query.clone(), k).await;
            // Another tile may be in detail by now.
            if untrack(|| explore.query()) == Some(query) && explore.k.get_untracked() == k {
                match found {
                    Ok(neighbours) => {
                        explore.problem.set(None);
                        explore.neighbours.set(neighbours);
                    }
                    Err(problem) => explore.problem.set(Some(problem)),
                }
            }
        });
    });
    Effect::new(move |_| {
        let (examples, map) = (explore.examples.get(), explore.data());
        if examples.more.is_empty() || map.is_none() {
            return explore.alike.set(Vec::new());
        }
        spawn_local(async move {
            let query = Query::Examples { more: examples.more.clone(), less: examples.less.clone() };
            let found = explore.session.nearest(explore.shelf.get_untracked(), query, ALIKE).await;
            if explore.examples.with_untracked(|current| *current == examples) {
                match found {
                    Ok(alike) => explore.alike.set(alike),
                    Err(problem) => explore.problem.set(Some(problem)),
                }
            }
        });
    });
    let needs_votes = Memo::new(move |_| {
        explore.choice.with(|choice| choice.now().colour.needs_votes()) || explore.is_auditing.get()
    });
    let is_voting = StoredValue::new(false);
    Effect::new(move |_| {
        if explore.data().is_some() && needs_votes.get() && !is_voting.get_value() {
            is_voting.set_value(true);
            spawn_local(async move {
                // Another gallery may come in the middle of it.
                while let Some(data) = explore.data_untracked()
                    && needs_votes.try_get_untracked() == Some(true)
                    && vote(explore, &data, needs_votes).await == Voted::ForAnotherMap
                {}
                is_voting.try_set_value(false);
            });
        }
    });
    Effect::new(move |_| {
        let is_ready = explore.session.phase.with(|phase| *phase == Phase::Ready);
        let arrivals =
            explore.session.tiles.with(|tiles| tiles.iter().filter(|tile| tile.outcome.answer().is_some()).count());
        let Some(data) = explore.data() else { return };
        if is_ready && (arrivals > 0 || explore.visitors.with_untracked(|visitors| !visitors.is_empty())) {
            spawn_local(place_visitors(explore, data));
        }
    });
}

/// Reads a gallery and its thumbnails from files that the user chose.
pub fn open(explore: Explore, files: Vec<(String, Blob)>) {
    let is_gallery = |name: &str| name.to_lowercase().ends_with(".safetensors");
    let (galleries, pictures): (Vec<_>, Vec<_>) = files.into_iter().partition(|(name, _)| is_gallery(name));
    let Some((_, gallery)) = galleries.into_iter().next() else { return };
    spawn_local(async move {
        let bytes = JsFuture::from(gallery.array_buffer()).await.ok().and_then(|bytes| bytes.dyn_into().ok());
        let bytes: ArrayBuffer = bytes.unwrap_or_else(|| ArrayBuffer::new(0));
        match explore.session.open_map(Uint8Array::new(&bytes)).await {
            Ok(data) => show(explore, data, Shelf::Opened, |data| sheets_of(data, &pictures)),
            Err(problem) => explore.problem.set(Some(problem)),
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
    spawn_local(async move {
        // Ended by whoever took its place.
        let Ok(outcome) = fetching.await else { return };
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
    if explore.data_untracked().is_none()
        && let Ok(data) = explore.session.shipped_map().await
    {
        show(explore, data, Shelf::Shipped, shipped_sheets);
    }
}

/// Goes back to the gallery that came with the model.
pub fn close_opened(explore: Explore) {
    spawn_local(async move {
        match explore.session.shipped_map().await {
            Ok(data) => show(explore, data, Shelf::Shipped, shipped_sheets),
            Err(problem) => explore.problem.set(Some(problem)),
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

/// How voting ended.
#[derive(PartialEq)]
enum Voted {
    /// With all rows, or because nobody wants to know any more.
    Done,
    /// The map has changed meanwhile.
    ForAnotherMap,
}

/// Slab by slab, so that other questions get their turn.
async fn vote(explore: Explore, data: &Arc<MapData>, needs_votes: Memo<bool>) -> Voted {
    let rows_at_once = (PAIRS_AT_ONCE / data.count().max(1)).max(1);
    let mut votes = (*explore.votes.get_untracked()).clone();
    let is_on_map = || explore.data_untracked().is_some_and(|current| Arc::ptr_eq(&current, data));
    let is_current = || needs_votes.try_get_untracked() == Some(true) && is_on_map();
    let mut shown = votes.predicted.len();
    while votes.predicted.len() < data.count() && is_current() {
        let start = votes.predicted.len();
        let end = (start + rows_at_once).min(data.count());
        let shelf = explore.shelf.get_untracked();
        if let Err(problem) = explore.session.vote(shelf, start, end, VOTERS, &mut votes).await {
            explore.problem.set(Some(problem));
            return Voted::Done;
        }
        // Every step redraws the map: a twentieth at a time will do.
        let is_news = votes.predicted.len() - shown >= data.count() / 20 || votes.predicted.len() == data.count();
        if is_news && is_current() {
            shown = votes.predicted.len();
            explore.votes.set(Arc::new(votes.clone()));
        }
    }
    if is_on_map() { Voted::Done } else { Voted::ForAnotherMap }
}

/// Asks for the neighbours of every answered tile of the session; a single new one is shown in detail.
async fn place_visitors(explore: Explore, data: Arc<MapData>) {
    let before = explore.visitors.get_untracked();
    if !data.card.is_of_model_in_use {
        return explore.visitors.set(Vec::new());
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
                match explore.session.nearest(explore.shelf.get_untracked(), query, PLACED_BY).await {
                    Ok(neighbours) => neighbours,
                    Err(problem) => return explore.problem.set(Some(problem)),
                }
            }
        };
        let (name, picture) = (tile.name.clone(), tile.picture.clone());
        visitors.push(Visitor { name, picture, answer: answer.clone(), neighbours });
    }
    let is_current = explore.data_untracked().is_some_and(|current| Arc::ptr_eq(&current, &data));
    if is_current && visitors != before {
        let count = visitors.len();
        explore.visitors.set(visitors);
        if count > 0 {
            explore.look_at(Focus::Visitor(0));
        } else if matches!(explore.focus.get_untracked(), Some(Focus::Visitor(_))) {
            explore.focus.set(None);
        }
    }
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
