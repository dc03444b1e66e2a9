//! The gallery: embeddings of known tiles, which explain an answer by its neighbours and fill the map to explore.
//!
//! One safetensors file, with a manifest under the metadata key `solstice.gallery` and one checksum over everything, as in
//! a model file. Tensors: `embeddings` f16 or i8 `[count, width]`, `labels` u16 `[count]`, `points` and `points_pca` f32
//! `[count, 2]`, and since version 2 perhaps `nearest` u16 `[count, k]`. The thumbnails are pictures beside it, one or
//! more sprite atlases.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use half::f16;
use serde::{Deserialize, Serialize};

use crate::artifact::sealed::{self, SealedManifest};
use crate::artifact::{ArtifactError, Element, RawTensor, floats};
use crate::compare::{Neighbour, dot, l2_normalise, l2_normalise_rows, nearest_normalised};
use crate::leave_one_out::{Vote, leave_one_out, vote};

/// The newest version of galleries; all from 1 up to this are read. Version 2 brought 8-bit embeddings and stored
/// neighbours; a gallery that has neither is written as version 1.
pub const GALLERY_VERSION: u32 = 2;
/// The label of a tile whose class is not known.
pub const NO_LABEL: u16 = u16::MAX;
/// How far the length of a stored embedding may be from 1: f16 rounds each value by up to 2⁻¹¹ of itself.
const LENGTH_TOLERANCE: f32 = 1e-2;

/// Known tiles: their embeddings, labels, names and places on two maps.
#[derive(Clone, Debug, PartialEq)]
pub struct Gallery {
    /// What the rows mean.
    pub manifest: GalleryManifest,
    /// `[count, width]`, each row of length 1.
    pub embeddings: Vec<f32>,
    /// `[count]`: index into the manifest's classes, or [`NO_LABEL`].
    pub labels: Vec<u16>,
    /// `[count]`: place on the map that keeps neighbours together, see [`GalleryManifest::layout`].
    pub points: Vec<[f32; 2]>,
    /// `[count]`: first two principal components.
    pub points_pca: Vec<[f32; 2]>,
    /// How embeddings lie in the file.
    pub precision: Precision,
    /// `[count, k]`: the `k` nearest *other* tiles of each, most similar first, so that nobody need compare all pairs again.
    /// Empty when they are not stored.
    pub nearest: Vec<u16>,
}

/// How the embeddings of a gallery lie in its file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Two bytes a value.
    #[default]
    F16,
    /// One byte a value, −127 to 127, in proportion to the largest of its row: rows have length 1, so no scale is kept.
    Int8,
}

/// What a gallery says about itself. A field more or less is a new [`GALLERY_VERSION`]; unknown fields are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GalleryManifest {
    /// Version of this structure. Set on writing.
    pub format_version: u32,
    /// Name of the model that made the embeddings.
    pub model: String,
    /// Checksum in that model's manifest: embeddings of another model are not comparable.
    pub model_sha256: String,
    /// Width of an embedding.
    pub embedding_width: usize,
    /// Class names, in the order of the labels.
    pub classes: Vec<String>,
    /// One name a tile, unique or not, for example `River/River_12.jpg`.
    pub names: Vec<String>,
    /// How [`Gallery::points`] were made, for example `umap` or `t-sne`.
    pub layout: String,
    /// Where the thumbnails are.
    pub atlas: Atlas,
    /// Source, licence and credit of the tiles.
    pub credit: String,
    /// SHA-256, in hexadecimal, of this manifest (with this field empty) and of all tensors. Set on writing.
    pub sha256: String,
}

/// Thumbnails in rows of equal squares, in the order of the tiles, in one or more pictures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Atlas {
    /// Side of a thumbnail, in pixels.
    pub tile_px: usize,
    /// Thumbnails in a row.
    pub columns: usize,
    /// Rows in every picture but the last.
    pub rows: usize,
    /// File names of the pictures, relative to the gallery; empty when there are no thumbnails.
    pub files: Vec<String>,
}

/// Where a thumbnail is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sprite {
    /// Index into [`Atlas::files`].
    pub file: usize,
    /// Left edge, in pixels.
    pub left_px: usize,
    /// Top edge, in pixels.
    pub top_px: usize,
}

