//! The index files beside the models, galleries and samples: sizes and checksums are known before anything is fetched.

use serde::Deserialize;

use crate::engine::protocol::Bundle;
use crate::problem::Problem;

/// The version of the index files that this release reads.
const FORMAT_VERSION: u32 = 1;

/// A file with its size and checksum.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct FileEntry {
    /// Name, relative to the index.
    pub file: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the whole file, hexadecimal.
    pub sha256: String,
}

/// `bundles.json`: the sizes of the worker bundles, written after they are built.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct BundleIndex {
    /// One for each worker.
    pub bundles: Vec<BundleEntry>,
}

/// One worker bundle.
#[derive(Clone, Debug, Deserialize)]
pub struct BundleEntry {
    /// Name of the file.
    pub file: String,
    /// Size in bytes.
    pub bytes: u64,
}

impl BundleIndex {
    /// Size of a bundle; 0 when it is not listed.
    #[must_use]
    pub fn bytes_of(&self, bundle: Bundle, has_relaxed_simd: bool) -> u64 {
        let file = format!("{}_bg.wasm", bundle.file_stem(has_relaxed_simd));
        self.bundles.iter().find(|entry| entry.file == file).map_or(0, |entry| entry.bytes)
    }

    /// Whether the page was built without this bundle.
    #[must_use]
    pub fn lacks(&self, bundle: Bundle, has_relaxed_simd: bool) -> bool {
        self.bytes_of(bundle, has_relaxed_simd) == 0
    }
}

/// `models/index.json`.
#[derive(Clone, Debug, Deserialize)]
pub struct ModelIndex {
    /// See [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Identity of the model to start with.
    pub default: String,
    /// All models.
    pub models: Vec<ModelEntry>,
}

/// One model.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ModelEntry {
    /// Identity.
    pub id: String,
    /// What people call it.
    pub title: String,
    /// Where it is.
    #[serde(flatten)]
    pub file: FileEntry,
}

impl ModelIndex {
    /// A model by its identity, as an address names it.
    ///
    /// # Errors
    /// When there is none of that identity.
    pub fn model(&self, id: &str) -> Result<&ModelEntry, Problem> {
        self.models.iter().find(|model| model.id == id).ok_or_else(|| {
            let ids: Vec<&str> = self.models.iter().map(|model| model.id.as_str()).collect();
            Problem::new(
                format!("There is no model “{id}” here"),
                format!("The address asks for it; there is {}.", ids.join(", ")),
                "Choose one on the Models page.",
            )
        })
    }

    /// The model to start with.
    ///
    /// # Errors
    /// When the index is of another version, or its default is missing.
    pub fn default_model(&self) -> Result<&ModelEntry, Problem> {
        check_version("models/index.json", self.format_version)?;
        self.models.iter().find(|model| model.id == self.default).ok_or_else(|| {
            Problem::new(
                "The default model is not in the index",
                format!("models/index.json names “{}”, which it does not list.", self.default),
                "Export the model again, or correct the index.",
            )
        })
    }
}

/// `gallery/index.json`.
#[derive(Clone, Debug, Deserialize)]
pub struct GalleryIndex {
    /// See [`FORMAT_VERSION`].
    pub format_version: u32,
    /// All galleries.
    pub galleries: Vec<GalleryEntry>,
}

/// One gallery.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct GalleryEntry {
    /// What it shows.
    pub title: String,
    /// Identity of the model that embedded it.
    pub model: String,
    /// Where it is.
    #[serde(flatten)]
    pub file: FileEntry,
    /// A tile whose best cosine similarity is under this is unlike all of them.
    pub unlike_below: Option<f32>,
}

impl GalleryIndex {
    /// The gallery of a model, when there is one.
    ///
    /// # Errors
    /// When the index is of another version.
    pub fn of_model(&self, model: &str) -> Result<Option<&GalleryEntry>, Problem> {
        check_version("gallery/index.json", self.format_version)?;
        Ok(self.galleries.iter().find(|gallery| gallery.model == model))
    }

    /// More galleries of a model, larger ones, to be fetched when somebody asks for them.
    #[must_use]
    pub fn further_of(&self, model: &str) -> Vec<GalleryEntry> {
        self.galleries.iter().filter(|gallery| gallery.model == model).skip(1).cloned().collect()
    }
}

/// `samples/index.json`.
#[derive(Clone, Debug, Deserialize)]
pub struct SampleIndex {
    /// Tiles to try.
    pub samples: Vec<Sample>,
    /// Whom to thank.
    #[serde(default)]
    pub credit: String,
}

/// A tile to try.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Sample {
    /// Name, relative to the index.
    pub file: String,
    /// What it is.
    pub class: String,
}

/// `scenes/index.json`.
#[derive(Clone, Debug, Deserialize)]
pub struct SceneIndex {
    /// See [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Whom to thank.
    pub credit: String,
    /// Large pictures to try.
    pub scenes: Vec<SceneSample>,
}

/// A large picture to try.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SceneSample {
    /// Name, relative to the index.
    pub file: String,
    /// A small picture of it, relative to the index.
    pub picture: String,
    /// What it is.
    pub title: String,
    /// From one patch to the next.
    pub stride_px: usize,
}

impl SceneIndex {
    /// Itself, when this release can read it.
    ///
    /// # Errors
    /// When it is of another version.
    pub fn checked(self) -> Result<Self, Problem> {
        check_version("scenes/index.json", self.format_version).map(|()| self)
    }
}

/// `seasons/index.json`.
#[derive(Clone, Debug, Deserialize)]
pub struct SeasonIndex {
    /// See [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Where the pictures come from.
    pub sets: Vec<SeasonSet>,
    /// The places, set by set.
    pub places: Vec<SeasonPlace>,
}

/// Pictures of one origin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct SeasonSet {
    /// What the pictures are.
    pub title: String,
    /// What to keep in mind.
    pub note: String,
    /// Whom to thank.
    pub credit: String,
}

/// A place; its pictures are `<id>/<date>.jpg` beside the index.
#[derive(Clone, Debug, Deserialize)]
pub struct SeasonPlace {
    /// Its folder, and its name in the address.
    pub id: String,
    /// Index of its set.
    pub set: usize,
    /// What people call it.
    pub name: String,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// `2004-01` or `2004-01-31`.
    pub dates: Vec<String>,
}

impl SeasonIndex {
    /// Itself, when this release can read it.
    ///
    /// # Errors
    /// When it is of another version.
    pub fn checked(self) -> Result<Self, Problem> {
        check_version("seasons/index.json", self.format_version).map(|()| self)
    }
}

fn check_version(index: &str, found: u32) -> Result<(), Problem> {
    if found == FORMAT_VERSION {
        return Ok(());
    }
    Err(Problem::new(
        "The page and its data are of different releases",
        format!("{index} has format version {found}; this page reads {FORMAT_VERSION}."),
        "Reload the page; if that does not help, deploy page and data together.",
    ))
}
