//! The operations against torchvision: `tests/reference/views.py` makes the reference values.

use serde_json::Value;
use shared::preprocess::flip_horizontal;
use shared::tile::Tile;

use super::geometry::{Window, fallback_crop, random_crop, random_erasing};
use super::{Palette, PixelRange, ViewRng, blur, colour, view_rng};

const GOLDEN: &str = include_str!("../../tests/fixtures/views.json");
const HEIGHT: usize = 11;
const WIDTH: usize = 13;
/// Half of the smallest step of an 8-bit picture would be 0.002; torchvision's rounded grey weight makes up to 0.0001 a
/// step, and the stored values are rounded to six digits.
const TOLERANCE: f32 = 4e-4;

fn golden() -> Value {
    serde_json::from_str(GOLDEN).expect("the fixture is JSON")
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
}

/// The input that the generator's formula describes.
fn input() -> Tile {
    let area = HEIGHT * WIDTH;
    let value = |at: u64| ((at.wrapping_mul(2_654_435_761) >> 13) & 255) as f32 / 255.0;
    let mut pixels: Vec<f32> = (0..3 * area as u64).map(value).collect();
    for band in 0..3 {
        pixels[band * area] = 0.0;
        pixels[band * area + 1] = 1.0;
    }
    Tile::new(3, HEIGHT, WIDTH, pixels).expect("the size is right")
}

fn step(tile: &mut Tile, operation: &str, factor: f32) {
    let palette = Palette { rgb: true, range: PixelRange::Display, fill: &[] };
    match operation {
        "brightness" => colour::brightness(tile, factor, palette),
        "contrast" => colour::contrast(tile, factor, palette),
        "saturation" => colour::saturation(tile, factor, palette),
        "hue" => colour::hue(tile, factor, palette),
        "grey" => colour::grey(tile, palette),
        "blur" => blur::gaussian(tile, factor),
        "flip" => *tile = flip_horizontal(tile),
        other => panic!("no operation {other}"),
    }
}

#[test]
fn every_operation_gives_what_torchvision_gives() {
    let golden = golden();
    let cases = golden["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 27);
    for case in cases {
        let mut tile = input();
        for one in case["steps"].as_array().expect("steps") {
            step(&mut tile, one[0].as_str().expect("a name"), one[1].as_f64().expect("a factor") as f32);
        }
        let expected = numbers(&case["output"]);
        assert_eq!(expected.len(), tile.pixels().len());
        for (at, (found, wanted)) in tile.pixels().iter().zip(&expected).enumerate() {
            let difference = (found - *wanted as f32).abs();
            assert!(difference < TOLERANCE, "{}: value {at} is {found}, not {wanted}", case["steps"]);
        }
    }
}

#[test]
fn crops_that_never_fit_fall_back_as_in_torchvision() {
    for case in golden()["fallbacks"].as_array().expect("cases") {
        let [source, window] = [&case["source"], &case["window"]]
            .map(|value| numbers(value).iter().map(|&n| n as usize).collect::<Vec<_>>());
        let found = fallback_crop(source[0], source[1], [0.75, 4.0 / 3.0]);
        assert_eq!([found.top, found.left, found.height, found.width], window[..], "{source:?}");
    }
}

/// Compares means over as many draws, within five standard errors of their difference, and deviations within 2 %.
fn same_distribution(expected: &Value, draws: usize, draw: impl Fn(usize, usize, &mut ViewRng) -> Option<Window>) {
    let source = numbers(&expected["source"]);
    let (height, width) = (source[0] as usize, source[1] as usize);
    let mut rng = view_rng(11, 0, 0);
    let windows: Vec<[f64; 4]> = (0..draws)
        .filter_map(|_| draw(height, width, &mut rng))
        .map(|window| [window.height, window.width, window.top, window.left].map(|side| side as f64))
        .collect();
    let count = windows.len() as f64;
    let missing = 1.0 - count / draws as f64;
    assert!((missing - expected["missing"].as_f64().expect("a share")).abs() < 0.01, "missing: {missing}");
    let (means, deviations) = (numbers(&expected["mean"]), numbers(&expected["std"]));
    for side in 0..4 {
        let mean = windows.iter().map(|window| window[side]).sum::<f64>() / count;
        let std = (windows.iter().map(|window| (window[side] - mean).powi(2)).sum::<f64>() / count).sqrt();
        let error = std * (2.0 / count).sqrt();
        assert!((mean - means[side]).abs() < 5.0 * error, "side {side}: mean {mean}, torchvision {}", means[side]);
        assert!(
            (std / deviations[side] - 1.0).abs() < 0.02,
            "side {side}: std {std}, torchvision {}",
            deviations[side]
        );
    }
}

#[test]
fn random_windows_are_distributed_as_in_torchvision() {
    let golden = golden();
    let draws = golden["draws"].as_u64().expect("a number") as usize;
    for expected in golden["crops"].as_array().expect("cases") {
        same_distribution(expected, draws, |height, width, rng| {
            Some(random_crop(height, width, [0.2, 1.0], [0.75, 4.0 / 3.0], rng))
        });
    }
    for expected in golden["erasing"].as_array().expect("cases") {
        same_distribution(expected, draws, |height, width, rng| {
            random_erasing(height, width, [0.02, 0.6], [0.3, 3.3], rng)
        });
    }
}
