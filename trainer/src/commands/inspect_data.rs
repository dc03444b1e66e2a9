//! `trainer inspect-data`: what a data set holds, before anything is trained on it.

use crate::data::{SourceKind, SourceSpec};
use crate::error::UsageError;
#[cfg(feature = "gather")]
use crate::inspection::report_gathered;
use crate::inspection::{LoaderSpeed, Sheet, inspect, open};
use crate::report::Reporter;
use crate::views::ViewSet;
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde::Deserialize;
use shared::bands::{Band, Bands};
use std::path::PathBuf;
use std::time::Duration;

const EXAMPLES: &str = "\
Layouts that are read (guessed from the names, or named with --kind):
  folder   <class>/<picture>              each picture a place, its folder its class; or a .tar of that
  places   <place>/<date>.<ext>           one picture a date
  seco     <place>/<date>/<band>.tif      one file a band; lower resolutions are resampled
  mosaic   <area>/<date>.<ext>            big co-registered pictures; windows are cut at the same place on every date
  series   index.json, <name>.npy         NumPy arrays of many dates

Examples:
  trainer inspect-data eurosat_rgb.tar
  trainer inspect-data eurosat_rgb.tar --split eurosat_splits/aitlas_arena_train.csv --sheet tiles.png
  trainer inspect-data months/ --kind mosaic --window 64 --skip-longitude=60,100 --sheet months.png
  trainer inspect-data months/ --kind mosaic --sheet views.png --views seco
  trainer inspect-data oscd/images --kind mosaic --keep-place beirut,paris,pisa
  trainer inspect-data oscd/images --kind mosaic --skip-place beirut,paris,pisa --seen-by runs/first
  trainer inspect-data seco_100k/ --bands B04,B03,B02,B08
  trainer inspect-data eurosat_rgb.tar --bench 10 --threads 2";

/// Counts places, dates and classes, finds damaged files, and measures each band.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct InspectDataArgs {
    /// Folders or tars of pictures; or kind=…,path=…,file_bands=[…] with any key of a [[data]] table.
    #[arg(required_unless_present = "data")]
    paths: Vec<PathBuf>,
    /// Inspect the [[data]] tables of a preset or run configuration (TOML), or one source as --data of other commands names it
    #[arg(long, value_name = "FILE", conflicts_with = "paths")]
    data: Option<PathBuf>,
    /// How the files are laid out [default: guessed]
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// Take only the pictures that this list names (<class>/<file>[,<class>] a line).
    #[arg(long, value_name = "FILE")]
    split: Option<PathBuf>,
    /// Take only files whose path contains this text.
    #[arg(long, value_name = "TEXT")]
    include: Option<String>,
    /// Take only these places, by name (a part of their path, such as a city's folder; may be repeated).
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    keep_place: Vec<String>,
    /// Take none of these places.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    skip_place: Vec<String>,
    /// The bands to take, in order, such as B04,B03,B02 [default: all]
    #[arg(long, value_delimiter = ',')]
    bands: Vec<Band>,
    /// What the bands of a file are, in order [default: red, green, blue for three]
    #[arg(long, value_delimiter = ',')]
    file_bands: Vec<Band>,
    /// Cut windows of this many pixels [default: 64 for mosaics, else whole pictures]
    #[arg(long, value_name = "PX")]
    window: Option<usize>,
    /// Windows lie inside this range of longitudes (west,east; may be repeated).
    #[arg(long, value_name = "W,E", value_parser = longitudes, allow_hyphen_values = true)]
    keep_longitude: Vec<[f64; 2]>,
    /// Windows lie outside this range of longitudes (may be repeated).
    #[arg(long, value_name = "W,E", value_parser = longitudes, allow_hyphen_values = true)]
    skip_longitude: Vec<[f64; 2]>,
    /// Added to 16-bit values: -1000 for Sentinel-2 products of baseline 04.00 and later.
    #[arg(long, default_value_t = 0, allow_hyphen_values = true)]
    dn_offset: i32,
    /// Say how many of the pictures this encoder was trained on, from its run's record.
    #[arg(long, value_name = "RUN|FILE")]
    seen_by: Option<PathBuf>,
    /// Write a contact sheet (PNG): a row a place, a column a date.
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
    /// Show augmented views on the --sheet: the dates drawn, then every view of the method.
    #[arg(long, value_enum)]
    views: Option<Views>,
    /// Rows of the sheet.
    #[arg(long, default_value_t = 10)]
    rows: usize,
    /// Side of the views, in pixels.
    #[arg(long, default_value_t = 64)]
    px: usize,
    /// Seed of what is shown.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Instead, measure the loader for this many seconds: views and samples a second (views of --views, else moco-v2).
    #[arg(long, value_name = "SECONDS")]
    bench: Option<u64>,
    /// Loader threads of --bench; 0 takes one a core.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Samples in a batch of --bench.
    #[arg(long, default_value_t = 256)]
    batch: usize,
}

