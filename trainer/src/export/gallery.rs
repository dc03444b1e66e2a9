//! The gallery: embedded tiles with two maps and thumbnails, for the app to explain an answer by its neighbours.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use shared::gallery::{Atlas, GALLERY_VERSION, Gallery, GalleryManifest, NO_LABEL};

use super::atlas::Thumbnails;
use super::projection::{principal_components, tsne};
use crate::report::atomic;

/// The gallery's file name inside its folder.
pub const GALLERY_FILE: &str = "gallery.safetensors";

/// What is known of the tiles of a gallery.
#[derive(Clone, Debug, Default)]
pub struct GalleryContent {
    /// `[count, width]`
    pub embeddings: Vec<f32>,
    /// Width of an embedding.
    pub width: usize,
    /// Class of each tile, when known.
    pub labels: Vec<Option<usize>>,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Name of each tile.
    pub names: Vec<String>,
    /// Name of the model that embedded them.
    pub model: String,
    /// Checksum of that model.
    pub model_sha256: String,
    /// Source, licence and credit of the tiles.
    pub credit: String,
}

/// Lays the tiles out on both maps.
///
/// # Errors
/// When the parts differ in length.
pub fn build_gallery(content: GalleryContent) -> Result<Gallery> {
    let GalleryContent { mut embeddings, width, labels, classes, names, model, model_sha256, credit } = content;
    ensure!(labels.len() == names.len(), "{} labels for {} tiles", labels.len(), names.len());
    shared::compare::l2_normalise_rows(&mut embeddings, width);
    let label = |label: Option<usize>| label.map_or(Ok(NO_LABEL), u16::try_from).context("too many classes");
    Ok(Gallery {
        labels: labels.into_iter().map(label).collect::<Result<_>>()?,
        points: tsne(&embeddings, width)?,
        points_pca: principal_components(&embeddings, width)?,
        embeddings,
        manifest: GalleryManifest {
            format_version: GALLERY_VERSION,
            model,
            model_sha256,
            embedding_width: width,
            classes,
            names,
            layout: "t-sne".to_owned(),
            atlas: Atlas::default(),
            credit,
            sha256: String::new(),
        },
    })
}

/// Writes the gallery and its thumbnails into `folder` and returns the files: thumbnails first, so that a gallery that
/// is there has its pictures.
///
/// # Errors
/// When the parts do not fit each other or the disk refuses.
pub fn write_gallery(folder: &Path, mut gallery: Gallery, thumbnails: &Thumbnails) -> Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    let files: Vec<String> = (0..thumbnails.pages.len()).map(|page| format!("thumbnails-{page}.jpg")).collect();
    for (file, page) in files.iter().zip(&thumbnails.pages) {
        atomic::write(&folder.join(file), page)?;
        written.push(folder.join(file));
    }
    gallery.manifest.atlas =
        Atlas { tile_px: thumbnails.tile_px, columns: thumbnails.columns, rows: thumbnails.rows, files };
    let bytes = gallery.to_bytes()?;
    Gallery::from_bytes(&bytes).context("the gallery cannot be read back")?;
    atomic::write(&folder.join(GALLERY_FILE), &bytes)?;
    written.push(folder.join(GALLERY_FILE));
    Ok(written)
}

/// Positions of `count` tiles, as many of each class as there are, drawn by `seed` and sorted by class. Small classes
/// leave their share to the others.
#[must_use]
pub fn pick_balanced(labels: &[usize], count: usize, seed: u64) -> Vec<usize> {
    let classes = labels.iter().max().map_or(0, |highest| highest + 1);
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); classes];
    labels.iter().enumerate().for_each(|(index, &label)| members[label].push(index));
    for (class, own) in members.iter_mut().enumerate() {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(class as u64);
        own.shuffle(&mut rng);
    }
    let mut taken = vec![0; classes];
    let mut left = count.min(labels.len());
    while left > 0 {
        for class in 0..classes {
            if left > 0 && taken[class] < members[class].len() {
                taken[class] += 1;
                left -= 1;
            }
        }
    }
    members.iter().zip(taken).flat_map(|(own, taken)| own[..taken].iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_class_leaves_its_share_to_the_others() {
        let labels = [0, 1, 1, 1, 2, 2, 2, 2];
        let picked = pick_balanced(&labels, 6, 3);
        let of = |class: usize| picked.iter().filter(|&&index| labels[index] == class).count();
        assert_eq!([of(0), of(1), of(2)], [1, 3, 2]);
        assert_eq!(pick_balanced(&labels, 100, 3).len(), labels.len());
        assert!(pick_balanced(&[], 4, 3).is_empty());
    }
}
