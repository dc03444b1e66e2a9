//! The index files of a site: what lies in its folders, with sizes and checksums; its samples; and the native answers that the
//! browser tests compare with.

use crate::data::{LabelledSet, SourceSpec, Store};
use crate::error::UsageError;
use crate::export::GALLERY_FILE;
use crate::report::{Reporter, grouped};
use anyhow::{Context, Result};
use burn::tensor::Device;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shared::artifact::Artifact;
use shared::compare::argmax;
use shared::embedder::Embedder;
use shared::gallery::Gallery;
use shared::tile::Tile;
use std::fs;
use std::path::Path;

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

/// The version of the index files.
const FORMAT_VERSION: u32 = 1;
/// Share of known tiles that may be called "unlike anything in the gallery".
const FALSE_ALARMS: f64 = 0.01;
/// Tiles on which that share is measured.
const CALIBRATION_TILES: usize = 1000;

/// What is indexed.
pub struct Publication<'a> {
    /// Folder that the page serves.
    pub site: &'a Path,
    /// Name of the model to start with.
    pub model: &'a str,
    /// What people call it, where it is not its name.
    pub title: Option<&'a str>,
    /// Labelled tiles, as they are typed.
    pub data: &'a Path,
    /// List of those that the model has not learned from.
    pub test_split: &'a Path,
    /// Sample tiles of each class.
    pub samples: usize,
    /// Source, licence and credit of the samples.
    pub credit: &'a str,
}

impl Publication<'_> {
    /// Writes the index files.
    ///
    /// # Errors
    /// When the model or its gallery is not there, or the disk refuses.
    pub fn write(&self, reporter: &mut Reporter<'_>) -> Result<()> {
        let models = self.site.join("models");
        let file = format!("{}.safetensors", self.model);
        let bytes = fs::read(models.join(&file)).map_err(|error| {
            UsageError::new(format!(
                "no model at {}: {error}\nhint: trainer export --name {} --out {}",
                models.join(&file).display(),
                self.model,
                models.display()
            ))
        })?;
        let artifact = Artifact::from_bytes(&bytes).with_context(|| format!("cannot use {file}"))?;
        let embedder = Embedder::from_artifact(artifact, &Device::flex())?;
        let mut warnings = Vec::new();
        let set = LabelledSet::open(self.data, Some(self.test_split), &embedder.manifest().bands, &mut warnings)?;
        reporter.data_warnings(&warnings);

        let title = self.title.unwrap_or(self.model);
        let mut entry = file_entry(&models, &file)?;
        merge(&mut entry, json!({ "id": self.model, "title": title }));
        let index = json!({ "format_version": FORMAT_VERSION, "default": self.model, "models": [entry] });
        write_json(&models.join("index.json"), &index)?;

        publish_gallery(self, &embedder, &set, title, reporter)?;
        let samples = publish_samples(self, &set)?;
        publish_expected(self, &embedder, &set, &samples, &entry_sha256(&index))?;
        reporter.line(&format!(
            "{}: model, gallery, {} samples and expected answers indexed",
            self.site.display(),
            samples.len()
        ));
        Ok(())
    }
}

/// `gallery/index.json`, with the similarity under which a picture is unlike everything in the gallery.
fn publish_gallery(
    asked: &Publication<'_>,
    embedder: &Embedder,
    set: &LabelledSet,
    title: &str,
    reporter: &mut Reporter<'_>,
) -> Result<()> {
    let folder = asked.site.join("gallery");
    let mut entries = Vec::new();
    let path = folder.join(GALLERY_FILE);
    if path.is_file() {
        let gallery =
            Gallery::from_bytes(&fs::read(&path)?).with_context(|| format!("cannot use {}", path.display()))?;
        let step = set.len().div_ceil(CALIBRATION_TILES).max(1);
        let indices: Vec<usize> = (0..set.len()).step_by(step).collect();
        let embeddings = pollster::block_on(embedder.embed(&set.tiles(&indices)?))?;
        let best = embeddings.iter().filter_map(|e| gallery.nearest(e, 1).first().map(|found| found.similarity));
        let mut best: Vec<f32> = best.collect();
        best.sort_by(f32::total_cmp);
        let threshold = best.get((best.len() as f64 * FALSE_ALARMS) as usize).copied();
        let mut entry = file_entry(&folder, GALLERY_FILE)?;
        merge(&mut entry, json!({ "title": title, "model": asked.model, "unlike_below": threshold }));
        entries.push(entry);
        entries.extend(further_galleries(asked, &folder, &embedder.manifest().sha256, reporter)?);
    }
    write_json(&folder.join("index.json"), &json!({ "format_version": FORMAT_VERSION, "galleries": entries }))
}