/// The values of `--kind`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Folder,
    Places,
    Seco,
    Mosaic,
    Series,
}

/// The values of `--views`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Views {
    Seco,
    MocoV2,
    MocoTp,
}

impl Views {
    fn set(self) -> ViewSet {
        match self {
            Self::Seco => ViewSet::seco(),
            Self::MocoV2 => ViewSet::moco_v2(),
            Self::MocoTp => ViewSet::moco_tp(),
        }
    }
}

/// The part of a configuration that is read here.
#[derive(Deserialize)]
struct DataTables {
    #[serde(default)]
    data: Vec<SourceSpec>,
}

/// Runs the command.
///
/// # Errors
/// When the data cannot be opened or a file cannot be written.
pub fn run(args: InspectDataArgs, reporter: &mut Reporter<'_>) -> Result<()> {
    let sources = open(&args.specs()?, reporter)?;
    let views = args.views.map(Views::set);
    if let Some(secs) = args.bench {
        let views = views.unwrap_or_else(ViewSet::moco_v2);
        let speed = LoaderSpeed { views, batch: args.batch, px: args.px, seed: args.seed, threads: args.threads };
        return speed.measure(sources, Duration::from_secs(secs.max(1)), reporter);
    }
    let sheet = args.sheet.map(|path| Sheet { path, views, rows: args.rows, px: args.px, seed: args.seed });
    inspect(&sources, args.seen_by.as_deref(), sheet.as_ref(), reporter)?;
    #[cfg(feature = "gather")]
    report_gathered(&args.paths, reporter)?;
    Ok(())
}

impl InspectDataArgs {
    fn specs(&self) -> Result<Vec<SourceSpec>> {
        if let Some(path) = &self.data {
            let shown = path.display();
            let is_tar = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("tar"));
            let typed = SourceSpec::typed(path)?;
            if path.is_dir() || is_tar || typed.path != *path {
                return Ok(vec![typed]);
            }
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read {shown}\nhint: a TOML file with [[data]] tables"))?;
            let tables: DataTables = toml::from_str(&text).map_err(|error| {
                UsageError::new(format!("{shown}: {error}\nhint: a [[data]] table needs at least path = \"…\""))
            })?;
            if tables.data.is_empty() {
                return Err(UsageError::new(format!(
                    "{shown} has no [[data]] table\nhint: [[data]] with path = \"…\""
                ))
                .into());
            }
            return Ok(tables.data);
        }
        let bands = |bands: &[Band]| -> Result<Option<Bands>> {
            let named = (!bands.is_empty()).then(|| Bands::new(bands.to_vec())).transpose();
            named.map_err(|error| UsageError::new(error.to_string()).into())
        };
        let kind = self.kind.map(|kind| match kind {
            Kind::Folder => SourceKind::Folder,
            Kind::Places => SourceKind::Places,
            Kind::Seco => SourceKind::Seco,
            Kind::Mosaic => SourceKind::Mosaic,
            Kind::Series => SourceKind::Series,
        });
        // Flags go before what a typed source says itself.
        let either = |own: &[String], typed: Vec<String>| if own.is_empty() { typed } else { own.to_vec() };
        let both = |own: &[[f64; 2]], typed: Vec<[f64; 2]>| if own.is_empty() { typed } else { own.to_vec() };
        let spec = |path: &PathBuf| -> Result<SourceSpec> {
            let typed = SourceSpec::typed(path)?;
            let split = self.split.clone().or(typed.split);
            Ok(SourceSpec {
                kind: kind.or(typed.kind).or(split.as_ref().map(|_| SourceKind::Folder)),
                split,
                include: self.include.clone().or(typed.include),
                keep_places: either(&self.keep_place, typed.keep_places),
                skip_places: either(&self.skip_place, typed.skip_places),
                bands: bands(&self.bands)?.or(typed.bands),
                file_bands: bands(&self.file_bands)?.or(typed.file_bands),
                window_px: self.window.or(typed.window_px),
                keep_longitude: both(&self.keep_longitude, typed.keep_longitude),
                skip_longitude: both(&self.skip_longitude, typed.skip_longitude),
                dn_offset: if self.dn_offset == 0 { typed.dn_offset } else { self.dn_offset },
                ..typed
            })
        };
        self.paths.iter().map(spec).collect()
    }
}

fn longitudes(text: &str) -> Result<[f64; 2], String> {
    let numbers: Vec<f64> = text.split(',').filter_map(|number| number.trim().parse().ok()).collect();
    match numbers[..] {
        [west, east] if west < east => Ok([west, east]),
        _ => Err("two ascending numbers are needed, west,east".to_owned()),
    }
}
