//! Pictures with any number of labels: BigEarthNet's patches, and UC Merced's pictures with their table.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use shared::bands::Bands;
use shared::preprocess::resize;
use shared::tile::Tile;

use super::super::DataFolders;
use super::super::on_disk::files_below;
use super::super::run::Unusable;
use super::super::share;
use super::super::task::{LabelForm, SplitRule, SplitSpec};
use super::nomenclature::{forty_three, joined, nineteen};
use crate::data::{decode, evenly_spaced};

/// Tables of UC Merced's labels.
const TABLES: [&str; 2] = ["LandUse_Multilabeled.txt", "multilabels.txt"];
/// What BigEarthNet's labels are kept in.
const LABELS: &str = "_labels_metadata.json";

/// An opened set.
#[derive(Debug)]
pub struct LabelSet {
    /// Names of the labels.
    pub classes: Vec<String>,
    /// Name of every picture: the patch, or the file without its ending.
    pub names: Vec<String>,
    /// `[pictures, classes]`
    pub truth: Vec<bool>,
    /// Pictures without any label, which were left out.
    pub without: usize,
    files: Files,
}

#[derive(Debug)]
enum Files {
    /// Folders of single bands.
    Patches(Vec<PathBuf>),
    Pictures(Vec<PathBuf>),
}

#[derive(Deserialize)]
struct Metadata {
    labels: Vec<String>,
}

/// Rows of the parts of one draw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Parts {
    /// What is learned from.
    pub train: Vec<usize>,
    /// What choices are made on.
    pub validation: Vec<usize>,
    /// What is tested on.
    pub test: Vec<usize>,
    /// Whether the validation part was taken out of the training part, and belongs to it once choices are made.
    pub is_carved: bool,
}

impl LabelSet {
    /// Opens the folder at `path`.
    ///
    /// # Errors
    /// [`Unusable`] when it is of another form.
    pub fn open(form: LabelForm, path: &Path, folders: &DataFolders) -> Result<Self> {
        match form {
            LabelForm::UcMerced => Self::uc_merced(path, folders),
            LabelForm::BigEarthNet43 | LabelForm::BigEarthNet19 => Self::big_earth_net(path, form),
        }
    }

