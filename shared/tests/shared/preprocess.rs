//! Geometry and values against PyTorch, torchvision and Pillow (`tests/reference/preprocess.py`) and slow loops.

use shared::preprocess::{
    Filter, Normalisation, PreprocessError, batch, center_crop, crop, fit, flip_horizontal, normalise,
    reflectance_from_dn, resize, resize_with, resized_crop, stretch,
};
use shared::tile::Tile;

use crate::{fixture, pattern};

/// Weights are rounded to f32 once, sums of up to 40 products in another order: a few units in the last place of 1.
const TOLERANCE: f32 = 1e-6;

fn tile(bands: usize, height: usize, width: usize) -> Tile {
    Tile::new(bands, height, width, (0..bands * height * width).map(pattern).collect()).unwrap()
}

#[test]
fn geometry_agrees_with_torch_torchvision_and_pillow() {
    let text = std::fs::read_to_string(fixture("preprocess.json")).unwrap();
    let reference: serde_json::Value = serde_json::from_str(&text).unwrap();
    let cases = reference["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 51);
    for case in cases {
        let number = |value: &serde_json::Value| value.as_u64().unwrap() as usize;
        let numbers = |value: &serde_json::Value| value.as_array().unwrap().iter().map(number).collect::<Vec<_>>();
        let input = tile(2, number(&case["height"]), number(&case["width"]));
        let operation = case["operation"].as_str().unwrap();
        let arguments = numbers(&case["arguments"]);
        let output = match (operation, arguments.as_slice()) {
            ("resize/torch" | "resize/pillow", [height, width]) => resize(&input, *height, *width),
            ("bicubic/pillow", [height, width]) => resize_with(&input, *height, *width, Filter::Bicubic),
            ("lanczos/pillow", [height, width]) => resize_with(&input, *height, *width, Filter::Lanczos3),
            ("fit", [px]) => fit(&input, *px),
            ("resized_crop", [top, left, height, width, px]) => {
                resized_crop(&input, *top, *left, *height, *width, *px).unwrap()
            }
            ("center_crop", [height, width]) => center_crop(&input, *height, *width).unwrap(),
            _ => panic!("unknown operation {operation}"),
        };
        assert_eq!(vec![output.bands(), output.height(), output.width()], numbers(&case["shape"]));
        let expected = case["values"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap() as f32);
        for (index, (found, expected)) in output.pixels().iter().zip(expected).enumerate() {
            let error = (found - expected).abs();
            assert!(
                error <= TOLERANCE,
                "{operation} {arguments:?} of {} x {}, value {index}: {found}, not {expected}",
                input.height(),
                input.width()
            );
        }
    }
}

#[test]
fn resizing_keeps_constants_and_the_mean() {
    let constant = Tile::new(1, 11, 7, vec![0.7; 77]).unwrap();
    assert!(resize(&constant, 5, 9).pixels().iter().all(|value| (value - 0.7).abs() < TOLERANCE));
    // halving weighs every inner pixel equally; the mean moves by the border only
    let noise = tile(1, 64, 64);
    let mean = |tile: &Tile| tile.pixels().iter().sum::<f32>() / tile.pixels().len() as f32;
    assert!((mean(&noise) - mean(&resize(&noise, 32, 32))).abs() < 0.01);
}

#[test]
fn a_nan_does_not_spread_beyond_the_filter() {
    let mut input = tile(1, 16, 16);
    input.plane_mut(0)[0] = f32::NAN;
    let output = resize(&input, 8, 8);
    // two-fold shrinking reads two pixels either side: only the first output in each direction sees pixel 0
    let unusable: Vec<usize> = (0..64).filter(|&index| output.pixels()[index].is_nan()).collect();
    assert_eq!(unusable, [0]);
}

#[test]
fn an_extremely_long_tile_is_fitted_without_growing() {
    // resized whole it would have 64 × 6 400 000 pixels
    let long = tile(1, 1, 100_000);
    let fitted = fit(&long, 64);
    assert_eq!((fitted.height(), fitted.width()), (64, 64));
}

#[test]
fn crops_and_flips_move_pixels_only() {
    let input = tile(2, 6, 5);
    let output = crop(&input, 1, 2, 3, 2).unwrap();
    let mirrored = flip_horizontal(&input);
    for band in 0..2 {
        for row in 0..3 {
            for column in 0..2 {
                assert_eq!(output.plane(band)[row * 2 + column], input.plane(band)[(row + 1) * 5 + column + 2]);
            }
        }
        for row in 0..6 {
            for column in 0..5 {
                assert_eq!(mirrored.plane(band)[row * 5 + column], input.plane(band)[row * 5 + 4 - column]);
            }
        }
    }
    assert_eq!(flip_horizontal(&mirrored), input);
    assert_eq!(resized_crop(&input, 0, 0, 6, 6, 4).unwrap_err().to_string().lines().count(), 2);
    for (top, left, height, width) in
        [(0, 0, 7, 1), (3, 0, 4, 5), (0, 0, 0, 1), (usize::MAX, 0, 1, 1), (0, 1, 1, usize::MAX)]
    {
        assert!(matches!(crop(&input, top, left, height, width), Err(PreprocessError::OutsideTile { .. })));
    }
    assert!(center_crop(&input, 7, 7).is_err());
}

#[test]
fn values_are_standardised_band_by_band() {
    let normalisation = Normalisation::new(vec![0.5, -1.0], vec![0.25, 2.0]).unwrap();
    let input = tile(2, 3, 3);
    let mut output = input.clone();
    normalise(&mut output, &normalisation).unwrap();
    for index in 0..9 {
        assert!((output.plane(0)[index] - (input.plane(0)[index] - 0.5) * 4.0).abs() < TOLERANCE);
        assert!((output.plane(1)[index] - (input.plane(1)[index] + 1.0) * 0.5).abs() < TOLERANCE);
    }
    let wrong = normalise(&mut tile(3, 2, 2), &normalisation);
    assert_eq!(wrong, Err(PreprocessError::WrongBands { found: 3, expected: 2 }));

    // one tile of the right size and one that is fitted, one after the other
    let tiles = [tile(2, 4, 4), tile(2, 8, 6)];
    let values = batch(&tiles, &normalisation, 4).unwrap();
    let mut second = fit(&tiles[1], 4);
    normalise(&mut second, &normalisation).unwrap();
    assert_eq!(values.len(), 2 * 2 * 4 * 4);
    assert_eq!(values[32..], *second.pixels());
}

#[test]
fn unusable_normalisations_are_refused() {
    for (mean, std) in [
        (vec![], vec![]),
        (vec![0.0], vec![1.0, 1.0]),
        (vec![0.0], vec![0.0]),
        (vec![0.0], vec![-1.0]),
        (vec![f32::NAN], vec![1.0]),
        (vec![0.0], vec![f32::INFINITY]),
    ] {
        assert!(Normalisation::new(mean, std).is_err());
    }
    assert!(serde_json::from_str::<Normalisation>(r#"{"mean":[0.1],"std":[0.0]}"#).is_err());
    let text = serde_json::to_string(&Normalisation::imagenet()).unwrap();
    assert_eq!(serde_json::from_str::<Normalisation>(&text).unwrap(), Normalisation::imagenet());
}

#[test]
fn reflectance_is_scaled_and_offset() {
    assert_eq!(reflectance_from_dn(5000, 0), 0.5);
    assert_eq!(reflectance_from_dn(1500, -1000), 0.05);
    assert_eq!(reflectance_from_dn(900, -1000), 0.0);
    assert_eq!(reflectance_from_dn(u16::MAX, i32::MAX), 214_748.36);
}

#[test]
fn a_stretch_maps_its_bounds_to_zero_and_one() {
    let mut input = Tile::new(1, 1, 5, vec![0.0, 0.1, 0.3, 0.5, 0.9]).unwrap();
    stretch(&mut input, &[0.1], &[0.5]).unwrap();
    for (found, expected) in input.pixels().iter().zip([0.0, 0.0, 0.5, 1.0, 1.0]) {
        assert!((found - expected).abs() < TOLERANCE);
    }
    assert!(stretch(&mut input, &[0.5], &[0.5]).is_err());
}
