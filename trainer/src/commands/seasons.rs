//! `trainer seasons`: whether an encoder knows a place again at another date, and what moves its answers.

use crate::device;
use crate::encoder_file::load_encoder;
use crate::eval::{PlaceRetrieval, Seasons, SeasonsFound, SpaceScores};
use crate::report::{Reporter, Table, percent};
use anyhow::Result;
use std::path::PathBuf;

/// What can be typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  trainer seasons --encoder public/models/compact-s.safetensors --data kind=mosaic,path=muds.tar,keep_places=[a,b]
  trainer seasons --encoder runs/seco --data kind=mosaic,path=months,keep_longitude=[[60,180]] --out seasons

Every picture asks for the other dates of its place among the pictures of all places. Big co-registered pictures are cut
into windows side by side, each a place. Distances are cosine distances over the mean distance of pictures of different
places: 1 is as far as another place, 0 is the same. A model file is read by its readout too, a run by the mean of its
last feature map; both by the projection heads they have (SeCo's subspaces). Random weights and image statistics stand
beside them. Name places that the encoder was not trained on.")]
pub struct SeasonsArgs {
    /// Run folder, encoder file, or exported model
    #[arg(long, value_name = "RUN|FILE")]
    pub encoder: PathBuf,
    /// Places with several dates, for example kind=places,path=places (repeatable)
    #[arg(long, value_name = "KIND=…,PATH=…", required = true)]
    pub data: Vec<String>,
    /// Places that are taken at the most, evenly spread over each source
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(2..))]
    pub places: u32,
    /// Side of the input in pixels [default: what the encoder was trained for]
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u16).range(8..=1024))]
    pub px: Option<u16>,
    /// Seed of the augmentations and of the random weights
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Folder for seasons.json and seasons.md
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Device: auto, cpu, wgpu, cuda, or a name listed by `trainer devices`
    #[arg(long, default_value = "auto")]
    pub device: String,
}

/// Runs the command.
///
/// # Errors
/// For bad usage, unreadable files, places without a second date, or a disk that refuses.
pub fn run(args: SeasonsArgs, reporter: &mut Reporter<'_>) -> Result<()> {
    let loaded = load_encoder(&args.encoder)?;
    let px = args.px.map_or(loaded.description.input_px, usize::from);
    let resolved = device::resolve(&args.device)?;
    reporter.note(&format!("device: {} ({})", resolved.name, resolved.reason));
    let asked = Seasons {
        loaded: &loaded,
        data: &args.data,
        places: args.places as usize,
        px,
        seed: args.seed,
        device: &resolved.device,
    };
    let SeasonsFound { sources, places, pictures, spaces } = asked.measure(reporter)?;
    let table = table(&spaces);
    let what = format!("{}: {places} places, {pictures} pictures, {px} px", loaded.title());
    reporter.line(&what);
    reporter.table(&table);
    if let Some(folder) = &args.out {
        let json = serde_json::json!({ "encoder": loaded.title(), "data": sources, "px": px, "seed": args.seed,
            "places": places, "pictures": pictures, "spaces": spaces });
        let markdown = format!("# Seasons\n\n{what}\n\n{}\n\n{}", sources.join("\n\n"), table.markdown());
        atomic_file::write(&folder.join("seasons.json"), serde_json::to_string_pretty(&json)?.as_bytes())?;
        atomic_file::write(&folder.join("seasons.md"), markdown.as_bytes())?;
        reporter.note(&format!("wrote seasons.json and seasons.md to {}", folder.display()));
    }
    Ok(())
}

fn table(found: &[SpaceScores]) -> Table {
    let moved = found.first().map(|found| &found.moved[..]).unwrap_or_default();
    let head = ["space", "rank-1", "mAP"].map(str::to_owned).into_iter();
    let mut table = Table::new(head.chain(moved.iter().map(|(name, _)| name.clone())));
    for found in found {
        let PlaceRetrieval { rank_1, mean_average_precision, .. } = found.retrieval;
        let scores = [found.space.clone(), percent(rank_1), percent(mean_average_precision)];
        table.row(scores.into_iter().chain(found.moved.iter().map(|(_, distance)| format!("{distance:.3}"))));
    }
    table
}
