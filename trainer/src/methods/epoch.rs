//! What the training loop tells a method before an epoch and before a step, and what the method asks of it.

use burn::tensor::Tensor;

/// Features of every place.
#[derive(Clone, Debug, PartialEq)]
pub struct PlaceFeatures {
    /// `[places, width]`, row-major; zeros for a place that could not be read.
    pub values: Vec<f32>,
    /// Values of a row.
    pub width: usize,
    /// Whether each place could be read.
    pub is_known: Vec<bool>,
}

/// Encodes tiles, `[n, bands, px, px]` → `[n, width]`, on the plain device.
pub type Encode<'a> = dyn Fn(Tensor<4>) -> Tensor<2> + 'a;

/// An epoch that is about to start.
pub struct EpochContext<'a> {
    /// Which, from 0.
    pub epoch: usize,
    /// Whether some of its steps are done already: the run goes on from a checkpoint inside the epoch.
    pub is_begun: bool,
    /// Samples of the epoch.
    pub samples: usize,
    /// Every (source, place) of the data, in a fixed order.
    pub places: &'a [(usize, usize)],
    /// Side of the epoch's views.
    pub px: usize,
    /// Encodes the middle crop, fitted to this side, of every place's first date, upright and without augmentation, in
    /// the order of `places`.
    pub embed: &'a mut dyn FnMut(usize, &Encode<'_>) -> anyhow::Result<PlaceFeatures>,
}

/// What a method wants of the epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EpochPlan {
    /// The (source, place) of each sample in order, instead of the loader's own.
    pub order: Option<Vec<(usize, usize)>>,
    /// Parameters whose names begin so were drawn anew: the optimiser forgets what it knows of them. Empty for none.
    pub fresh_parameters: String,
    /// A clustering that was made, to be reported.
    pub clustering: Option<ClusteringSummary>,
}

/// What is reported of a clustering.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusteringSummary {
    /// Clusters asked for, of the last level.
    pub clusters: usize,
    /// Those without a tile.
    pub empty: usize,
    /// Tiles of the smallest that has any.
    pub smallest: usize,
    /// Tiles of the largest.
    pub largest: usize,
    /// Empty clusters that were re-seeded on the way.
    pub reseeded: usize,
    /// Normalised mutual information with the clustering before, from 0 (nothing in common) to 1 (the same).
    pub stability: Option<f64>,
}

/// What a method has to say at the end of an epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EpochEnd {
    /// Tiles that it made, if it makes any.
    pub generated: Option<Generated>,
    /// What went wrong in training, one sentence each.
    pub warnings: Vec<String>,
}

/// Tiles that a generator made of the same noise after every epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct Generated {
    /// `[count, bands, px, px]` on [0, 1].
    pub values: Vec<f32>,
    /// Tiles.
    pub count: usize,
    /// Planes of each.
    pub bands: usize,
    /// Side of each.
    pub px: usize,
    /// How much they differ from each other: the mean standard deviation over the tiles of a pixel, over that of real
    /// tiles. About 1 is healthy, 0 means that all are the same.
    pub spread: f64,
}

/// A step that is about to be taken.
#[derive(Clone, Copy, Debug)]
pub struct StepContext<'a> {
    /// Steps done so far.
    pub step: usize,
    /// Steps of the whole run.
    pub total_steps: usize,
    /// The (source, place) of each sample of the batch.
    pub places: &'a [(usize, usize)],
    /// The dates drawn for each sample, one a slot of the views: numbers that are equal where the dates are.
    pub dates: &'a [Vec<usize>],
}