impl Atlas {
    /// The thumbnail of tile `index`; `None` when there are no thumbnails or not that many.
    #[must_use]
    pub fn sprite(&self, index: usize) -> Option<Sprite> {
        let per_file = self.columns.checked_mul(self.rows).filter(|product| *product > 0)?;
        let (file, cell) = (index / per_file, index % per_file);
        let (left_px, top_px) = (cell % self.columns * self.tile_px, cell / self.columns * self.tile_px);
        (file < self.files.len()).then_some(Sprite { file, left_px, top_px })
    }
}

impl SealedManifest for GalleryManifest {
    const KEY: &'static str = "solstice.gallery";
    const VERSION: u32 = GALLERY_VERSION;

    fn sha256(&mut self) -> &mut String {
        &mut self.sha256
    }
}

impl Gallery {
    /// Number of tiles.
    #[must_use]
    pub fn count(&self) -> usize {
        self.manifest.names.len()
    }

    /// Width of an embedding.
    #[must_use]
    pub fn width(&self) -> usize {
        self.manifest.embedding_width
    }

    /// The embedding of tile `index`, of length 1.
    #[must_use]
    pub fn embedding(&self, index: usize) -> Option<&[f32]> {
        self.embeddings.chunks_exact(self.width().max(1)).nth(index)
    }

    /// Class name of tile `index`; `None` when it is not known.
    #[must_use]
    pub fn class(&self, index: usize) -> Option<&str> {
        let label = *self.labels.get(index)?;
        self.manifest.classes.get(usize::from(label)).map(String::as_str)
    }

    /// The `k` tiles most similar to `embedding` (of any length), most similar first.
    #[must_use]
    pub fn nearest(&self, embedding: &[f32], k: usize) -> Vec<Neighbour> {
        let mut query = embedding.to_vec();
        l2_normalise(&mut query);
        nearest_normalised(&query, &self.embeddings, self.width(), k)
    }

    /// How many neighbours of each tile are stored.
    #[must_use]
    pub fn nearest_stored(&self) -> usize {
        self.nearest.len() / self.count().max(1)
    }

    /// Cosine similarity of a tile to its `k`-th nearest *other* one: from the stored neighbours where there are as many, else by
    /// comparing it with all. `None` when there are fewer tiles.
    #[must_use]
    pub fn similarity_of_rank(&self, row: usize, k: usize) -> Option<f32> {
        let own = self.embedding(row)?;
        let stored = self.nearest_stored();
        if (1..=stored).contains(&k) {
            let other = usize::from(self.nearest[row * stored + k - 1]);
            return Some(dot(own, self.embedding(other)?));
        }
        let others = nearest_normalised(own, &self.embeddings, self.width(), k + 1);
        others.into_iter().filter(|other| other.index != row).nth(k.checked_sub(1)?).map(|other| other.similarity)
    }

    /// What the `k` nearest *other* tiles of each of `rows` vote for, as [`leave_one_out`] has it: from the stored neighbours
    /// where there are as many, else by comparing all pairs. Rows beyond the gallery are left out.
    #[must_use]
    pub fn votes(&self, rows: Range<usize>, k: usize) -> Vec<Vote> {
        let rows = rows.start..rows.end.min(self.count());
        let (classes, stored) = (self.manifest.classes.len(), self.nearest_stored());
        if stored < k || stored == 0 {
            return leave_one_out(&self.embeddings, self.width(), &self.labels, classes, rows, k);
        }
        let voters = |row: usize| -> Option<Vec<Neighbour>> {
            let own = self.embedding(row)?;
            let others = self.nearest[row * stored..][..k].iter().map(|&other| usize::from(other));
            others.map(|index| Some(Neighbour { index, similarity: dot(own, self.embedding(index)?) })).collect()
        };
        rows.map(|row| vote(&voters(row).unwrap_or_default(), &self.labels, classes)).collect()
    }

