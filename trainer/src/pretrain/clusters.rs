//! The file that says which cluster every place belongs to.

use crate::data::{Source, Subset};
use crate::engine::checkpoint;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use shared::tensors::NamedTensor;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Metadata key of the file.
const KEY: &str = "solstice.clusters";

/// One cluster of a partition: what an expert's run is limited to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartConfig {
    /// The file.
    pub clusters: PathBuf,
    /// Number of the cluster.
    pub index: usize,
}

/// What the file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Description {
    clusters: usize,
}

/// Writes which cluster each (source, place) belongs to.
///
/// # Errors
/// When the disk refuses.
pub fn write(path: &Path, places: &[(usize, usize)], labels: &[usize], clusters: usize) -> Result<()> {
    // Exact: numbers of places are far below 2²⁴.
    let column =
        |name: &str, values: Vec<f32>| NamedTensor { name: name.to_owned(), shape: vec![values.len()], values };
    let tensors = [
        column("source", places.iter().map(|place| place.0 as f32).collect()),
        column("place", places.iter().map(|place| place.1 as f32).collect()),
        column("cluster", labels.iter().map(|&label| label as f32).collect()),
    ];
    checkpoint::write(path, KEY, &Description { clusters }, &tensors)
}

/// Reads what [`write`] wrote.
///
/// # Errors
/// When the file is missing or damaged.
pub fn read(path: &Path) -> Result<HashMap<(usize, usize), usize>> {
    let (_, tensors): (Description, _) = checkpoint::read(path, KEY)?;
    let column = |name: &str| {
        let tensor = tensors.get(name).with_context(|| format!("{} has no column {name:?}", path.display()))?;
        Ok::<_, anyhow::Error>(tensor.values.iter().map(|&value| value as usize))
    };
    Ok(column("source")?.zip(column("place")?).zip(column("cluster")?).collect())
}

/// Of each source its places in the part's cluster; sources without any are left out, and weights fall with the places.
///
/// # Errors
/// When the file cannot be read or does not belong to these sources.
pub fn limit(sources: Vec<WeightedSource>, part: &PartConfig) -> Result<Vec<WeightedSource>> {
    let clusters = read(&part.clusters)?;
    let mut limited = Vec::new();
    for (index, (source, weight)) in sources.into_iter().enumerate() {
        let len = source.len();
        let mut places: Vec<usize> = clusters
            .iter()
            .filter(|((source, _), cluster)| *source == index && **cluster == part.index)
            .map(|((_, place), _)| *place)
            .collect();
        places.sort_unstable();
        ensure!(
            places.last().is_none_or(|&place| place < len),
            "{} was made of other data than {}\nhint: use the data of the run that made it",
            part.clusters.display(),
            source.name()
        );
        if !places.is_empty() {
            let weight = weight.map(|weight| weight * places.len() as f64 / len as f64);
            limited.push((Box::new(Subset::new(source, places)) as Box<dyn Source>, weight));
        }
    }
    ensure!(
        !limited.is_empty(),
        "no place is in cluster {} of {}\nhint: lower dnc.clusters",
        part.index,
        part.clusters.display()
    );
    Ok(limited)
}

/// A source and its share of the samples, as a mixture takes them.
pub type WeightedSource = (Box<dyn Source>, Option<f64>);
