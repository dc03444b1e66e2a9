//! The rows of the batch table: what is shown of a tile, what can be sorted by, and which rows are in view.

use std::cmp::Ordering;
use std::ops::Range;

use crate::label::own::OwnClasses;
use crate::order;
use crate::state::{Outcome, TileEntry};
use crate::wording::class_label;

/// Height of every row, as `answers.css` has it.
pub const ROW_PX: f64 = 45.0;
/// Height of the frame that the table scrolls in, at most.
const FRAME_PX: f64 = 380.0;
/// Rows that are there above and below what can be seen, so that scrolling and the Tab key always find some.
const SPARE_ROWS: usize = 10;

/// What the table is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// File name.
    Name,
    /// Best class.
    Class,
    /// Its probability.
    Probability,
    /// Similarity of the nearest known tile.
    Similarity,
    /// Milliseconds in the encoder.
    Time,
}

impl Column {
    /// From left to right.
    pub const ALL: [Self; 5] = [Self::Name, Self::Class, Self::Probability, Self::Similarity, Self::Time];

    /// Its heading.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Name => "Tile",
            Self::Class => "Class",
            Self::Probability => "Probability",
            Self::Similarity => "Nearest",
            Self::Time => "Time",
        }
    }
}

/// A tile as a row: what is shown and what is sorted by.
#[derive(Clone, PartialEq)]
pub struct Row {
    /// Index of the tile on the page.
    pub index: usize,
    /// File name.
    pub name: String,
    /// Something an `<img>` can show.
    pub picture: Option<String>,
    /// Best class, as people read it; empty before there is one.
    pub class: String,
    /// Its probability.
    pub probability: Option<f64>,
    /// Similarity of the nearest known tile.
    pub similarity: Option<f64>,
    /// Milliseconds in the encoder.
    pub ms: Option<f64>,
    /// Why its class is a guess, in a few words; none when it is not.
    pub guess: Option<String>,
    /// Why there is no answer.
    pub problem: Option<String>,
    /// What the model says, whatever is shown.
    pub model_class: String,
    /// See `model_class`.
    pub model_probability: Option<f64>,
}

impl Row {
    /// Of the tile at `index`, with the user's own classes when those are shown.
    #[must_use]
    pub fn of(index: usize, tile: &TileEntry, classes: &[String], own: Option<&OwnClasses>) -> Self {
        let answer = tile.outcome.answer();
        let top = answer.and_then(|answer| answer.ranking().first().copied());
        let problem = match &tile.outcome {
            Outcome::Undecodable(problem) => Some(problem.what.clone()),
            _ => None,
        };
        let model_class = top.and_then(|class| classes.get(class)).map(|name| class_label(name)).unwrap_or_default();
        let model_probability = answer.zip(top).map(|(answer, class)| f64::from(answer.probabilities[class]));
        let (class, probability) = match own.and_then(|own| own.class(index)) {
            Some((class, share)) => (class.to_owned(), Some(f64::from(share))),
            None => (model_class.clone(), model_probability),
        };
        Self {
            index,
            name: tile.name.clone(),
            picture: tile.picture.clone(),
            class,
            probability,
            model_class,
            model_probability,
            similarity: answer
                .and_then(|answer| answer.neighbours.first())
                .map(|nearest| f64::from(nearest.similarity)),
            ms: answer.map(|answer| answer.encoder_ms),
            guess: answer.filter(|answer| answer.is_unlike()).map(|answer| {
                answer.doubts.first().map_or_else(|| "unlike all known tiles".to_owned(), |doubt| doubt.label())
            }),
            problem,
        }
    }

    /// How two rows stand to each other, rising.
    #[must_use]
    pub fn compare(&self, other: &Self, column: Column) -> Ordering {
        // Rows without a value come last when rising.
        let number = |value: Option<f64>| value.unwrap_or(f64::INFINITY);
        let order = match column {
            Column::Name => self.name.cmp(&other.name),
            Column::Class => self.class.is_empty().cmp(&other.class.is_empty()).then(self.class.cmp(&other.class)),
            Column::Probability => number(self.probability).total_cmp(&number(other.probability)),
            Column::Similarity => number(self.similarity).total_cmp(&number(other.similarity)),
            Column::Time => number(self.ms).total_cmp(&number(other.ms)),
        };
        order.then(self.index.cmp(&other.index))
    }
}

/// The tiles in the order of the table.
#[must_use]
pub fn order(
    tiles: &[TileEntry],
    classes: &[String],
    own: Option<&OwnClasses>,
    sorting: Option<(Column, bool)>,
) -> Vec<usize> {
    let Some((column, is_falling)) = sorting else { return (0..tiles.len()).collect() };
    let mut rows: Vec<Row> = tiles.iter().enumerate().map(|(index, tile)| Row::of(index, tile, classes, own)).collect();
    order::sort_by(&mut rows, |a, b| a.compare(b, column));
    if is_falling {
        rows.reverse();
    }
    rows.into_iter().map(|row| row.index).collect()
}

/// The positions that must be there when `count` rows are scrolled down by `scroll_px`.
#[must_use]
pub fn in_view(scroll_px: f64, count: usize) -> Range<usize> {
    let first = (scroll_px / ROW_PX) as usize;
    let visible = (FRAME_PX / ROW_PX) as usize + 1;
    let end = (first + visible + SPARE_ROWS).min(count);
    first.saturating_sub(SPARE_ROWS).min(end)..end
}
