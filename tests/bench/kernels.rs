//! Speed of the CPU kernels and of whole encoders, one JSON line per case; `kernels.py` runs it beside PyTorch.
//!
//!     cargo bench -p solstice-tests --profile dev --bench kernels -- [words that the case's name must contain] [flags]
//!
//! `--busy` counts the processor time of one thread instead of the clock, for machines that have other work (Linux).
//! `--burn` measures Burn's own convolution too; `--device=NAME` computes on another device, as `trainer devices` names it;
//! `--step` waits for a line on
//! standard input before every case.
#![expect(clippy::print_stdout, reason = "the measurements are the output")]

use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Distribution, Tensor};
use shared::encoder::{Architecture, EncoderConfig, NormMode, Stem};
use shared::kernels;
use std::time::{Duration, Instant};

/// At least this long, and at least `REPEATS` times; the fastest counts, since other work can only slow us down.
const BUDGET: Duration = Duration::from_millis(700);
const REPEATS: usize = 5;

fn given(flag: &str) -> bool {
    std::env::args().any(|word| word == flag)
}

/// The plain device that the flags name.
fn device() -> Device {
    let name = std::env::args().find_map(|word| word.strip_prefix("--device=").map(str::to_owned));
    let name = name.unwrap_or_else(|| "cpu".to_owned());
    trainer::device::resolve(&name).unwrap_or_else(|error| panic!("{error:#}")).device
}

/// Waits for what was launched.
fn finish(device: &Device) {
    device.sync().expect("the device computes what it was given");
}

/// Seconds by the clock, or that this thread has computed.
fn now(busy: bool, origin: Instant) -> f64 {
    if !busy {
        return origin.elapsed().as_secs_f64();
    }
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = times.split(' ').next().and_then(|first| first.parse::<u64>().ok());
    nanoseconds.unwrap_or_default() as f64 / 1e9
}

fn fastest(mut work: impl FnMut()) -> f64 {
    let busy = given("--busy");
    work();
    let (start, mut best, mut runs) = (Instant::now(), f64::MAX, 0);
    let first = now(busy, start);
    while runs < REPEATS || start.elapsed() < BUDGET {
        let begin = now(busy, start);
        work();
        best = best.min(now(busy, start) - begin);
        runs += 1;
    }
    // The kernel counts a thread's time in steps too coarse for one run.
    if busy { (now(busy, start) - first) / runs as f64 } else { best }
}

/// Tells `kernels.py` what came out.
fn report(case: &str, own: f64, burns: Option<f64>) {
    println!("{}", serde_json::json!({ "case": case, "seconds": own, "burn_seconds": burns }));
}

/// `(inputs, pixels, outputs, kernel, stride, padding)`
type Conv = (usize, usize, usize, usize, usize, usize);

/// ResNet-18 with the ImageNet stem on 64-pixel tiles, then the compact network.
const CONVS: [Conv; 15] = [
    (3, 64, 64, 7, 2, 3),
    (64, 16, 64, 3, 1, 1),
    (64, 16, 128, 3, 2, 1),
    (64, 16, 128, 1, 2, 0),
    (128, 8, 128, 3, 1, 1),
    (128, 8, 256, 3, 2, 1),
    (256, 4, 256, 3, 1, 1),
    (256, 4, 512, 3, 2, 1),
    (512, 2, 512, 3, 1, 1),
    (3, 64, 32, 3, 2, 1),
    (32, 32, 32, 3, 1, 1),
    (32, 32, 64, 3, 2, 1),
    (32, 32, 64, 1, 2, 0),
    (64, 16, 256, 1, 1, 0),
    (256, 16, 64, 1, 1, 0),
];

fn convolution(name: &str, n: usize, (ci, px, co, kernel, stride, padding): Conv, training: bool, with_burn: bool) {
    let device = if training { device().autodiff() } else { device() };
    let noise = Distribution::Uniform(-0.5, 0.5);
    let x = Tensor::<4>::random([n, ci, px, px], noise, &device);
    let weight = Tensor::<4>::random([co, ci, kernel, kernel], noise, &device);
    let out = (px + 2 * padding - kernel) / stride + 1;
    let gradient = Tensor::<4>::random([n, co, out, out], noise, &device);
    let run = |own: bool| {
        // The picture itself needs no gradient.
        let x = if training && ci > 3 { x.clone().require_grad() } else { x.clone() };
        let weight = if training { weight.clone().require_grad() } else { weight.clone() };
        let y = if own {
            kernels::conv2d(x, weight, None, [stride; 2], [padding; 2])
        } else {
            burn::tensor::module::conv2d(x, weight, None, ConvOptions::new([stride; 2], [padding; 2], [1, 1], 1))
        };
        if training {
            std::hint::black_box((y * gradient.clone()).sum().backward());
        } else {
            std::hint::black_box(y);
        }
        finish(&device);
    };
    let own = fastest(|| run(true));
    report(name, own, with_burn.then(|| fastest(|| run(false))));
}

fn encoder(name: &str, n: usize, architecture: Architecture, stem: Stem, training: bool) {
    let device = if training { device().autodiff() } else { device() };
    let encoder = EncoderConfig { architecture, stem, bands: 3 }.init(&device);
    let x = Tensor::<4>::random([n, 3, 64, 64], Distribution::Uniform(-0.5, 0.5), &device);
    let own = fastest(|| {
        if training {
            let features = encoder.forward(x.clone(), NormMode::Batch { splits: 1 });
            std::hint::black_box((features.clone() * features).sum().backward());
        } else {
            std::hint::black_box(encoder.forward(x.clone(), NormMode::Running));
        }
        finish(&device);
    });
    report(name, own, None);
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let (with_burn, step) = (given("--burn"), given("--step"));
    let wanted = |name: &str| {
        let chosen = words.iter().all(|word| name.contains(word.as_str()));
        if chosen && step {
            // What is read does not matter; at its end the cases run without pause.
            let _ = std::io::stdin().read_line(&mut String::new());
        }
        chosen
    };
    for training in [false, true] {
        let (pass, sizes) = if training { ("training", &[64, 256][..]) } else { ("forward", &[1, 8, 64, 256][..]) };
        for &n in sizes {
            for conv in CONVS {
                let (ci, px, co, kernel, stride, padding) = conv;
                let name = format!("conv {pass} n{n} {ci} {px} {co} {kernel} {stride} {padding}");
                if wanted(&name) {
                    convolution(&name, n, conv, training, with_burn);
                }
            }
            for architecture in
                [Architecture::Resnet18, Architecture::CompactXs, Architecture::CompactS, Architecture::CompactM]
            {
                let stem = if architecture == Architecture::Resnet18 { Stem::Imagenet } else { Stem::Small };
                let name = format!("encoder {pass} n{n} {architecture}");
                if wanted(&name) {
                    encoder(&name, n, architecture, stem, training);
                }
            }
        }
    }
}
