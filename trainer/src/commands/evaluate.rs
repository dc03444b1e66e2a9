//! `trainer evaluate`: how good a frozen encoder is, beside untrained baselines.

mod seen;

use std::path::{Path, PathBuf};

use anyhow::Result;
use burn::tensor::Device;
use shared::bands::Bands;
use shared::encoder::Pooling;
use shared::preprocess::Normalisation;

use crate::checkpoint::{Evaluable, LoadedEncoder, load_evaluable};
use crate::data::SourceSpec;
use crate::device;
use crate::error::UsageError;
use crate::eval::{
    BATCH, Comparison, Evaluation, FeatureScores, KnnScore, PAPER_C, Reading, Splits, Subject, compare_with_baselines,
};
use crate::parts::Frozen;
use crate::report::{Reporter, Table, confusion_svg, percent};

/// What can be typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  trainer evaluate --encoder runs/first --data tiles.tar
  trainer evaluate --encoder models/compact-s.safetensors --data EuroSAT_RGB --out results
  trainer evaluate --encoder resnet18.pth --px 64 --device cuda --data eurosat_rgb.tar \\
      --train-split train.csv --val-split val.csv --test-split test.csv

The data is a folder of class folders, or a tar of one. A split list has one `Class/file.jpg` a
line; without lists the tiles are split 60/20/20 by class. The encoder stays frozen, in inference
mode. Random weights of the same architecture and per-band image statistics are scored beside it.
Lists that share a picture, by name or by content, are refused. How many of the test tiles the encoder
was trained on is said, from the record that `trainer pretrain` keeps (seen.txt).
--svm adds a linear support vector machine.
--out receives results.json, results.md and confusion.svg.")]
pub struct EvaluateArgs {
    /// Run folder, encoder file, exported model, or PyTorch .pth
    #[arg(long, value_name = "RUN|FILE")]
    pub encoder: PathBuf,
    /// Folder of class folders, or a tar of one; or kind=…,path=…,file_bands=[…] with any key of a [[data]] table
    #[arg(long, value_name = "DIR|TAR")]
    pub data: PathBuf,
    /// How the data is split
    #[command(flatten)]
    pub splits: SplitArgs,
    /// Folder for results.json, results.md and confusion.svg
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Side of the input in pixels [default: what the encoder was trained for]
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u16).range(8..=1024))]
    pub px: Option<u16>,
    /// What is read out of the network: the last feature map's mean, or mean and deviation of every channel of all
    /// stages through a readout fitted on the training part without labels [default: the exported model's own, moments
    /// for the compact family, mean for the ResNets]
    #[arg(long, value_name = "mean|moments", value_parser = parse_pooling)]
    pub readout: Option<Pooling>,
    /// Values of the embedding that a readout of moments is fitted to, at most [default: the exported model's own, 256]
    #[arg(long, value_name = "VALUES", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub width: Option<u16>,
    /// Neighbours that vote
    #[arg(long, value_delimiter = ',', default_value = "5,20", value_name = "K")]
    pub k: Vec<usize>,
    /// Fit a linear support vector machine too, one class against the rest [default C: 1000, that of MARTA GANs]
    #[arg(long, value_name = "C", num_args = 0..=1, default_missing_value = "1000", value_parser = parse_c)]
    pub svm: Option<f64>,
    /// Device: auto, cpu, wgpu, cuda, or a name listed by `trainer devices`
    #[arg(long, default_value = "auto")]
    pub device: String,
}

