//! Thumbnails for the map: pictures of many tiles, fetched and decoded when one of their tiles comes near.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, ImageBitmap};

use super::state::{Explore, Sheet};
use crate::engine::protocol::GalleryCard;
use crate::fetch;
use crate::scope::Scope;

/// Pictures on their way at once.
const MAX_LOADING: usize = 4;
/// Decoded pictures that are kept: 4 MB each when tiles have 64 pixels.
const MAX_KEPT: usize = 48;

enum Slot {
    Loading,
    Ready { bitmap: ImageBitmap, last_used: u64 },
    Failed,
}

/// The decoded pictures of one gallery.
#[derive(Default)]
pub struct Sprites {
    slots: HashMap<usize, Slot>,
    clock: u64,
    /// The gallery that they are of.
    gallery: Scope,
}

/// A tile's square in a decoded picture.
pub struct Sprite {
    /// The picture.
    pub bitmap: ImageBitmap,
    /// Left edge of the square.
    pub left: f64,
    /// Top edge.
    pub top: f64,
    /// Side.
    pub side: f64,
}

/// Which picture a tile is in, and where: file, left and top in pixels.
#[must_use]
pub fn position(atlas: &GalleryCard, index: usize) -> Option<(usize, usize, usize)> {
    let per_file = (atlas.columns * atlas.rows).max(1);
    let (file, cell, columns) = (index / per_file, index % per_file, atlas.columns.max(1));
    (file < atlas.files.len()).then(|| (file, cell % columns * atlas.tile_px, cell / columns * atlas.tile_px))
}

impl Sprites {
    /// The tile's thumbnail if its picture is decoded; otherwise the picture is asked for.
    pub fn get(this: &Rc<RefCell<Self>>, explore: Explore, atlas: &GalleryCard, index: usize) -> Option<Sprite> {
        let (file, left, top) = position(atlas, index)?;
        let mut sprites = this.borrow_mut();
        sprites.clock += 1;
        let clock = sprites.clock;
        if let Some(slot) = sprites.slots.get_mut(&file) {
            let Slot::Ready { bitmap, last_used } = slot else { return None };
            *last_used = clock;
            let (left, top, side) = (left as f64, top as f64, atlas.tile_px as f64);
            return Some(Sprite { bitmap: bitmap.clone(), left, top, side });
        }
        let loading = sprites.slots.values().filter(|slot| matches!(slot, Slot::Loading)).count();
        let sheet = explore.sheets.with_untracked(|sheets| sheets.get(file).cloned().flatten())?;
        if loading < MAX_LOADING {
            sprites.slots.insert(file, Slot::Loading);
            let (this, gallery) = (Rc::clone(this), sprites.gallery.clone());
            spawn_local(async move {
                // Of a gallery that is on the map no more: files are known by their number, which another has too.
                let Ok(bitmap) = gallery.hold(decode(&sheet)).await else { return };
                this.borrow_mut().keep(file, bitmap);
                explore.redraw.update(|count| *count += 1);
            });
        }
        None
    }

    /// Forgets everything: another gallery is on the map.
    pub fn clear(&mut self) {
        self.slots.clear();
        self.gallery.end();
        self.gallery = Scope::new();
    }

    fn keep(&mut self, file: usize, bitmap: Option<ImageBitmap>) {
        self.clock += 1;
        let last_used = self.clock;
        self.slots.insert(file, bitmap.map_or(Slot::Failed, |bitmap| Slot::Ready { bitmap, last_used }));
        let ready = self.slots.iter().filter_map(|(file, slot)| match slot {
            Slot::Ready { last_used, .. } => Some((*last_used, *file)),
            _ => None,
        });
        let ready: Vec<_> = ready.collect();
        if ready.len() > MAX_KEPT
            && let Some((_, oldest)) = ready.into_iter().min()
            && let Some(Slot::Ready { bitmap, .. }) = self.slots.remove(&oldest)
        {
            bitmap.close();
        }
    }
}

async fn decode(sheet: &Sheet) -> Option<ImageBitmap> {
    let blob: Blob = match &sheet.file {
        Some(file) => file.clone(),
        None => fetch::blob(&sheet.address).await.ok()?,
    };
    let promise = window().create_image_bitmap_with_blob(&blob).ok()?;
    JsFuture::from(promise).await.ok()?.dyn_into().ok()
}
