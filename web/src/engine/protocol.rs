//! The messages between the page and a worker: plain data, no tensors and no handles.
//!
//! A message travels as `{ head: string, buffers: ArrayBuffer[] }`: the head is JSON of one of the enums below, and the
//! bulky parts (model, gallery, files, previews) are transferred beside it without a copy. Every question carries a
//! request number, which its answers repeat, so that an answer to an abandoned question can be told and dropped. A
//! worker's messages also say how much memory it holds (`memory`, in bytes).

use serde::{Deserialize, Serialize};

use crate::label::head::Head;
use crate::label::leave_one_out::LeftOut;
use crate::order;
use crate::problem::Problem;
use crate::scene::card::SceneCard;
use crate::scene::doubt::Doubt;
use crate::scene::reading::{Reading, Taken};
use crate::scene::step::Traffic;

/// Raised whenever a message changes, so that a page never talks to a worker of another release.
pub const PROTOCOL_VERSION: u32 = 8;

/// Which of the two worker bundles is speaking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bundle {
    /// Burn's `flex` on one CPU core, with 128-bit vectors.
    Cpu,
    /// Burn on WebGPU.
    Gpu,
}

impl Bundle {
    /// Name of the bundle's files.
    #[must_use]
    pub const fn file_stem(self, has_relaxed_simd: bool) -> &'static str {
        match self {
            Self::Cpu if has_relaxed_simd => "solstice-cpu-relaxed",
            Self::Cpu => "solstice-cpu",
            Self::Gpu => "solstice-gpu",
        }
    }

    /// What people call the device.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::Gpu => "WebGPU",
        }
    }
}

/// Page → worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToWorker {
    /// Opens the device, loads the model in `buffers[0]` and proves both; answered by `Loaded` or `Refused`.
    Load {
        /// Request number.
        request: u64,
        /// Whether to measure the speed as well: not for a further worker on the same device.
        is_timed: bool,
    },
    /// Reads the gallery in `buffers[0]`; answered by `GalleryReady` or `Refused`.
    Gallery {
        /// Request number.
        request: u64,
        /// In a gallery too small to tell by itself, a tile whose best similarity is under this is unlike all of them.
        unlike_below: Option<f32>,
    },
    /// Classifies the files in `buffers`; answered by one `Classified` or `Undecodable` each, then `Finished`.
    Classify {
        /// Request number.
        request: u64,
        /// One name for each buffer.
        names: Vec<String>,
        /// How many gallery tiles to name beside each answer.
        neighbours: usize,
        /// How values become what the model sees.
        reading: Reading,
    },
    /// Embeds the files in `buffers`, without classes or neighbours; answered by one `Embedded` or `Undecodable` each, then
    /// `Finished`.
    Embed {
        /// Request number.
        request: u64,
    },
    /// Asks for what a map of a gallery shows. With `buffers[0]`, that gallery file is read first and becomes
    /// [`Shelf::Opened`]; without, it is the model's. Answered by `Map` or `Refused`.
    Map {
        /// Request number.
        request: u64,
    },
    /// Asks for the nearest tiles of a gallery; answered by `Nearest` or `Refused`.
    Nearest {
        /// Request number.
        request: u64,
        /// In which gallery.
        shelf: Shelf,
        /// Nearest to what.
        query: Query,
        /// How many.
        k: usize,
    },
    /// Asks what the nearest other tiles of each of some rows vote for; answered by `Votes` or `Refused`.
    Votes {
        /// Request number.
        request: u64,
        /// In which gallery.
        shelf: Shelf,
        /// First row.
        start: usize,
        /// One past the last row.
        end: usize,
        /// How many neighbours vote.
        k: usize,
    },
    /// Opens the large picture beside the message (`file`), or at an address; the request's number is the picture's from then
    /// on, until `SceneClose`. Answered by `Scene`, `SceneBroken` or `Refused`.
    SceneOpen {
        /// Request number.
        request: u64,
        /// Where it is, when the user typed that.
        address: Option<String>,
        /// Whether it is cut for a map or for a comparison.
        cutting: Cutting,
        /// How values become what the model sees.
        reading: Reading,
    },
    /// Cuts patches out of the open picture, best from the first to the last; answered by `SceneCut`, `SceneBroken` or
    /// `Refused`.
    SceneCut {
        /// Request number.
        request: u64,
        /// Of which picture.
        scene: u64,
        /// The first of them.
        first: usize,
        /// How many.
        patches: usize,
        /// Whether only the preview is wanted.
        is_to_look_at: bool,
    },
    /// Embeds and classifies patches that a worker has cut (`buffers`: their pixels); answered by `SceneEncoded` or `Refused`.
    SceneEncode {
        /// Request number.
        request: u64,
        /// How many.
        patches: usize,
        /// Whether their projections into the model's subspaces are wanted too.
        has_projections: bool,
    },
    /// Keeps what patches have become, for searching: `buffers` are states (u8) and the embeddings of those that were classified
    /// (f32); not answered.
    SceneKeep {
        /// Of which picture.
        scene: u64,
        /// The first of them.
        first: usize,
    },
    /// Asks how similar every patch so far is to one of them; answered by `SceneSimilar` or `Refused`.
    SceneSimilar {
        /// Request number.
        request: u64,
        /// Of which picture.
        scene: u64,
        /// Which one.
        patch: usize,
    },
    /// Lets go of an open picture; not answered.
    SceneClose {
        /// Which one.
        scene: u64,
    },
    /// Learns a linear head from marked tiles: `buffers` are their classes (u32) and embeddings (f32). Answered by `Learned` or
    /// `Refused`.
    Learn {
        /// Request number.
        request: u64,
        /// Names of the classes.
        classes: Vec<String>,
    },
    /// Goes on leaving tiles out, for a moment; answered by `LeftOut` or `Refused`.
    LeaveOut {
        /// Request number.
        request: u64,
    },
    /// Stops the given request after the chunk in work; its `Finished` says how far it came.
    Cancel {
        /// The request to stop.
        request: u64,
    },
}

