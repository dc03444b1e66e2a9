//! What the dots' colours say, and the legend that goes with it.

use super::data::{MapData, NO_LABEL};
use super::dates::Season;
use super::palette::Paint;
use crate::order;
use crate::wording::class_label;

/// Lower bounds of the steps of confidence, in votes of the neighbours.
const STEPS: [f32; 5] = [0.0, 0.5, 0.7, 0.85, 1.0];

/// What dots are coloured by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColourBy {
    /// Their known class.
    #[default]
    Label,
    /// The class that their neighbours vote for.
    Prediction,
    /// Whether the two agree.
    Verdict,
    /// The share of the vote.
    Confidence,
    /// When they were taken.
    Season,
}

impl ColourBy {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Label, Self::Prediction, Self::Verdict, Self::Confidence, Self::Season];

    /// The spelling in the address.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Label => "label",
            Self::Prediction => "prediction",
            Self::Verdict => "verdict",
            Self::Confidence => "confidence",
            Self::Season => "season",
        }
    }

    /// The name in the select box.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Label => "Label",
            Self::Prediction => "Prediction",
            Self::Verdict => "Right or wrong",
            Self::Confidence => "Confidence",
            Self::Season => "Season",
        }
    }

    /// Reads [`Self::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|colour| colour.as_str() == text)
    }

    /// True when the neighbours must have voted.
    #[must_use]
    pub const fn needs_votes(self) -> bool {
        matches!(self, Self::Prediction | Self::Verdict | Self::Confidence)
    }

    /// True when the gallery has what it shows.
    #[must_use]
    pub fn is_offered(self, data: &MapData) -> bool {
        match self {
            Self::Season => !data.seasons.is_empty(),
            _ => !data.card.classes.is_empty(),
        }
    }
}

/// What each tile's nearest other tiles vote for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Votes {
    /// Index into the classes, or [`NO_LABEL`].
    pub predicted: Vec<u16>,
    /// Share of the votes, 0 to 1.
    pub share: Vec<f32>,
    /// The nearest other tile; all ones where there is none.
    pub nearest: Vec<u32>,
    /// Its similarity.
    pub similarity: Vec<f32>,
}

impl Votes {
    /// Appends a slab from the worker: labels (u16), shares (f32), nearest other rows (u32), their similarities (f32).
    pub fn extend(&mut self, [labels, shares, nearest, similarities]: [&[u8]; 4]) {
        let floats =
            |bytes: &[u8]| bytes.as_chunks().0.iter().map(|value| f32::from_le_bytes(*value)).collect::<Vec<_>>();
        self.predicted.extend(labels.as_chunks().0.iter().map(|label| u16::from_le_bytes(*label)));
        self.share.extend(floats(shares));
        self.nearest.extend(nearest.as_chunks().0.iter().map(|row| u32::from_le_bytes(*row)));
        self.similarity.extend(floats(similarities));
    }

    /// The tiles that are least like any other, least alike first: at most `most`.
    #[must_use]
    pub fn outliers(&self, most: usize) -> Vec<usize> {
        let mut rows: Vec<usize> = (0..self.nearest.len()).filter(|&row| self.nearest[row] != u32::MAX).collect();
        order::sort_by(&mut rows, |&a, &b| self.similarity[a].total_cmp(&self.similarity[b]));
        rows.truncate(most);
        rows
    }

    /// Pairs of tiles that are each other's nearest and at least `similarity` alike, most alike first: at most `most`.
    #[must_use]
    pub fn near_duplicates(&self, similarity: f32, most: usize) -> Vec<[usize; 2]> {
        let partner = |row: usize| self.nearest.get(row).map(|&nearest| nearest as usize);
        let mut pairs: Vec<[usize; 2]> = (0..self.nearest.len())
            .filter(|&row| self.similarity[row] >= similarity)
            .filter_map(|row| Some([row, partner(row)?]))
            .filter(|&[row, other]| row < other && partner(other) == Some(row))
            .collect();
        order::sort_by(&mut pairs, |a, b| self.similarity[b[0]].total_cmp(&self.similarity[a[0]]));
        pairs.truncate(most);
        pairs
    }

