//! How good a frozen encoder is: k nearest neighbours, a linear probe and a support vector machine on its features, beside untrained baselines.

mod average_precision;
mod bootstrap;
mod calibration;
mod calibration_error;
mod candidate;
mod columns;
mod comparison;
mod evaluation;
mod features;
mod knn;
mod logistic;
#[cfg(test)]
mod metric_tests;
mod metrics;
#[cfg(test)]
mod oracle_tests;
mod overlap;
mod pixel_scores;
mod place_retrieval;
mod preconditioner;
mod probe;
mod range;
mod ratio;
mod readout;
mod seasons;
mod split;
mod statistics;
mod svm;
mod thresholds;
mod trained_on;

pub use average_precision::{MultiLabel, MultiLabelScores, average_precision, multi_label_scores};
pub use bootstrap::{COVERAGE, DRAWS, Interval, accuracy_interval, bootstrap};
pub use calibration::{fit_temperature, negative_log_likelihood};
pub use calibration_error::calibration_error;
pub use candidate::{Candidate, data_name};
pub use comparison::{Comparison, Subject, compare_with_baselines};
pub use evaluation::{
    EmbeddedSplits, Evaluation, FeatureScores, KnnScore, Protocol, RESULTS_VERSION, Scored, SvmScore, knn_scores,
    score_features, svm_score,
};
pub use features::{BATCH, Embedded, FeatureSettings, features, features_of, weights_sha256};
pub use knn::{Metric, knn, knn_accuracy, majority, neighbours};
pub use logistic::{LogisticData, LogisticFit, fit_logistic};
pub use metrics::{ClassScore, Confusion, accuracy};
pub use pixel_scores::{PixelConfusion, PixelScore};
pub use place_retrieval::{PlaceRetrieval, mean_distance, mean_distance_of_pairs, retrieve_places, unit_rows};
pub use probe::{GridPoint, LinearProbe, ProbeOutcome, Standardisation, linear_probe, regularisers};
pub use range::{outside_normalisation, sampled};
pub use ratio::ratio;
pub use readout::{READOUT_WIDTH, Reading, WHITENING_POWER, fit_readout, read_out, read_out_rows, usual_pooling};
pub use seasons::{Seasons, SeasonsFound, SpaceScores};
pub use split::{Part, Split, Splits, stratified_split};
pub use statistics::{STATISTICS_PER_BAND, image_statistics};
pub use svm::{PAPER_C, Svm, SvmSettings, fit_svm};
pub use thresholds::Thresholds;
pub use trained_on::add_seen;
