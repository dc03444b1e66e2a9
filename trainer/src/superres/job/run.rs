//! One enlargement from its pictures to its files, resumable at any moment.

use super::measured::{Entry, Metrics, load_embedder, measure, show};
use super::picture::{self, Pictures, stored};
use crate::engine::checkpoint;
use crate::error::UsageError;
use crate::report::{Reporter, duration};
use crate::superres::{Blend, Fitting, Mode, Prior, Settings, Standing, nearest, project_back, side_by_side};
use crate::views::geometry::Window;
use anyhow::{Context, Result};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shared::preprocess::{Filter, crop, resize_with};
use shared::tensors::NamedTensor;
use shared::tile::Tile;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Name of what was asked for.
const SETTINGS_FILE: &str = "settings.json";
/// Name of the numbers; the last file that is written.
const METRICS_FILE: &str = "metrics.json";
/// Name of the folder that holds an unfinished job's windows.
const PARTS: &str = "parts";
/// Key of an unfinished fit's description.
const KEY: &str = "superres";

/// What decides every output: equal ones may share a folder.
#[derive(Debug, Serialize)]
struct Claim {
    settings: Settings,
    modes: Vec<Mode>,
    window: usize,
    overlap: usize,
    /// Input, truth and reference: see [`identity`].
    pictures: Vec<String>,
    encoder: Option<String>,
}

/// A finished window.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Done {
    standing: Standing,
    secs: f64,
}

/// What one mode made.
struct Enlarged {
    tile: Tile,
    /// By window: steps taken and the step whose picture was kept.
    fits: Vec<(usize, usize)>,
    secs: f64,
}

/// Everything that is asked for.
pub struct Job<'a> {
    /// The fit's numbers.
    pub settings: Settings,
    /// What was read.
    pub pictures: Pictures,
    /// What to make.
    pub modes: Vec<Mode>,
    /// The windows of the input.
    pub windows: Vec<Window>,
    /// Side of a window, of which those at the borders may have less.
    pub window_px: usize,
    /// Pixels that neighbouring windows share.
    pub overlap: usize,
    /// Exported model for the feature distance.
    pub encoder: Option<&'a Path>,
    /// Time between two savings of an unfinished fit.
    pub pace: Duration,
    /// Where to write.
    pub out: &'a Path,
    /// The plain device.
    pub device: Device,
}

