//! Labelled tiles for evaluation.

use std::path::Path;

use anyhow::{Result, bail};
use rayon::prelude::*;
use shared::bands::Bands;
use shared::tile::Tile;

use super::source::check_seen;
use super::spec::{SourceKind, SourceSpec};
use super::{SampleError, Source, TileSource, Warning, evenly_spaced};
use crate::views::view_rng;

/// Every readable picture of a class folder or tar, or of a list of its files. Pictures are kept decoded in memory in
/// their stored type; a tile is made when it is asked for.
pub struct LabelledSet {
    /// Class of each tile, an index into `classes`.
    pub labels: Vec<usize>,
    /// Names of all classes, sorted: those of the folder, whether or not a list names one of their files, or the list's own.
    pub classes: Vec<String>,
    /// Path of each tile, relative to the folder.
    pub names: Vec<String>,
    source: TileSource,
    places: Vec<usize>,
}

impl LabelledSet {
    /// Opens a folder `<class>/<file>` or a tar of one, or a source as `--data` types it; `split` lists the files to take,
    /// `bands` are those that the encoder reads.
    ///
    /// Files that cannot be read are left out with a warning.
    ///
    /// # Errors
    /// When the folder or list is missing or empty, files lie outside class folders, or none can be read, or has the bands.
    pub fn open(path: &Path, split: Option<&Path>, bands: &Bands, warnings: &mut Vec<Warning>) -> Result<Self> {
        let typed = SourceSpec::typed(path)?.for_bands(bands);
        let kind = typed.kind.or(Some(SourceKind::Folder));
        let spec = SourceSpec { split: split.map(Path::to_owned).or(typed.split.clone()), kind, ..typed };
        Self::open_spec(&spec, Path::new(""), warnings)
    }

    /// As [`open`](Self::open), with every setting of a source, such as its bands.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_spec(spec: &SourceSpec, base: &Path, warnings: &mut Vec<Warning>) -> Result<Self> {
        let source = spec.open_tiles(base, warnings)?;
        let decoded: Vec<Option<SampleError>> =
            (0..source.len()).into_par_iter().map(|place| unusable_picture(&source, place)).collect();
        let mut set = Self {
            labels: Vec::new(),
            classes: source.classes().to_vec(),
            names: Vec::new(),
            places: Vec::new(),
            source,
        };
        let has_labels = (0..set.source.len()).any(|place| set.source.label(place).is_some());
        let (mut unusable, mut unlabelled) = (Vec::new(), Vec::new());
        for (place, error) in decoded.into_iter().enumerate() {
            match (error, set.source.label(place)) {
                (Some(error), _) => unusable.push(error),
                // A list may name classes of some pictures only.
                (None, None) if has_labels && spec.split.is_some() => unlabelled.push(place),
                (None, None) => bail!(
                    "{} lies in no class folder\nhint: labelled pictures are <class>/<file>, or a split list names their class",
                    set.source.place_name(place)
                ),
                (None, Some(label)) => {
                    set.labels.push(label);
                    set.names.push(set.source.place_name(place).to_owned());
                    set.places.push(place);
                }
            }
        }
        warnings.extend(Warning::of_pictures(&unusable));
        if let (Some(first), Some(list)) = (unlabelled.first(), &spec.split) {
            let what = format!(
                "{} names no class of {}: left out, since classes are wanted here",
                list.display(),
                set.source.place_name(*first)
            );
            warnings.push(Warning { what, count: unlabelled.len() });
        }
        if set.labels.is_empty() {
            let hint = unusable.first().map(|error| error.hint).filter(|hint| !hint.is_empty());
            let hint = hint.unwrap_or("are the files complete?");
            bail!("none of the {} listed pictures can be used\nhint: {hint}", set.source.len());
        }
        Ok(set)
    }

    /// Gives several sets, such as the parts of one data set, the same classes: all that any of them has.
    pub fn share_classes(sets: &mut [&mut Self]) {
        let mut all: Vec<String> = sets.iter().flat_map(|set| set.classes.iter().cloned()).collect();
        all.sort();
        all.dedup();
        for set in sets {
            let number = |label: &usize| all.binary_search(&set.classes[*label]).unwrap_or(*label);
            set.labels = set.labels.iter().map(number).collect();
            set.classes.clone_from(&all);
        }
    }

    /// At most `limit` tiles, evenly spaced (all for 0), so that every class keeps about its share.
    #[must_use]
    pub fn thinned(mut self, limit: usize) -> Self {
        let len = self.len();
        if limit > 0 && limit < len {
            let kept: Vec<usize> = evenly_spaced(len, limit).collect();
            self.labels = kept.iter().map(|&index| self.labels[index]).collect();
            self.names = kept.iter().map(|&index| self.names[index].clone()).collect();
            self.places = kept.iter().map(|&index| self.places[index]).collect();
        }
        self
    }

    /// Number of tiles.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "an opened set has at least one tile")]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// The planes of the tiles.
    #[must_use]
    pub fn bands(&self) -> &Bands {
        self.source.bands()
    }

    /// What the tile at `index` is by its content.
    #[must_use]
    pub fn fingerprint(&self, index: usize) -> Option<u64> {
        self.source.fingerprint(self.places[index], 0)
    }

    /// The tile at `index`, at its own size.
    ///
    /// # Errors
    /// When the file changed since the set was opened (kept pictures cannot fail).
    pub fn tile(&self, index: usize) -> Result<Tile, SampleError> {
        let mut tiles = self.source.read(self.places[index], &[0], &mut view_rng(0, 0, 0))?;
        tiles.pop().ok_or_else(|| SampleError::new(&self.names[index], "no picture"))
    }

    /// The tiles at `indices`, made on all cores.
    ///
    /// # Errors
    /// As [`tile`](Self::tile).
    pub fn tiles(&self, indices: &[usize]) -> Result<Vec<Tile>, SampleError> {
        indices.par_iter().map(|&index| self.tile(index)).collect()
    }
}

/// What keeps a picture from being used.
fn unusable_picture(source: &TileSource, place: usize) -> Option<SampleError> {
    source.picture(place).and_then(|picture| check_seen(&picture, source.place_name(place))).err()
}
