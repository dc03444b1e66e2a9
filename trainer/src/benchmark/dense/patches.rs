//! What is learned from: square windows of the training scenes, mirrored and turned at random.

use anyhow::Result;
use rand::RngExt;
use rand::seq::SliceRandom;
use shared::preprocess::{Normalisation, crop, flip_horizontal, normalise};
use shared::tile::Tile;

use super::scene::{IGNORED, Store};
use crate::views::geometry::rotate;
use crate::views::view_rng;

/// A window of a scene.
pub struct Patch {
    /// `[bands · px · px]`, normalised, one a picture.
    pub pictures: Vec<Vec<f32>>,
    /// `[px · px]`
    pub classes: Vec<u8>,
}

/// Which scene each patch of an epoch is of, in a random order: as many of a scene as lie side by side in it.
///
/// # Errors
/// When a scene cannot be read.
pub fn epoch_of_patches(
    store: &Store<'_>,
    rows: &[usize],
    px: usize,
    (epoch, seed): (usize, u64),
) -> Result<Vec<usize>> {
    let mut patches = Vec::new();
    for &row in rows {
        let [height, width] = store.scene(row)?.size();
        let count = ((height * width) as f64 / (px * px) as f64).round().max(1.0) as usize;
        patches.extend(std::iter::repeat_n(row, count));
    }
    patches.shuffle(&mut view_rng(seed, epoch as u64, u64::MAX));
    Ok(patches)
}

/// The patch at position `at` of an epoch: a window anywhere, with `turned` mirrored and turned too.
///
/// # Errors
/// When the scene cannot be read.
pub fn patch(
    store: &Store<'_>,
    row: usize,
    (px, at, turned): (usize, usize, bool),
    (epoch, seed): (usize, u64),
    normalisation: &Normalisation,
) -> Result<Patch> {
    let scene = store.scene(row)?;
    let [height, width] = scene.size();
    let mut rng = view_rng(seed, epoch as u64, at as u64);
    let (top, left) = (rng.random_range(0..=height - px), rng.random_range(0..=width - px));
    let (is_mirrored, quarters) = (turned && rng.random_bool(0.5), if turned { rng.random_range(0..4) } else { 0 });
    let change = |tile: &Tile| -> Result<Tile> {
        let mut own = crop(tile, top, left, px, px)?;
        if is_mirrored {
            own = flip_horizontal(&own);
        }
        rotate(&mut own, quarters);
        Ok(own)
    };
    let picture = |tile: &Tile| -> Result<Vec<f32>> {
        let mut own = change(tile)?;
        normalise(&mut own, normalisation)?;
        Ok(own.into_pixels())
    };
    // Classes move as a plane of numbers, which single precision holds exactly.
    let classes = Tile::new(1, height, width, scene.classes.iter().map(|&class| f32::from(class)).collect())?;
    Ok(Patch {
        pictures: scene.pictures.iter().map(picture).collect::<Result<_>>()?,
        classes: change(&classes)?.pixels().iter().map(|&class| class as u8).collect(),
    })
}

/// Whether any pixel of a patch can be learned from.
#[must_use]
pub fn has_classes(patch: &Patch) -> bool {
    patch.classes.iter().any(|class| *class != IGNORED)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::super::scene::{Item, Scene};
    use super::*;

    #[test]
    fn pictures_and_classes_move_together() {
        let items = [Item { name: "a".into(), id: "a".into(), part: None, pictures: Vec::new(), mask: "".into() }];
        // Every pixel's value is its class.
        let store = Store::new(&items, |_| {
            let classes: Vec<u8> = (0..120).collect();
            let tile = Tile::new(1, 10, 12, classes.iter().map(|&class| f32::from(class)).collect()).unwrap();
            Ok(Scene { pictures: vec![tile.clone(), tile], classes })
        });
        let plain = Normalisation::identity(1);
        let mut seen = std::collections::BTreeSet::new();
        for at in 0..40 {
            let patch = patch(&store, 0, (4, at, true), (0, 3), &plain).unwrap();
            assert_eq!(patch.pictures[0], patch.classes.iter().map(|&class| f32::from(class)).collect::<Vec<_>>());
            assert_eq!(patch.pictures[0], patch.pictures[1]);
            seen.insert(patch.classes);
        }
        assert!(seen.len() > 30, "{} different patches of 40", seen.len());
        assert_eq!(epoch_of_patches(&store, &[0], 4, (0, 1)).unwrap().len(), 8);
    }
}
