//! The gallery: embedded tiles with two maps and thumbnails, for the app to explain an answer by its neighbours.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use shared::compare::Neighbour;
use shared::gallery::{Atlas, GALLERY_VERSION, Gallery, GalleryManifest, NO_LABEL, Precision};
use shared::leave_one_out::nearest_others;

use super::atlas::Thumbnails;
use super::projection::{principal_components, tsne};

/// The gallery's file name inside its folder.
pub const GALLERY_FILE: &str = "gallery.safetensors";
/// Neighbours stored of each tile: as many as the larger figure of k-NN in a model's metrics.
const NEAREST: usize = 20;
/// Rows compared with all others in one go.
const ROWS_AT_ONCE: usize = 64;
/// The map is cut into 2^11 × 2^11 squares to be walked through.
const CURVE_BITS: u32 = 11;

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
    /// How embeddings lie in the file.
    pub precision: Precision,
}

/// Lays the tiles out on both maps and finds the nearest others of each.
///
/// # Errors
/// When the parts differ in length.
pub fn build_gallery(content: GalleryContent) -> Result<Gallery> {
    let GalleryContent { mut embeddings, width, labels, classes, names, model, model_sha256, credit, precision } =
        content;
    ensure!(labels.len() == names.len(), "{} labels for {} tiles", labels.len(), names.len());
    shared::compare::l2_normalise_rows(&mut embeddings, width);
    let label = |label: Option<usize>| label.map_or(Ok(NO_LABEL), u16::try_from).context("too many classes");
    Ok(Gallery {
        precision,
        nearest: nearest(&embeddings, width, names.len()),
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

/// `[count, NEAREST]`: the nearest others of each row; nothing for sets whose rows 16 bits cannot number, or of fewer rows.
fn nearest(embeddings: &[f32], width: usize, count: usize) -> Vec<u16> {
    if count <= NEAREST || count > 1 << 16 {
        return Vec::new();
    }
    let starts: Vec<usize> = (0..count).step_by(ROWS_AT_ONCE).collect();
    let slabs = starts
        .into_par_iter()
        .map(|start| nearest_others(embeddings, width, start..(start + ROWS_AT_ONCE).min(count), NEAREST));
    let slabs: Vec<Vec<Vec<Neighbour>>> = slabs.collect();
    slabs.iter().flatten().flatten().map(|near| near.index as u16).collect()
}

/// The tiles in an order that follows a Hilbert curve over their map (Hilbert, 1891): tiles that lie together come together,
/// and so do their thumbnails in a picture.
#[must_use]
pub fn order_by_place(points: &[[f32; 2]]) -> Vec<usize> {
    let side = (1_u32 << CURVE_BITS) as f32 - 1.0;
    let bound =
        |axis: usize, pick: fn(f32, f32) -> f32, start: f32| points.iter().map(|point| point[axis]).fold(start, pick);
    let low = [bound(0, f32::min, f32::INFINITY), bound(1, f32::min, f32::INFINITY)];
    let high = [bound(0, f32::max, f32::NEG_INFINITY), bound(1, f32::max, f32::NEG_INFINITY)];
    let square = |point: &[f32; 2], axis: usize| {
        ((point[axis] - low[axis]) / (high[axis] - low[axis]).max(f32::MIN_POSITIVE) * side).round() as u32
    };
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by_cached_key(|&index| along_curve(square(&points[index], 0), square(&points[index], 1)));
    order
}

/// How far along the Hilbert curve a square is.
fn along_curve(mut x: u32, mut y: u32) -> u32 {
    let mut distance = 0;
    for bit in (0..CURVE_BITS).rev() {
        let (right, upper) = ((x >> bit) & 1, (y >> bit) & 1);
        distance = (distance << 2) | ((3 * right) ^ upper);
        if upper == 0 {
            if right == 1 {
                let last = (1 << CURVE_BITS) - 1;
                (x, y) = (last - x, last - y);
            }
            (x, y) = (y, x);
        }
    }
    distance
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
        atomic_file::write(&folder.join(file), page)?;
        written.push(folder.join(file));
    }
    gallery.manifest.atlas =
        Atlas { tile_px: thumbnails.tile_px, columns: thumbnails.columns, rows: thumbnails.rows, files };
    let bytes = gallery.to_bytes()?;
    Gallery::from_bytes(&bytes).context("the gallery cannot be read back")?;
    atomic_file::write(&folder.join(GALLERY_FILE), &bytes)?;
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
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    #[test]
    fn the_curve_visits_every_square_and_steps_to_a_neighbour() {
        // All of the curve over the lower left 32 × 32 squares, which it fills before it goes on.
        let mut squares: Vec<(u32, [u32; 2])> =
            (0..32).flat_map(|x| (0..32).map(move |y| (along_curve(x, y), [x, y]))).collect();
        squares.sort_unstable();
        for (step, pair) in squares.windows(2).enumerate() {
            assert_eq!(pair[1].0, pair[0].0 + 1, "step {step}");
            let [[x, y], [to_x, to_y]] = [pair[0].1, pair[1].1];
            assert_eq!(x.abs_diff(to_x) + y.abs_diff(to_y), 1, "step {step}");
        }
        let order = order_by_place(&[[9.0, 0.0], [0.0, 0.0], [9.0, 9.0], [0.0, 9.0]]);
        assert_eq!(order, [1, 3, 2, 0]);
    }

    #[test]
    fn stored_neighbours_are_those_of_a_loop_over_all_pairs() {
        let (width, count) = (5, 150);
        let value = |index: usize| ((index * 7919 + 31) % 1013) as f32 / 1013.0 - 0.4;
        let content = GalleryContent {
            embeddings: (0..count * width).map(value).collect(),
            width,
            labels: vec![None; count],
            names: (0..count).map(|index| format!("{index}.jpg")).collect(),
            precision: Precision::Int8,
            ..GalleryContent::default()
        };
        let gallery = build_gallery(content).unwrap();
        assert_eq!(gallery.nearest_stored(), NEAREST);
        let row = |index: usize| &gallery.embeddings[index * width..][..width];
        for index in 0..count {
            let cosine = |other: usize| row(index).iter().zip(row(other)).map(|(a, b)| f64::from(a * b)).sum::<f64>();
            let mut others: Vec<usize> = (0..count).filter(|&other| other != index).collect();
            others.sort_by(|&a, &b| cosine(b).total_cmp(&cosine(a)));
            let stored = &gallery.nearest[index * NEAREST..][..NEAREST];
            for (rank, (&found, &expected)) in stored.iter().zip(&others).enumerate() {
                let (found, expected) = (cosine(usize::from(found)), cosine(expected));
                assert!((found - expected).abs() < 1e-6, "tile {index}, rank {rank}: {found} for {expected}");
            }
        }
    }

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