/// Galleries in folders below the first one, which the page offers to fetch: those of the model, by name.
fn further_galleries(
    asked: &Publication<'_>,
    folder: &Path,
    model_sha256: &str,
    reporter: &mut Reporter<'_>,
) -> Result<Vec<Value>> {
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.join(GALLERY_FILE).is_file() {
            names.extend(path.file_name().and_then(|name| name.to_str()).map(str::to_owned));
        }
    }
    names.sort();
    let mut entries = Vec::new();
    for name in names {
        let file = format!("{name}/{}", GALLERY_FILE);
        let gallery = Gallery::from_bytes(&fs::read(folder.join(&file))?)
            .with_context(|| format!("cannot use {}", folder.join(&file).display()))?;
        if gallery.manifest.model_sha256 != model_sha256 {
            reporter.warning(&format!(
                "{}: made by another model ({}), left out\nhint: trainer embed --encoder {}/models/{}.safetensors --out {}",
                folder.join(&file).display(),
                gallery.manifest.model,
                asked.site.display(),
                asked.model,
                folder.join(&name).display()
            ));
            continue;
        }
        let mut entry = file_entry(folder, &file)?;
        let title = format!("{} tiles", grouped(gallery.count()));
        merge(&mut entry, json!({ "title": title, "model": asked.model, "unlike_below": null }));
        entries.push(entry);
    }
    Ok(entries)
}

/// Copies the samples as they are; returns (index in the set, name in `samples/`).
fn publish_samples(asked: &Publication<'_>, set: &LabelledSet) -> Result<Vec<(usize, String)>> {
    let folder = asked.site.join("samples");
    fs::create_dir_all(&folder)
        .with_context(|| format!("cannot create {}\nhint: check its permissions", folder.display()))?;
    let store = Store::open(&SourceSpec::typed(asked.data)?.path)?;
    let mut taken = vec![0; set.classes.len()];
    let mut samples = Vec::new();
    let mut listed = Vec::new();
    for (index, (name, &label)) in set.names.iter().zip(&set.labels).enumerate() {
        if taken[label] == asked.samples {
            continue;
        }
        // A tar may hold the class folders below another folder.
        let Some(position) =
            store.names().iter().position(|stored| stored == name || stored.ends_with(&format!("/{name}")))
        else {
            continue;
        };
        let own = name.rsplit('/').next().unwrap_or(name);
        // Files of different classes may have one name.
        let file = match samples.iter().any(|(_, file): &(usize, String)| file == own) {
            true => format!("{}_{own}", set.classes[label].replace('/', "_")),
            false => own.to_owned(),
        };
        atomic_file::write(&folder.join(&file), &store.bytes(position)?)?;
        listed.push(json!({ "file": file, "class": set.classes[label] }));
        samples.push((index, file));
        taken[label] += 1;
    }
    listed.sort_by_key(|sample| sample["file"].to_string());
    write_json(&folder.join("index.json"), &json!({ "credit": asked.credit, "samples": listed }))?;
    Ok(samples)
}

/// `models/expected.json`: what this program answers on the CPU for the samples.
fn publish_expected(
    asked: &Publication<'_>,
    embedder: &Embedder,
    set: &LabelledSet,
    samples: &[(usize, String)],
    model_sha256: &str,
) -> Result<()> {
    let tiles: Vec<Tile> = set.tiles(&samples.iter().map(|(index, _)| *index).collect::<Vec<_>>())?;
    let files: Vec<String> = samples.iter().map(|(_, file)| format!("samples/{file}")).collect();
    write_json(&asked.site.join("models/expected.json"), &answers(embedder, model_sha256, &tiles, &files)?)
}

/// What this program answers for some tiles.
fn answers(embedder: &Embedder, model_sha256: &str, tiles: &[Tile], files: &[String]) -> Result<Value> {
    let embeddings = pollster::block_on(embedder.embed(tiles))?;
    let answers = files.iter().zip(&embeddings).map(|(file, embedding)| {
        let probabilities = embedder.probabilities(embedding).unwrap_or_default();
        let best = argmax(&probabilities);
        let class = best.and_then(|best| embedder.manifest().classes.get(best));
        json!({
            "file": file,
            "class": class,
            "probability": best.map(|best| probabilities[best]),
            "embedding": embedding,
        })
    });
    let answers: Vec<Value> = answers.collect();
    Ok(json!({ "model_sha256": model_sha256, "tiles": answers }))
}

fn file_entry(folder: &Path, file: &str) -> Result<Value> {
    let bytes = fs::read(folder.join(file))?;
    let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(json!({ "file": file, "bytes": bytes.len(), "sha256": digest }))
}

fn entry_sha256(index: &Value) -> String {
    index["models"][0]["sha256"].as_str().unwrap_or_default().to_owned()
}

fn merge(into: &mut Value, from: Value) {
    if let (Some(into), Value::Object(from)) = (into.as_object_mut(), from) {
        into.extend(from);
    }
}

fn write_json(path: &Path, value: &Value) -> Result<()> {
    atomic_file::write(path, serde_json::to_string(value)?.as_bytes())
}