/// How a data set is split.
#[derive(Clone, Debug, clap::Args)]
pub struct SplitArgs {
    /// List of the tiles to learn from
    #[arg(long, value_name = "FILE")]
    pub train_split: Option<PathBuf>,
    /// List of the tiles on which choices are made
    #[arg(long, value_name = "FILE")]
    pub val_split: Option<PathBuf>,
    /// List of the tiles that are reported on
    #[arg(long, value_name = "FILE")]
    pub test_split: Option<PathBuf>,
    /// Seed of the random baseline, and of the split where no lists are given
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

impl SplitArgs {
    /// Opens `data` in its three parts; warnings are shown.
    ///
    /// # Errors
    /// When a file cannot be read, or one or two lists are given.
    pub fn open(&self, data: &Path, reporter: &mut Reporter<'_>) -> Result<Splits> {
        let lists = [&self.train_split, &self.val_split, &self.test_split].map(Option::as_ref);
        let mut warnings = Vec::new();
        let splits = Splits::open(data, lists, self.seed, &mut warnings)?;
        warn(&warnings, reporter);
        Ok(splits)
    }
}

/// Runs the command.
///
/// # Errors
/// For bad usage, unreadable files, or a disk that refuses.
pub fn run(args: EvaluateArgs, reporter: &mut Reporter<'_>) -> Result<()> {
    if args.k.contains(&0) || args.k.is_empty() {
        return Err(UsageError::new("0 neighbours cannot vote\nhint: --k 5,20").into());
    }
    let evaluable = load_evaluable(&args.encoder)?;
    let candidate = Candidate::of(&evaluable, &args)?;
    let resolved = device::resolve(&args.device)?;
    let splits = args.splits.open(&args.data, reporter)?;
    let encoder = candidate.frozen(&resolved.device)?;
    reporter.note(&format!("device: {} ({})", resolved.name, resolved.reason));
    let subject = Subject {
        name: candidate.name,
        encoder: encoder.as_ref(),
        bands: candidate.bands,
        normalisation: candidate.normalisation,
        px: candidate.px,
        device: &resolved.device,
        batch: BATCH,
        reading: candidate.reading,
        ks: &args.k,
        svm: args.svm,
        seed: args.splits.seed,
    };
    let mut comparison = compare_with_baselines(&subject, &splits, file_name(&args.data), reporter)?;
    add_seen(&mut comparison, &args.encoder, &splits, reporter)?;
    let evaluation = &comparison.evaluation;
    reporter.line(&evaluation.protocol.summary);
    reporter.line("");
    reporter.table(&score_table(evaluation));
    reporter.line("");
    reporter.table(&class_table(evaluation));
    reporter.line(&format!("\nencoder weights unchanged (sha256 {}…)", &evaluation.weights_sha256[..12]));
    if let Some(folder) = &args.out {
        write_results(folder, &comparison)?;
        reporter.note(&format!("wrote results.json, results.md and confusion.svg to {}", folder.display()));
    }
    Ok(())
}

/// Adds to what the numbers mean how much of the test part the run of `encoder` was trained on.
///
/// # Errors
/// When the run's record is damaged.
pub fn add_seen(
    comparison: &mut Comparison,
    encoder: &Path,
    splits: &Splits,
    reporter: &mut Reporter<'_>,
) -> Result<()> {
    let sentence = seen::of_test_part(encoder, splits, reporter)?;
    let summary = &mut comparison.evaluation.protocol.summary;
    *summary = format!("{summary}; {sentence}");
    Ok(())
}

/// What is evaluated, as `Subject` wants it.
struct Candidate<'a> {
    evaluable: &'a Evaluable,
    name: String,
    bands: &'a Bands,
    normalisation: &'a Normalisation,
    px: usize,
    reading: Reading<'a>,
}

impl<'a> Candidate<'a> {
    fn of(evaluable: &'a Evaluable, args: &EvaluateArgs) -> Result<Self> {
        let asked = args.px.map(usize::from);
        Ok(match evaluable {
            Evaluable::Encoder(loaded) => Self {
                evaluable,
                name: title(loaded),
                bands: &loaded.description.bands,
                normalisation: &loaded.description.normalisation,
                px: asked.unwrap_or(loaded.description.input_px),
                reading: loaded.reading(args.readout, args.width.map(usize::from))?,
            },
            Evaluable::Discriminator(loaded) => {
                let description = &loaded.description;
                let px = description.discriminator.px;
                if asked.is_some_and(|asked| asked != px) || args.readout.is_some() || args.width.is_some() {
                    return Err(UsageError::new(format!(
                        "a discriminator of MARTA GANs is read out of its fusion layer at {px} px\nhint: leave --px, \
                         --readout and --width away"
                    ))
                    .into());
                }
                Self {
                    evaluable,
                    name: format!("marta discriminator ({} epochs)", description.training.epochs),
                    bands: &description.bands,
                    normalisation: &description.normalisation,
                    px,
                    reading: Reading::Fused,
                }
            }
        })
    }

    fn frozen(&self, device: &Device) -> Result<Box<dyn Frozen>> {
        Ok(match self.evaluable {
            Evaluable::Encoder(loaded) => Box::new(loaded.encoder(device)?),
            Evaluable::Discriminator(loaded) => Box::new(loaded.discriminator(device)?),
        })
    }
}

