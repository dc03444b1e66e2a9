//! The worker's loop: hears [`ToWorker`], asks the [`Runtime`], answers [`FromWorker`].
//!
//! Messages are worked off one after the other, in the order they came; only `Cancel` overtakes, and takes effect
//! between two chunks.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io::Cursor;
use std::rc::Rc;

use js_sys::{Array, ArrayBuffer, Object, Reflect, Uint8Array};
use shared::compare::l2_normalise;
use shared::tile::Tile;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{Blob, MessageEvent};

use super::clock::{breathe, now_ms, scope};
use super::decode::{self, Decoded, Preview};
use super::part_reader::PartReader;
use super::protocol::{
    Answer, Bundle, Cutting, FromWorker, PROTOCOL_VERSION, Query, Shelf, ToWorker, Vectors, reply_number,
};
use super::remote::Remote;
use super::runtime::{GallerySearch, Runtime, open_any_gallery};
use super::scene::{Scene, unreadable};
use super::slabs::CHUNK_TILES;
use super::tiff_rows::TiffRows;
use crate::label::book::{Book, Example};
use crate::label::leave_one_out::LeaveOneOut;
use crate::problem::Problem;
use crate::scene::bands::Refusal;
use crate::scene::doubt::{self, Doubt};
use crate::scene::reading::{Reading, Taken};
use crate::scene::step::{Cut, unpacked};

/// Milliseconds of leaving tiles out between two questions.
const LEAVING_OUT_MS: f64 = 150.0;

/// What the worker holds between messages.
#[derive(Default)]
struct State {
    runtime: Option<Runtime>,
    gallery: Option<GallerySearch>,
    opened: Option<GallerySearch>,
    /// Open pictures, by the request that opened them.
    scenes: HashMap<u64, Scene>,
    /// The tiles that were marked last, being left out one after the other.
    leaving_out: Option<LeaveOneOut>,
}

impl State {
    fn shelf(&self, shelf: Shelf) -> Result<&GallerySearch, Problem> {
        let gallery = match shelf {
            Shelf::Shipped => &self.gallery,
            Shelf::Opened => &self.opened,
        };
        gallery.as_ref().ok_or_else(|| {
            Problem::new("No gallery is loaded", "The worker was asked before it had one.", "Reload the page.")
        })
    }
}

/// A message, the buffers beside it, and a file.
type Parcel = (ToWorker, Vec<Uint8Array>, Option<Blob>);

/// Messages that wait, and requests that were cancelled and are not worked off yet.
#[derive(Default)]
struct Inbox {
    waiting: RefCell<VecDeque<Parcel>>,
    is_busy: Cell<bool>,
    cancelled: RefCell<BTreeSet<u64>>,
}

/// Starts listening, then says `Hello`.
pub fn start(bundle: Bundle) {
    std::panic::set_hook(Box::new(|panic| post(&FromWorker::Crashed { message: panic.to_string() }, None)));
    let inbox = Rc::new(Inbox::default());
    let state = Rc::new(RefCell::new(Some(State::default())));
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        let Some((message, buffers, file)) = read(&event.data()) else {
            let problem = Problem::misunderstood("a question of unknown shape; they come from two releases");
            let head = Reflect::get(&event.data(), &"head".into()).ok().and_then(|head| head.as_string());
            let request = head.and_then(|head| reply_number(&head)).unwrap_or(0);
            post(&FromWorker::Refused { request, problem }, None);
            return;
        };
        if let ToWorker::Cancel { request } = message {
            inbox.cancelled.borrow_mut().insert(request);
            return;
        }
        inbox.waiting.borrow_mut().push_back((message, buffers, file));
        if !inbox.is_busy.replace(true) {
            spawn_local(work_off(Rc::clone(&inbox), Rc::clone(&state)));
        }
    });
    scope().set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    // The worker lives as long as its page wants it: the closure is never dropped.
    on_message.forget();
    post(&FromWorker::Hello { protocol: PROTOCOL_VERSION, bundle }, None);
}