    /// The tiles in another order: `order[i]` is the present position of the tile that comes to stand at `i`.
    ///
    /// # Errors
    /// When `order` does not name every tile once.
    pub fn reordered(&self, order: &[usize]) -> Result<Self, ArtifactError> {
        let mut place = vec![usize::MAX; self.count()];
        for (new, &old) in order.iter().enumerate() {
            match place.get_mut(old) {
                Some(place) if *place == usize::MAX => *place = new,
                _ => return Err(ArtifactError::Inconsistent(format!("tile {old} in an order of {}", order.len()))),
            }
        }
        if order.len() != self.count() {
            return Err(ArtifactError::Inconsistent(format!("an order of {} tiles for {}", order.len(), self.count())));
        }
        let (width, stored) = (self.width(), self.nearest_stored());
        let names = order.iter().map(|&old| self.manifest.names[old].clone()).collect();
        Ok(Self {
            manifest: GalleryManifest { names, ..self.manifest.clone() },
            embeddings: order.iter().flat_map(|&old| &self.embeddings[old * width..][..width]).copied().collect(),
            labels: order.iter().map(|&old| self.labels[old]).collect(),
            points: order.iter().map(|&old| self.points[old]).collect(),
            points_pca: order.iter().map(|&old| self.points_pca[old]).collect(),
            precision: self.precision,
            nearest: order
                .iter()
                .flat_map(|&old| &self.nearest[old * stored..][..stored])
                .map(|&other| place[usize::from(other)] as u16)
                .collect(),
        })
    }

    /// The bytes of the gallery file, the same for the same gallery. Embeddings are scaled to length 1; the manifest's
    /// version and checksum are set.
    ///
    /// # Errors
    /// When the parts differ in length, a label has no class, or a value is not finite.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ArtifactError> {
        let mut embeddings = self.embeddings.clone();
        l2_normalise_rows(&mut embeddings, self.width());
        let gallery = Self { embeddings, ..self.clone() };
        gallery.check()?;
        let (count, width) = (gallery.count(), gallery.width());
        let embeddings: (Element, Vec<u8>) = match gallery.precision {
            Precision::F16 => (
                Element::F16,
                gallery.embeddings.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect(),
            ),
            Precision::Int8 => (Element::I8, gallery.embeddings.chunks_exact(width).flat_map(quantised).collect()),
        };
        let labels = gallery.labels.iter().flat_map(|label| label.to_le_bytes());
        let points = |points: &[[f32; 2]]| points.as_flattened().iter().flat_map(|value| value.to_le_bytes()).collect();
        let mut tensors = BTreeMap::from([
            raw("embeddings", embeddings.0, vec![count, width], embeddings.1),
            raw("labels", Element::U16, vec![count], labels.collect()),
            raw("points", Element::F32, vec![count, 2], points(&gallery.points)),
            raw("points_pca", Element::F32, vec![count, 2], points(&gallery.points_pca)),
        ]);
        let stored = gallery.nearest_stored();
        if stored > 0 {
            let nearest = gallery.nearest.iter().flat_map(|row| row.to_le_bytes()).collect();
            tensors.extend([raw("nearest", Element::U16, vec![count, stored], nearest)]);
        }
        let is_of_version_1 = stored == 0 && gallery.precision == Precision::F16;
        let format_version = if is_of_version_1 { 1 } else { GALLERY_VERSION };
        sealed::seal(GalleryManifest { format_version, ..gallery.manifest }, tensors)
    }

    /// Reads a gallery file from untrusted bytes.
    ///
    /// # Errors
    /// As [`Artifact::from_bytes`](crate::artifact::Artifact::from_bytes): each kind of damage has its own.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ArtifactError> {
        let (manifest, mut tensors) = sealed::open::<GalleryManifest>(bytes)?;
        let (count, width) = (manifest.names.len(), manifest.embedding_width);
        let is_int8 = tensors.get("embeddings").is_some_and(|tensor| tensor.element == Element::I8);
        let (precision, element) =
            if is_int8 { (Precision::Int8, Element::I8) } else { (Precision::F16, Element::F16) };
        let stored = tensors.get("nearest").and_then(|tensor| tensor.shape.get(1).copied());
        let mut take = |name: &str, element: Element, shape: &[usize]| take(&mut tensors, name, element, shape);
        let mut embeddings = take("embeddings", element, &[count, width])?;
        let labels = take("labels", Element::U16, &[count])?.into_iter().map(|label| label as u16).collect();
        let points = pairs(&take("points", Element::F32, &[count, 2])?);
        let points_pca = pairs(&take("points_pca", Element::F32, &[count, 2])?);
        let nearest = match stored {
            Some(stored) => take("nearest", Element::U16, &[count, stored])?,
            None => Vec::new(),
        };
        let nearest = nearest.into_iter().map(|row| row as u16).collect();
        if let Some((name, _)) = tensors.pop_first() {
            return Err(ArtifactError::UnexpectedTensor { name });
        }
        for (row, embedding) in embeddings.chunks_exact(width.max(1)).enumerate() {
            let length = dot(embedding, embedding).sqrt();
            let is_good = if is_int8 { length > 0.0 } else { (length - 1.0).abs() <= LENGTH_TOLERANCE };
            if !is_good {
                return Err(ArtifactError::Inconsistent(format!("embedding {row} has length {length}, not 1")));
            }
        }
        l2_normalise_rows(&mut embeddings, width);
        let gallery = Self { manifest, embeddings, labels, points, points_pca, precision, nearest };
        gallery.check()?;
        Ok(gallery)
    }

    /// Checks the parts against each other.
    fn check(&self) -> Result<(), ArtifactError> {
        let problem = |what: String| Err(ArtifactError::Inconsistent(what));
        let (count, width) = (self.count(), self.width());
        if width == 0 || count.checked_mul(width) != Some(self.embeddings.len()) {
            return problem(format!("{} embedding values for {count} tiles of width {width}", self.embeddings.len()));
        }
        for (what, found) in
            [("labels", self.labels.len()), ("points", self.points.len()), ("pca points", self.points_pca.len())]
        {
            if found != count {
                return problem(format!("{found} {what} for {count} tiles"));
            }
        }
        let stored = self.nearest_stored();
        if stored * count != self.nearest.len() {
            return problem(format!("{} stored neighbours for {count} tiles", self.nearest.len()));
        }
        let rows = self.nearest.chunks_exact(stored.max(1)).enumerate();
        for (row, nearest) in rows {
            if let Some(other) =
                nearest.iter().find(|other| usize::from(**other) >= count || usize::from(**other) == row)
            {
                return problem(format!("tile {other} as a neighbour of tile {row} of {count}"));
            }
        }
        let classes = self.manifest.classes.len();
        if let Some(label) = self.labels.iter().find(|label| **label != NO_LABEL && usize::from(**label) >= classes) {
            return problem(format!("label {label} of {classes} classes"));
        }
        let finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
        for (name, values) in [
            ("embeddings", self.embeddings.as_slice()),
            ("points", self.points.as_flattened()),
            ("points_pca", self.points_pca.as_flattened()),
        ] {
            if !finite(values) {
                return Err(ArtifactError::NonFinite { name: name.into() });
            }
        }
        let atlas = &self.manifest.atlas;
        // bounds keep the arithmetic of sprites far from overflow
        let sizes_fit = [atlas.tile_px, atlas.columns, atlas.rows].iter().all(|size| (1..=1 << 14).contains(size));
        if !atlas.files.is_empty() && !sizes_fit {
            return problem(format!("an atlas of {} x {} tiles of {} px", atlas.columns, atlas.rows, atlas.tile_px));
        }
        if !atlas.files.is_empty() && count > 0 && atlas.sprite(count - 1).is_none() {
            return problem(format!("{} atlas pictures do not hold {count} tiles", atlas.files.len()));
        }
        Ok(())
    }
}

