//! Pictures with a class for every pixel, read when they are wanted and kept in memory as far as it goes.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::Result;
use shared::tile::Tile;

/// The class of pixels that have none.
pub const IGNORED: u8 = u8::MAX;
/// Memory that read pictures may take.
const MOST_BYTES: usize = 1 << 30;

/// The files that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What messages call it.
    pub name: String,
    /// What it is called among those that are split: a city, a chip.
    pub id: String,
    /// The publishers' part, where names tell.
    pub part: Option<String>,
    /// One picture, or two of which the change is asked.
    pub pictures: Vec<PathBuf>,
    /// The map.
    pub mask: PathBuf,
}

/// Pictures and their map, of one size.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// `[bands, height, width]` each, as the encoder wants them but for normalisation.
    pub pictures: Vec<Tile>,
    /// Class of every pixel, or [`IGNORED`].
    pub classes: Vec<u8>,
}

impl Scene {
    /// Rows and columns.
    #[must_use]
    pub fn size(&self) -> [usize; 2] {
        self.pictures.first().map_or([0, 0], |tile| [tile.height(), tile.width()])
    }

    fn bytes(&self) -> usize {
        self.classes.len() + self.pictures.iter().map(|tile| 4 * tile.pixels().len()).sum::<usize>()
    }
}

/// How an item becomes a scene.
type Read<'a> = dyn Fn(&Item) -> Result<Scene> + Sync + 'a;

/// Items that are read through it.
pub struct Store<'a> {
    items: &'a [Item],
    read: Box<Read<'a>>,
    kept: Vec<OnceLock<Arc<Scene>>>,
    used: AtomicUsize,
}

impl<'a> Store<'a> {
    /// Nothing is read yet.
    pub fn new(items: &'a [Item], read: impl Fn(&Item) -> Result<Scene> + Sync + 'a) -> Self {
        let kept = items.iter().map(|_| OnceLock::new()).collect();
        Self { items, read: Box::new(read), kept, used: AtomicUsize::new(0) }
    }

    /// What is read.
    #[must_use]
    pub fn items(&self) -> &'a [Item] {
        self.items
    }

    /// A scene, from memory where it is kept.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn scene(&self, index: usize) -> Result<Arc<Scene>> {
        if let Some(scene) = self.kept[index].get() {
            return Ok(Arc::clone(scene));
        }
        let scene = Arc::new((self.read)(&self.items[index])?);
        let bytes = scene.bytes();
        if self.used.fetch_add(bytes, Ordering::Relaxed) + bytes <= MOST_BYTES {
            // Another thread may have been first.
            return Ok(Arc::clone(self.kept[index].get_or_init(|| scene)));
        }
        self.used.fetch_sub(bytes, Ordering::Relaxed);
        Ok(scene)
    }
}