    /// Share of the tiles with a label whose neighbours vote for it; `None` without labels.
    #[must_use]
    pub fn accuracy(&self, labels: &[u16]) -> Option<f64> {
        let known = labels.iter().zip(&self.predicted).filter(|(label, _)| **label != NO_LABEL);
        let (right, all) = known.fold((0, 0), |(right, all), (a, b)| (right + usize::from(a == b), all + 1));
        (all > 0).then(|| f64::from(right as u32) / f64::from(all))
    }
}

/// How often tiles of each class (rows) are taken for each class (columns).
#[must_use]
pub fn confusion(data: &MapData, votes: &Votes) -> Vec<Vec<usize>> {
    let classes = data.card.classes.len();
    let mut table = vec![vec![0; classes]; classes];
    for (label, predicted) in data.labels.iter().zip(&votes.predicted) {
        let line = table.get_mut(usize::from(*label));
        if let Some(count) = line.and_then(|line| line.get_mut(usize::from(*predicted))) {
            *count += 1;
        }
    }
    table
}

/// One line of the legend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Category {
    /// What it says.
    pub label: String,
    /// How it looks.
    pub paint: Paint,
    /// Tiles in it.
    pub count: usize,
}

/// Every tile's category, and all categories.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Categories {
    /// One a tile: index into the legend.
    pub of: Vec<u16>,
    /// The lines of the legend; some may be empty.
    pub legend: Vec<Category>,
}

impl Categories {
    /// Sorts tiles into categories; without votes, what needs them is unknown.
    #[must_use]
    pub fn new(by: ColourBy, data: &MapData, votes: &Votes) -> Self {
        let of: Vec<u16> = (0..data.count()).map(|row| category(by, data, votes, row) as u16).collect();
        let mut legend: Vec<Category> =
            lines(by, data).into_iter().map(|(label, paint)| Category { label, paint, count: 0 }).collect();
        legend.push(Category { label: "Unknown".to_owned(), paint: Paint::Unknown, count: 0 });
        for category in &of {
            legend[usize::from(*category)].count += 1;
        }
        Self { of, legend }
    }
}

/// The lines of a legend, but for the last one, “Unknown”.
fn lines(by: ColourBy, data: &MapData) -> Vec<(String, Paint)> {
    match by {
        ColourBy::Label | ColourBy::Prediction => {
            let classes = data.card.classes.iter().enumerate();
            classes.map(|(at, class)| (class_label(class), Paint::Class(at))).collect()
        }
        ColourBy::Verdict => {
            vec![("Right".to_owned(), Paint::Verdict(true)), ("Wrong".to_owned(), Paint::Verdict(false))]
        }
        ColourBy::Confidence => (0..STEPS.len()).map(|step| (step_label(step), Paint::Step(step))).collect(),
        ColourBy::Season => {
            Season::ALL.iter().map(|season| (season.label().to_owned(), Paint::Quarter(*season as usize))).collect()
        }
    }
}

/// The line of the legend that a tile belongs to; one past [`lines`] when nothing is known.
fn category(by: ColourBy, data: &MapData, votes: &Votes, row: usize) -> usize {
    let by_class = |label: u16| usize::from(label).min(data.card.classes.len());
    let label = data.labels[row];
    let predicted = votes.predicted.get(row).copied().unwrap_or(NO_LABEL);
    match by {
        ColourBy::Label => by_class(label),
        ColourBy::Prediction => by_class(predicted),
        ColourBy::Verdict if label == NO_LABEL || predicted == NO_LABEL => 2,
        ColourBy::Verdict => usize::from(label != predicted),
        ColourBy::Confidence => match votes.share.get(row) {
            Some(share) if predicted != NO_LABEL => STEPS.iter().rposition(|bound| share >= bound).unwrap_or(0),
            _ => STEPS.len(),
        },
        ColourBy::Season => data.seasons.get(row).copied().flatten().map_or(4, |season| season as usize),
    }
}