/// A row in 8 bits: its largest value becomes ±127.
fn quantised(row: &[f32]) -> impl Iterator<Item = u8> {
    let largest = row.iter().fold(f32::MIN_POSITIVE, |largest, value| largest.max(value.abs()));
    row.iter().map(move |value| (value / largest * 127.0).round() as i8 as u8)
}

fn raw(name: &str, element: Element, shape: Vec<usize>, bytes: Vec<u8>) -> (String, RawTensor<'static>) {
    (name.to_owned(), RawTensor { element, shape, bytes: Cow::Owned(bytes) })
}

fn take(
    tensors: &mut BTreeMap<String, RawTensor<'_>>,
    name: &str,
    element: Element,
    expected: &[usize],
) -> Result<Vec<f32>, ArtifactError> {
    let name = name.to_owned();
    let Some(tensor) = tensors.remove(&name) else { return Err(ArtifactError::MissingTensor { name }) };
    if tensor.shape != expected {
        return Err(ArtifactError::WrongShape { name, found: tensor.shape, expected: expected.to_vec() });
    }
    if tensor.element != element {
        let (found, expected) = (format!("{:?}", tensor.element), format!("{element:?}"));
        return Err(ArtifactError::WrongElement { name, found, expected });
    }
    Ok(floats(&tensor))
}

/// `[count, 2]`, flat → pairs
fn pairs(values: &[f32]) -> Vec<[f32; 2]> {
    values.as_chunks().0.to_vec()
}

#[cfg(test)]
mod tests;
