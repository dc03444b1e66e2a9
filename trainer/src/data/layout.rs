//! How files become places and dates: the folder conventions.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use anyhow::{Result, bail};
use shared::bands::{Band, Bands};

use super::Warning;
use super::dates::{date_in, landsat, without_date};
use super::frames::{Frame, FrameFiles};
use super::lists::{Finder, canonical, read_list};
use super::store::Store;

/// Frames grouped into places.
#[derive(Default)]
pub(super) struct Layout {
    pub(super) frames: Vec<Frame>,
    pub(super) places: Vec<PlaceFrames>,
    /// Names of classes, sorted; empty where folders are not classes.
    pub(super) classes: Vec<String>,
}

/// One place.
#[derive(Clone, Debug)]
pub(super) struct PlaceFrames {
    pub(super) name: String,
    /// Index of its class.
    pub(super) label: Option<usize>,
    /// Its frames, by date.
    pub(super) frames: Vec<usize>,
}

/// Whether a file's name is that of a picture.
pub(super) fn is_picture(name: &str) -> bool {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    ["jpg", "jpeg", "png", "webp", "tif", "tiff", "npy"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// `a/b/c.tif` → (`a/b`, `c.tif`); the folder of a file at the top is empty.
pub(super) fn split_name(name: &str) -> (&str, &str) {
    name.rsplit_once('/').unwrap_or(("", name))
}

pub(super) fn stem(name: &str) -> &str {
    let file = split_name(name).1;
    file.rsplit_once('.').map_or(file, |(stem, _)| stem)
}

pub(super) fn pictures(store: &Store) -> impl Iterator<Item = (usize, &str)> {
    store.names().iter().enumerate().map(|(index, name)| (index, name.as_str())).filter(|(_, name)| is_picture(name))
}

/// Pictures of all bands: files named by one band are left out where there are others, as beside the pairs of OSCD.
fn whole_pictures(store: &Store) -> Vec<(usize, &str)> {
    let (single, whole): (Vec<_>, Vec<_>) = pictures(store).partition(|(_, name)| band_of(name).is_some());
    if whole.is_empty() { single } else { whole }
}

/// Every picture a place of its own; its folder is its class.
pub(super) fn class_folders(store: &Store, split: Option<&Path>, warnings: &mut Vec<Warning>) -> Result<Layout> {
    let all = whole_pictures(store);
    let class_of = |name| canonical(split_name(split_name(name).0).1);
    let mut classes: Vec<String> =
        all.iter().map(|(_, name)| class_of(name)).filter(|class| !class.is_empty()).collect();
    let chosen: Vec<(usize, &str, String)> = match split {
        None => all.iter().map(|&(index, name)| (index, name, class_of(name))).collect(),
        Some(path) => {
            let files = Finder::new(&all);
            let mut chosen: Vec<(usize, &str, String)> = Vec::new();
            let mut taken = HashSet::new();
            let mut missing = Vec::new();
            let listed = read_list(path)?;
            // A list that names classes says of which pictures they are known.
            let has_classes = listed.iter().any(|entry| entry.class.is_some());
            for listed in listed {
                match files.find(&listed.file)? {
                    Some((index, name)) => {
                        if !taken.insert(index) {
                            bail!(
                                "{} names {name} twice, once as {}\nhint: leave one of them out",
                                path.display(),
                                listed.file
                            );
                        }
                        let folder = || if has_classes { String::new() } else { class_of(name) };
                        let class = listed.class.map_or_else(folder, |class| canonical(&class));
                        chosen.push((index, name, class));
                    }
                    None => missing.push(listed.file),
                }
            }
            if let Some(first) = missing.first() {
                let shown = path.display();
                if chosen.is_empty() {
                    bail!(
                        "none of the {} files that {shown} lists is in {}, for example {first}\nhint: the list must name files as <class>/<file>",
                        missing.len(),
                        store.root().display()
                    );
                }
                warnings
                    .push(Warning { what: format!("listed in {shown} but not there: {first}"), count: missing.len() });
            }
            chosen
        }
    };
    classes.sort();
    // The classes of a list are those of the folders, or others in their place.
    let mut named = chosen.iter().map(|(_, _, class)| class).filter(|class| !class.is_empty());
    if named.any(|class| classes.binary_search(class).is_err()) {
        classes = chosen.iter().map(|(_, _, class)| class.clone()).filter(|class| !class.is_empty()).collect();
        classes.sort();
    }
    classes.dedup();
    let mut layout = Layout { classes, ..Layout::default() };
    for (index, name, class) in chosen {
        let label = layout.classes.binary_search(&class).ok();
        layout.places.push(PlaceFrames { name: name.to_owned(), label, frames: vec![layout.frames.len()] });
        layout.frames.push(Frame { name: name.to_owned(), files: FrameFiles::Whole(index) });
    }
    Ok(layout)
}

/// Every folder a place (or an area), every picture in it a date. Pictures at the top are one place, or, where their names
/// differ in more than the date, one a name; pictures in a folder that is a date are dates of the folder above.
pub(super) fn dated_places(store: &Store) -> Layout {
    let mut layout = Layout::default();
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let all = whole_pictures(store);
    let is_flat = all.iter().all(|(_, name)| !name.contains('/'));
    let is_dated = is_flat && all.iter().all(|(_, name)| date_in(stem(name)).is_some());
    for (index, name) in all {
        let folder = split_name(name).0;
        let (above, last) = split_name(folder);
        let place = if is_dated {
            without_date(stem(name))
        } else if date_in(stem(name)).is_none() && date_in(last).is_some() {
            above.to_owned()
        } else {
            folder.to_owned()
        };
        groups.entry(place).or_default().push(layout.frames.len());
        layout.frames.push(Frame { name: name.to_owned(), files: FrameFiles::Whole(index) });
    }
    let is_one = groups.len() == 1;
    let named = |place: String| if place.is_empty() || is_dated && is_one { "all".to_owned() } else { place };
    layout.places =
        groups.into_iter().map(|(place, frames)| PlaceFrames { name: named(place), label: None, frames }).collect();
    layout
}

/// `<place>/<date>/<band>.tif`, or `<place>/<date>.<band>.tif` as in WebDataset's tars: every date is one of the folder
/// above it. A date that lacks a wanted band is left out with a warning.
pub(super) fn band_files(store: &Store, wanted: &Bands, warnings: &mut Vec<Warning>) -> Result<Layout> {
    let mut dates: BTreeMap<&str, HashMap<Band, usize>> = BTreeMap::new();
    for (index, name) in pictures(store) {
        if let Some(band) = band_of(name) {
            dates.entry(date_of(name)).or_default().insert(band, index);
        }
    }
    let mut layout = Layout::default();
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut incomplete: Vec<String> = Vec::new();
    for (folder, files) in &dates {
        let missing = wanted.iter().find(|band| !files.contains_key(band));
        if let Some(band) = missing {
            incomplete.push(format!("{folder} has no band {band}"));
            continue;
        }
        groups.entry(place_of(folder, files, store)).or_default().push(layout.frames.len());
        let files = wanted.iter().filter_map(|band| files.get(band).copied()).collect();
        layout.frames.push(Frame { name: (*folder).to_owned(), files: FrameFiles::PerBand(files) });
    }
    if let Some(first) = incomplete.first() {
        if layout.frames.is_empty() {
            bail!(
                "{}: {first}\nhint: choose bands that the files have, with bands = [\"B04\", …]",
                store.root().display()
            );
        }
        warnings.push(Warning { what: format!("left out a date: {first}"), count: incomplete.len() });
    }
    layout.places = groups.into_iter().map(|(name, frames)| PlaceFrames { name, label: None, frames }).collect();
    Ok(layout)
}

/// The place that a date's folder belongs to: the folder above it; itself where it gives its files their names, as in
/// BigEarthNet, whose every folder is a patch.
fn place_of(folder: &str, files: &HashMap<Band, usize>, store: &Store) -> String {
    let (above, own) = split_name(folder);
    let is_patch = files.values().all(|file| {
        let name = store.names().get(*file).map_or("", String::as_str);
        stem(name).strip_prefix(own).is_some_and(|rest| rest.starts_with('_')) && split_name(name).0 == folder
    });
    if is_patch { folder.to_owned() } else { above.to_owned() }
}

/// The band that a file `B4.tif`, `…_B04.tif` or `….B4.tif` holds. Landsat's are told by their wavelengths, since it
/// numbers them otherwise.
pub(super) fn band_of(name: &str) -> Option<Band> {
    let stem = stem(name);
    let last = stem.rsplit(['_', '.']).next().unwrap_or(stem);
    match (landsat(name), last.strip_prefix('B')) {
        (Some(satellite), Some(number)) => {
            let names: &[&str] = if satellite >= 8 {
                &["1", "2", "3", "4", "5", "6", "7", "9"]
            } else {
                &["", "1", "2", "3", "4", "5", "7"]
            };
            let bands: &[Band] = if satellite >= 8 {
                &[Band::B01, Band::B02, Band::B03, Band::B04, Band::B8A, Band::B11, Band::B12, Band::B10]
            } else {
                &[Band::B01, Band::B02, Band::B03, Band::B04, Band::B08, Band::B11, Band::B12]
            };
            let at = names.iter().position(|own| *own == number && !own.is_empty())?;
            bands.get(at).cloned()
        }
        _ => last.parse().ok().filter(|band| !matches!(band, Band::Other(_))),
    }
}

/// What the bands of one date have in common: `a/b` of `a/b/B4.tif` and of `a/b.B4.tif`.
fn date_of(name: &str) -> &str {
    let stem = &name[..name.len() - name.rsplit_once('.').map_or(0, |(_, extension)| extension.len() + 1)];
    match stem.rsplit_once('.') {
        Some((date, band)) if !band.contains('/') && band_of(&format!("{band}.tif")).is_some() => date,
        _ => split_name(name).0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_are_found_in_names() {
        assert_eq!(band_of("0001/20190228T1/B4.tif"), Some(Band::B04));
        assert_eq!(band_of("norcia/imgs_1/S2A_T33TUH_B8A.tif"), Some(Band::B8A));
        assert_eq!(band_of("000012/20190228T101021.B8A.tif"), Some(Band::B8A));
        assert_eq!(band_of("Forest/Forest_1.jpg"), None);
    }

    #[test]
    fn bands_belong_to_their_date() {
        assert_eq!(date_of("000012/20190228T101021/B4.tif"), "000012/20190228T101021");
        assert_eq!(date_of("000012/20190228T101021.B4.tif"), "000012/20190228T101021");
        assert_eq!(date_of("imgs_1/S2A_T33TUH_B8A.tif"), "imgs_1");
    }

    #[test]
    fn landsats_bands_are_told_by_wavelength() {
        let band = |name: &str| band_of(&format!("{name}.TIF"));
        assert_eq!(band("LC08_L2SP_201003_20190512_20200828_02_T1_SR_B4"), Some(Band::B04));
        assert_eq!(band("LC08_L2SP_201003_20190512_20200828_02_T1_SR_B5"), Some(Band::B8A));
        assert_eq!(band("LT05_L2SP_201003_19990512_20200828_02_T1_SR_B3"), Some(Band::B04));
        assert_eq!(band("LE07_L2SP_201003_19990512_20200828_02_T1_SR_B4"), Some(Band::B08));
        assert_eq!(band("LE07_L2SP_201003_19990512_20200828_02_T1_ST_B6"), None);
    }

    #[test]
    fn pictures_are_known_by_their_endings() {
        assert!(is_picture("a/b.JPG") && is_picture("x.tiff") && !is_picture("dates.txt") && !is_picture("png"));
    }
}
