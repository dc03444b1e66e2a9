//! `trainer gather`: unlabelled, multi-season patches from a public archive, after SeCo's procedure.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};
use gather::archive::{Archive, BANDS};
use gather::comb::Comb;
use gather::http::HttpConfig;
use gather::plan::{Plan, Shard};
use gather::run::{Effort, Outcome, Progress, Watch};
use gather::sample::Sampler;
use gather::{UsageError as Wrong, map, merge, run};

use crate::error::UsageError;
use crate::report::{Reporter, duration, grouped};

const EXAMPLES: &str = "\
Examples:
  trainer gather --locations 1000 --dry-run --out places   (where it would look: places.svg, places.geojson)
  trainer gather --locations 1000 --reference-date 2021-09-01 --out data/s2
  trainer gather --archive planetary-computer --locations 1000 --out data/s2
  trainer gather --stac https://host/stac --collection s2-l2a --asset B2=blue --asset B3=green --bands B2,B3 --out data/s2
  trainer gather --region alps.geojson --locations 500 --tar 100 --out data/alps
  trainer gather --locations 100000 --reference-date 2021-09-01 --shard 3/64 --out data/s2   (one of 64 machines)
  trainer gather merge data/s2   (once all are done)

Stopped or killed, the same command continues where it was. Then:
  trainer pretrain --preset seco --data kind=seco,path=data/s2 --out runs/s2";

/// What can be typed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct GatherArgs {
    #[command(subcommand)]
    merge: Option<Part>,
    /// Places to gather
    #[arg(long, default_value_t = 1000)]
    locations: usize,
    /// Folder of the set; continued if it is there
    #[arg(long, required = true)]
    out: Option<PathBuf>,
    /// A public archive: earth-search, planetary-computer
    #[arg(long, default_value = "earth-search")]
    archive: String,
    /// Another archive: its API's landing page or its catalog.json
    #[arg(long, value_name = "URL", conflicts_with = "archive")]
    stac: Option<String>,
    /// Collection to search, instead of the archive's usual one (may be repeated)
    #[arg(long)]
    collection: Vec<String>,
    /// The archive's key for a band or SCL, such as B2=blue (may be repeated)
    #[arg(long, value_name = "BAND=KEY")]
    asset: Vec<String>,
    /// Where the archive hands out tokens for its files
    #[arg(long, value_name = "URL")]
    sign: Option<String>,
    /// How places are drawn
    #[arg(long, value_enum, default_value = "cities")]
    sampler: Kind,
    /// Uniformly inside the polygons of this GeoJSON file
    #[arg(long, value_name = "FILE", conflicts_with = "sampler")]
    region: Option<PathBuf>,
    /// Standard deviation of the distance from a city, in km, east and north
    #[arg(long, value_name = "KM", default_value_t = 50.0)]
    sigma: f64,
    /// Seed of all draws
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Newest date of an unshifted place, YYYY-MM-DD [default: four weeks ago, or the set's own]
    #[arg(long, value_name = "DATE")]
    reference_date: Option<String>,
    /// Dates of a place
    #[arg(long, default_value_t = 5)]
    dates: usize,
    /// Days allowed to either side of a date
    #[arg(long, value_name = "DAYS", default_value_t = 7.5)]
    window_days: f64,
    /// Bands [default: all twelve]
    #[arg(long, value_delimiter = ',')]
    bands: Vec<String>,
    /// Side of a patch, in pixels of 10 m; a multiple of 6
    #[arg(long, default_value_t = 264)]
    px: usize,
    /// Scenes with this many percent of clouds or more are passed over
    #[arg(long, value_name = "PERCENT", default_value_t = 10.0)]
    max_cloud: f64,
    /// Largest share of cloudy pixels in a patch, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    max_patch_cloud: f64,
    /// Do not look at the scene classification, for archives without one
    #[arg(long)]
    no_scl: bool,
    /// Write tars of this many places (WebDataset's layout) instead of folders
    #[arg(long, value_name = "PLACES")]
    tar: Option<usize>,
    /// Candidates tried for a place before it counts as missing
    #[arg(long, default_value_t = 100)]
    max_candidates: usize,
    /// Do part i of n, counted from 0; needs --reference-date
    #[arg(long, value_name = "I/N", requires = "reference_date")]
    shard: Option<Shard>,
    /// Only draw the first candidates on a map: places.svg and places.geojson
    #[arg(long)]
    dry_run: bool,
    /// Places in hand at the same time
    #[arg(long, default_value_t = 32)]
    concurrency: usize,
    /// Requests in flight at the same time
    #[arg(long, default_value_t = 64)]
    requests: usize,
    /// Read at most this many megabytes a second; 0 for no limit
    #[arg(long, value_name = "MB", default_value_t = 0.0)]
    max_rate: f64,
    /// Tries after a failed one, with growing pauses
    #[arg(long, default_value_t = 7)]
    retries: u32,
    /// Seconds to wait for an answer
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0)]
    timeout: f64,
}