/// Takes one waiting message after the other.
async fn work_off(inbox: Rc<Inbox>, slot: Rc<RefCell<Option<State>>>) {
    // Only one `work_off` runs at a time (`is_busy`), so the state is always in its slot.
    let mut state = slot.borrow_mut().take().unwrap_or_default();
    loop {
        let Some((message, buffers, file)) = inbox.waiting.borrow_mut().pop_front() else { break };
        handle(&mut state, &inbox, message, buffers, file).await;
    }
    *slot.borrow_mut() = Some(state);
    inbox.is_busy.set(false);
}

async fn handle(state: &mut State, inbox: &Inbox, message: ToWorker, buffers: Vec<Uint8Array>, file: Option<Blob>) {
    let (request, outcome) = match message {
        ToWorker::Load { request, is_timed } => (request, load(state, request, is_timed, &buffers).await),
        ToWorker::Gallery { request, unlike_below } => (request, read_gallery(state, request, unlike_below, &buffers)),
        ToWorker::Classify { request, names, neighbours, reading } => {
            let buffers = &buffers[..buffers.len().min(names.len())];
            (request, classify(state, inbox, request, neighbours, &reading, buffers).await)
        }
        ToWorker::Embed { request } => (request, embed(state, inbox, request, &buffers).await),
        ToWorker::Map { request } => match map(state, request, &buffers) {
            Ok((answer, parts)) => return post_parts(&answer, &parts),
            Err(problem) => (request, Err(problem)),
        },
        ToWorker::Nearest { request, shelf, query, k } => {
            (request, state.shelf(shelf).map(|gallery| nearest(gallery, request, &query, k)))
        }
        ToWorker::Votes { request, shelf, start, end, k } => match state.shelf(shelf) {
            Ok(gallery) => return post_parts(&FromWorker::Votes { request }, &gallery.votes(start..end, k)),
            Err(problem) => (request, Err(problem)),
        },
        ToWorker::SceneOpen { request, address, cutting, reading } => {
            let answer = match open_scene(state, address, cutting, &reading, file).await {
                Ok(scene) => {
                    let card = Box::new(scene.card());
                    state.scenes.insert(request, scene);
                    FromWorker::Scene { request, scene: card }
                }
                Err(Refusal { problem, bands }) => FromWorker::SceneBroken { request, problem, bands },
            };
            (request, Ok(answer))
        }
        ToWorker::SceneCut { request, scene, first, patches, is_to_look_at } => match state.scenes.get_mut(&scene) {
            Some(scene) => match scene.cut(first, patches, is_to_look_at) {
                Ok(Cut { states, pixels, traffic, preview_row, preview }) => {
                    let answer = FromWorker::SceneCut { request, preview_row, traffic };
                    return post_parts(&answer, &[states, pixels, preview]);
                }
                Err(problem) => (request, Ok(FromWorker::SceneBroken { request, problem, bands: Vec::new() })),
            },
            None => (request, Err(no_scene())),
        },
        ToWorker::SceneEncode { request, patches, has_projections } => {
            match encode_patches(state, request, patches, has_projections, &buffers).await {
                Ok((answer, parts)) => return post_parts(&answer, &parts),
                Err(problem) => (request, Err(problem)),
            }
        }
        ToWorker::SceneKeep { scene, first } => {
            if let (Some(scene), [states, embeddings]) = (state.scenes.get_mut(&scene), &buffers[..]) {
                scene.keep(first, &states.to_vec(), &floats(embeddings));
            }
            return;
        }
        ToWorker::SceneSimilar { request, scene, patch } => {
            match state.scenes.get(&scene).and_then(|scene| scene.similar(patch)) {
                Some(similarities) => {
                    return post_parts(&FromWorker::SceneSimilar { request }, &[bytes(&similarities)]);
                }
                None => (request, Err(no_scene())),
            }
        }
        ToWorker::Learn { request, classes } => (request, learn(state, request, classes, &buffers)),
        ToWorker::LeaveOut { request } => (request, leave_out(state, request)),
        ToWorker::SceneClose { scene } => {
            state.scenes.remove(&scene);
            return;
        }
        ToWorker::Cancel { .. } => return,
    };
    inbox.cancelled.borrow_mut().retain(|cancelled| *cancelled > request);
    match outcome {
        Ok(answer) => post(&answer, None),
        Err(problem) => post(&FromWorker::Refused { request, problem }, None),
    }
}

