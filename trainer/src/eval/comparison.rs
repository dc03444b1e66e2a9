//! An encoder beside what has learned nothing, under the same protocol: random weights of the same architecture, and
//! per-band image statistics.

use anyhow::{Result, anyhow, ensure};
use burn::tensor::Device;
use rayon::prelude::*;
use shared::bands::Bands;
use shared::encoder::Pooling;
use shared::preprocess::Normalisation;

use super::evaluation::{
    EmbeddedSplits, Evaluation, Protocol, RESULTS_VERSION, Scored, SvmScore, knn_scores, score_features, svm_score,
};
use super::features::{Embedded, FeatureSettings, features_of, weights_sha256};
use super::knn::Metric;
use super::metrics::Confusion;
use super::probe::Standardisation;
use super::range::{outside_normalisation, sampled};
use super::readout::{Reading, WHITENING_POWER, fit_readout, read_out};
use super::split::{Part, Splits};
use super::statistics::{STATISTICS_PER_BAND, image_statistics};
use crate::error::UsageError;
use crate::parts::Frozen;
use crate::report::Reporter;

/// What is evaluated, and on what.
pub struct Subject<'a> {
    /// What the encoder is called in the results.
    pub name: String,
    /// The frozen encoder, on `device`.
    pub encoder: &'a dyn Frozen,
    /// What the encoder's planes are.
    pub bands: &'a Bands,
    /// Their normalisation.
    pub normalisation: &'a Normalisation,
    /// Side of the input.
    pub px: usize,
    /// How its feature maps become features. The random encoder is read in the same way, with a readout of its own.
    pub reading: Reading<'a>,
    /// Where the encoder's weights are.
    pub device: &'a Device,
    /// Tiles a forward pass.
    pub batch: usize,
    /// Numbers of neighbours that vote.
    pub ks: &'a [usize],
    /// C of a support vector machine, if one is wanted beside k-NN and the linear probe.
    pub svm: Option<f64>,
    /// Seed of the random weights.
    pub seed: u64,
}

/// The results, and what they were computed from.
pub struct Comparison {
    /// All numbers.
    pub evaluation: Evaluation,
    /// The encoder's own scores, with its probe.
    pub encoder: Scored,
    /// The encoder's features.
    pub features: EmbeddedSplits,
}

/// Scores the encoder and both baselines.
///
/// # Errors
/// When tiles do not have the encoder's bands or cannot be read, a part is too small, or the encoder's weights changed
/// meanwhile (which would be an error of this program).
pub fn compare_with_baselines(
    subject: &Subject,
    splits: &Splits,
    data: String,
    reporter: &mut Reporter<'_>,
) -> Result<Comparison> {
    check_bands(subject.bands, splits.bands())?;
    let learned_from = &splits.parts()[0];
    let some = sampled(learned_from.len()).filter_map(|index| splits.tile(learned_from, index).ok());
    if let Some(warning) = outside_normalisation(subject.normalisation, subject.bands, some) {
        reporter.warning(&warning);
    }
    let classes = splits.classes();
    let protocol = Protocol::new(data, splits.description.clone(), subject.px, subject.reading, subject.svm);
    let before = weights_sha256(subject.encoder);

    let pooled = embed(subject, subject.encoder, splits, "encoder: features of", reporter)?;
    let features = through_readout(&pooled, subject.reading)?;
    let encoder = score(subject, &subject.name, &features, classes.len(), reporter)?;
    let mut scores = vec![encoder.scores.clone()];
    if subject.reading.pooling() == Pooling::Moments {
        let mean = pooled.map(|rows| rows.leading(subject.encoder.width(Pooling::Mean)))?;
        scores.push(score(subject, "its last feature map alone", &mean, classes.len(), reporter)?.scores);
    }
    drop(pooled);

    let random = subject.encoder.untrained(subject.seed, subject.device);
    let random_features = embed(subject, random.as_ref(), splits, "random weights: features of", reporter)?;
    let own = match subject.reading {
        Reading::Given(readout) => Reading::Fitted { width: readout.bias.len() },
        own => own,
    };
    let random_features = through_readout(&random_features, own)?;
    let random_name = format!("random weights (seed {})", subject.seed);
    let random = score(subject, &random_name, &random_features, classes.len(), reporter)?;

    let statistics_features = statistics(splits)?;
    let statistics_name = format!("image statistics ({STATISTICS_PER_BAND} a band)");
    let mut statistics = score(subject, &statistics_name, &statistics_features, classes.len(), reporter)?;
    let EmbeddedSplits { train, test, .. } = &statistics_features;
    statistics.scores.knn_euclidean = knn_scores(Metric::Euclidean, train, test, classes.len(), subject.ks)?;

    scores.extend([random.scores, statistics.scores]);
    let after = weights_sha256(subject.encoder);
    ensure!(before == after, "the frozen encoder changed during its evaluation\nhint: please report this");
    let confusion = Confusion::new(classes, &encoder.predictions, &features.test.labels);
    let evaluation = Evaluation {
        version: RESULTS_VERSION,
        protocol,
        scores,
        class_scores: confusion.class_scores(),
        confusion,
        regulariser_grid: encoder.probe.grid.clone(),
        weights_sha256: after,
    };
    Ok(Comparison { evaluation, encoder, features })
}