/// What else `gather` does.
#[derive(Debug, clap::Subcommand)]
enum Part {
    /// Check the parts gathered with --shard and join them
    Merge {
        /// The folder that was given to --out
        folder: PathBuf,
    },
}

/// The values of `--sampler`.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Kind {
    /// Round the 10 000 largest cities, on land, without overlaps
    Cities,
    /// As the original's code: the Gaussian in degrees, on sea as well, overlaps allowed
    Original,
    /// Uniformly over the land
    Land,
}

/// Runs the command.
///
/// # Errors
/// When the archive or the folder cannot be used, or places are missing in the end.
pub fn run(args: &GatherArgs, reporter: &mut Reporter<'_>) -> Result<()> {
    run_inner(args, reporter).map_err(|error| match error.downcast::<Wrong>() {
        Ok(Wrong(text)) => UsageError::new(text).into(),
        Err(error) => error,
    })
}

fn run_inner(args: &GatherArgs, reporter: &mut Reporter<'_>) -> Result<()> {
    if let Some(Part::Merge { folder }) = &args.merge {
        let merged = merge::merge(folder, &mut |done, total| reporter.progress("checking parts", done, total))?;
        reporter.line(&format!(
            "joined {} parts: {} places, {} pictures in {}",
            merged.shards,
            grouped(merged.places),
            grouped(merged.pictures),
            folder.display()
        ));
        return Ok(());
    }
    let Some(out) = &args.out else {
        return Err(UsageError::new("nowhere to write to\nhint: --out FOLDER").into());
    };
    let folder = args.shard.map_or_else(|| out.clone(), |shard| out.join(shard.folder()));
    let plan = args.plan(&folder)?;
    plan.check()?;
    if args.dry_run {
        return dry_run(&plan, out, reporter);
    }
    let effort = Effort { places: args.concurrency.max(1), http: args.http(), ..Effort::default() };
    let shard = args.shard.unwrap_or(Shard::WHOLE);
    let outcome = run::run(&plan, &folder, shard, &effort, &mut Shown(reporter))?;
    summary(&outcome, &folder, reporter);
    if let Some((place, why)) = outcome.missing.first() {
        bail!(
            "{} of {} places are missing, first {place}: {why}\nhint: repeat the command: it tries just these again",
            grouped(outcome.missing.len()),
            grouped(outcome.progress.total)
        );
    }
    Ok(())
}

impl GatherArgs {
    fn plan(&self, folder: &Path) -> Result<Plan> {
        let saved = Plan::load(folder)?;
        let reference = match (&self.reference_date, &saved) {
            (Some(text), _) => text.parse().map_err(|_| {
                UsageError::new(format!("{text:?} is no date\nhint: write it YYYY-MM-DD, such as 2021-09-01"))
            })?,
            (None, Some(saved)) => saved.comb.reference,
            (None, None) => (chrono::Utc::now() - chrono::Duration::weeks(4)).date_naive(),
        };
        let sigma_m = self.sigma * 1e3;
        let sampler = match (&self.region, self.sampler) {
            (Some(path), _) => Sampler::Region { path: path.clone() },
            (None, Kind::Cities) => Sampler::Cities { sigma_m },
            (None, Kind::Original) => Sampler::Original { sigma_m },
            (None, Kind::Land) => Sampler::Land,
        };
        Ok(Plan {
            version: 1,
            locations: self.locations,
            seed: self.seed,
            sampler,
            comb: Comb { dates: self.dates, half_window_days: self.window_days, ..Comb::seco(reference) },
            archive: self.archive()?,
            bands: self.bands()?,
            max_cloud: self.max_cloud,
            max_patch_cloud: self.max_patch_cloud,
            patch_m: self.px as f64 * 10.0,
            places_per_tar: self.tar,
            max_candidates: self.max_candidates,
        })
    }

    fn archive(&self) -> Result<Archive> {
        let mut archive = match &self.stac {
            Some(stac) => Archive::at(stac),
            None => Archive::preset(&self.archive)?,
        };
        if !self.collection.is_empty() {
            archive.collections.clone_from(&self.collection);
        }
        for text in &self.asset {
            match text.split_once('=') {
                Some((band, key)) if band.eq_ignore_ascii_case("scl") => archive.scl = Some(key.to_owned()),
                Some((band, key)) => {
                    archive.assets.insert(seco_name(band), key.to_owned());
                }
                None => return Err(UsageError::new(format!("{text:?} names no asset\nhint: --asset B2=blue")).into()),
            }
        }
        if self.no_scl {
            archive.scl = None;
        }
        if let Some(sign) = &self.sign {
            archive.sign = Some(sign.clone());
        }
        Ok(archive)
    }

