//! The networks that a distillation learns from, read from wherever they are.

use super::clusters;
use crate::config::RunConfig;
use crate::encoder_file::{CHECKPOINT_FILE, CONFIG_FILE, load_encoder, under};
use crate::engine::checkpoint::{self, Progress};
use crate::error::UsageError;
use crate::methods::{DistillConfig, Layer, Teacher, Teachers};
use crate::parts::Mlp;
use anyhow::{Context, ensure};
use burn::tensor::Device;
use shared::encoder::load_module;
use std::collections::HashMap;
use std::path::Path;

/// Opens what `config` names, on `device` (without autodiff), for tiles of `bands` bands.
///
/// # Errors
/// When a teacher cannot be read, has other bands, or has no projection where one is asked for.
pub fn load_teachers(config: &DistillConfig, bands: usize, device: &Device) -> anyhow::Result<Teachers> {
    let paths = std::iter::once(&config.teacher).chain(&config.experts);
    let networks =
        paths.map(|path| load_teacher(path, config.layer, bands, device)).collect::<anyhow::Result<Vec<_>>>()?;
    let width = networks.first().map_or(0, |base| base.width);
    ensure!(
        networks.iter().all(|teacher| teacher.width == width),
        "the experts give vectors of other widths than the base's {width}\nhint: they are trained with one configuration"
    );
    let clusters = match config.experts.is_empty() {
        true => HashMap::new(),
        false => clusters::read(&config.clusters)?,
    };
    ensure!(
        config.experts.is_empty() || clusters.values().all(|&cluster| cluster < config.experts.len()),
        "{} has more clusters than there are experts\nhint: name one expert a cluster",
        config.clusters.display()
    );
    Ok(Teachers { networks, clusters })
}

fn load_teacher(path: &Path, layer: Layer, bands: usize, device: &Device) -> anyhow::Result<Teacher> {
    let loaded = load_encoder(path)?;
    let found = loaded.description.encoder.bands;
    if found != bands {
        return Err(UsageError::new(format!(
            "the teacher {} reads {found} bands, the student {bands}\nhint: `trainer distill` takes over the teacher's",
            path.display()
        ))
        .into());
    }
    let encoder = loaded.encoder(device)?;
    let width = loaded.description.encoder.feature_width();
    match layer {
        Layer::Features => Ok(Teacher { encoder, head: None, width }),
        Layer::Projection => {
            let (head, width) = load_projection(path, width, device)?;
            Ok(Teacher { encoder, head: Some(head), width })
        }
    }
}

/// The projection head of a MoCLR run, on `device`, and the width of what it gives; `width` is that of its encoder.
///
/// # Errors
/// When `run` is not the folder of a MoCLR run, or damaged.
pub fn load_projection(run: &Path, width: usize, device: &Device) -> anyhow::Result<(Mlp, usize)> {
    let hint =
        "hint: only the run folder of a MoCLR run holds a projection; --set method.layer=features takes any encoder";
    ensure!(run.is_dir(), "{} is no run folder\n{hint}", run.display());
    let config = RunConfig::read(&run.join(CONFIG_FILE))?;
    let Some(shape) = config.method.projection(width) else {
        anyhow::bail!("{} was trained by {}, which has no such projection\n{hint}", run.display(), config.method.name())
    };
    let (_, tensors): (Progress, _) = checkpoint::read(&run.join(CHECKPOINT_FILE), "checkpoint")?;
    let own = under("query.mlps.0.", tensors);
    let empty = Mlp::random(shape, 0, device);
    let expected = shared::encoder::module_tensors(&empty);
    let fits = expected.iter().all(|(name, tensor)| own.get(name).is_some_and(|found| found.shape == tensor.shape));
    fits.then_some(()).with_context(|| format!("the checkpoint in {} does not fit its config.toml", run.display()))?;
    Ok((load_module(empty, &own), shape.dim))
}
