//! A task: a data set with everything that a figure on it depends on, as `trainer/benchmarks/*.toml` say it.

mod check;

use serde::{Deserialize, Serialize};
use shared::bands::Bands;

use crate::data::Stretch;
use crate::error::UsageError;

/// The shipped tasks: name of the file, and its text.
const SHIPPED: &[(&str, &str)] = &[
    ("eurosat-rgb", include_str!("../../benchmarks/eurosat-rgb.toml")),
    ("eurosat-13", include_str!("../../benchmarks/eurosat-13.toml")),
    ("uc-merced", include_str!("../../benchmarks/uc-merced.toml")),
    ("aid", include_str!("../../benchmarks/aid.toml")),
    ("nwpu-resisc45", include_str!("../../benchmarks/nwpu-resisc45.toml")),
    ("rsscn7", include_str!("../../benchmarks/rsscn7.toml")),
    ("bigearthnet-19", include_str!("../../benchmarks/bigearthnet-19.toml")),
    ("bigearthnet-43", include_str!("../../benchmarks/bigearthnet-43.toml")),
    ("uc-merced-multilabel", include_str!("../../benchmarks/uc-merced-multilabel.toml")),
    ("oscd", include_str!("../../benchmarks/oscd.toml")),
    ("levir-cd", include_str!("../../benchmarks/levir-cd.toml")),
    ("whu-cd", include_str!("../../benchmarks/whu-cd.toml")),
    ("ombria", include_str!("../../benchmarks/ombria.toml")),
    ("loveda", include_str!("../../benchmarks/loveda.toml")),
    ("potsdam", include_str!("../../benchmarks/potsdam.toml")),
    ("vaihingen", include_str!("../../benchmarks/vaihingen.toml")),
    ("sen1floods11", include_str!("../../benchmarks/sen1floods11.toml")),
    ("spacenet7-seasons", include_str!("../../benchmarks/spacenet7-seasons.toml")),
];

/// The version of task files that this program reads.
const VERSION: u32 = 1;

/// One data set and how it is used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Version of the file's form.
    pub version: u32,
    /// Lower-case letters, digits and dashes.
    pub name: String,
    /// For people.
    pub title: String,
    /// Sensor, processing and pixel size.
    pub imagery: String,
    /// Terms of use.
    pub licence: String,
    /// What to cite.
    pub citation: String,
    /// The publishers' page.
    pub homepage: String,
    /// How to get it, where there is no address to download from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub how_to_get: Option<String>,
    /// Where its files lie and what is in them.
    pub data: DataSpec,
    /// What is asked of it.
    pub what: Kind,
    /// What is learned from and what is tested on; the first that the disk has lists for is used by default.
    #[serde(rename = "split", default)]
    pub splits: Vec<SplitSpec>,
    /// Figures that others published.
    #[serde(default)]
    pub published: Vec<Published>,
    /// What `trainer fetch` downloads.
    #[serde(rename = "download", default)]
    pub downloads: Vec<Download>,
}

/// Where files lie and what is in them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSpec {
    /// Paths below a data folder (or one of its folders), `*` for any part of one name; the first that is there is taken.
    pub look_for: Vec<String>,
    /// What the planes of a file are; red, green, blue when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_bands: Option<Bands>,
    /// Added to 16-bit digital numbers.
    #[serde(default)]
    pub dn_offset: i32,
    /// Turns reflectance into display values, for encoders that were trained on such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stretch: Option<Stretch>,
    /// Takes the first three planes for red, green and blue, though they are others (false colour).
    #[serde(default)]
    pub as_rgb: bool,
    /// Side of a picture as it is published, pixels.
    pub px: usize,
    /// Side of the input; the encoder's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_px: Option<usize>,
}

/// What is asked of a data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Kind {
    /// One class a picture, from class folders.
    Scenes {
        /// Number of classes that the complete set has.
        classes: usize,
    },
    /// Any number of labels a picture.
    Labels {
        /// How they are kept.
        form: LabelForm,
    },
    /// What changed between two pictures.
    Change {
        /// Where both pictures and the map lie.
        forms: Vec<PairForm>,
        /// Values of the map that mean change; 0 means none.
        changed: Vec<u8>,
        /// Values that mean neither.
        #[serde(default)]
        ignored: Vec<u8>,
    },
    /// The class of every pixel.
    Segmentation {
        /// Where picture and mask lie.
        forms: Vec<MaskForm>,
        /// The classes, in the order of their numbers.
        classes: Vec<PixelClass>,
    },
    /// The same places at several dates.
    Places {
        /// Places that are tested on, by their names; the rest is learned from where anything is learned.
        #[serde(default)]
        test: Vec<String>,
    },
}