    fn bands(&self) -> Result<Vec<String>> {
        if self.bands.is_empty() {
            return Ok(BANDS.map(str::to_owned).to_vec());
        }
        let mut bands: Vec<String> = self.bands.iter().map(|band| seco_name(band)).collect();
        bands.sort_by_key(|band| BANDS.iter().position(|known| known == band));
        bands.dedup();
        if let Some(unknown) = bands.iter().find(|band| !BANDS.contains(&band.as_str())) {
            return Err(UsageError::new(format!("no band is called {unknown}\nhint: {}", BANDS.join(" "))).into());
        }
        Ok(bands)
    }

    fn http(&self) -> HttpConfig {
        HttpConfig {
            retries: self.retries,
            connections: self.requests.max(1),
            patience: Duration::from_secs_f64(self.timeout.clamp(0.1, 3600.0)),
            bytes_per_second: (self.max_rate.max(0.0) * 1e6) as u64,
            ..HttpConfig::default()
        }
    }
}

/// `B02` → `B2`.
fn seco_name(band: &str) -> String {
    let band = band.trim().to_uppercase();
    band.strip_prefix("B0").map_or(band.clone(), |rest| format!("B{rest}"))
}

fn dry_run(plan: &Plan, out: &Path, reporter: &mut Reporter<'_>) -> Result<()> {
    let candidates = plan.candidates()?;
    let places: Vec<_> = (0..plan.locations).filter_map(|slot| candidates.get(slot, 0)).collect();
    let (svg, geojson) = (out.join("places.svg"), out.join("places.geojson"));
    atomic_file::write(&svg, map::svg(&places).as_bytes())?;
    atomic_file::write(&geojson, map::geojson(&places).as_bytes())?;
    reporter.line(&format!(
        "{} places, {} dates each; nothing was read: {}, {}",
        grouped(places.len()),
        plan.comb.dates,
        svg.display(),
        geojson.display()
    ));
    if places.len() < plan.locations {
        bail!(
            "there is room for {} of {} places\nhint: a larger region or fewer --locations",
            grouped(places.len()),
            grouped(plan.locations)
        );
    }
    Ok(())
}

/// Progress and warnings on the terminal.
struct Shown<'a, 'b>(&'a mut Reporter<'b>);

impl Watch for Shown<'_, '_> {
    fn progress(&mut self, progress: &Progress) {
        let fresh = progress.done - progress.before;
        let rate = fresh as f64 / progress.elapsed_secs.max(1e-3);
        let left = if fresh > 0 { (progress.total - progress.done) as f64 / rate } else { f64::INFINITY };
        self.0.live(&[
            format!("places {}/{}", grouped(progress.done), grouped(progress.total)),
            format!("{} left", duration(left)),
            format!("{rate:.1} places/s"),
            format!("{:.1} MB read", progress.bytes as f64 / 1e6),
            format!("{} requests", grouped(progress.requests as usize)),
            format!("{} refused", grouped(progress.refused)),
            format!("{} retries", grouped(progress.retries as usize)),
        ]);
    }

    fn warning(&mut self, text: &str) {
        self.0.warning(text);
    }
}

fn summary(outcome: &Outcome, folder: &Path, reporter: &mut Reporter<'_>) {
    let Outcome { progress, .. } = outcome;
    reporter.line(&format!(
        "{} places, {} pictures in {}: {:.1} MB of tiles, {:.1} MB stored",
        grouped(progress.done),
        grouped(outcome.pictures),
        folder.display(),
        outcome.tile_bytes as f64 / 1e6,
        outcome.stored_bytes as f64 / 1e6
    ));
    let fresh = progress.done - progress.before;
    if fresh > 0 {
        reporter.line(&format!(
            "this run: {} places in {} ({:.2} pictures/s), {:.1} MB read in {} requests, {} repeated, {} candidates refused",
            grouped(fresh),
            duration(progress.elapsed_secs),
            outcome.pictures as f64 * fresh as f64 / progress.done.max(1) as f64 / progress.elapsed_secs.max(1e-3),
            progress.bytes as f64 / 1e6,
            grouped(progress.requests as usize),
            grouped(progress.retries as usize),
            grouped(progress.refused)
        ));
    }
}
