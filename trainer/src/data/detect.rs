//! Guessing how files are laid out, by their names; and which of them are pictures at all.

use std::collections::{HashMap, HashSet};

use super::Warning;
use super::dates::{date_in, without_date};
use super::layout::{band_of, is_picture, pictures, split_name, stem};
use super::lists::PARTS;
use super::npy::is_npy_name;
use super::spec::SourceKind;
use super::store::Store;

/// Shorter sides are those of tiles, longer ones those of mosaics.
const MOSAIC_PX: usize = 320;
/// Words in names of folders whose pictures are answers, not questions.
const ANSWERS: [&str; 6] = ["ann", "annotation", "annotations", "gt", "groundtruth", "udm"];

/// A convention, and what makes it a guess.
pub(super) struct Guess {
    pub(super) kind: SourceKind,
    /// Why it might be another one; nothing when the names leave no doubt.
    pub(super) doubt: Option<String>,
}

impl From<SourceKind> for Guess {
    fn from(kind: SourceKind) -> Self {
        Self { kind, doubt: None }
    }
}

/// A folder without the part of the data set that it may begin with: the classes of `train` and `val` are the same.
fn without_part(folder: &str) -> &str {
    match folder.split_once('/') {
        Some((part, rest)) if PARTS.contains(&part.to_lowercase().as_str()) => rest,
        _ => folder,
    }
}

/// Leaves out the pictures in folders of masks and labels where there are others.
pub(super) fn leave_out_masks(store: &mut Store, warnings: &mut Vec<Warning>) {
    let is_answer = |word: &str| word.starts_with("mask") || word.starts_with("label") || ANSWERS.contains(&word);
    let is_mask = |name: &str| {
        let folders = split_name(name).0.to_lowercase();
        folders.split(|letter: char| !letter.is_alphanumeric()).any(is_answer)
    };
    let (masks, others): (Vec<&str>, Vec<&str>) = pictures(store).map(|(_, name)| name).partition(|name| is_mask(name));
    let (Some(first), count) = (masks.first().map(|name| (*name).to_owned()), masks.len()) else { return };
    if others.is_empty() {
        return;
    }
    let what = format!("left out as a mask, not a picture: {first} (include = \"…\" takes just what it names)");
    warnings.push(Warning { what, count });
    store.retain(|name| !is_picture(name) || !is_mask(name));
}

/// Leaves out the arrays that lie beside pictures: embeddings, masks and the like. Where nothing else is there, they are the
/// pictures, or a series.
pub(super) fn leave_out_arrays(store: &mut Store, kind: Option<SourceKind>) {
    let is_series = kind == Some(SourceKind::Series) || kind.is_none() && has_index(store);
    if !is_series && pictures(store).any(|(_, name)| !is_npy_name(name)) {
        store.retain(|name| !is_npy_name(name));
    }
}

/// Whether arrays lie there with the list that describes them.
fn has_index(store: &Store) -> bool {
    store.names().iter().any(|name| name == "index.json") && store.names().iter().any(|name| name.ends_with(".npy"))
}

/// Endings of files that hold pictures in a way that is not read, and what makes some that is.
const OTHERS: [(&[&str], &str); 5] = [
    (&["jp2", "j2k", "jpx", "img", "vrt", "ecw", "sid", "bmp", "gif", "bil", "dat"], "gdal_translate IN out.tif"),
    (&["h5", "hdf5", "hdf", "nc", "nc4", "he5"], "gdal_translate -sds IN out.tif, or save the arrays with numpy.save"),
    (&["npz", "mat", "pt", "pkl", "pickle"], "save each array with numpy.save"),
    (&["zip", "gz", "tgz", "bz2", "xz", "zst", "7z", "rar"], "unpack it, or repack it as a plain .tar"),
    (&["parquet", "tfrecord", "mdb", "lmdb", "arrow"], "unpack the pictures, one a file"),
];

/// What lies where no picture does, and what to do about it.
pub(super) fn not_pictures(store: &Store) -> (String, &'static str) {
    let mut counts: Vec<(usize, String, &'static str)> = Vec::new();
    for name in store.names() {
        let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_lowercase()).unwrap_or_default();
        let Some(&(_, hint)) = OTHERS.iter().find(|(endings, _)| endings.contains(&ending.as_str())) else { continue };
        match counts.iter_mut().find(|(_, own, _)| *own == ending) {
            Some((count, ..)) => *count += 1,
            None => counts.push((1, ending, hint)),
        }
    }
    let most = counts.into_iter().max_by_key(|(count, ..)| *count);
    most.map_or_else(
        || {
            let hint = "JPEG, PNG, WebP, TIFF and NumPy files are read; see inspect-data --help for the folder layouts";
            (String::new(), hint)
        },
        |(count, ending, hint)| (format!(", but {count} of .{ending}, which is not read"), hint),
    )
}

/// Guesses the convention of a folder or tar; `short_side` tells the size of a picture.
pub(super) fn detect(store: &Store, short_side: impl Fn(usize) -> Option<usize>) -> Guess {
    if has_index(store) {
        return SourceKind::Series.into();
    }
    let all: Vec<(usize, &str)> = pictures(store).collect();
    let most = |test: &dyn Fn(&str) -> bool| 5 * all.iter().filter(|(_, name)| test(name)).count() > 4 * all.len();
    if most(&|name| band_of(name).is_some()) {
        return SourceKind::Seco.into();
    }
    let is_large = || all.first().and_then(|&(index, _)| short_side(index)).is_some_and(|side| side >= MOSAIC_PX);
    let is_flat = all.iter().all(|(_, name)| !name.contains('/'));
    let of_dates = |doubt: Option<String>| {
        let kind = if is_large() { SourceKind::Mosaic } else { SourceKind::Places };
        Guess { kind, doubt }
    };
    if most(&|name| date_in(stem(name)).is_some()) {
        if !is_flat {
            return of_dates(None);
        }
        let places: HashSet<String> = all.iter().map(|(_, name)| without_date(stem(name))).collect();
        return match places.len() {
            // One place at many dates; how large its pictures are says nothing, since windows can be cut of all.
            1 => SourceKind::Mosaic.into(),
            count => of_dates(Some(format!(
                "{} dated pictures in one folder are taken for {count} places, by what their names have beside the date",
                all.len()
            ))),
        };
    }
    if most(&|name| date_in(split_name(split_name(name).0).1).is_some()) {
        // <place>/<date>/<file>
        return of_dates(None);
    }
    // the same few names in every folder
    let mut folders_by_stem: HashMap<&str, usize> = HashMap::new();
    all.iter().for_each(|(_, name)| *folders_by_stem.entry(stem(name)).or_default() += 1);
    let stems = folders_by_stem.len();
    let is_repeated = all.len() > stems && folders_by_stem.values().all(|&count| 2 * count * stems > all.len());
    if is_repeated {
        let folders = all.iter().map(|(_, name)| without_part(split_name(name).0)).collect::<HashSet<_>>().len();
        // Many places have few dates each; few classes have many pictures each.
        if folders > stems {
            return of_dates(Some(format!(
                "{folders} folders that hold the same {stems} names are taken for places, their files for dates"
            )));
        }
        let doubt = format!("{folders} folders that hold the same {stems} names are taken for classes");
        return Guess { kind: SourceKind::Folder, doubt: Some(doubt) };
    }
    SourceKind::Folder.into()
}