impl Kind {
    /// One word for tables.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Scenes { .. } => "scenes",
            Self::Labels { .. } => "multi-label",
            Self::Change { .. } => "change",
            Self::Segmentation { .. } => "segmentation",
            Self::Places { .. } => "places",
        }
    }
}

/// How labels that do not exclude each other are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LabelForm {
    /// BigEarthNet v1: a folder a patch with a TIFF a band and `<patch>_labels_metadata.json`; 43 labels.
    #[serde(rename = "bigearthnet-43")]
    BigEarthNet43,
    /// The same with the 19 labels of the newer nomenclature; patches without any are left out.
    #[serde(rename = "bigearthnet-19")]
    BigEarthNet19,
    /// UC Merced's pictures, and a table of 0 and 1 with a line a picture.
    UcMerced,
}

/// Patterns of a pair of pictures and its map; see [`Pattern`](super::pattern::Pattern).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairForm {
    /// The earlier picture.
    pub before: String,
    /// The later one.
    pub after: String,
    /// The map of changes.
    pub mask: String,
}

/// Patterns of a picture and its mask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskForm {
    /// The picture.
    pub image: String,
    /// Its mask.
    pub mask: String,
    /// Whether the mask has the classes' colours instead of their values.
    #[serde(default)]
    pub coloured: bool,
}

/// A class of pixels, by the value that a mask has for it; what has no class is ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PixelClass {
    /// Its name.
    pub name: String,
    /// Its value in masks of one plane.
    pub value: i16,
    /// Its colour in masks of three, and in ours.
    pub colour: [u8; 3],
    /// Whether it is learned but left out of the mean (clutter).
    #[serde(default)]
    pub is_left_out: bool,
}

/// What is learned from and what is tested on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitSpec {
    /// Letters, digits, dashes.
    pub name: String,
    /// What to know of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// How it is made.
    pub by: SplitRule,
}

/// How a data set is split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SplitRule {
    /// Lists of files below a data folder, each by one of its possible names.
    Lists {
        /// What is learned from.
        train: Vec<String>,
        /// What choices are made on; a fifth of the training part when absent.
        #[serde(default)]
        validation: Vec<String>,
        /// What is tested on.
        test: Vec<String>,
    },
    /// A share of every class is drawn for training, the rest is tested on, several times; choices are made on a fifth of the
    /// training part.
    Share {
        /// Training part.
        train: f64,
        /// Draws.
        draws: usize,
    },
    /// The publishers' parts, by what `{part}` stands for in a file's name.
    Parts {
        /// Part that is learned from.
        train: String,
        /// Part that choices are made on; a fifth of the training part when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        validation: Option<String>,
        /// Part that is tested on.
        test: String,
    },
    /// Pictures by name.
    Names {
        /// Those that are learned from.
        train: Vec<String>,
        /// Those that are tested on.
        test: Vec<String>,
    },
    /// Pictures in turns: each is tested on once, by what was learned from the others; scores are of all together.
    Folds {
        /// Number of turns.
        folds: usize,
    },
}

/// A figure that others published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Which protocol of ours it stands beside.
    pub protocol: String,
    /// Which measure.
    pub measure: String,
    /// The split it stands beside; every one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// Whose.
    pub model: String,
    /// Per cent.
    pub value: f64,
    /// Where it was published.
    pub source: String,
    /// In what it differs from ours.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// A file of a data set at its official address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Download {
    /// Address.
    pub url: String,
    /// What it is called here.
    pub file: String,
    /// MD5 of the file, as publishers give it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub md5: Option<String>,
    /// SHA-256 of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Its size, bytes, roughly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

impl Task {
    /// Every shipped task, in the order of the report.
    ///
    /// # Errors
    /// When one does not fit this program, which a test excludes.
    pub fn shipped() -> anyhow::Result<Vec<Self>> {
        SHIPPED.iter().map(|(name, text)| Self::parse(text, &format!("the shipped task {name}"))).collect()
    }
}

impl Task {
    /// Reads and checks a task file.
    ///
    /// # Errors
    /// [`UsageError`] when it is none, or contradicts itself.
    pub fn parse(text: &str, origin: &str) -> anyhow::Result<Self> {
        let hint = "`trainer benchmark --print-task eurosat-rgb` shows a whole one";
        let wrong = |what: String| UsageError::new(format!("{origin}: {what}\nhint: {hint}"));
        let task: Self =
            toml::from_str(text).map_err(|error: toml::de::Error| wrong(error.to_string().trim().to_owned()))?;
        check::check(&task).map_err(wrong)?;
        if task.version != VERSION {
            return Err(wrong(format!("version {} of task files; this program reads {VERSION}", task.version)).into());
        }
        Ok(task)
    }
}