fn check_bands(encoder: &Bands, tiles: &Bands) -> Result<()> {
    if encoder == tiles {
        return Ok(());
    }
    Err(UsageError::new(format!(
        "the tiles have bands {tiles}, the encoder reads {encoder}\nhint: --data path=…,file_bands=[…],bands=[{}] takes the encoder's bands out of files that hold more",
        encoder.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    ))
    .into())
}

fn score(
    subject: &Subject,
    name: &str,
    features: &EmbeddedSplits,
    classes: usize,
    reporter: &mut Reporter<'_>,
) -> Result<Scored> {
    let what = format!("{name}: linear probe");
    let mut scored =
        score_features(name, features, classes, subject.ks, |done, total| reporter.progress(&what, done, total))?;
    let unfinished = scored.probe.grid.iter().filter(|point| !point.is_converged).count();
    if unfinished > 0 {
        reporter.warning(&format!(
            "{name}: the linear probe did not come to rest for {unfinished} of {} regularisers; the best that was found counts",
            scored.probe.grid.len()
        ));
    }
    if let Some(c) = subject.svm {
        scored.scores.svm = Some(svm(name, features, classes, c, reporter)?);
    }
    Ok(scored)
}

/// The machine's score, with progress by class.
fn svm(name: &str, features: &EmbeddedSplits, classes: usize, c: f64, reporter: &mut Reporter<'_>) -> Result<SvmScore> {
    let what = format!("{name}: support vector machine, classes");
    let (tell, told) = crossbeam_channel::unbounded();
    let score = std::thread::scope(|scope| {
        let fit = scope.spawn(move || {
            svm_score(features, classes, c, |done| {
                // Nobody listens any more only when this thread has given up.
                let _ = tell.send(done);
            })
        });
        told.iter().for_each(|done| reporter.progress(&what, done, classes));
        fit.join()
    });
    let score = score.map_err(|_| anyhow!("the support vector machine failed\nhint: please report this"))??;
    if score.unfinished > 0 {
        reporter.warning(&format!(
            "{name}: the support vector machine of {} of {classes} classes ended at its limit of passes, short of its \
             tolerance",
            score.unfinished
        ));
    }
    Ok(score)
}

fn embed(
    subject: &Subject,
    encoder: &dyn Frozen,
    splits: &Splits,
    what: &str,
    reporter: &mut Reporter<'_>,
) -> Result<EmbeddedSplits> {
    let settings = FeatureSettings {
        normalisation: subject.normalisation,
        px: subject.px,
        batch: subject.batch,
        pooling: subject.reading.pooling(),
        device: subject.device,
    };
    let width = encoder.width(settings.pooling);
    let mut part = |part: &Part, name: &str| {
        let what = format!("{what} {name} tiles");
        let read = |index: usize| splits.tile(part, index);
        let progress = |done: usize| reporter.progress(&what, done, part.len());
        let values = features_of(encoder, part.len(), read, settings, progress)?;
        Embedded::new(values, width, splits.labels(part))
    };
    let [train, validation, test] = splits.parts();
    Ok(EmbeddedSplits {
        train: part(train, "training")?,
        validation: part(validation, "validation")?,
        test: part(test, "test")?,
    })
}

/// Pooled features as `reading` would have them.
fn through_readout(pooled: &EmbeddedSplits, reading: Reading) -> Result<EmbeddedSplits> {
    let fitted;
    let readout = match reading {
        Reading::Mean | Reading::Fused => return Ok(pooled.clone()),
        Reading::Given(readout) => readout,
        Reading::Fitted { width } => {
            let train = &pooled.train;
            fitted = fit_readout(&train.values, train.width, width, WHITENING_POWER)?;
            &fitted
        }
    };
    pooled.map(|rows| read_out(rows, readout))
}

/// Statistics of every tile at its own size, standardised by the training part: they are in different units.
fn statistics(splits: &Splits) -> Result<EmbeddedSplits> {
    let part = |part: &Part| {
        let row = |index: usize| Ok(image_statistics(&splits.tile(part, index)?));
        let rows: Vec<Vec<f32>> = (0..part.len()).into_par_iter().map(row).collect::<Result<_>>()?;
        Embedded::new(rows.concat(), splits.bands().len() * STATISTICS_PER_BAND, splits.labels(part))
    };
    let [train, validation, test] = splits.parts().each_ref().map(part);
    let (train, validation, test) = (train?, validation?, test?);
    let standardisation = Standardisation::of(&train);
    let standardised = |rows: Embedded| Embedded { values: standardisation.apply(&rows), ..rows };
    Ok(EmbeddedSplits { train: standardised(train), validation: standardised(validation), test: standardised(test) })
}