fn step_label(step: usize) -> String {
    let percent = |share: f32| (share * 100.0).round();
    match (STEPS[step], STEPS.get(step + 1)) {
        (0.0, Some(high)) => format!("Under {} % of the votes", percent(*high)),
        (low, Some(high)) => format!("{} to {} %", percent(low), percent(*high)),
        _ => "All votes".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::data::tests::data;
    use super::*;

    fn counts(categories: &Categories) -> Vec<usize> {
        categories.legend.iter().map(|category| category.count).collect()
    }

    #[test]
    fn every_tile_has_the_category_that_its_facts_say() {
        let names = ["a/2019-01-02", "b/2019-04-02", "c/2019-04-03", "d"];
        let data = data(&names, &[0, 1, 1, NO_LABEL], &[[0.0, 0.0]; 4]);
        let mut votes = Votes::default();
        let bytes = |shares: [f32; 4]| shares.iter().flat_map(|share| share.to_le_bytes()).collect::<Vec<_>>();
        votes.extend([&[0, 0, 0, 0, 1, 0, 0xff, 0xff], &bytes([1.0, 0.69, 0.5, 0.0]), &[0; 16], &bytes([0.0; 4])]);
        let of = |by| Categories::new(by, &data, &votes);
        assert_eq!(of(ColourBy::Label).of, [0, 1, 1, 2]);
        assert_eq!(of(ColourBy::Prediction).of, [0, 0, 1, 2]);
        assert_eq!(of(ColourBy::Verdict).of, [0, 1, 0, 2]);
        assert_eq!(of(ColourBy::Confidence).of, [4, 1, 1, 5]);
        assert_eq!(of(ColourBy::Season).of, [0, 1, 1, 4]);
        assert_eq!(counts(&of(ColourBy::Verdict)), [2, 1, 1]);
        assert_eq!(votes.accuracy(&data.labels), Some(2.0 / 3.0));
        assert_eq!(confusion(&data, &votes), [[1, 0], [1, 1]]);
    }

    #[test]
    fn outliers_are_alone_and_duplicates_mutual() {
        let mut votes = Votes::default();
        let nearest: Vec<u8> = [1_u32, 0, 1, 4, 3, u32::MAX].iter().flat_map(|row| row.to_le_bytes()).collect();
        let alike: Vec<u8> = [0.97_f32, 0.97, 0.99, 0.995, 0.995, 0.0].iter().flat_map(|it| it.to_le_bytes()).collect();
        votes.extend([&[0; 12], &[0; 24], &nearest, &alike]);
        assert_eq!(votes.outliers(3), [0, 1, 2]);
        assert_eq!(votes.outliers(9), [0, 1, 2, 3, 4], "one without any other tile is no outlier");
        assert_eq!(votes.near_duplicates(0.9, 9), [[3, 4], [0, 1]], "2 likes 1, which likes 0 best");
        assert_eq!(votes.near_duplicates(0.99, 9), [[3, 4]]);
        assert_eq!(votes.near_duplicates(0.9, 1), [[3, 4]]);
    }

    #[test]
    fn before_the_vote_nothing_is_known_and_nothing_breaks() {
        let data = data(&["a", "b"], &[0, NO_LABEL], &[[0.0, 0.0]; 2]);
        for by in ColourBy::ALL {
            let categories = Categories::new(by, &data, &Votes::default());
            assert_eq!(counts(&categories).iter().sum::<usize>(), 2);
            assert_eq!(ColourBy::parse(by.as_str()), Some(by));
        }
        assert_eq!(Votes::default().accuracy(&[NO_LABEL]), None);
        assert!(!ColourBy::Season.is_offered(&data) && ColourBy::Label.is_offered(&data));
    }
}
