//! `trainer superres`: one picture two, three or four times larger.

use crate::device;
use crate::error::UsageError;
use crate::report::{Reporter, Table, grouped};
use crate::superres::{Camera, Job, Mode, Named, Pictures, Settings, hourglass_shape, windows};
use anyhow::Result;
use std::path::PathBuf;
use std::time::Duration;

/// What can be typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  trainer superres --input june.png --reference may.png --scale 4 --out larger
  trainer superres --input june.png --reduce --reference may.png --out measured   (reduced first, then compared)
  trainer superres --input june.png --reduce --camera 0.3,0.6,0.01 --reference may.png --out camera   (by an unknown camera)
  trainer superres --input low.png --truth high.png --mode bicubic,dip --out measured
  trainer superres --input june.png --scale 2 --mode dip --channels 128 --levels 5 --learning-rate 1e-4 \\
      --steps 10000 --out authors

Modes: bicubic and lanczos interpolate; detail is a regression on the registered other date (its detail, times one gain a
band), without a network; dip fits a network to the picture alone; mip fits one to the picture and that regression.
--reduce makes the picture by the very reduction that detail, dip and mip invert, which flatters them; --camera makes it by
another one, of which they know nothing.

The reference is the same place at another date, as many times larger than the input as the scale says. The same command
again goes on where it was interrupted. --out receives one PNG a mode, panel.png with all of them side by side, and
metrics.json; with the truth known, PSNR, SSIM and the encoder's feature distance are in it. Pictures are 8-bit red, green and
blue, or grey.")]
pub struct SuperresArgs {
    /// Picture to enlarge (PNG, JPEG, WebP, TIFF; 8 bits)
    #[arg(long, value_name = "FILE")]
    pub input: PathBuf,
    /// How many times larger each side becomes: 2, 3 or 4
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(2..=4))]
    pub scale: u8,
    /// The same place at another date, of the size that comes out
    #[arg(long, value_name = "FILE")]
    pub reference: Option<PathBuf>,
    /// What should come out, to be compared with
    #[arg(long, value_name = "FILE", conflicts_with = "reduce")]
    pub truth: Option<PathBuf>,
    /// Take the input for the truth, and enlarge what a reduction by the scale leaves of it
    #[arg(long)]
    pub reduce: bool,
    /// Reduce by an unknown camera: optics whose Gaussian has a deviation of LOW to HIGH pixels of the reduced picture,
    /// drawn by --seed, square detectors, and noise of this deviation where white is 1
    #[arg(long, value_name = "LOW,HIGH,NOISE", requires = "reduce", value_parser = camera)]
    pub camera: Option<[f32; 3]>,
    /// How to enlarge: bicubic, lanczos, detail, dip, mip; several separated by commas [default: all that the files allow]
    #[arg(long, value_enum, value_delimiter = ',', hide_possible_values = true)]
    pub mode: Vec<Mode>,
    /// Exported model for the feature distance
    #[arg(long, value_name = "FILE")]
    pub encoder: Option<PathBuf>,
    /// Folder to write to
    #[arg(long, value_name = "DIR", required_unless_present = "dry_run")]
    pub out: Option<PathBuf>,
    /// Optimiser steps a window, at most
    #[arg(long, default_value_t = 800)]
    pub steps: usize,
    /// Adam's learning rate
    #[arg(long, default_value_t = 0.01)]
    pub learning_rate: f64,
    /// Channels of the generator
    #[arg(long, default_value_t = 32)]
    pub channels: usize,
    /// Times that the generator halves its input
    #[arg(long, default_value_t = 3)]
    pub levels: usize,
    /// Standard deviation of what is added to the noise at every step
    #[arg(long, default_value_t = 0.03)]
    pub jitter: f64,
    /// Weight of the reference's detail beside the fidelity to the input
    #[arg(long, default_value_t = 0.1)]
    pub texture: f64,
    /// Share of the input's pixels that decide when to stop instead of being learned from
    #[arg(long, default_value_t = 0.05)]
    pub held_out: f64,
    /// Steps without progress on those pixels after which a fit stops
    #[arg(long, default_value_t = 100)]
    pub patience: usize,
    /// Side of the windows that a large input is cut into, in its own pixels
    #[arg(long, default_value_t = 32)]
    pub window: usize,
    /// Pixels that neighbouring windows share
    #[arg(long, default_value_t = 8)]
    pub overlap: usize,
    /// Seed of weights, noise and held-out pixels
    #[arg(long, default_value_t = 42)]
    pub seed: u64,
    /// Seconds between two savings of an unfinished fit
    #[arg(long, default_value_t = 10, value_name = "SECS")]
    pub checkpoint_secs: u64,
    /// Device: auto, cpu, wgpu, cuda, or a name listed by `trainer devices`
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// Print windows, sizes and cost, and stop
    #[arg(long)]
    pub dry_run: bool,
}

