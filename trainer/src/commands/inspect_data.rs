//! `trainer inspect-data`: what a data set holds, before anything is trained on it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde::Deserialize;
use shared::bands::{Band, Bands};
use shared::preprocess::Normalisation;

use crate::data::{
    ContactSheet, Loader, LoaderConfig, Mixture, Placement, Source, SourceKind, SourceSpec, Survey, TileSource, Warning,
};
use crate::error::UsageError;
use crate::report::{Reporter, Table};
use crate::views::{Palette, ViewSet, view_rng};

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
  trainer inspect-data seco_100k/ --bands B04,B03,B02,B08
  trainer inspect-data eurosat_rgb.tar --bench 10 --threads 2";

/// Counts places, dates and classes, finds damaged files, and measures each band.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct InspectDataArgs {
    /// Folders or tars of pictures.
    #[arg(required_unless_present = "data")]
    paths: Vec<PathBuf>,
    /// Inspect the [[data]] tables of a preset or run configuration (TOML).
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
    let specs = args.specs()?;
    let mut sources = Vec::new();
    for spec in specs {
        let mut warnings = Vec::new();
        sources.push((spec.open_tiles(Path::new(""), &mut warnings)?, spec.weight));
        warn(&warnings, reporter);
    }
    if let Some(secs) = args.bench {
        let boxed = sources.into_iter().map(|(source, weight)| (Box::new(source) as Box<dyn Source>, weight)).collect();
        return bench(&args, Mixture::new(boxed)?, Duration::from_secs(secs.max(1)), reporter);
    }
    for (index, (source, _)) in sources.iter().enumerate() {
        reporter.line(&source.describe());
        describe(&Survey::of(source), reporter);
        if let Some(path) = &args.sheet {
            let path = numbered(path, index);
            let columns = args.sheet_of(source)?.save_as(&path)?;
            reporter.line(&format!("contact sheet: {} ({columns})", path.display()));
        }
    }
    Ok(())
}

