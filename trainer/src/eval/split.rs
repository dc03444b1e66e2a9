//! Train, validation and test part of a labelled data set: from split lists, or seeded with the same share of every
//! class where there are none.

use std::path::{Path, PathBuf};

use super::overlap::{Tile, describe, overlaps};
use crate::data::{LabelledSet, Warning};
use crate::error::UsageError;
use crate::report::grouped;
use anyhow::Result;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use shared::bands::Bands;

/// Of each class, this share is for training and this one for validation; the rest is the test split. (The shares of
/// the AiTLAS splits of EuroSAT.)
const TRAIN_SHARE: f64 = 0.6;
const VALIDATION_SHARE: f64 = 0.2;

/// Some tiles of an opened set.
pub struct Part {
    set: usize,
    indices: Vec<usize>,
}

/// A labelled data set in three parts.
pub struct Splits {
    sets: Vec<LabelledSet>,
    /// Training, validation, test.
    parts: [Part; 3],
    /// Where the parts come from and how large they are, for people.
    pub description: String,
}

impl Splits {
    /// Opens `path` with three split lists, or with none: then the parts are drawn by `seed`. `bands` are the encoder's.
    ///
    /// # Errors
    /// When a file cannot be read, or one or two lists are given.
    pub fn open(
        path: &Path,
        bands: &Bands,
        lists: [Option<&PathBuf>; 3],
        seed: u64,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self> {
        let (sets, parts, origin) = match lists {
            [Some(train), Some(validation), Some(test)] => {
                let mut open = |list: &PathBuf| LabelledSet::open(path, Some(list), bands, warnings);
                let mut sets = vec![open(train)?, open(validation)?, open(test)?];
                LabelledSet::share_classes(&mut sets.iter_mut().collect::<Vec<_>>());
                let whole = |set: usize| Part { set, indices: (0..sets[set].len()).collect() };
                let stem =
                    |list: &Path| list.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
                let origin = [train, validation, test].map(|list| stem(list)).join(", ");
                let parts = [whole(0), whole(1), whole(2)];
                (sets, parts, origin)
            }
            [None, None, None] => {
                let set = LabelledSet::open(path, None, bands, warnings)?;
                let Split { train, validation, test } = stratified_split(&set.labels, seed);
                let part = |indices| Part { set: 0, indices };
                (vec![set], [part(train), part(validation), part(test)], format!("a stratified draw with seed {seed}"))
            }
            _ => {
                return Err(UsageError::new(
                    "some split lists are missing\nhint: give --train-split, --val-split and --test-split, or none of them",
                )
                .into());
            }
        };
        let splits = Self { sets, parts, description: String::new() };
        let tiles = splits.parts.each_ref().map(|part| splits.tiles_of(part));
        let shared = overlaps(&tiles);
        if let Some([train, validation, test]) = lists.iter().copied().collect::<Option<Vec<_>>>().as_deref()
            && !shared.is_empty()
        {
            let names = [train, validation, test].map(|list| list.display().to_string());
            return Err(UsageError::new(format!(
                "the split lists overlap: {}\nhint: take each of these pictures out of one of the lists; what is tested on \
                 must not be learned from",
                describe(&shared, names.each_ref().map(String::as_str))
            ))
            .into());
        } else if !shared.is_empty() {
            let what = describe(&shared, ["training", "validation", "test part"]);
            warnings.push(Warning::once(format!("the parts overlap, which flatters the scores: {what}")));
        }
        let Self { sets, parts, .. } = splits;
        let counts = parts.each_ref().map(|part| grouped(part.indices.len()));
        let description =
            format!("{} training, {} validation, {} test tiles ({origin})", counts[0], counts[1], counts[2]);
        Ok(Self { sets, parts, description })
    }

    /// Class names, in the order of the labels.
    #[must_use]
    pub fn classes(&self) -> &[String] {
        &self.sets[0].classes
    }

    /// The planes of the tiles.
    #[must_use]
    pub fn bands(&self) -> &Bands {
        self.sets[0].bands()
    }

    /// Training, validation and test part.
    #[must_use]
    pub fn parts(&self) -> &[Part; 3] {
        &self.parts
    }

    /// A tile of a part.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn tile(&self, part: &Part, index: usize) -> Result<shared::tile::Tile> {
        Ok(self.sets[part.set].tile(part.indices[index])?)
    }

    /// Path of a tile of a part.
    #[must_use]
    pub fn name(&self, part: &Part, index: usize) -> &str {
        &self.sets[part.set].names[part.indices[index]]
    }

    /// What every tile of a part is by its content.
    pub fn fingerprints(&self, part: &Part) -> impl Iterator<Item = u64> {
        self.tiles_of(part).into_iter().filter_map(|(_, content)| content)
    }

    fn tiles_of(&self, part: &Part) -> Vec<Tile<'_>> {
        let set = &self.sets[part.set];
        part.indices.iter().map(|&index| (set.names[index].as_str(), set.fingerprint(index))).collect()
    }

    /// Class of every tile of a part.
    #[must_use]
    pub fn labels(&self, part: &Part) -> Vec<usize> {
        part.indices.iter().map(|&index| self.sets[part.set].labels[index]).collect()
    }
}

impl Part {
    /// Number of tiles.
    #[must_use]
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether it has no tile.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }
}

/// Positions of the three parts, each ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// 60 %.
    pub train: Vec<usize>,
    /// 20 %.
    pub validation: Vec<usize>,
    /// The rest.
    pub test: Vec<usize>,
}

/// Splits by class; a class's order depends on `seed` and its own tiles only.
#[must_use]
pub fn stratified_split(labels: &[usize], seed: u64) -> Split {
    let classes = labels.iter().max().map_or(0, |highest| highest + 1);
    let mut split = Split::default();
    for class in 0..classes {
        let mut members: Vec<usize> = (0..labels.len()).filter(|&index| labels[index] == class).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(class as u64);
        members.shuffle(&mut rng);
        let train = (members.len() as f64 * TRAIN_SHARE).round() as usize;
        let validation = (members.len() as f64 * VALIDATION_SHARE).round() as usize;
        let (first, rest) = members.split_at(train);
        let (second, third) = rest.split_at(validation.min(rest.len()));
        split.train.extend(first);
        split.validation.extend(second);
        split.test.extend(third);
    }
    for part in [&mut split.train, &mut split.validation, &mut split.test] {
        part.sort_unstable();
    }
    split
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tile_is_in_one_part_and_classes_keep_their_shares() {
        let labels: Vec<usize> = (0..300).map(|index| usize::from(index % 3 == 0)).collect();
        let split = stratified_split(&labels, 7);
        let of_one = |part: &[usize]| part.iter().filter(|&&index| labels[index] == 1).count();
        assert_eq!(
            [&split.train, &split.validation, &split.test].map(|part| (part.len(), of_one(part))),
            [(180, 60), (60, 20), (60, 20)]
        );
        let mut all = [split.train.clone(), split.validation.clone(), split.test.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..300).collect::<Vec<_>>());
        assert_eq!(split, stratified_split(&labels, 7));
        assert_ne!(split, stratified_split(&labels, 8));
    }
}