/// Worker → page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromWorker {
    /// The bundle itself is on its way (from `worker.js`, before anything else).
    Fetching {
        /// Bytes so far.
        received: u64,
    },
    /// The bundle is compiled (from `worker.js`); `module` beside the head is the result, for further workers.
    Compiled,
    /// The first message of the bundle: the worker listens from now on.
    Hello {
        /// The worker's [`PROTOCOL_VERSION`].
        protocol: u32,
        /// Which bundle it is.
        bundle: Bundle,
    },
    /// The model is on the device and has proven itself.
    Loaded {
        /// Request number.
        request: u64,
        /// What the model says of itself.
        card: Box<ModelCard>,
        /// How the proof went.
        self_test: SelfTest,
        /// Milliseconds a tile, warm, in a chunk of eight; none when it was not to be timed.
        ms_per_tile: Option<f64>,
    },
    /// The gallery can be searched.
    GalleryReady {
        /// Request number.
        request: u64,
        /// What it holds.
        gallery: Box<GalleryCard>,
    },
    /// One tile's answer; a preview (RGBA) may lie in `buffers[0]`.
    Classified {
        /// Request number.
        request: u64,
        /// Which of the request's files.
        index: usize,
        /// The answer.
        answer: Box<Answer>,
    },
    /// One tile's vectors; a preview (RGBA) may lie in `buffers[0]`.
    Embedded {
        /// Request number.
        request: u64,
        /// Which of the request's files.
        index: usize,
        /// The vectors.
        vectors: Box<Vectors>,
    },
    /// A file that is no tile, or none for this model.
    Undecodable {
        /// Request number.
        request: u64,
        /// Which of the request's files.
        index: usize,
        /// Why.
        problem: Problem,
        /// Its bands, when choosing among them would help.
        bands: Vec<String>,
    },
    /// All files of a request are answered, or it was cancelled.
    Finished {
        /// Request number.
        request: u64,
        /// Files answered.
        done: usize,
        /// Milliseconds from the first byte to the last answer.
        elapsed_ms: f64,
        /// Milliseconds of those inside the encoder.
        encoder_ms: f64,
    },
    /// What a map shows; `buffers` are both layouts (f32 pairs), labels (u16) and names (UTF-8, one a line).
    Map {
        /// Request number.
        request: u64,
        /// What the gallery says of itself.
        map: Box<MapCard>,
    },
    /// The nearest tiles.
    Nearest {
        /// Request number.
        request: u64,
        /// Best first.
        neighbours: Vec<Neighbour>,
    },
    /// What the neighbours vote for; `buffers` are classes (u16, all ones where there is none), shares (f32), the nearest
    /// other rows (u32, all ones where there is none) and their similarities (f32).
    Votes {
        /// Request number.
        request: u64,
    },
    /// A large picture is open.
    Scene {
        /// Request number.
        request: u64,
        /// What it is.
        scene: Box<SceneCard>,
    },
    /// The picture itself cannot be read, or not on: another device would not help.
    SceneBroken {
        /// Request number.
        request: u64,
        /// Why.
        problem: Problem,
        /// Its bands, when choosing among them would help.
        bands: Vec<String>,
    },
    /// Patches are cut; `buffers` are states (u8), pixels of those with data (see [`crate::scene::step::packed`]), and new rows of the preview (RGBA).
    SceneCut {
        /// Request number.
        request: u64,
        /// First new row of the preview.
        preview_row: usize,
        /// What was fetched for the picture so far.
        traffic: Traffic,
    },
    /// Patches are classified; `buffers` are embeddings of length 1 and probabilities (f32), whether each patch is unlike
    /// anything known (u8), and its projections into each subspace, if they were wanted (f32).
    SceneEncoded {
        /// Request number.
        request: u64,
        /// Milliseconds in the encoder.
        encoder_ms: f64,
    },
    /// Similarities to a patch; `buffers` are one f32 for each patch so far, NaN without data.
    SceneSimilar {
        /// Request number.
        request: u64,
    },
    /// What was learned; none while fewer than two classes have tiles enough.
    Learned {
        /// Request number.
        request: u64,
        /// The head.
        head: Option<Box<Head>>,
        /// Milliseconds that it took.
        elapsed_ms: f64,
    },
    /// How far leaving out has come.
    LeftOut {
        /// Request number.
        request: u64,
        /// Heads learned so far.
        done: usize,
        /// And in all.
        all: usize,
        /// What came of it, once all are.
        report: Option<LeftOut>,
    },
    /// The whole request failed.
    Refused {
        /// Request number.
        request: u64,
        /// Why.
        problem: Problem,
    },
    /// The worker is about to die; nothing more will come.
    Crashed {
        /// The panic's or exception's message.
        message: String,
    },
}