/// What `--svm` takes.
fn parse_c(text: &str) -> Result<f64, String> {
    let c = text.parse::<f64>().ok().filter(|c| c.is_finite() && *c > 0.0);
    c.ok_or_else(|| format!("a number above 0, such as {PAPER_C}"))
}

/// What `--readout` takes.
///
/// # Errors
/// For any other word.
pub fn parse_pooling(text: &str) -> Result<Pooling, String> {
    match text {
        "mean" => Ok(Pooling::Mean),
        "moments" => Ok(Pooling::Moments),
        _ => Err("one of mean, moments".to_owned()),
    }
}

/// Shows warnings about data, with their counts.
pub fn warn(warnings: &[crate::data::Warning], reporter: &mut Reporter<'_>) {
    for warning in warnings {
        match warning.count {
            0 | 1 => reporter.warning(&warning.what),
            count => reporter.warning(&format!("{} ({count} times)", warning.what)),
        }
    }
}

/// What an encoder is called in results: method and architecture.
pub fn title(loaded: &LoadedEncoder) -> String {
    let description = &loaded.description;
    format!(
        "{} {} ({} epochs)",
        description.training.method, description.encoder.architecture, description.training.epochs
    )
}

/// Accuracies of the encoder and its baselines.
pub fn score_table(evaluation: &Evaluation) -> Table {
    let ks: Vec<usize> = evaluation.scores.iter().flat_map(|scores| &scores.knn).map(|score| score.k).collect();
    let columns = evaluation.scores.first().map_or(0, |scores| scores.knn.len());
    let has_svm = evaluation.scores.iter().any(|scores| scores.svm.is_some());
    let head = ["features".to_owned(), "width".to_owned()]
        .into_iter()
        .chain(ks.iter().take(columns).map(|k| format!("k-NN {k}")))
        .chain(["linear".to_owned()])
        .chain(has_svm.then(|| "SVM".to_owned()));
    let mut table = Table::new(head);
    let row = |scores: &FeatureScores, name: String, knn: &[KnnScore], linear: Vec<String>| {
        let accuracies = knn.iter().map(|score| percent(score.accuracy));
        [name, scores.width.to_string()].into_iter().chain(accuracies).chain(linear).collect::<Vec<_>>()
    };
    for scores in &evaluation.scores {
        let svm = has_svm.then(|| scores.svm.map(|svm| percent(svm.accuracy)).unwrap_or_default());
        let linear: Vec<String> = std::iter::once(percent(scores.linear_accuracy)).chain(svm).collect();
        let none = vec![String::new(); linear.len()];
        table.row(row(scores, scores.name.clone(), &scores.knn, linear));
        if !scores.knn_euclidean.is_empty() {
            table.row(row(scores, format!("{}, Euclidean", scores.name), &scores.knn_euclidean, none));
        }
    }
    table
}

fn class_table(evaluation: &Evaluation) -> Table {
    let mut table = Table::new(["class (linear probe)", "test tiles", "recall", "precision"]);
    for class in &evaluation.class_scores {
        table.row([class.class.clone(), class.tiles.to_string(), percent(class.recall), percent(class.precision)]);
    }
    table
}

/// Writes `results.json`, `results.md` and `confusion.svg` into `folder`.
///
/// # Errors
/// When the disk refuses.
pub fn write_results(folder: &Path, comparison: &Comparison) -> Result<()> {
    let evaluation = &comparison.evaluation;
    let accuracy = percent(evaluation.scores[0].linear_accuracy);
    let title = format!("{}: linear probe, {accuracy}", evaluation.scores[0].name);
    let subtitle = format!("{} · {} px", evaluation.protocol.split, evaluation.protocol.input_px);
    let confusion = &evaluation.confusion;
    let picture = confusion_svg(&title, &subtitle, &confusion.classes, &confusion.counts)?;
    let markdown = format!(
        "# {title}\n\n{}\n\n{}\n{}",
        evaluation.protocol.summary,
        score_table(evaluation).markdown(),
        class_table(evaluation).markdown()
    );
    atomic_file::write(&folder.join("confusion.svg"), picture.as_bytes())?;
    atomic_file::write(&folder.join("results.md"), markdown.as_bytes())?;
    atomic_file::write(&folder.join("results.json"), serde_json::to_string_pretty(evaluation)?.as_bytes())
}

/// The last part of a path, or of a typed source's: results travel, folders of this machine do not.
pub fn file_name(path: &Path) -> String {
    let path = &SourceSpec::typed(path).map_or_else(|_| path.to_owned(), |spec| spec.path);
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}
