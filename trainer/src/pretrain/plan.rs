//! `--dry-run`: what a run would do and cost, without doing it.

use crate::config::RunConfig;
use crate::methods::Outline;
use crate::report::{Reporter, Table};
use shared::encoder::EncoderConfig;

/// Bytes of a single-precision value.
const F32: u64 = 4;

/// Shares by number of dates, those with as many as are drawn in one.
#[must_use]
pub fn few_and_enough(shares: &[(usize, f64)], drawn: usize) -> Vec<(String, f64)> {
    let enough = shares.iter().filter(|(dates, _)| *dates >= drawn).map(|(_, share)| share).sum();
    let few = shares.iter().filter(|(dates, _)| *dates < drawn);
    let few = few.map(|&(dates, share)| (format!("{dates} date{}", if dates == 1 { "" } else { "s" }), share));
    few.chain([(format!("{drawn} or more"), enough)]).collect()
}

/// Prints shapes, parameters, cost and memory.
///
/// # Errors
/// When the normalisation does not fit the bands, or the data of a method that draws several dates cannot be opened.
pub fn print_plan(config: &RunConfig, reporter: &mut Reporter<'_>) -> anyhow::Result<()> {
    let drawn = config.method.needs().dates;
    // What is read of the data is what a method with several dates needs to be judged by.
    let mixture = match drawn > 1 && !config.data.is_empty() {
        true => Some(super::sources::open_sources(config, reporter)?),
        false => None,
    };
    let encoder = config.encoder_config();
    let (batch, method) = (config.train.batch, &config.method);
    let px = config.train.crop_px.iter().map(|(_, px)| *px).max().unwrap_or(0);
    let outline = method.outline(&encoder, batch);
    let (with_gradient, without) = outline.passes;
    let trunk = TrunkFigures::of(&encoder, &outline, px);
    let forward = trunk.multiply_adds;
    // A backward pass costs two forward passes: one for the input's gradient, one for the weights'.
    let step = (forward * (3 * with_gradient + without) as u64 + outline.own_multiply_adds) * batch as u64;

    let mut table = Table::new(["what", "value"]);
    let mut row = |what: &str, value: String| table.row([what.to_owned(), value]);
    row("method", config.name().to_owned());
    row("encoder", trunk.name);
    row("batches encoded a step", format!("{} × [{batch}, {}, {px}, {px}]", with_gradient + without, encoder.bands));
    for (epoch, px) in &config.train.crop_px {
        row("  crop", format!("{px} px from epoch {epoch}"));
    }
    row("features", format!("[{batch}, {}]", trunk.width));
    for (what, value) in &outline.rows {
        row(what, value.clone());
    }
    row("encoder parameters", millions(trunk.parameters as u64));
    row("head parameters", millions(outline.head_parameters as u64));
    row("multiply-adds a tile, forward", millions(forward));
    row("floating-point operations a step", format!("{:.1} G", 2.0 * step as f64 / 1e9));
    row("memory, weights and state", mebibytes(state_bytes(trunk.parameters, &outline)));
    row("memory, activations of a step (estimate)", mebibytes(trunk.activation_bytes * batch as u64));
    match &config.dnc {
        None => row("epochs", config.train.epochs.to_string()),
        // The rows above are the base's; an expert's step costs the same.
        Some(dnc) => {
            row("epochs of the base", config.train.epochs.to_string());
            row("epochs shared by the experts", format!("{} by {}", dnc.expert_epochs, dnc.clusters));
            row("epochs of the student", dnc.distill_epochs.to_string());
        }
    }
    row("pictures trained on", "listed by content in seen.txt; evaluate says how many it tests on".to_owned());
    if let Some(mixture) = mixture {
        row("dates drawn a sample", drawn.to_string());
        for (dates, share) in few_and_enough(&mixture.shares_by_dates(), drawn) {
            row(&format!("  samples at places with {dates}"), format!("{:.1} %", 100.0 * share));
        }
    }
    row("precision", format!("{:?}", config.train.precision).to_lowercase());
    reporter.table(&table);
    Ok(())
}

/// What the trunk costs: an encoder, or what takes its place.
struct TrunkFigures {
    name: String,
    width: usize,
    parameters: usize,
    /// Of one tile, forward.
    multiply_adds: u64,
    /// Of one tile.
    activation_bytes: u64,
}

impl TrunkFigures {
    fn of(encoder: &EncoderConfig, outline: &Outline, px: usize) -> Self {
        match outline.discriminator {
            None => Self {
                name: format!("{}, {} stem", encoder.architecture, encoder.stem),
                width: encoder.feature_width(),
                parameters: encoder.parameter_count(),
                multiply_adds: encoder.multiply_adds(px),
                activation_bytes: activation_bytes(encoder, px),
            },
            Some(own) => Self {
                name: format!("none: a discriminator of {} convolutions", own.channels().len() - 1),
                width: own.fused_width(),
                parameters: own.parameter_count(),
                multiply_adds: own.multiply_adds(),
                activation_bytes: 3 * own.activations() as u64 * F32,
            },
        }
    }
}

/// Each network's weights, one velocity and one gradient; and the queues.
fn state_bytes(parameters: usize, outline: &Outline) -> u64 {
    let parameters = parameters + outline.head_parameters;
    ((2 + outline.networks) * parameters + outline.other_values) as u64 * F32
}

/// Outputs of every convolution, kept for the backward pass together with their normalised and rectified copies.
fn activation_bytes(encoder: &EncoderConfig, px: usize) -> u64 {
    let spec = encoder.spec();
    let mut side = spec.stem.output_px(px);
    let mut values = side * side * spec.stem.outputs;
    if spec.max_pool {
        side = side.div_ceil(2);
    }
    for block in spec.stages.iter().flatten() {
        for conv in &block.convs {
            side = conv.output_px(side);
            values += side * side * conv.outputs;
        }
    }
    3 * values as u64 * F32
}

fn millions(count: u64) -> String {
    format!("{:.2} M", count as f64 / 1e6)
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20))
}