/// Runs the command.
///
/// # Errors
/// For bad usage, unreadable pictures, or a disk that refuses.
pub fn run(args: &SuperresArgs, reporter: &mut Reporter<'_>) -> Result<()> {
    let settings = args.settings()?;
    let pictures = Pictures::read(&args.named())?;
    if let Some(Camera { sigma_px, noise }) = args.camera() {
        reporter.note(&format!(
            "reduced by a camera of {sigma_px:.2} px and noise of {noise}, of which the modes know nothing"
        ));
    }
    let modes = args.modes()?;
    let windows = windows(pictures.low.height(), pictures.low.width(), args.window, args.overlap);
    if args.dry_run {
        plan(args, &settings, &modes, &pictures, windows.len(), reporter);
        return Ok(());
    }
    let Some(out) = &args.out else { unreachable!("clap requires --out here") };
    let device = device::resolve(&args.device)?;
    let job = Job {
        settings,
        pictures,
        modes,
        windows,
        window_px: args.window,
        overlap: args.overlap,
        encoder: args.encoder.as_deref(),
        pace: Duration::from_secs(args.checkpoint_secs),
        out,
        device: device.device,
    };
    job.run(reporter)
}

/// What `--camera` takes.
fn camera(text: &str) -> Result<[f32; 3], String> {
    let numbers: Option<Vec<f32>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
    match numbers.as_deref() {
        Some(&[low, high, noise]) if 0.0 <= low && low <= high && high <= 4.0 && (0.0..=1.0).contains(&noise) => {
            Ok([low, high, noise])
        }
        _ => Err("LOW,HIGH,NOISE with 0 ≤ LOW ≤ HIGH ≤ 4 and NOISE from 0 to 1, such as 0.3,0.6,0.01".to_owned()),
    }
}

impl SuperresArgs {
    /// The camera that the input is reduced by, where it is not the reduction that is inverted.
    fn camera(&self) -> Option<Camera> {
        self.camera.map(|[low, high, noise]| Camera::drawn([low, high], noise, self.seed))
    }

    fn named(&self) -> Named<'_> {
        Named {
            input: &self.input,
            scale: usize::from(self.scale),
            reference: self.reference.as_deref(),
            truth: self.truth.as_deref(),
            reduce: self.reduce,
            camera: self.camera().map(|camera| (camera, self.seed)),
        }
    }

    fn settings(&self) -> Result<Settings> {
        let settings = Settings {
            scale: usize::from(self.scale),
            steps: self.steps,
            learning_rate: self.learning_rate,
            channels: self.channels,
            levels: self.levels,
            jitter: self.jitter,
            texture: self.texture,
            held_out: self.held_out,
            patience: self.patience,
            seed: self.seed,
        };
        settings.check().map_err(UsageError::new)?;
        if self.window < 8 || self.overlap >= self.window {
            return Err(UsageError::new(format!(
                "a window must be at least 8 and more than the overlap, not {} with {}\nhint: --window 32 --overlap 8",
                self.window, self.overlap
            ))
            .into());
        }
        Ok(settings)
    }

    /// What was asked for, or all that the files allow; each once, in the order of the table.
    fn modes(&self) -> Result<Vec<Mode>> {
        let all = [Mode::Bicubic, Mode::Lanczos, Mode::Detail, Mode::Dip, Mode::Mip];
        let has_reference = self.reference.is_some();
        if self.mode.is_empty() {
            return Ok(all.into_iter().filter(|mode| has_reference || !mode.needs_reference()).collect());
        }
        let lacking = self.mode.iter().find(|mode| mode.needs_reference() && !has_reference);
        if let Some(mode) = lacking {
            return Err(UsageError::new(format!(
                "--mode {} needs a picture of the same place at another date\nhint: --reference FILE",
                mode.name()
            ))
            .into());
        }
        Ok(all.into_iter().filter(|mode| self.mode.contains(mode)).collect())
    }
}

/// What would be done and what it would cost.
fn plan(
    args: &SuperresArgs,
    settings: &Settings,
    modes: &[Mode],
    pictures: &Pictures,
    windows: usize,
    reporter: &mut Reporter<'_>,
) {
    let low = &pictures.low;
    let size = |height: usize, width: usize| format!("{height} × {width}, {} bands", low.bands());
    let mut table = Table::new(["what", "value"]);
    let mut row = |what: &str, value: String| table.row([what.to_owned(), value]);
    row("input", size(low.height(), low.width()));
    row("result", size(low.height() * settings.scale, low.width() * settings.scale));
    row("modes", modes.iter().map(|mode| mode.name()).collect::<Vec<_>>().join(", "));
    let side = |len: usize| len.min(args.window);
    let (height, width) = (side(low.height()), side(low.width()));
    row("windows", format!("{windows} × {height} × {width}"));
    for mode in modes.iter().filter(|mode| mode.is_fitted()) {
        let shape = hourglass_shape(settings, low.bands(), *mode);
        let (height, width) = (height * settings.scale, width * settings.scale);
        // A backward pass costs two forward passes.
        let step = 2 * 3 * shape.multiply_adds(height, width);
        row(&format!("{} parameters", mode.name()), grouped(shape.parameter_count()));
        row("  floating-point operations a step", format!("{:.1} G", step as f64 / 1e9));
        let activations = 4 * shape.activations(height, width);
        row(
            "  memory, activations of a step (estimate)",
            format!("{:.0} MiB", activations as f64 / f64::from(1 << 20)),
        );
        row("  steps at most", grouped(windows * settings.steps));
    }
    reporter.table(&table);
}
