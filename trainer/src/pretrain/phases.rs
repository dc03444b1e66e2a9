//! The phases of Divide and Contrast, each in a folder of its own that can be resumed by itself.

use super::clusters::{self, PartConfig};
use super::run;
use super::sources::{loader, open_sources};
use super::teachers::load_projection;
use crate::config::RunConfig;
use crate::device;
use crate::encoder_file::{self, CONFIG_FILE, ENCODER_FILE, load_encoder};
use crate::engine::place_features::place_features;
use crate::methods::{DncConfig, MethodConfig, share_budget};
use crate::parts::Rows;
use crate::report::{Reporter, grouped};
use crate::seen::{SEEN_FILE, Seen};
use anyhow::ensure;
use shared::encoder::NormMode;
use std::path::{Path, PathBuf};

/// Name of the partition inside the folder.
const CLUSTERS_FILE: &str = "clusters.safetensors";

/// Trains in `folder` whatever is not trained yet.
///
/// # Errors
/// For bad usage, unreadable data, or a disk that refuses.
pub(super) fn train(
    config: &RunConfig,
    dnc: &DncConfig,
    folder: &Path,
    reporter: &mut Reporter<'_>,
) -> anyhow::Result<()> {
    let base = RunConfig { dnc: None, ..config.clone() };
    let base_folder = folder.join("base");
    reporter.note("1/4 the base");
    if !phase(&base, &base_folder, reporter)? {
        return interrupted(folder, reporter);
    }

    let path = folder.join(CLUSTERS_FILE);
    reporter.note(&format!("2/4 dividing the data into {} clusters", dnc.clusters));
    if !path.is_file() {
        divide(&base, dnc, &base_folder, &path, reporter)?;
    }

    let experts = expert_configs(&base, dnc, &path, reporter)?;
    let expert_folders: Vec<PathBuf> = (0..dnc.clusters).map(|index| folder.join(format!("expert{index}"))).collect();
    for (index, (expert, own)) in experts.iter().zip(&expert_folders).enumerate() {
        reporter.note(&format!("3/4 expert {} of {}", index + 1, dnc.clusters));
        if !phase(expert, own, reporter)? {
            return interrupted(folder, reporter);
        }
    }

    reporter.note("4/4 the student");
    let mut student = base.clone();
    student.encoder.pretrained = None;
    student.train.epochs = dnc.distill_epochs;
    student.train.learning_rate = dnc.distill_learning_rate;
    let mut distill = dnc.distill.clone();
    (distill.teacher, distill.experts, distill.clusters) = (base_folder, expert_folders, path);
    student.method = MethodConfig::Distill(distill);
    let student_folder = folder.join("student");
    if !phase(&student, &student_folder, reporter)? {
        return interrupted(folder, reporter);
    }
    let mut loaded = load_encoder(&student_folder)?;
    "dnc".clone_into(&mut loaded.description.training.method);
    let encoder = folder.join(ENCODER_FILE);
    encoder_file::write_encoder(&encoder, &loaded.description, loaded.weights.into_values().collect(), &[])?;
    if let Some(seen) = Seen::of_encoder(&student_folder)? {
        seen.write(&folder.join(SEEN_FILE))?;
    }
    reporter.line(&format!("encoder: {}", encoder.display()));
    Ok(())
}

fn interrupted(folder: &Path, reporter: &mut Reporter<'_>) -> anyhow::Result<()> {
    reporter.note(&format!("this phase and those after it: trainer pretrain --resume {}", folder.display()));
    Ok(())
}

/// Trains a phase, goes on with it, or finds it done; whether it is done now.
fn phase(config: &RunConfig, folder: &Path, reporter: &mut Reporter<'_>) -> anyhow::Result<bool> {
    if !folder.join(ENCODER_FILE).is_file() {
        // What the phase was begun with counts, but for the device.
        let begun = folder.join(CONFIG_FILE).is_file();
        run::train(config, folder, begun, reporter)?;
    }
    Ok(folder.join(ENCODER_FILE).is_file())
}

/// The experts' runs: each from scratch on its own cluster, with its share of the steps.
fn expert_configs(
    base: &RunConfig,
    dnc: &DncConfig,
    path: &Path,
    reporter: &mut Reporter<'_>,
) -> anyhow::Result<Vec<RunConfig>> {
    let clusters = clusters::read(path)?;
    let mut sizes = vec![0; dnc.clusters];
    for &cluster in clusters.values() {
        ensure!(
            cluster < sizes.len(),
            "{} has more than {} clusters\nhint: remove it to divide anew",
            path.display(),
            sizes.len()
        );
        sizes[cluster] += 1;
    }
    ensure!(!sizes.contains(&0), "a cluster is empty\nhint: lower dnc.clusters, and remove {}", path.display());
    let samples = if base.run.samples_per_epoch == 0 { clusters.len() } else { base.run.samples_per_epoch };
    let shares = share_budget(&sizes, samples / base.train.batch);
    let words: Vec<String> =
        sizes.iter().zip(&shares).map(|(size, share)| format!("{} places, {share} steps", grouped(*size))).collect();
    reporter.note(&format!("clusters, and steps an epoch of their experts: {}", words.join("; ")));
    let expert = |(index, &share): (usize, &usize)| {
        let mut config = base.clone();
        config.encoder.pretrained = None;
        config.train.epochs = dnc.expert_epochs;
        config.run.samples_per_epoch = share * base.train.batch;
        config.run.seed = base.run.seed.wrapping_add(1 + index as u64);
        config.part = Some(PartConfig { clusters: path.to_owned(), index });
        config
    };
    Ok(shares.iter().enumerate().map(expert).collect())
}

/// Divides all places by the hidden layer of the base's head on their middle crops (§3.2).
fn divide(
    base: &RunConfig,
    dnc: &DncConfig,
    run: &Path,
    path: &Path,
    reporter: &mut Reporter<'_>,
) -> anyhow::Result<()> {
    let device = device::resolve(&base.run.device)?.device;
    let loaded = load_encoder(run)?;
    let encoder = loaded.encoder(&device)?;
    let (head, _) = load_projection(run, loaded.description.encoder.feature_width(), &device)?;
    let mixture = open_sources(base, reporter)?;
    let loader = loader(base, mixture, crate::views::ViewSet::moco_v2())?;
    let places = loader.places();
    let found = place_features(
        &loader,
        &device,
        &places,
        base.tiles.input_px,
        &|x| head.hidden(encoder.forward(x, NormMode::Running), NormMode::Running),
        &mut |event| {
            reporter.event(&event);
            Ok(())
        },
    )?;
    let known: Vec<usize> = (0..places.len()).filter(|&place| found.is_known[place]).collect();
    ensure!(known.len() >= dnc.clusters, "there are fewer places than clusters\nhint: lower dnc.clusters");
    let rows = Rows::new(found.values, found.width, &device).subset(&known);
    let labels = dnc.divide(rows, base.run.seed);
    let known: Vec<(usize, usize)> = known.into_iter().map(|place| places[place]).collect();
    clusters::write(path, &known, &labels, dnc.clusters)
}