async fn load(state: &mut State, request: u64, is_timed: bool, buffers: &[Uint8Array]) -> Result<FromWorker, Problem> {
    let bytes = first(buffers)?.to_vec();
    state.runtime = None;
    state.scenes.clear();
    let runtime = Runtime::open(&bytes, is_timed).await?;
    let (card, self_test, ms_per_tile) = (runtime.card(), runtime.self_test, runtime.ms_per_tile);
    state.runtime = Some(runtime);
    Ok(FromWorker::Loaded { request, card: Box::new(card), self_test, ms_per_tile })
}

fn read_gallery(
    state: &mut State,
    request: u64,
    unlike_below: Option<f32>,
    buffers: &[Uint8Array],
) -> Result<FromWorker, Problem> {
    let runtime = state.runtime.as_ref().ok_or_else(no_model)?;
    let search = runtime.open_gallery(&first(buffers)?.to_vec(), unlike_below)?;
    let gallery = Box::new(search.card());
    state.gallery = Some(search);
    Ok(FromWorker::GalleryReady { request, gallery })
}

/// Learns from marked tiles.
fn learn(state: &mut State, request: u64, classes: Vec<String>, buffers: &[Uint8Array]) -> Result<FromWorker, Problem> {
    let [marks, embeddings] = buffers else { return Err(no_marks()) };
    let (marks, embeddings) = (marks.to_vec(), floats(embeddings));
    let marks = marks.as_chunks().0;
    let width = embeddings.len().checked_div(marks.len()).unwrap_or_default();
    let example = |(mark, embedding): (&[u8; 4], &[f32])| Example {
        file: String::new(),
        class: u32::from_le_bytes(*mark) as usize,
        embedding: embedding.to_vec(),
    };
    let examples = marks.iter().zip(embeddings.chunks_exact(width.max(1))).map(example).collect();
    let started = now_ms();
    state.leaving_out = LeaveOneOut::new(&Book { classes: classes.clone(), examples });
    let head = state.leaving_out.as_ref().map(|learned| Box::new(learned.head(&classes)));
    Ok(FromWorker::Learned { request, head, elapsed_ms: now_ms() - started })
}

/// Leaves marked tiles out for a moment.
fn leave_out(state: &mut State, request: u64) -> Result<FromWorker, Problem> {
    let work = state.leaving_out.as_mut().ok_or_else(no_marks)?;
    let started = now_ms();
    let mut report = None;
    while report.is_none() && now_ms() - started < LEAVING_OUT_MS {
        report = work.step().cloned();
    }
    let (done, all) = work.progress();
    Ok(FromWorker::LeftOut { request, done, all, report })
}

fn no_marks() -> Problem {
    Problem::new("Nothing is marked", "The worker was asked before it had marked tiles.", "Mark a tile again.")
}

/// What a map shows: of the gallery in the first buffer, which is kept, or else of the model's.
fn map(state: &mut State, request: u64, buffers: &[Uint8Array]) -> Result<(FromWorker, Vec<Vec<u8>>), Problem> {
    let shelf = if let Some(bytes) = buffers.first() {
        state.opened = Some(open_any_gallery(&bytes.to_vec())?);
        Shelf::Opened
    } else {
        Shelf::Shipped
    };
    let gallery = state.shelf(shelf)?;
    let map = Box::new(gallery.map_card(state.runtime.as_ref()));
    Ok((FromWorker::Map { request, map }, gallery.map_parts()))
}