/// The request that a message belongs to, as far as its head can be read at all: what cannot be understood must not leave
/// anybody waiting.
#[must_use]
pub fn reply_number(head: &str) -> Option<u64> {
    let message = serde_json::from_str::<serde_json::Value>(head).ok()?;
    message.as_object()?.values().next()?.get("request")?.as_u64()
}

/// What the page shows of a model, out of its manifest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// The model's name.
    pub name: String,
    /// Architecture, as a person writes it.
    pub architecture: String,
    /// Trainable numbers in the encoder.
    pub parameters: usize,
    /// Bands in order.
    pub bands: Vec<String>,
    /// Side of the square that the encoder sees.
    pub input_px: usize,
    /// Width of the embedding.
    pub embedding_width: usize,
    /// Names of the projection heads that came with the encoder; mostly there are none.
    pub subspaces: Vec<String>,
    /// Classes of the linear head; empty when there is none.
    pub classes: Vec<String>,
    /// Whether probabilities are calibrated (a temperature came with the head).
    pub calibrated: bool,
    /// That temperature.
    pub temperature: Option<f32>,
    /// Pre-training method.
    pub method: String,
    /// Pre-training data.
    pub data: String,
    /// How long it was trained, in words.
    pub training: String,
    /// Multiplications and additions that one tile costs.
    pub multiply_adds: u64,
    /// Measured figures, each with how it was measured.
    pub metrics: Vec<MetricLine>,
    /// Licence of the weights.
    pub licence: String,
    /// How weights are stored.
    pub weight_format: String,
    /// Version of the model file's format.
    pub format_version: u32,
    /// Size of the model file.
    pub bytes: u64,
    /// Checksum of the manifest and all weights: the model's identity.
    pub sha256: String,
}

/// What the page shows of a gallery, out of its manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GalleryCard {
    /// How many tiles it holds.
    pub tiles: usize,
    /// Side of a thumbnail in an atlas.
    pub tile_px: usize,
    /// Thumbnails in a row of an atlas.
    pub columns: usize,
    /// Rows of every atlas but the last.
    pub rows: usize,
    /// File names of the atlases, beside the gallery.
    pub files: Vec<String>,
    /// Whom to thank.
    pub credit: String,
}

/// Which of a worker's galleries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shelf {
    /// The one that came with the model.
    #[default]
    Shipped,
    /// The one that was opened from disk.
    Opened,
}

/// How a large picture is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cutting {
    /// Into patches of the model's own size, one every so many pixels.
    Map {
        /// From one patch to the next.
        stride_px: usize,
    },
    /// Into squares that suit its size, to be compared with those of another date.
    Squares,
}

/// What neighbours are wanted of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Query {
    /// A tile of the gallery; it is no neighbour of its own.
    Row(usize),
    /// An embedding, of any length.
    Embedding(Vec<f32>),
    /// Tiles of the gallery that are wanted and not wanted; none of them is named in the answer.
    Examples {
        /// Wanted.
        more: Vec<usize>,
        /// Not wanted.
        less: Vec<usize>,
    },
}