    fn big_earth_net(path: &Path, form: LabelForm) -> Result<Self> {
        let entries = fs::read_dir(path).map_err(|error| Unusable(error.to_string()))?;
        let mut patches: Vec<PathBuf> =
            entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()).collect();
        patches.sort();
        let is_nineteen = form == LabelForm::BigEarthNet19;
        let classes = if is_nineteen { nineteen() } else { forty_three() };
        let read = |patch: &PathBuf| -> Result<Option<Vec<bool>>> {
            let name = name_of(patch);
            let file = patch.join(format!("{name}{LABELS}"));
            if !file.is_file() {
                return Ok(None);
            }
            let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let metadata: Metadata = serde_json::from_str(&text)
                .with_context(|| format!("{} has no labels\nhint: is it of BigEarthNet v1?", file.display()))?;
            let mut own = vec![false; classes.len()];
            for label in &metadata.labels {
                let class = match is_nineteen {
                    true => joined(label).map_err(|what| anyhow!("{}: {what}", file.display()))?,
                    false => Some(
                        classes
                            .iter()
                            .position(|known| known == label)
                            .ok_or_else(|| anyhow!("{}: {label:?} is no class of BigEarthNet", file.display()))?,
                    ),
                };
                if let Some(class) = class {
                    own[class] = true;
                }
            }
            Ok(Some(own))
        };
        let labels: Vec<Option<Vec<bool>>> = patches.par_iter().map(read).collect::<Result<_>>()?;
        let found = labels.iter().flatten().count();
        if found == 0 {
            let what = format!("{} folders, none with a file <patch>{LABELS}", patches.len());
            return Err(Unusable(what).into());
        }
        let kept: Vec<(PathBuf, Vec<bool>)> = patches
            .into_iter()
            .zip(labels)
            .filter_map(|(patch, labels)| Some((patch, labels?)))
            .filter(|(_, labels)| labels.contains(&true))
            .collect();
        Ok(Self {
            names: kept.iter().map(|(patch, _)| name_of(patch)).collect(),
            truth: kept.iter().flat_map(|(_, labels)| labels.iter().copied()).collect(),
            without: found - kept.len(),
            files: Files::Patches(kept.into_iter().map(|(patch, _)| patch).collect()),
            classes,
        })
    }

    fn uc_merced(path: &Path, folders: &DataFolders) -> Result<Self> {
        let names: Vec<String> = TABLES.map(str::to_owned).to_vec();
        let table = folders
            .list(&names, path)?
            .ok_or_else(|| Unusable(format!("no table of labels {}", TABLES.join(" or "))))?;
        let text = fs::read_to_string(&table).with_context(|| format!("cannot read {}", table.display()))?;
        let (classes, rows) = read_table(&text).map_err(|what| anyhow!("{}: {what}", table.display()))?;
        let is_picture = |name: &String| {
            let ending = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
            ["tif", "tiff", "jpg", "jpeg", "png"].contains(&ending.as_str())
        };
        let files = files_below(path)?;
        let mut kept: Vec<(String, PathBuf, &Vec<bool>)> = Vec::new();
        for file in files.iter().filter(|name| is_picture(name)) {
            let stem = Path::new(file).file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            if let Some(labels) = rows.get(&stem) {
                kept.push((stem, path.join(file), labels));
            }
        }
        if kept.is_empty() {
            let what = format!("none of its {} files is in {}", files.len(), table.display());
            return Err(Unusable(what).into());
        }
        Ok(Self {
            names: kept.iter().map(|(name, ..)| name.clone()).collect(),
            truth: kept.iter().flat_map(|(.., labels)| labels.iter().copied()).collect(),
            files: Files::Pictures(kept.into_iter().map(|(_, path, _)| path).collect()),
            without: 0,
            classes,
        })
    }

    /// Number of pictures.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// What its files have.
    #[must_use]
    pub fn bands(&self) -> Bands {
        match self.files {
            Files::Patches(_) => Bands::sentinel_2_l2a(),
            Files::Pictures(_) => Bands::rgb(),
        }
    }

    /// A picture with `bands`, which are among its own; those of a patch are brought to `px`.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn tile(&self, index: usize, bands: &Bands, px: usize) -> Result<Tile> {
        let plane = |path: &Path, planes: usize| -> Result<Tile> {
            let bytes =
                fs::read(path).with_context(|| format!("cannot read {}\nhint: is it complete?", path.display()))?;
            let picture = decode(&bytes).map_err(|error| anyhow!("cannot use {}: {error}", path.display()))?;
            anyhow::ensure!(picture.bands == planes, "{} has {} planes, not {planes}", path.display(), picture.bands);
            Ok(picture.tile(0)?)
        };
        match &self.files {
            Files::Pictures(files) => plane(&files[index], bands.len()),
            Files::Patches(patches) => {
                let (patch, name) = (&patches[index], &self.names[index]);
                let band = |band| plane(&patch.join(format!("{name}_{band}.tif")), 1).map(|tile| resize(&tile, px, px));
                let planes = bands.iter().map(band).collect::<Result<Vec<_>>>()?;
                Ok(Tile::new(planes.len(), px, px, planes.into_iter().flat_map(Tile::into_pixels).collect())?)
            }
        }
    }

    /// The parts of every draw of a split, each thinned to at most `limit` (0 takes all); `None` when its lists are not here.
    ///
    /// # Errors
    /// When a list cannot be read.
    pub fn draws(
        &self,
        split: &SplitSpec,
        path: &Path,
        folders: &DataFolders,
        limit: usize,
        seed: u64,
    ) -> Result<Option<Vec<Parts>>> {
        let all: Vec<usize> = (0..self.len()).collect();
        // Labels that do not exclude each other have no strata.
        let one = vec![0; self.len()];
        let carved = |learned: &[usize], test: Vec<usize>, seed: u64| {
            let (train, validation) = share::stratified(learned, &one, share::LEARNED, seed);
            Parts { train, validation, test, is_carved: true }
        };
        let draws = match &split.by {
            SplitRule::Lists { train, validation, test } => {
                let list = |names: &[String]| -> Result<Option<Vec<usize>>> {
                    folders.list(names, path)?.map(|list| self.listed(&list)).transpose()
                };
                let (Some(train), Some(test)) = (list(train)?, list(test)?) else { return Ok(None) };
                match list(validation)?.filter(|rows| !rows.is_empty()) {
                    Some(validation) => vec![Parts { train, validation, test, is_carved: false }],
                    None => vec![carved(&train, test, seed)],
                }
            }
            SplitRule::Share { train: part, draws } => {
                let draw = |draw: usize| {
                    let seed = seed.wrapping_add(draw as u64);
                    let (learned, test) = share::stratified(&all, &one, *part, seed);
                    carved(&learned, test, seed)
                };
                (0..*draws).map(draw).collect()
            }
            _ => return Ok(None),
        };
        let thin = |rows: Vec<usize>| match limit {
            0 => rows,
            limit => evenly_spaced(rows.len(), limit).map(|at| rows[at]).collect(),
        };
        let thinned = |parts: Parts| Parts {
            train: thin(parts.train),
            validation: thin(parts.validation),
            test: thin(parts.test),
            is_carved: parts.is_carved,
        };
        Ok(Some(draws.into_iter().map(thinned).collect()))
    }

    /// Rows of the pictures whose names a list holds, one a line, in the first column.
    fn listed(&self, list: &Path) -> Result<Vec<usize>> {
        let text = fs::read_to_string(list).with_context(|| format!("cannot read {}", list.display()))?;
        let name = |line: &str| {
            let first = line.split([',', ';', '\t']).next().unwrap_or_default().trim().trim_matches('"');
            first.rsplit('/').find(|part| !part.is_empty()).unwrap_or_default().to_owned()
        };
        let wanted: HashSet<String> = text.lines().map(name).collect();
        Ok((0..self.len()).filter(|&row| wanted.contains(&self.names[row])).collect())
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// Labels by picture.
type Rows = HashMap<String, Vec<bool>>;

/// A table of 0 and 1: a heading with the labels behind the first column, then a picture a line.
fn read_table(text: &str) -> Result<(Vec<String>, Rows), String> {
    let fields = |line: &str| -> Vec<String> {
        line.split(['\t', ',', ';']).map(|field| field.trim().to_owned()).collect::<Vec<_>>()
    };
    let trimmed = |mut fields: Vec<String>| {
        while fields.last().is_some_and(String::is_empty) {
            fields.pop();
        }
        fields
    };
    let mut lines = text.lines().map(|line| trimmed(fields(line))).filter(|fields| !fields.is_empty());
    let heading = lines.next().ok_or("it is empty")?;
    let classes = heading.get(1..).unwrap_or_default().to_vec();
    if classes.is_empty() {
        return Err("its heading names no label".to_owned());
    }
    let mut rows = HashMap::new();
    for fields in lines {
        let own: Option<Vec<bool>> = fields
            .get(1..)
            .unwrap_or_default()
            .iter()
            .map(|field| match field.as_str() {
                "0" => Some(false),
                "1" => Some(true),
                _ => None,
            })
            .collect();
        match own.filter(|own| own.len() == classes.len()) {
            Some(own) => rows.insert(fields[0].clone(), own),
            None => return Err(format!("the line of {:?} is not of {} numbers 0 and 1", fields[0], classes.len())),
        };
    }
    Ok((classes, rows))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read_with_their_trailing_tabs() {
        let (classes, rows) = read_table("IMAGE\\LABEL\tsea\tsand\t\r\nbeach00\t1\t1\t\r\nsea01\t1\t0\t\r\n").unwrap();
        assert_eq!(classes, ["sea", "sand"]);
        assert_eq!(rows["sea01"], [true, false]);
        assert!(read_table("IMAGE\tsea\nx\t2\n").is_err() && read_table("IMAGE\tsea\tsand\nx\t1\n").is_err());
        assert!(read_table("").is_err() && read_table("IMAGE\n").is_err());
    }
}