impl InspectDataArgs {
    fn specs(&self) -> Result<Vec<SourceSpec>> {
        if let Some(path) = &self.data {
            let shown = path.display();
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}\nhint: a TOML file with [[data]] tables"))?;
            let tables: DataTables = toml::from_str(&text).map_err(|error| UsageError::new(format!("{shown}: {error}\nhint: a [[data]] table needs at least path = \"…\"")))?;
            if tables.data.is_empty() {
                return Err(UsageError::new(format!("{shown} has no [[data]] table\nhint: [[data]] with path = \"…\"")).into());
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
        let spec = |path: &PathBuf| -> Result<SourceSpec> {
            Ok(SourceSpec {
                kind: kind.or(self.split.as_ref().map(|_| SourceKind::Folder)),
                split: self.split.clone(),
                include: self.include.clone(),
                bands: bands(&self.bands)?,
                file_bands: bands(&self.file_bands)?,
                window_px: self.window,
                keep_longitude: self.keep_longitude.clone(),
                skip_longitude: self.skip_longitude.clone(),
                dn_offset: self.dn_offset,
                placement: Placement::Random,
                ..SourceSpec::new(path)
            })
        };
        self.paths.iter().map(spec).collect()
    }

    /// Tiles of places evenly spread over the source.
    fn sheet_of(&self, source: &TileSource) -> Result<Sheet> {
        let rows = self.rows.clamp(1, 200);
        let spread = |count: usize| {
            let count = count.min(source.len());
            (0..count).map(move |at| at * source.len() / count)
        };
        let mut sheet = ContactSheet::new(source.bands(), source.range(), 96);
        let most_dates = (0..source.len()).map(|place| source.dates(place)).max().unwrap_or(1);
        let columns = if let Some(views) = self.views {
            let set = views.set();
            let means = Survey::of(source).bands.iter().map(|band| band.mean as f32).collect::<Vec<_>>();
            let palette = Palette::new(source.bands(), source.range(), &means);
            for (row, place) in spread(rows).enumerate() {
                let mut rng = view_rng(self.seed, 0, row as u64);
                let dates = set.dates(source.dates(place), &mut rng);
                let Ok(mut tiles) = source.read(place, &dates, &mut rng) else { continue };
                let views = set.make(&tiles, self.px, palette, &mut rng)?;
                tiles.extend(views);
                sheet.row(tiles.into_iter().map(Some).collect());
            }
            format!("{} dates as drawn, then {} views", set.slots, set.views.len())
        } else if most_dates == 1 {
            let places: Vec<usize> = spread(rows * 12).collect();
            places.chunks(12).for_each(|row| sheet.row(row.iter().map(|&place| source.read_fixed(place, 0).ok()).collect()));
            "a place each".to_owned()
        } else {
            for place in spread(rows) {
                let dates = source.dates(place);
                let shown = dates.min(12);
                sheet.row((0..shown).map(|at| source.read_fixed(place, at * dates / shown).ok()).collect());
            }
            format!("a row a place, {} of its dates", most_dates.min(12))
        };
        Ok(Sheet { sheet, columns })
    }
}

/// A contact sheet and what its columns are.
struct Sheet {
    sheet: ContactSheet,
    columns: String,
}

impl Sheet {
    fn save_as(self, path: &Path) -> Result<String> {
        self.sheet.save(path)?;
        Ok(self.columns)
    }
}

/// Prints a survey.
fn describe(survey: &Survey, reporter: &mut Reporter<'_>) {
    let sizes: Vec<String> = survey.sizes.iter().take(6).map(|((height, width), count)| format!("{height} x {width} ({count})")).collect();
    let more = if survey.sizes.len() > 6 { format!(", and {} more", survey.sizes.len() - 6) } else { String::new() };
    reporter.line(&format!("pictures: {}; tiles of {}{more}", survey.pictures, sizes.join(", ")));
    let dates: Vec<String> = survey.dates_of_places.iter().take(8).map(|(dates, places)| format!("{places} with {dates}")).collect();
    reporter.line(&format!("places by number of dates: {}", dates.join(", ")));
    if let Some((first, last)) = survey.span {
        let month = |(year, month): (u16, u8)| format!("{year}-{month:02}");
        let months: Vec<String> = survey.months.iter().map(ToString::to_string).collect();
        reporter.line(&format!("dates: {} to {}; pictures by month, January first: {}", month(first), month(last), months.join(" ")));
    }
    if !survey.classes.is_empty() {
        let mut table = Table::new(["class", "pictures"]);
        survey.classes.iter().for_each(|(class, count)| table.row([class.clone(), count.to_string()]));
        reporter.table(&table);
    }
    let mut table = Table::new(["band", "mean", "std", "min", "max"]);
    for band in &survey.bands {
        let numbers = [band.mean, band.std, f64::from(band.min), f64::from(band.max)].map(|value| format!("{value:.4}"));
        table.row(std::iter::once(band.band.to_string()).chain(numbers));
    }
    reporter.table(&table);
    let list = |value: fn(&crate::data::BandSurvey) -> f64| survey.bands.iter().map(|band| format!("{:.4}", value(band))).collect::<Vec<_>>().join(", ");
    reporter.line(&format!("for a configuration: mean = [{}], std = [{}]", list(|band| band.mean), list(|band| band.std)));
    for error in survey.damaged.iter().take(20) {
        reporter.warning(&error.to_string());
    }
    if !survey.damaged.is_empty() {
        reporter.warning(&format!("{} of {} pictures cannot be read; training leaves them out", survey.damaged.len(), survey.pictures));
    }
}

/// Runs the loader alone and prints its speed.
fn bench(args: &InspectDataArgs, mixture: Mixture, time: Duration, reporter: &mut Reporter<'_>) -> Result<()> {
    let set = args.views.unwrap_or(Views::MocoV2).set();
    let views = set.views.len();
    let config = LoaderConfig {
        batch: args.batch,
        px: args.px,
        seed: args.seed,
        threads: args.threads,
        samples_per_epoch: mixture.places().max(args.batch),
        normalisation: Normalisation::identity(mixture.bands().len()),
    };
    let loader = Loader::new(Arc::new(mixture), set, config)?;
    let (mut warm, mut samples) = (None, 0);
    for epoch in 0.. {
        for batch in loader.epoch(epoch, 0) {
            let batch = batch?;
            warn(&batch.warnings, reporter);
            // the first epoch decodes what later ones find in memory; the clock starts at the first batch of all the same
            let started = *warm.get_or_insert_with(Instant::now);
            samples += batch.n;
            let elapsed = started.elapsed();
            if elapsed >= time {
                let rate = (samples - batch.n) as f64 / elapsed.as_secs_f64();
                reporter.line(&format!(
                    "loader: {rate:.0} samples/s, {:.0} views/s of {} px in {:.1} s ({} threads, epochs begun: {})",
                    rate * views as f64,
                    args.px,
                    elapsed.as_secs_f64(),
                    loader.threads(),
                    epoch + 1
                ));
                return Ok(());
            }
        }
    }
    Ok(())
}

fn warn(warnings: &[Warning], reporter: &mut Reporter<'_>) {
    for warning in warnings {
        let times = if warning.count > 1 { format!(" ({} in all)", warning.count) } else { String::new() };
        reporter.warning(&format!("{}{times}", warning.what));
    }
}

/// The path of the second sheet is `name-2.png`, and so on.
fn numbered(path: &Path, index: usize) -> PathBuf {
    if index == 0 {
        return path.to_owned();
    }
    let stem = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let extension = path.extension().map_or_else(|| "png".to_owned(), |extension| extension.to_string_lossy().into_owned());
    path.with_file_name(format!("{stem}-{}.{extension}", index + 1))
}

fn longitudes(text: &str) -> Result<[f64; 2], String> {
    let numbers: Vec<f64> = text.split(',').filter_map(|number| number.trim().parse().ok()).collect();
    match numbers[..] {
        [west, east] if west < east => Ok([west, east]),
        _ => Err("two ascending numbers are needed, west,east".to_owned()),
    }
}