impl Job<'_> {
    /// Makes what is missing.
    ///
    /// # Errors
    /// For a folder that belongs to another job, a device that fails, or a disk that refuses.
    pub fn run(&self, reporter: &mut Reporter<'_>) -> Result<()> {
        let encoder = self.encoder.map(|path| load_embedder(path, &self.pictures, &self.device)).transpose()?;
        self.claim()?;
        let path = self.out.join(METRICS_FILE);
        if path.is_file() {
            reporter.note(&format!("{} is complete: nothing to do", self.out.display()));
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let metrics: Metrics = serde_json::from_str(&text)
                .with_context(|| format!("cannot use {}\nhint: remove it to measure again", path.display()))?;
            return show(&metrics, reporter);
        }
        let mut results = Vec::new();
        let mut entries = Vec::new();
        for &mode in &self.modes {
            let Enlarged { tile, fits, secs } = self.enlarge(mode, reporter)?;
            let tile = stored(&tile)?;
            let file = format!("{}.png", mode.name());
            picture::write(&self.out.join(&file), &tile)?;
            let quality =
                self.pictures.truth.as_ref().map(|truth| measure(&tile, truth, encoder.as_ref())).transpose()?;
            entries.push(Entry { mode, file, quality, fits, secs });
            results.push(tile);
        }
        let panel = self.panel(&results)?;
        let metrics = Metrics { version: 1, panel, results: entries };
        atomic_file::write(&path, serde_json::to_string_pretty(&metrics)?.as_bytes())?;
        match fs::remove_dir_all(self.out.join(PARTS)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                reporter.warning(&format!("cannot remove {}: {error}", self.out.join(PARTS).display()));
            }
            _ => {}
        }
        show(&metrics, reporter)
    }

    /// Marks the folder as this job's.
    fn claim(&self) -> Result<()> {
        let Pictures { low, truth, reference } = &self.pictures;
        let pictures = [Some(low), truth.as_ref(), reference.as_ref()];
        let encoder = self.encoder.map(fs::read).transpose()?;
        let claim = Claim {
            settings: self.settings.clone(),
            modes: self.modes.clone(),
            window: self.window_px,
            overlap: self.overlap,
            pictures: pictures.into_iter().flatten().map(identity).collect(),
            encoder: encoder.as_deref().map(sha256),
        };
        let path = self.out.join(SETTINGS_FILE);
        let text = serde_json::to_string_pretty(&claim)?;
        if !path.is_file() {
            return atomic_file::write(&path, text.as_bytes());
        }
        if fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))? == text {
            return Ok(());
        }
        Err(UsageError::new(format!(
            "{} holds another enlargement\nhint: choose another --out, or give the same pictures and settings to go on",
            self.out.display()
        ))
        .into())
    }

    fn enlarge(&self, mode: Mode, reporter: &mut Reporter<'_>) -> Result<Enlarged> {
        let low = &self.pictures.low;
        let (height, width) = (low.height() * self.settings.scale, low.width() * self.settings.scale);
        let began = Instant::now();
        let simple = match mode {
            Mode::Bicubic => Some(resize_with(low, height, width, Filter::Bicubic)),
            Mode::Lanczos => Some(resize_with(low, height, width, Filter::Lanczos3)),
            Mode::Detail | Mode::Dip | Mode::Mip => None,
        };
        if let Some(tile) = simple {
            return Ok(Enlarged { tile, fits: Vec::new(), secs: began.elapsed().as_secs_f64() });
        }
        let mut blend = Blend::new(low.bands(), [low.height(), low.width()], self.settings.scale, self.overlap);
        let (mut fits, mut secs) = (Vec::new(), 0.0);
        for (index, &window) in self.windows.iter().enumerate() {
            let (tile, done) = self.window(mode, index, window, reporter)?;
            blend.add(window, &tile);
            secs += done.secs;
            if mode.is_fitted() {
                fits.push((done.standing.step, done.standing.best_step));
            }
        }
        Ok(Enlarged { tile: blend.finish()?, fits, secs })
    }

    /// One window's enlargement, from the disk where it is finished.
    fn window(&self, mode: Mode, index: usize, window: Window, reporter: &mut Reporter<'_>) -> Result<(Tile, Done)> {
        let Window { top, left, height, width } = window;
        let low = crop(&self.pictures.low, top, left, height, width)?;
        let s = self.settings.scale;
        let reference = self.pictures.reference.as_ref().filter(|_| mode.needs_reference());
        let reference = reference.map(|whole| crop(whole, s * top, s * left, s * height, s * width)).transpose()?;
        let prior = reference.map(|reference| Prior::migrate(&low, &reference));
        if let (Mode::Detail, Some(prior)) = (mode, &prior) {
            return Ok((project_back(&prior.expected(&low), &low), Done { standing: Standing::default(), secs: 0.0 }));
        }
        let path = self.part(mode, index, "done");
        if path.is_file() {
            let (done, mut tensors): (Done, _) = checkpoint::read(&path, KEY)?;
            let stored = tensors.remove("tile").with_context(|| format!("{} holds no tile", path.display()))?;
            return Ok((Tile::new(low.bands(), s * height, s * width, stored.values)?, done));
        }
        let fit = Fitting::new(&self.settings, &low, prior.as_ref(), index, &self.device);
        let (tile, done) = self.fit(mode, index, fit, reporter)?;
        let shape = vec![low.bands(), s * height, s * width];
        let named = NamedTensor { name: "tile".to_owned(), shape, values: tile.pixels().to_vec() };
        checkpoint::write(&path, KEY, &done, &[named])?;
        Ok((tile, done))
    }

    fn part(&self, mode: Mode, index: usize, what: &str) -> PathBuf {
        self.out.join(PARTS).join(format!("{}-{index}-{what}.safetensors", mode.name()))
    }

    /// Runs a fit to its end, from where it was interrupted.
    fn fit(&self, mode: Mode, index: usize, mut fit: Fitting, reporter: &mut Reporter<'_>) -> Result<(Tile, Done)> {
        let path = self.part(mode, index, "fit");
        fs::create_dir_all(self.out.join(PARTS))
            .with_context(|| format!("cannot write to {}\nhint: is the disk writable?", self.out.display()))?;
        let mut before = 0.0;
        if path.is_file() {
            let (Done { standing, secs }, tensors): (Done, _) = checkpoint::read(&path, KEY)?;
            fit.restore(standing, &tensors)?;
            before = secs;
        }
        let first = fit.standing().step;
        let (began, mut saved) = (Instant::now(), Instant::now());
        while !fit.is_over() {
            fit.step()?;
            self.show(
                mode,
                index,
                &fit,
                began.elapsed().as_secs_f64() / (fit.standing().step - first) as f64,
                reporter,
            );
            if saved.elapsed() >= self.pace {
                let done = Done { standing: fit.standing(), secs: before + began.elapsed().as_secs_f64() };
                checkpoint::write(&path, KEY, &done, &fit.state())?;
                saved = Instant::now();
            }
        }
        let done = Done { standing: fit.standing(), secs: before + began.elapsed().as_secs_f64() };
        Ok((fit.result()?, done))
    }

    /// The progress line; the time left assumes that no fit stops early.
    fn show(&self, mode: Mode, index: usize, fit: &Fitting, secs_a_step: f64, reporter: &mut Reporter<'_>) {
        let Standing { step, .. } = fit.standing();
        let later = self.modes.iter().filter(|other| other.is_fitted() && **other > mode).count() * self.windows.len();
        let left = (later + self.windows.len() - index) * self.settings.steps - step;
        let error = fit.standing().best_error();
        let held_out =
            if error.is_finite() { format!("{:.2} dB", -10.0 * error.log10()) } else { "not yet".to_owned() };
        reporter.live(&[
            mode.name().to_owned(),
            format!("window {}/{}", index + 1, self.windows.len()),
            format!("step {step}/{}", self.settings.steps),
            format!("at most {} left", duration(left as f64 * secs_a_step)),
            format!("{:.1} steps/s", 1.0 / secs_a_step),
            format!("held-out {held_out}"),
        ]);
    }

    /// Writes everything side by side, and says from left to right what it is.
    fn panel(&self, results: &[Tile]) -> Result<Vec<String>> {
        let input = nearest(&self.pictures.low, self.settings.scale);
        let Pictures { reference, truth, .. } = &self.pictures;
        let mut named = vec![("input", &input)];
        named.extend(self.modes.iter().map(|mode| mode.name()).zip(results));
        named.extend(truth.as_ref().map(|truth| ("truth", truth)));
        named.extend(reference.as_ref().map(|reference| ("reference", reference)));
        let tiles: Vec<&Tile> = named.iter().map(|(_, tile)| *tile).collect();
        if let Some(panel) = side_by_side(&tiles) {
            picture::write(&self.out.join("panel.png"), &panel)?;
        }
        Ok(named.iter().map(|(name, _)| (*name).to_owned()).collect())
    }
}

/// Size and SHA-256 of the values.
fn identity(tile: &Tile) -> String {
    let values = sha256(bytemuck::cast_slice(tile.pixels()));
    format!("{} x {} x {}: {values}", tile.bands(), tile.height(), tile.width())
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
