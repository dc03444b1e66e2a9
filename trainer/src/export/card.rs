//! The model card: `README.md` with the front matter that the Hugging Face hub reads.

use std::fmt::Write;

use anyhow::Result;
use shared::artifact::{Manifest, Metric};
use shared::encoder::Pooling;

use crate::report::grouped;

/// Licences that the hub knows by these names (lower case of SPDX's).
const KNOWN_LICENCES: [&str; 8] =
    ["mit", "apache-2.0", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "gpl-3.0"];
/// The licence's text is part of the card; the hub asks for a name without spaces.
const OTHER_LICENCE: &str = "see-model-card";

/// The card of a model, from what its file says of itself.
///
/// # Errors
/// Never for a manifest that was checked.
pub fn model_card(manifest: &Manifest) -> Result<String> {
    let mut card = String::from("---\n");
    front_matter(&mut card, manifest)?;
    card.push_str("---\n\n");
    body(&mut card, manifest)?;
    Ok(card)
}

/// YAML, every text as JSON has it, which YAML includes.
fn front_matter(card: &mut String, manifest: &Manifest) -> Result<()> {
    let text = |text: &str| serde_json::to_string(text);
    let licence = manifest.licence.to_lowercase();
    if KNOWN_LICENCES.contains(&licence.as_str()) {
        writeln!(card, "license: {licence}")?;
    } else {
        writeln!(card, "license: other\nlicense_name: {OTHER_LICENCE}")?;
    }
    writeln!(card, "library_name: pytorch\npipeline_tag: image-feature-extraction\ntags:")?;
    let method = &manifest.training.method;
    let own = [manifest.encoder.architecture.name(), method.as_str()];
    let tags = ["solstice", "remote-sensing", "satellite", "self-supervised-learning", "safetensors"];
    for tag in tags.into_iter().chain(own).filter(|tag| !tag.is_empty()) {
        writeln!(card, "- {}", text(tag)?)?;
    }
    let own: Vec<&Metric> = own_metrics(manifest).collect();
    if own.is_empty() {
        return Ok(());
    }
    writeln!(card, "model-index:\n- name: {}\n  results:", text(&manifest.name)?)?;
    for metric in own {
        let (data, _) = metric.protocol.split_once(';').unwrap_or((&metric.protocol, ""));
        writeln!(card, "  - task:\n      type: image-classification")?;
        writeln!(card, "    dataset:\n      type: image-folder\n      name: {}", text(data)?)?;
        writeln!(card, "    metrics:\n    - type: accuracy\n      name: {}", text(&metric.name)?)?;
        writeln!(card, "      value: {:.4}", metric.value)?;
    }
    Ok(())
}

fn body(card: &mut String, manifest: &Manifest) -> Result<()> {
    let Manifest { name, encoder, input_px, embedding_width, training, .. } = manifest;
    let bands: Vec<String> = serde_json::from_value(serde_json::to_value(&manifest.bands)?)?;
    writeln!(card, "# {name}\n")?;
    writeln!(
        card,
        "An encoder of satellite tiles, made by Solstice: {} with the {} stem, {} parameters; tiles of {input_px} × {input_px} \
         pixels and the bands {}, embeddings of {embedding_width} values.\n",
        encoder.architecture,
        encoder.stem,
        grouped(encoder.parameter_count()),
        bands.join(", ")
    )?;
    if !training.method.is_empty() {
        writeln!(
            card,
            "Pre-trained without labels by {} for {} epochs ({} steps, seed {}) on {}.\n",
            training.method, training.epochs, training.steps, training.seed, training.data
        )?;
    }
    writeln!(card, "## Use\n\n```python\nimport modeling_solstice")?;
    writeln!(
        card,
        "encoder = modeling_solstice.load(\".\")      # this folder; needs torch, torchvision, safetensors"
    )?;
    writeln!(
        card,
        "embeddings = encoder(tiles)                 # [n, {}, px, px], value / 255 or reflectance",
        bands.len()
    )?;
    if !manifest.classes.is_empty() {
        let temperature = manifest.calibration_temperature.unwrap_or(1.0);
        writeln!(card, "probabilities = (encoder.fc(embeddings) / {temperature}).softmax(1)")?;
    }
    writeln!(card, "```\n")?;
    if encoder.architecture.plan().is_torchvisions && manifest.pooling == Pooling::Mean {
        writeln!(
            card,
            "The names of the weights are torchvision's: its `{}` and timm's load them, given tiles less the mean and divided \
             by the deviation in `config.json`.\n",
            encoder.architecture
        )?;
    }
    if !manifest.classes.is_empty() {
        writeln!(card, "Classes: {}.\n", manifest.classes.join(", "))?;
    }
    if let Some(first) = manifest.metrics.first() {
        writeln!(card, "## Results\n\n{}.\n\n| | value |\n|---|---:|", first.protocol)?;
        for metric in &manifest.metrics {
            writeln!(card, "| {} | {:.1} % |", metric.name, 100.0 * metric.value)?;
        }
        writeln!(card)?;
    }
    writeln!(card, "## Licence\n\n{}", manifest.licence)?;
    Ok(())
}

/// The model's own figures, without those of the baselines, which stand behind the name of what was measured.
fn own_metrics(manifest: &Manifest) -> impl Iterator<Item = &Metric> {
    manifest.metrics.iter().filter(|metric| !metric.name.contains(": "))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;
    use shared::bands::Bands;
    use shared::encoder::{Architecture, EncoderConfig, Stem};
    use shared::preprocess::Normalisation;

    #[test]
    fn a_card_says_what_the_file_says() {
        let encoder = EncoderConfig { architecture: Architecture::Resnet18, stem: Stem::Imagenet, bands: 3 };
        let mut manifest = Manifest::new("a \"b\"", encoder, Bands::rgb(), Normalisation::imagenet(), 64);
        manifest.licence = "CC-BY-4.0".to_owned();
        let metric = |name: &str, value| Metric { name: name.to_owned(), value, protocol: "tiles; a split".to_owned() };
        manifest.metrics = vec![metric("k-NN-5 accuracy", 0.8765), metric("random: k-NN-5 accuracy", 0.5)];
        let card = model_card(&manifest).unwrap();
        let front = card.split("---\n").nth(1).unwrap();
        assert!(front.starts_with("license: cc-by-4.0\n"), "{front}");
        assert!(front.contains("- name: \"a \\\"b\\\"\"\n"), "{front}");
        assert!(front.contains("value: 0.8765") && !front.contains("random"), "{front}");
        assert!(card.contains("| random: k-NN-5 accuracy | 50.0 % |"), "{card}");
        assert!(card.contains("torchvision's: its `resnet18`"), "{card}");
        manifest.licence = "ours alone".to_owned();
        assert!(model_card(&manifest).unwrap().contains("license: other\nlicense_name: see-model-card\n"));
    }
}
