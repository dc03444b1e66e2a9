//! How files become places and dates: the folder conventions, and telling them apart.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::{Context, Result, bail};
use shared::bands::{Band, Bands};

use super::Warning;
use super::frames::{Frame, FrameFiles};
use super::spec::SourceKind;
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
    ["jpg", "jpeg", "png", "webp", "tif", "tiff"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// `a/b/c.tif` → (`a/b`, `c.tif`); the folder of a file at the top is empty.
fn split_name(name: &str) -> (&str, &str) {
    name.rsplit_once('/').unwrap_or(("", name))
}

fn stem(name: &str) -> &str {
    let file = split_name(name).1;
    file.rsplit_once('.').map_or(file, |(stem, _)| stem)
}

fn pictures(store: &Store) -> impl Iterator<Item = (usize, &str)> {
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
    let class_of = |name| split_name(split_name(name).0).1;
    let mut classes: Vec<String> =
        all.iter().map(|(_, name)| class_of(name)).filter(|class| !class.is_empty()).map(str::to_owned).collect();
    let chosen: Vec<(usize, &str, String)> = match split {
        None => all.iter().map(|&(index, name)| (index, name, class_of(name).to_owned())).collect(),
        Some(path) => {
            // a list may name files from any folder above the class
            let by_tail: HashMap<String, (usize, &str)> =
                all.iter().map(|&(index, name)| (tail(name), (index, name))).collect();
            let mut chosen = Vec::new();
            let mut missing = Vec::new();
            for (listed, label) in read_split(path)? {
                match by_tail.get(&tail(&listed)) {
                    Some(&(index, name)) => {
                        let class = label.unwrap_or_else(|| class_of(name).to_owned());
                        chosen.push((index, name, class));
                    }
                    None => missing.push(listed),
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
    classes.extend(chosen.iter().map(|(_, _, class)| class.clone()).filter(|class| !class.is_empty()));
    classes.sort();
    classes.dedup();
    let mut layout = Layout { classes, ..Layout::default() };
    for (index, name, class) in chosen {
        let label = layout.classes.binary_search(&class).ok();
        layout.places.push(PlaceFrames { name: name.to_owned(), label, frames: vec![layout.frames.len()] });
        layout.frames.push(Frame { name: name.to_owned(), files: FrameFiles::Whole(index) });
    }
    Ok(layout)
}

/// Every folder a place (or an area), every picture in it a date; pictures at the top are one place.
pub(super) fn dated_places(store: &Store) -> Layout {
    let mut layout = Layout::default();
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, name) in whole_pictures(store) {
        groups.entry(split_name(name).0).or_default().push(layout.frames.len());
        layout.frames.push(Frame { name: name.to_owned(), files: FrameFiles::Whole(index) });
    }
    let named = |folder: &str| if folder.is_empty() { "all".to_owned() } else { folder.to_owned() };
    layout.places =
        groups.into_iter().map(|(folder, frames)| PlaceFrames { name: named(folder), label: None, frames }).collect();
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
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut incomplete: Vec<String> = Vec::new();
    for (folder, files) in &dates {
        let missing = wanted.iter().find(|band| !files.contains_key(band));
        if let Some(band) = missing {
            incomplete.push(format!("{folder} has no band {band}"));
            continue;
        }
        groups.entry(split_name(folder).0).or_default().push(layout.frames.len());
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
    layout.places =
        groups.into_iter().map(|(name, frames)| PlaceFrames { name: name.to_owned(), label: None, frames }).collect();
    Ok(layout)
}

/// The band that a file `B4.tif`, `…_B04.tif` or `….B4.tif` holds.
fn band_of(name: &str) -> Option<Band> {
    let stem = stem(name);
    let last = stem.rsplit(['_', '.']).next().unwrap_or(stem);
    last.parse().ok().filter(|band| !matches!(band, Band::Other(_)))
}

/// What the bands of one date have in common: `a/b` of `a/b/B4.tif` and of `a/b.B4.tif`.
fn date_of(name: &str) -> &str {
    let stem = &name[..name.len() - name.rsplit_once('.').map_or(0, |(_, extension)| extension.len() + 1)];
    match stem.rsplit_once('.') {
        Some((date, band)) if band_of(&format!("{band}.tif")).is_some() => date,
        _ => split_name(name).0,
    }
}

/// The last two parts of a path: `<class>/<file>`.
fn tail(name: &str) -> String {
    let (folder, file) = split_name(name);
    format!("{}/{file}", split_name(folder).1)
}

/// Lines `<class>/<file>` or `<class>/<file>,<class>`; a heading and blank lines are passed over.
fn read_split(path: &Path) -> Result<Vec<(String, Option<String>)>> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| {
        format!(
            "cannot read the split list {shown}\nhint: a text file with one <class>/<file> a line, optionally ,<class>"
        )
    })?;
    let listed: Vec<_> = text
        .lines()
        .map(|line| line.split_once(',').map_or((line, None), |(file, label)| (file, Some(label))))
        .map(|(file, label)| {
            (file.trim().trim_start_matches("./").to_owned(), label.map(|label| label.trim().to_owned()))
        })
        .filter(|(file, _)| is_picture(file))
        .collect();
    if listed.is_empty() {
        bail!("the split list {shown} names no picture\nhint: it needs one <class>/<file> a line, optionally ,<class>");
    }
    Ok(listed)
}

/// Year and month in a file's or folder's name: `2004-07-13`, `200407`, `world.200407.3x5400x2700`, …
pub(super) fn year_month(name: &str) -> Option<(u16, u8)> {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let bytes = name.as_bytes();
    (0..bytes.len()).find_map(|at| {
        let starts = at == 0 || !bytes[at - 1].is_ascii_digit();
        let year = name.get(at..at + 4).filter(|year| starts && digits(year))?;
        let rest = name.get(at + 4..)?;
        let rest = rest.strip_prefix(['-', '_', '.']).unwrap_or(rest);
        let month = rest.get(..2).filter(|month| digits(month))?;
        let (year, month): (u16, u8) = (year.parse().ok()?, month.parse().ok()?);
        ((1970..2100).contains(&year) && (1..=12).contains(&month)).then_some((year, month))
    })
}

/// Guesses the convention of a folder or tar; `short_side` tells the size of a picture.
pub(super) fn detect(store: &Store, short_side: impl Fn(usize) -> Option<usize>) -> SourceKind {
    if store.names().iter().any(|name| name == "index.json") && store.names().iter().any(|name| name.ends_with(".npy"))
    {
        return SourceKind::Series;
    }
    let all: Vec<(usize, &str)> = pictures(store).collect();
    let most = |test: &dyn Fn(&str) -> bool| 5 * all.iter().filter(|(_, name)| test(name)).count() > 4 * all.len();
    if most(&|name| band_of(name).is_some()) {
        return SourceKind::Seco;
    }
    // names that are dates, or the same few names in every folder
    let mut folders_by_stem: HashMap<&str, usize> = HashMap::new();
    all.iter().for_each(|(_, name)| *folders_by_stem.entry(stem(name)).or_default() += 1);
    let repeated = all.len() > folders_by_stem.len()
        && folders_by_stem.values().all(|&count| 2 * count * folders_by_stem.len() > all.len());
    if most(&|name| year_month(stem(name)).is_some()) || repeated {
        let large = all.first().and_then(|&(index, _)| short_side(index)).is_some_and(|side| side >= 320);
        return if large || all.iter().all(|(_, name)| !name.contains('/')) {
            SourceKind::Mosaic
        } else {
            SourceKind::Places
        };
    }
    SourceKind::Folder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_found_in_names() {
        assert_eq!(year_month("world.200407.3x5400x2700"), Some((2004, 7)));
        assert_eq!(year_month("2017-11-05"), Some((2017, 11)));
        assert_eq!(year_month("20190228T101021_20190228T101019_T33TUM"), Some((2019, 2)));
        assert_eq!(year_month("T31UDQ_20161130"), Some((2016, 11)));
        assert_eq!(year_month("Forest_2015"), None);
        assert_eq!(year_month("img1"), None);
        assert_eq!(year_month("Forest_12004"), None);
    }

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
    fn lists_name_files_by_class_and_file() {
        assert_eq!(tail("2750/Forest/Forest_1.jpg"), "Forest/Forest_1.jpg");
        assert_eq!(tail("Forest_1.jpg"), "/Forest_1.jpg");
        assert!(is_picture("a/b.JPG") && is_picture("x.tiff") && !is_picture("dates.txt") && !is_picture("png"));
    }
}