fn nearest(gallery: &GallerySearch, request: u64, query: &Query, k: usize) -> FromWorker {
    let neighbours = match query {
        Query::Row(row) => gallery.nearest_to_row(*row, k),
        Query::Embedding(embedding) => gallery.nearest(embedding, k).neighbours,
        Query::Examples { more, less } => gallery.nearest_to_examples(more, less, k),
    };
    FromWorker::Nearest { request, neighbours }
}

/// Decodes and embeds chunk by chunk; a bad file is answered as such and the rest goes on.
async fn classify(
    state: &State,
    inbox: &Inbox,
    request: u64,
    neighbours: usize,
    reading: &Reading,
    buffers: &[Uint8Array],
) -> Result<FromWorker, Problem> {
    let runtime = state.runtime.as_ref().ok_or_else(no_model)?;
    each_tile(runtime, inbox, request, reading, buffers, |seen| {
        let embedding = runtime.read_out(seen.pooled);
        let found = state.gallery.as_ref().map(|gallery| gallery.nearest(&embedding, neighbours));
        let answer = Answer {
            height: seen.height,
            width: seen.width,
            bands: seen.bands,
            format: seen.format,
            taken: seen.taken,
            probabilities: runtime.probabilities(&embedding),
            embedding,
            unlike_gallery: found.as_ref().map(|found| found.is_unlike),
            doubts: seen.doubts,
            neighbours: found.map(|found| found.neighbours).unwrap_or_default(),
            decode_ms: seen.decode_ms,
            encoder_ms: seen.encoder_ms,
        };
        let message = FromWorker::Classified { request, index: seen.index, answer: Box::new(answer) };
        post(&message, seen.preview.as_ref());
    })
    .await
}

async fn embed(state: &State, inbox: &Inbox, request: u64, buffers: &[Uint8Array]) -> Result<FromWorker, Problem> {
    let runtime = state.runtime.as_ref().ok_or_else(no_model)?;
    each_tile(runtime, inbox, request, &Reading::default(), buffers, |seen| {
        let message = match runtime.projections(&seen.pooled) {
            Ok(projections) => {
                let vectors = Box::new(Vectors { embedding: runtime.read_out(seen.pooled), projections });
                FromWorker::Embedded { request, index: seen.index, vectors }
            }
            Err(problem) => FromWorker::Undecodable { request, index: seen.index, problem, bands: Vec::new() },
        };
        post(&message, seen.preview.as_ref());
    })
    .await
}

/// Opens a file of the user's, or one at an address.
async fn open_scene(
    state: &State,
    address: Option<String>,
    cutting: Cutting,
    reading: &Reading,
    file: Option<Blob>,
) -> Result<Scene, Refusal> {
    let runtime = state.runtime.as_ref().ok_or_else(no_model)?;
    let file = match address {
        Some(address) => PartReader::of_web(Remote::open(address).await?),
        None => PartReader::of_disk(file.ok_or_else(no_scene)?).map_err(unreadable)?,
    };
    Scene::open(file, runtime, cutting, reading)
}

