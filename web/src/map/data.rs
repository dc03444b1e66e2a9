//! A gallery as the map needs it: places on both layouts, classes and names. Embeddings stay with the worker.

use super::dates::Season;
use super::grid::Grid;
use crate::engine::protocol::MapCard;

/// The label of a tile whose class is not known, as in the gallery file.
pub const NO_LABEL: u16 = u16::MAX;

/// Which layout is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Projection {
    /// Keeps neighbours together (t-SNE, unless the gallery says otherwise).
    #[default]
    Neighbours,
    /// The first two principal components.
    Components,
}

impl Projection {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Neighbours, Self::Components];

    /// The spelling in the address.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Neighbours => "neighbours",
            Self::Components => "pca",
        }
    }

    /// Reads [`Self::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|projection| projection.as_str() == text)
    }
}

/// Places of all tiles, in −1 … 1, and their index.
#[derive(Clone, Debug)]
pub struct Layout {
    /// One place a tile.
    pub points: Vec<[f32; 2]>,
    /// Finds them by place.
    pub grid: Grid,
}

impl Layout {
    /// Brings points to −1 … 1 without distortion; the longer side fills it.
    #[must_use]
    pub fn new(raw: &[[f32; 2]]) -> Self {
        let bound =
            |axis: usize, pick: fn(f32, f32) -> f32, start: f32| raw.iter().map(|point| point[axis]).fold(start, pick);
        let low = [bound(0, f32::min, f32::INFINITY), bound(1, f32::min, f32::INFINITY)];
        let high = [bound(0, f32::max, f32::NEG_INFINITY), bound(1, f32::max, f32::NEG_INFINITY)];
        let half = ((high[0] - low[0]).max(high[1] - low[1]) / 2.0).max(f32::MIN_POSITIVE);
        let centre = [(low[0] + high[0]) / 2.0, (low[1] + high[1]) / 2.0];
        let points: Vec<[f32; 2]> =
            raw.iter().map(|point| [(point[0] - centre[0]) / half, (point[1] - centre[1]) / half]).collect();
        let grid = Grid::new(&points);
        Self { points, grid }
    }
}

/// All that the map shows of a gallery.
#[derive(Clone, Debug)]
pub struct MapData {
    /// What the worker says of it.
    pub card: MapCard,
    /// Index into the classes, or [`NO_LABEL`].
    pub labels: Vec<u16>,
    /// One name a tile.
    pub names: Vec<String>,
    /// When each was taken, as far as the names say; empty when they do not.
    pub seasons: Vec<Option<Season>>,
    neighbours: Layout,
    components: Layout,
}

impl MapData {
    /// From the worker's card and its four buffers: both layouts (f32), labels (u16), names (lines).
    ///
    /// `None` when they do not fit each other.
    #[must_use]
    pub fn new(card: MapCard, buffers: &[Vec<u8>]) -> Option<Self> {
        let [points, components, labels, names] = buffers else { return None };
        let count = card.gallery.tiles;
        let layout = |bytes: &[u8]| {
            let (values, _) = bytes.as_chunks::<4>();
            let values: Vec<f32> = values.iter().map(|value| f32::from_le_bytes(*value)).collect();
            (values.len() == 2 * count).then(|| Layout::new(values.as_chunks().0))
        };
        let labels: Vec<u16> = labels.as_chunks().0.iter().map(|label| u16::from_le_bytes(*label)).collect();
        let names: Vec<String> = std::str::from_utf8(names).ok()?.split('\n').take(count).map(str::to_owned).collect();
        if labels.len() != count || names.len() != count {
            return None;
        }
        let seasons = Season::of_all(&names);
        Some(Self { neighbours: layout(points)?, components: layout(components)?, card, labels, names, seasons })
    }

    /// Number of tiles.
    #[must_use]
    pub fn count(&self) -> usize {
        self.names.len()
    }

    /// One of the layouts.
    #[must_use]
    pub const fn layout(&self, projection: Projection) -> &Layout {
        match projection {
            Projection::Neighbours => &self.neighbours,
            Projection::Components => &self.components,
        }
    }

    /// A tile's class, when it is known.
    #[must_use]
    pub fn class(&self, index: usize) -> Option<&str> {
        self.card.classes.get(usize::from(*self.labels.get(index)?)).map(String::as_str)
    }

    /// Tiles whose name or class contains `query`, whatever the case; none for a blank query.
    #[must_use]
    pub fn search(&self, query: &str) -> Vec<usize> {
        let query = query.trim().to_lowercase();
        if query.is_empty() {
            return Vec::new();
        }
        let matches = |text: &str| text.to_lowercase().contains(&query);
        let classes: Vec<bool> = self
            .card
            .classes
            .iter()
            .map(|class| matches(class) || matches(&crate::wording::class_label(class)))
            .collect();
        let of_class = |index: &usize| classes.get(usize::from(self.labels[*index])).copied().unwrap_or(false);
        (0..self.count()).filter(|index| of_class(index) || matches(&self.names[*index])).collect()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
pub(crate) mod tests {
    use super::*;
    use crate::engine::protocol::GalleryCard;

    pub(crate) fn data(names: &[&str], labels: &[u16], points: &[[f32; 2]]) -> MapData {
        let card = MapCard {
            gallery: GalleryCard { tiles: names.len(), ..GalleryCard::default() },
            classes: vec!["Forest".into(), "SeaLake".into()],
            ..MapCard::default()
        };
        let floats: Vec<u8> = points.as_flattened().iter().flat_map(|value| value.to_le_bytes()).collect();
        let labels = labels.iter().flat_map(|label| label.to_le_bytes()).collect();
        MapData::new(card, &[floats.clone(), floats, labels, names.join("\n").into_bytes()]).unwrap()
    }

    #[test]
    fn the_longer_side_fills_the_map() {
        let layout = Layout::new(&[[10.0, 5.0], [30.0, 5.0], [20.0, 15.0]]);
        assert_eq!(layout.points, [[-1.0, -0.5], [1.0, -0.5], [0.0, 0.5]]);
        assert_eq!(Layout::new(&[[7.0, 7.0]]).points, [[0.0, 0.0]]);
        assert!(Layout::new(&[]).points.is_empty());
    }

    #[test]
    fn search_finds_names_and_classes_in_any_spelling() {
        let data = data(&["Forest/a_1.jpg", "x/b_1.jpg", "y/c_2.jpg"], &[0, 1, NO_LABEL], &[[0.0, 0.0]; 3]);
        assert_eq!(data.search("_1."), [0, 1]);
        assert_eq!(data.search("forest"), [0]);
        assert_eq!(data.search("sea lake"), [1]);
        assert_eq!(data.search("SeaLake"), [1]);
        assert!(data.search("  ").is_empty());
        assert_eq!((data.class(1), data.class(2)), (Some("SeaLake"), None));
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let card = || MapCard { gallery: GalleryCard { tiles: 2, ..GalleryCard::default() }, ..MapCard::default() };
        let good = [vec![0; 16], vec![0; 16], vec![0; 4], b"a\nb".to_vec()];
        assert!(MapData::new(card(), &good).is_some());
        for part in 0..4 {
            let mut bad = good.clone();
            bad[part] = vec![b'x'; 3];
            assert!(MapData::new(card(), &bad).is_none(), "part {part}");
        }
        assert!(MapData::new(card(), &good[..3]).is_none());
    }
}
