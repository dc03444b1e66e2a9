//! Super-resolution's numbers against PyTorch and slow loops (`tests/reference/superres.py`).

use crate::devices::tested;
use crate::pattern::{assert_digest, assert_digest_in_norm, golden, uniform, weight};
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};
use serde_json::Value;
use shared::encoder::{load_module, module_tensors};
use shared::preprocess::Filter;
use shared::tensors::{NamedTensor, TensorMap, into_map};
use shared::tile::Tile;
use trainer::parts::{Adam, AdamConfig};
use trainer::superres::{Hourglass, HourglassShape, Objective, Prior, Resampler, psnr, ssim};

const BANDS: usize = 3;

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

/// `offset + slope · pattern`
fn tile(name: &str, [height, width]: [usize; 2], offset: f32, slope: f32) -> Tile {
    let values = uniform(name, BANDS * height * width).iter().map(|value| offset + slope * value).collect();
    Tile::new(BANDS, height, width, values).unwrap()
}

/// One step of the method `name` as its golden describes it.
fn check_step(name: &str, has_reference: bool) {
    let golden = &golden("superres")["steps"][name];
    let side = |at: usize| golden["low_size"][at].as_u64().unwrap() as usize;
    let (from, scale) = ([side(0), side(1)], golden["scale"].as_u64().unwrap() as usize);
    let to = from.map(|side| side * scale);
    let shape = HourglassShape { bands: BANDS, channels: 8, levels: 2, has_reference };
    let noise = uniform(&format!("{name}.noise"), shape.noise() * to[0] * to[1]);
    let held_out: Vec<f32> = uniform(&format!("{name}.held"), from[0] * from[1])
        .into_iter()
        .map(|value| if value > 0.8 { 1.0 } else { 0.0 })
        .collect();
    let prior = has_reference.then(|| Prior {
        reference: tile("mip.reference", to, 0.5, 0.5),
        detail: tile("mip.detail", to, 0.0, 0.1),
        gains: vec![1.0; BANDS],
    });
    let low = tile(&format!("{name}.low"), from, 0.5, 0.5);
    let device = tested();
    let objective = Objective::new(scale, 0.3, &low, prior.as_ref(), noise, &held_out, &device);

    let generator = Hourglass::random(shape, 1, &device.clone().autodiff());
    let patterned = module_tensors(&generator).into_values().map(|tensor| {
        let values = weight(&tensor.name, &tensor.shape);
        NamedTensor { values, ..tensor }
    });
    let patterned: TensorMap = into_map(patterned.collect());
    let count: usize = patterned.values().map(|tensor| tensor.values.len()).sum();
    assert_eq!(count, shape.parameter_count(), "what --dry-run says");
    let generator = load_module(generator, &patterned);

    let picture = objective.picture(&generator, None);
    let plain = picture.clone().without_autodiff();
    let values = plain.clone().into_data().try_into_vec::<f32>().unwrap();
    // Statistics over a hundred values, five of them behind each other.
    assert_digest(&format!("{name} picture"), &values, &golden["picture"], 1e-3, 1e-3);
    let near = |what: &str, found: f64, expected: f64| {
        assert!((found - expected).abs() < 1e-3 * expected, "{name} {what}: {found} is not {expected}");
    };
    near("held-out error", objective.held_out_error(plain), number(&golden["held_out_error"]));
    let loss = objective.loss(picture);
    near("loss", f64::from(loss.clone().without_autodiff().into_scalar::<f32>()), number(&golden["loss"]));

    let gradients = GradientsParams::from_grads(loss.backward(), &generator);
    let mut adam = Adam::new(AdamConfig { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 });
    let generator = adam.step(0.01, generator, gradients);
    // After one step the mean of the gradients is a tenth of the gradient.
    let means = into_map(adam.state("adam"));
    for (parameter, digest) in golden["gradients"].as_object().unwrap() {
        let gradient: Vec<f32> =
            means[&format!("adam.mean.{parameter}")].values.iter().map(|mean| 10.0 * mean).collect();
        // The floor: a shift before another normalisation has no gradient but rounding.
        assert_digest_in_norm(&format!("{name} gradient of {parameter}"), &gradient, digest, 1e-2, 1e-5);
    }
    let stepped = module_tensors(&generator);
    for (parameter, digest) in golden["weights"].as_object().unwrap() {
        let found = &stepped[parameter].values;
        // Adam's first step is ± the learning rate: a gradient that is rounding noise may turn its sign.
        assert_digest_in_norm(&format!("{name} {parameter}"), found, digest, 1e-2, 0.1);
    }
}