/// What the page shows of a gallery on its map.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapCard {
    /// Thumbnails and credit.
    pub gallery: GalleryCard,
    /// Class names, in the order of the labels.
    pub classes: Vec<String>,
    /// How the first layout was made, for example `t-sne`.
    pub layout: String,
    /// The model that made the embeddings.
    pub model: String,
    /// True when that is the model in use: only then can new tiles be compared with these.
    pub is_of_model_in_use: bool,
}

/// One measured figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricLine {
    /// What was measured.
    pub name: String,
    /// The figure.
    pub value: f64,
    /// How.
    pub protocol: String,
}

/// The golden-vector test: the model's own reference tile, embedded here.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SelfTest {
    /// Largest difference to the reference embedding, relative to its largest value.
    pub max_relative_error: f32,
    /// Milliseconds of the first run, kernels compiled within.
    pub first_run_ms: f64,
}

/// One embedded tile.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Vectors {
    /// Raw embedding, not normalised.
    pub embedding: Vec<f32>,
    /// Its projection into each subspace of the model's card, not normalised.
    pub projections: Vec<Vec<f32>>,
}

/// One classified tile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The tile's own size and bands, before preprocessing.
    pub height: usize,
    /// See `height`.
    pub width: usize,
    /// Number of bands in the file.
    pub bands: usize,
    /// File format, in words.
    pub format: String,
    /// Which bands were taken, and how their values are read.
    pub taken: Taken,
    /// Raw embedding, not normalised.
    pub embedding: Vec<f32>,
    /// One probability for each class of the model.
    pub probabilities: Vec<f32>,
    /// Nearest gallery tiles, best first; empty before a gallery is there.
    pub neighbours: Vec<Neighbour>,
    /// True when even the known tiles nearest to it are hardly like it.
    pub unlike_gallery: Option<bool>,
    /// What is wrong with asking the model about this.
    pub doubts: Vec<Doubt>,
    /// Milliseconds: decoding.
    pub decode_ms: f64,
    /// Milliseconds: encoder, this tile's share of its chunk.
    pub encoder_ms: f64,
}

impl Answer {
    /// True when the tile is unlike anything that the model knows: its class is a guess, its probability means nothing.
    #[must_use]
    pub fn is_unlike(&self) -> bool {
        self.unlike_gallery == Some(true) || !self.doubts.is_empty()
    }

    /// Class indices by falling probability.
    #[must_use]
    pub fn ranking(&self) -> Vec<usize> {
        ranking(&self.probabilities)
    }
}

/// Indices by falling value, the first of equals first.
#[must_use]
pub fn ranking(probabilities: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order::sort_by(&mut order, |&a, &b| probabilities[b].total_cmp(&probabilities[a]).then(a.cmp(&b)));
    order
}

/// One gallery tile beside a query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Neighbour {
    /// Row in the gallery.
    pub index: usize,
    /// Its file name.
    pub name: String,
    /// Its class.
    pub class: String,
    /// Cosine similarity, −1 to 1.
    pub similarity: f32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_a_reply_is_found_even_when_it_cannot_be_understood() {
        // Of a later release: neither the kind nor the fields are known.
        let head = r#"{"dreamt":{"request":17,"of":{"request":3}}}"#;
        assert!(serde_json::from_str::<FromWorker>(head).is_err());
        assert_eq!(reply_number(head), Some(17));
        for nobody in ["", "no JSON", "[17]", r#"{"finished":{}}"#, r#"{"a":{"request":-1}}"#, r#"{"request":17}"#] {
            assert_eq!(reply_number(nobody), None, "{nobody}");
        }
    }

    #[test]
    fn a_tile_is_unlike_what_is_known_by_its_gallery_or_by_its_pixels() {
        let answer = |unlike_gallery, doubts| Answer {
            height: 64,
            width: 64,
            bands: 3,
            format: String::new(),
            taken: Taken::default(),
            embedding: Vec::new(),
            probabilities: vec![0.999, 0.001],
            neighbours: Vec::new(),
            unlike_gallery,
            doubts,
            decode_ms: 0.0,
            encoder_ms: 0.0,
        };
        assert!(!answer(None, Vec::new()).is_unlike() && !answer(Some(false), Vec::new()).is_unlike());
        assert!(answer(Some(true), Vec::new()).is_unlike());
        assert!(answer(Some(false), vec![Doubt::Flat]).is_unlike(), "however alike the nearest tile is");
    }
}
