//! What the user's own classes say of the tiles on the page.

/// Of one tile.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Own {
    /// The class that it is marked with: index into the book's.
    pub mark: Option<usize>,
    /// One for each class of the head; empty without one, or before the tile is answered.
    pub probabilities: Vec<f32>,
}

impl Own {
    /// The most probable class of the head, the first of equals, and its probability.
    #[must_use]
    pub fn best(&self) -> Option<(usize, f32)> {
        let shares = self.probabilities.iter().copied().enumerate();
        shares.reduce(|best, next| if next.1 > best.1 { next } else { best })
    }
}

/// Of all tiles, with the names that are needed to say it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OwnClasses {
    /// Names in the book, which marks point to.
    pub named: Vec<String>,
    /// Names in the head, which probabilities belong to.
    pub learned: Vec<String>,
    /// One for each tile.
    pub tiles: std::sync::Arc<Vec<Own>>,
}

impl OwnClasses {
    /// True when the user has neither named nor loaded any class.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.named.is_empty() && self.learned.is_empty()
    }

    /// The class that the head gives a tile, and its probability.
    #[must_use]
    pub fn class(&self, tile: usize) -> Option<(&str, f32)> {
        let (class, share) = self.tiles.get(tile)?.best()?;
        Some((self.learned.get(class)?, share))
    }

    /// The class that a tile is marked with.
    #[must_use]
    pub fn mark(&self, tile: usize) -> Option<&str> {
        self.named.get(self.tiles.get(tile)?.mark?).map(String::as_str)
    }
}
