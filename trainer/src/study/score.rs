//! What the runs of a study are scored on, and how.

use super::grid::{Cell, CellScore, SCORE_VERSION};
use crate::data::LabelledSet;
use crate::device;
use crate::encoder_file::load_encoder;
use crate::eval::{self, Embedded, EmbeddedSplits, score_features};
use crate::report::Reporter;
use anyhow::Result;
use shared::bands::Bands;
use std::path::Path;

/// Name of a run's score inside its folder.
pub(super) const SCORE_FILE: &str = "score.json";
/// Neighbours that vote.
const K: usize = 20;

/// What runs are scored on.
pub struct Labelled {
    pub(super) train: LabelledSet,
    pub(super) val: LabelledSet,
}

impl Labelled {
    /// Opens the tiles at `path` that the lists name, at most `limit` of each, with the bands that the runs read.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn open(
        path: &Path,
        bands: &Bands,
        [train, val]: [&Path; 2],
        limit: usize,
        reporter: &mut Reporter<'_>,
    ) -> Result<Self> {
        let mut warnings = Vec::new();
        let mut open = |split| LabelledSet::open(path, Some(split), bands, &mut warnings);
        let mut own = Self { train: open(train)?.thinned(limit), val: open(val)?.thinned(limit) };
        LabelledSet::share_classes(&mut [&mut own.train, &mut own.val]);
        reporter.data_warnings(&warnings);
        Ok(own)
    }

    pub(super) fn score(
        &self,
        cell: &Cell,
        run: &Path,
        device: &str,
        reporter: &mut Reporter<'_>,
    ) -> Result<CellScore> {
        let loaded = load_encoder(run)?;
        let device = device::resolve(device)?.device;
        let encoder = loaded.encoder(&device)?;
        let description = &loaded.description;
        let width = description.encoder.feature_width();
        let embed = |set: &LabelledSet| {
            let values = eval::features(&encoder, set, &description.normalisation, description.input_px, &device)?;
            Embedded::new(values, width, set.labels.clone())
        };
        let (train, val) = (embed(&self.train)?, embed(&self.val)?);
        let half = |odd: usize| (0..val.count()).filter(|at| at % 2 == odd).collect::<Vec<_>>();
        let parts = EmbeddedSplits { train, validation: val.subset(&half(0)), test: val.subset(&half(1)) };
        let k = K.min(parts.train.count());
        let what = format!("{}: linear probe", cell.name);
        let progress = |done, total| reporter.progress(&what, done, total);
        let scores = score_features(&cell.name, &parts, self.train.classes.len(), &[k], progress)?.scores;
        Ok(CellScore {
            version: SCORE_VERSION,
            view: cell.view,
            temperature: cell.temperature,
            seed: cell.seed,
            knn: scores.knn[0].accuracy,
            linear: scores.linear_accuracy,
        })
    }
}