/// Embeddings and probabilities of patches that a worker has cut.
async fn encode_patches(
    state: &State,
    request: u64,
    patches: usize,
    has_projections: bool,
    buffers: &[Uint8Array],
) -> Result<(FromWorker, Vec<Vec<u8>>), Problem> {
    let runtime = state.runtime.as_ref().ok_or_else(no_model)?;
    let (bands, side) = (runtime.wanted().bands.len(), runtime.input_px());
    let pixels = unpacked(&first(buffers)?.to_vec(), patches * bands * side * side).ok_or_else(no_scene)?;
    let tiles = pixels.chunks_exact((bands * side * side).max(1));
    let tiles: Result<Vec<Tile>, _> = tiles.map(|pixels| Tile::new(bands, side, side, pixels.to_vec())).collect();
    let tiles = tiles.ok().filter(|tiles| tiles.len() == patches).ok_or_else(no_scene)?;
    let before = now_ms();
    let pooled = runtime.pooled(&tiles).await?;
    let encoder_ms = now_ms() - before;
    let mut projections = Vec::new();
    if has_projections {
        for pooled in &pooled {
            projections.extend(runtime.projections(pooled)?.concat());
        }
    }
    let mut embeddings: Vec<Vec<f32>> = pooled.into_iter().map(|pooled| runtime.read_out(pooled)).collect();
    let probabilities: Vec<f32> = embeddings.iter().flat_map(|embedding| runtime.probabilities(embedding)).collect();
    let is_unlike = |(tile, embedding): (&Tile, &Vec<f32>)| {
        let is_odd = doubt::of_pixels(tile.pixels(), tile.bands(), tile.width()).is_some();
        u8::from(is_odd || state.gallery.as_ref().is_some_and(|gallery| gallery.nearest(embedding, 1).is_unlike))
    };
    let unlike: Vec<u8> = tiles.iter().zip(&embeddings).map(is_unlike).collect();
    embeddings.iter_mut().for_each(|embedding| l2_normalise(embedding));
    let mut parts = vec![bytes(&embeddings.concat()), bytes(&probabilities), unlike];
    if has_projections {
        parts.push(bytes(&projections));
    }
    Ok((FromWorker::SceneEncoded { request, encoder_ms }, parts))
}

