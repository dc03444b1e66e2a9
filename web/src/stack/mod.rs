//! Band files that belong together, as one TIFF: `T31TCJ_20210315T105031_B02.tif`, `…_B03.tif` and `…_B04.tif` are one scene.
//!
//! Nothing is decoded or copied: the new file is a directory of its own (BigTIFF, a band after the other) in front of the files as
//! they are. Plain logic, tested natively; the page reads directories out of the dropped files (`components/stacking.rs`).

pub mod directory;
pub mod head;
pub mod names;

use crate::order;
use directory::Directory;
use names::BandFile;

/// A file that may be a band of a scene.
pub struct Part {
    /// As the user knows it.
    pub file: String,
    /// What its name says.
    pub named: BandFile,
    /// What its header says.
    pub directory: Directory,
}

/// Which of some files make one scene.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sorted {
    /// Bands of it, by their places among the parts, in the order of their names.
    pub bands: Vec<usize>,
    /// The others, with the reason in words.
    pub left_out: Vec<(usize, String)>,
}

/// Sorts the files of one scene: those that lie on the pixels of the finest file of a band that is `wanted` are taken, each band once.
#[must_use]
pub fn sort(parts: &[Part], wanted: &[String]) -> Sorted {
    let is_wanted = |part: &Part| wanted.iter().any(|band| names::is_same(&part.named.band, band));
    let rank = |part: &&Part| (is_wanted(part), part.directory.number(directory::WIDTH).unwrap_or(0));
    let Some(reference) = parts.iter().rev().max_by_key(rank) else { return Sorted::default() };
    let mut sorted = Sorted::default();
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order::sort_by(&mut order, |a, b| parts[*a].named.band.cmp(&parts[*b].named.band));
    for at in order {
        let part = &parts[at];
        let is_there = sorted.bands.iter().any(|other| parts[*other].named.band == part.named.band);
        match head::misfit(&reference.directory, &part.directory) {
            Some(reason) => sorted.left_out.push((at, reason)),
            None if is_there => sorted.left_out.push((at, "the band is there twice".to_owned())),
            None => sorted.bands.push(at),
        }
    }
    sorted
}

#[cfg(test)]
mod tests;