#[test]
fn a_step_of_the_deep_image_prior_is_pytorchs() {
    check_step("dip", false);
}

#[test]
fn a_step_of_the_migrated_prior_is_pytorchs() {
    check_step("mip", true);
}

#[test]
fn quality_is_that_of_slow_loops() {
    let (height, width) = (19, 23);
    let x: Vec<f32> = uniform("ssim.x", height * width).iter().map(|value| 0.5 + 0.5 * value).collect();
    let noise = uniform("ssim.y", height * width);
    let y: Vec<f32> = x.iter().zip(&noise).map(|(x, noise)| (0.7 * x + 0.15 + 0.1 * noise).clamp(0.0, 1.0)).collect();
    let golden = &golden("superres")["quality"];
    assert!((psnr(&x, &y) - number(&golden["psnr"])).abs() < 1e-4);
    assert!((ssim(&x, &y, [height, width]) - number(&golden["ssim"])).abs() < 1e-5);
    assert!((ssim(&x, &x, [height, width]) - 1.0).abs() < 1e-9);
    assert!(psnr(&x, &x).is_infinite());
}

/// Lanczos-2 at `distance`.
fn lanczos2(distance: f64) -> f64 {
    let angle = std::f64::consts::PI * distance;
    match distance.abs() {
        0.0 => 1.0,
        near if near < 2.0 => 2.0 * angle.sin() * (angle / 2.0).sin() / (angle * angle),
        _ => 0.0,
    }
}

/// The weight of input pixel `at` in output pixel `out`, not yet brought to the sum 1.
fn raw_weight(at: usize, out: usize, scale: usize) -> f64 {
    lanczos2((at as f64 + 0.5) / scale as f64 - (out as f64 + 0.5))
}

#[test]
fn the_reduction_and_its_adjoint_are_slow_loops() {
    for scale in [2, 3, 4] {
        let to = [5, 4];
        let from = to.map(|side| side * scale);
        let device = tested().autodiff();
        let reduction = Resampler::new(from, to, Filter::Lanczos2, &device);
        let tensor = |name: &str, size: [usize; 2]| {
            let values = uniform(name, 2 * size[0] * size[1]);
            Tensor::<4>::from_data(TensorData::new(values, [1, 2, size[0], size[1]]), &device)
        };
        let x = tensor("reduction.x", from).require_grad();
        let y = reduction.forward(x.clone());
        let gradients = (y.clone() * tensor("reduction.y", to)).sum().backward();
        let found = y.without_autodiff().into_data().try_into_vec::<f32>().unwrap();
        let back = x.grad(&gradients).unwrap().into_data().try_into_vec::<f32>().unwrap();

        let (values, slopes) =
            (uniform("reduction.x", 2 * from[0] * from[1]), uniform("reduction.y", 2 * to[0] * to[1]));
        let mut adjoint = vec![0.0; values.len()];
        for (out, found) in found.iter().enumerate() {
            let (band, row, column) = (out / (to[0] * to[1]), out / to[1] % to[0], out % to[1]);
            let weight = |i: usize, j: usize| raw_weight(i, row, scale) * raw_weight(j, column, scale);
            let pixels = || (0..from[0]).flat_map(|i| (0..from[1]).map(move |j| (i, j)));
            let total: f64 = pixels().map(|(i, j)| weight(i, j)).sum();
            let mut sum = 0.0;
            for (i, j) in pixels() {
                let at = (band * from[0] + i) * from[1] + j;
                sum += weight(i, j) / total * f64::from(values[at]);
                adjoint[at] += weight(i, j) / total * f64::from(slopes[out]);
            }
            assert!((sum - f64::from(*found)).abs() < 1e-5, "scale {scale}: {found} is not {sum}");
        }
        for (found, expected) in back.iter().zip(&adjoint) {
            assert!((f64::from(*found) - expected).abs() < 1e-5, "scale {scale}: {found} is not {expected}");
        }
    }
}