fn floats(bytes: &Uint8Array) -> Vec<f32> {
    bytes.to_vec().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// A file that went through the encoder.
struct Seen {
    index: usize,
    height: usize,
    width: usize,
    bands: usize,
    format: String,
    taken: Taken,
    doubts: Vec<Doubt>,
    preview: Option<Preview>,
    pooled: Vec<f32>,
    decode_ms: f64,
    encoder_ms: f64,
}

/// Decodes and embeds chunk by chunk, and has every tile answered by `answer`; a bad file is answered as such and the
/// rest goes on.
async fn each_tile(
    runtime: &Runtime,
    inbox: &Inbox,
    request: u64,
    reading: &Reading,
    buffers: &[Uint8Array],
    answer: impl Fn(Seen),
) -> Result<FromWorker, Problem> {
    let started = now_ms();
    let (mut done, mut encoder_ms) = (0, 0.0);
    let wanted = runtime.wanted();
    for first_index in (0..buffers.len()).step_by(CHUNK_TILES) {
        if inbox.cancelled.borrow().contains(&request) {
            break;
        }
        let (mut seen, mut tiles) = (Vec::with_capacity(CHUNK_TILES), Vec::with_capacity(CHUNK_TILES));
        for (index, buffer) in buffers.iter().enumerate().skip(first_index).take(CHUNK_TILES) {
            let before = now_ms();
            match decode::decode(&buffer.to_vec(), &wanted, reading) {
                Ok(Decoded { tile, bands, format, taken, preview }) => {
                    let (height, width, decode_ms) = (tile.height(), tile.width(), now_ms() - before);
                    let doubts = doubts(&tile, &taken, buffer);
                    let (pooled, encoder_ms) = (Vec::new(), 0.0);
                    seen.push(Seen {
                        index,
                        height,
                        width,
                        bands,
                        format,
                        taken,
                        doubts,
                        preview,
                        pooled,
                        decode_ms,
                        encoder_ms,
                    });
                    tiles.push(tile);
                }
                Err(Refusal { problem, bands }) => {
                    post(&FromWorker::Undecodable { request, index, problem, bands }, None);
                }
            }
        }
        let before = now_ms();
        let pooled = if tiles.is_empty() { Vec::new() } else { runtime.pooled(&tiles).await? };
        let chunk_ms = now_ms() - before;
        encoder_ms += chunk_ms;
        let share_ms = chunk_ms / tiles.len().max(1) as f64;
        for (seen, pooled) in seen.into_iter().zip(pooled) {
            answer(Seen { pooled, encoder_ms: share_ms, ..seen });
        }
        done = (first_index + CHUNK_TILES).min(buffers.len());
        breathe().await;
    }
    Ok(FromWorker::Finished { request, done, elapsed_ms: now_ms() - started, encoder_ms })
}

/// What is wrong with asking the model about a tile.
fn doubts(tile: &Tile, taken: &Taken, file: &Uint8Array) -> Vec<Doubt> {
    // Only TIFFs say how large a pixel is, in their header.
    let place = TiffRows::open(Cursor::new(file.to_vec())).ok().and_then(|rows| rows.header().georeference.clone());
    let of_size = place.and_then(|place| doubt::of_pixel_size(place.pixel_m(tile.width(), tile.height())));
    let of_values = taken.range.and_then(|[low, high]| doubt::of_values(low, high));
    let of_pixels = doubt::of_pixels(tile.pixels(), tile.bands(), tile.width());
    of_size.into_iter().chain(of_values).chain(of_pixels).collect()
}

fn first(buffers: &[Uint8Array]) -> Result<&Uint8Array, Problem> {
    buffers.first().ok_or_else(|| {
        Problem::new("The page sent no data with its request", "A buffer is missing.", "Reload the page.")
    })
}

fn no_scene() -> Problem {
    Problem::new("No picture is open", "The worker was asked about a patch that it does not have.", "Open it again.")
}

fn no_model() -> Problem {
    Problem::new("No model is loaded", "The worker was asked before it had a model.", "Reload the page.")
}

/// What this instance holds; it never gives any back while it lives.
fn memory_bytes() -> f64 {
    const PAGE_BYTES: f64 = 65536.0;
    core::arch::wasm32::memory_size::<0>() as f64 * PAGE_BYTES
}

/// `{ head, buffers, file? }` → message, bytes and file.
fn read(data: &JsValue) -> Option<Parcel> {
    let head = Reflect::get(data, &"head".into()).ok()?.as_string()?;
    let message = serde_json::from_str(&head).ok()?;
    let buffers = Reflect::get(data, &"buffers".into()).ok()?.dyn_into::<Array>().ok()?;
    let bytes = buffers.iter().map(|buffer| Uint8Array::new(&buffer)).collect();
    let file = Reflect::get(data, &"file".into()).ok().and_then(|file| file.dyn_into().ok());
    Some((message, bytes, file))
}

/// Message → `{ head, buffers, memory }`, each part in a buffer that is transferred.
fn post_parts(message: &FromWorker, parts: &[Vec<u8>]) {
    // As in `post`: strings and numbers, a plain object, and buffers.
    let Ok(head) = serde_json::to_string(message) else { return };
    let buffers: Array = parts.iter().map(|part| Uint8Array::from(part.as_slice()).buffer()).collect();
    let envelope = Object::new();
    let _ = Reflect::set(&envelope, &"head".into(), &head.into());
    let _ = Reflect::set(&envelope, &"buffers".into(), &buffers);
    let _ = Reflect::set(&envelope, &"memory".into(), &memory_bytes().into());
    let _ = scope().post_message_with_transfer(&envelope, &buffers);
}

/// Message → `{ head, buffers, memory }`; a preview is transferred with its width in front of it.
fn post(message: &FromWorker, preview: Option<&Preview>) {
    // Every message is made of strings and finite numbers: there is nothing in it that JSON could refuse.
    let Ok(head) = serde_json::to_string(message) else { return };
    let (envelope, buffers) = (Object::new(), Array::new());
    if let Some(preview) = preview {
        let bytes = Uint8Array::from(preview.rgba.as_slice());
        buffers.push(&bytes.buffer());
        // Setting a property of a fresh plain object cannot fail.
        let _ = Reflect::set(&envelope, &"preview_width".into(), &(preview.width as f64).into());
    }
    let _ = Reflect::set(&envelope, &"head".into(), &head.into());
    let _ = Reflect::set(&envelope, &"buffers".into(), &buffers);
    let _ = Reflect::set(&envelope, &"memory".into(), &memory_bytes().into());
    let transfer: Array = buffers.iter().filter(|buffer| buffer.is_instance_of::<ArrayBuffer>()).collect();
    // Posting fails only for values that cannot be cloned; these are a string and buffers.
    let _ = scope().post_message_with_transfer(&envelope, &transfer);
}
