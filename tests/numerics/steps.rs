//! What stands round the convolutions of a step, on every device: heads, losses, readouts, statistics and optimisers against
//! slow double-precision loops.

use crate::devices;
use crate::pattern::uniform;
use burn::tensor::{Device, Tensor, TensorData};
use shared::kernels::optimisers::{Adaptation, Averaged, Decays, Descent, adapt, average, descend};
use shared::kernels::{self, Contrast, Statistics};

fn tensor<const D: usize>(values: &[f32], shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec::<f32>().unwrap()
}

fn assert_close(what: &str, found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}: length");
    let largest = expected.iter().fold(1e-3f64, |largest, value| largest.max(value.abs()));
    for (index, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(found) - expected).abs() / largest;
        assert!(error <= 1e-5, "{what}: element {index} is {found} instead of {expected}");
    }
}

/// `n` numbers between -1 and 1.
fn drawn(name: &str, n: usize) -> Vec<f32> {
    uniform(name, n)
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

#[test]
fn linear_layers_and_their_gradients_match_the_definition() {
    for ((n, inputs, outputs), relu) in [(1, 1, 1), (5, 3, 7), (9, 16, 33), (70, 128, 64), (256, 256, 128)]
        .into_iter()
        .flat_map(|sizes| [false, true].map(|relu| (sizes, relu)))
    {
        let (x, weight) = (drawn("x", n * inputs), drawn("w", outputs * inputs));
        let (bias, incoming) = (drawn("b", outputs), drawn("g", n * outputs));
        let (mut y, mut dx) = (vec![0.0; n * outputs], vec![0.0; n * inputs]);
        let (mut dw, mut db) = (vec![0.0; outputs * inputs], vec![0.0; outputs]);
        for row in 0..n {
            for o in 0..outputs {
                let at = row * outputs + o;
                let product = |i: usize| f64::from(x[row * inputs + i]) * f64::from(weight[o * inputs + i]);
                let sum = f64::from(bias[o]) + (0..inputs).map(product).sum::<f64>();
                y[at] = if relu { sum.max(0.0) } else { sum };
                let passing = if relu && sum <= 0.0 { 0.0 } else { f64::from(incoming[at]) };
                db[o] += passing;
                for i in 0..inputs {
                    dx[row * inputs + i] += passing * f64::from(weight[o * inputs + i]);
                    dw[o * inputs + i] += passing * f64::from(x[row * inputs + i]);
                }
            }
        }
        for (name, device) in devices::all() {
            let device = device.autodiff();
            let x = tensor(&x, [n, inputs], &device).require_grad();
            let weight = tensor(&weight, [outputs, inputs], &device).require_grad();
            let bias = tensor(&bias, [outputs], &device).require_grad();
            let found = kernels::linear(x.clone(), weight.clone(), bias.clone(), relu);
            let gradients = (found.clone() * tensor(&incoming, [n, outputs], &device)).sum().backward();
            let what = |part: &str| format!("{name}, {n} × {inputs} → {outputs}, relu {relu}, {part}");
            assert_close(&what("output"), &values(found), &y);
            assert_close(&what("by x"), &values(x.grad(&gradients).unwrap()), &dx);
            assert_close(&what("by weight"), &values(weight.grad(&gradients).unwrap()), &dw);
            assert_close(&what("by bias"), &values(bias.grad(&gradients).unwrap()), &db);
        }
    }
}

#[test]
fn rows_of_length_one_and_their_gradient_match_the_definition() {
    for (n, width) in [(1, 1), (3, 7), (40, 128), (5, 300)] {
        let mut x = drawn("rows", n * width);
        // A row of zeros stays one.
        x[..width].fill(0.0);
        let incoming = drawn("rows.g", n * width);
        let (mut y, mut dx) = (Vec::new(), Vec::new());
        for (row, gradient) in wide(&x).chunks(width).zip(wide(&incoming).chunks(width)) {
            let length = row.iter().map(|x| x * x).sum::<f64>().sqrt().max(1e-12);
            let along = row.iter().zip(gradient).map(|(x, g)| x / length * g).sum::<f64>();
            y.extend(row.iter().map(|x| x / length));
            dx.extend(row.iter().zip(gradient).map(|(x, g)| (g - x / length * along) / length));
        }
        for (name, device) in devices::all() {
            let device = device.autodiff();
            let input = tensor(&x, [n, width], &device).require_grad();
            let found = kernels::unit_rows(input.clone());
            let gradients = (found.clone() * tensor(&incoming, [n, width], &device)).sum().backward();
            assert_close(&format!("{name}, {n} × {width}"), &values(found), &y);
            let by_x = values(input.grad(&gradients).unwrap());
            // PyTorch's gradient of a row of zeros is another division by the least length; ours may stop there.
            assert_close(&format!("{name}, {n} × {width}, gradient"), &by_x[width..], &dx[width..]);
        }
    }
}

#[test]
fn a_loss_has_the_gradient_that_was_found_with_it() {
    let (n, width) = (300, 12);
    let (query, slopes) = (drawn("q", n * width), drawn("slopes", n * width));
    let (losses, wins) = (drawn("losses", n), drawn("wins", n));
    for (name, device) in devices::all() {
        let found = Contrast {
            losses: tensor(&losses, [n], &device),
            gradients: tensor(&slopes, [n, width], &device),
            wins: tensor(&wins, [n], &device),
        };
        let query = tensor(&query, [n, width], &device.autodiff()).require_grad();
        let [loss, share] = kernels::loss_of(query.clone(), found);
        let gradients = (loss.clone() * 3.0).backward();
        let mean = |values: &[f32]| values.iter().map(|&value| f64::from(value)).sum::<f64>() / n as f64;
        assert_close(&format!("{name}, loss"), &values(loss), &[mean(&losses)]);
        assert_close(&format!("{name}, share"), &values(share), &[mean(&wins)]);
        let expected: Vec<f64> = slopes.iter().map(|&slope| 3.0 * f64::from(slope) / n as f64).collect();
        assert_close(&format!("{name}, gradient"), &values(query.grad(&gradients).unwrap()), &expected);
    }
}

#[test]
fn means_and_moments_of_maps_match_the_definition() {
    let shapes = [[3, 8, 5, 7], [3, 5, 2, 2], [3, 70, 1, 1]];
    let maps: Vec<Vec<f32>> = (0..3).map(|at| drawn(&format!("map{at}"), shapes[at].iter().product())).collect();
    let moments = |at: usize| {
        let [n, channels, h, w] = shapes[at];
        let wide = wide(&maps[at]);
        let planes = wide.chunks(h * w).map(|plane| {
            let mean = plane.iter().sum::<f64>() / plane.len() as f64;
            (mean, (plane.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / plane.len() as f64).sqrt())
        });
        let all: Vec<(f64, f64)> = planes.collect();
        assert_eq!(all.len(), n * channels);
        all.chunks(channels).map(<[_]>::to_vec).collect::<Vec<_>>()
    };
    let mut expected = Vec::new();
    for row in 0..3 {
        expected.extend((0..3).rev().flat_map(|at| moments(at)[row].iter().map(|m| m.0).collect::<Vec<_>>()));
        expected.extend((0..3).rev().flat_map(|at| moments(at)[row].iter().map(|m| m.1).collect::<Vec<_>>()));
    }
    for (name, device) in devices::all() {
        let tensors = || (0..3).map(|at| tensor(&maps[at], shapes[at], &device)).collect::<Vec<_>>();
        assert_close(&format!("{name}, moments"), &values(kernels::moments(tensors())), &expected);
        for (at, shape) in shapes.into_iter().enumerate() {
            let map = tensor(&maps[at], shape, &device.clone().autodiff()).require_grad();
            let found = kernels::means(map.clone());
            let weights = drawn("means.g", shape[0] * shape[1]);
            let device = map.device();
            let gradients = (found * tensor(&weights, [shape[0], shape[1]], &device)).sum().backward();
            let plane = shape[2] * shape[3];
            let expected: Vec<f64> =
                wide(&weights).iter().flat_map(|g| std::iter::repeat_n(g / plane as f64, plane)).collect();
            assert_close(&format!("{name}, gradient of means {at}"), &values(map.grad(&gradients).unwrap()), &expected);
        }
    }
}

#[test]
fn a_folded_convolution_with_its_shortcut_is_the_sum_of_its_parts() {
    let (x, weight) = (drawn("fx", 2 * 8 * 6 * 5), drawn("fw", 12 * 8 * 9));
    let (bias, extra) = (drawn("fb", 12), drawn("fe", 2 * 12 * 6 * 5));
    let run = |device: &Device, shortcut: bool| {
        let shortcut = shortcut.then(|| tensor(&extra, [2, 12, 6, 5], device));
        let bias = Some(tensor(&bias, [12], device));
        let (x, weight) = (tensor(&x, [2, 8, 6, 5], device), tensor(&weight, [12, 8, 3, 3], device));
        values(kernels::conv2d_relu(x, weight, bias, shortcut, [1; 2], [1; 2]))
    };
    let [(_, cpu), (name, graphics)] = devices::all();
    for shortcut in [false, true] {
        let expected = wide(&run(&cpu, shortcut));
        assert!(expected.contains(&0.0) && expected.iter().any(|&value| value > 0.0));
        assert_close(&format!("{name}, shortcut {shortcut}"), &run(&graphics, shortcut), &expected);
    }
}

#[test]
fn running_statistics_follow_batches_one_by_one() {
    let (channels, batches, splits) = (5, 3, 4);
    let old = [drawn("old.mean", channels), drawn("old.var", channels)];
    let fresh = [drawn("new.mean", batches * splits * channels), drawn("new.var", batches * splits * channels)];
    let expected = |part: usize, unbias: f64| {
        let mut running = wide(&old[part]);
        for batch in wide(&fresh[part]).chunks(splits * channels) {
            for (channel, running) in running.iter_mut().enumerate() {
                let mean = (0..splits).map(|group| batch[group * channels + channel]).sum::<f64>() / splits as f64;
                *running = 0.9 * *running + 0.1 * mean * unbias;
            }
        }
        running
    };
    for (name, device) in devices::all() {
        // Twice as many layers as one launch takes.
        let layer = || Statistics {
            old: [0, 1].map(|part| tensor(&old[part], [channels], &device)),
            fresh: [0, 1].map(|part| tensor(&fresh[part], [batches * splits * channels], &device)),
            unbias: 1.25,
        };
        for [mean, variance] in kernels::blend((0..50).map(|_| layer()).collect(), 0.1, batches) {
            assert_close(&format!("{name}, mean"), &values(mean), &expected(0, 1.0));
            assert_close(&format!("{name}, variance"), &values(variance), &expected(1, 1.25));
        }
    }
}

/// Lengths of some parameters: single numbers, whole cubes, and one more than that; more than go into one launch.
fn lengths() -> Vec<usize> {
    [1, 256, 257, 1000, 3].into_iter().cycle().take(60).collect()
}

fn parameters(name: &str) -> Vec<Vec<f32>> {
    lengths().into_iter().enumerate().map(|(at, n)| drawn(&format!("{name}{at}"), n)).collect()
}

#[test]
fn optimisers_move_every_parameter_as_their_formulas_say() {
    let (weights, gradients) = (parameters("w"), parameters("g"));
    let (first, second) = (parameters("v"), parameters("s"));
    let square: Vec<Vec<f32>> = second.iter().map(|values| values.iter().map(|x| x * x).collect()).collect();
    for (name, device) in devices::all() {
        let put = |values: &[f32]| tensor(values, [values.len()], &device);
        let averaged = (0..weights.len()).map(|at| Averaged { old: put(&weights[at]), fresh: put(&gradients[at]) });
        for (at, found) in average(averaged.collect(), 0.99).into_iter().enumerate() {
            let pairs = weights[at].iter().zip(&gradients[at]);
            let expected: Vec<f64> = pairs.map(|(&w, &g)| 0.99 * f64::from(w) + 0.01 * f64::from(g)).collect();
            assert_close(&format!("{name}, average {at}"), &values(found), &expected);
        }

        // Without a velocity, without decay, with a trust, in turn.
        let decay = |at: usize| if at % 3 == 1 { 0.0 } else { 0.01 };
        let trust = |at: usize| (at % 4 == 2).then_some(0.02);
        let descents = (0..weights.len()).map(|at| Descent {
            weight: put(&weights[at]),
            gradient: put(&gradients[at]),
            velocity: (at % 5 != 0).then(|| put(&first[at])),
            decay: decay(at),
            trust: trust(at),
        });
        for (at, [weight, velocity]) in descend(descents.collect(), 0.1, 0.9).into_iter().enumerate() {
            let (w, g) = (wide(&weights[at]), wide(&gradients[at]));
            let g: Vec<f64> = g.iter().zip(&w).map(|(g, w)| g + decay(at) * w).collect();
            let length = |values: &[f64]| values.iter().map(|x| x * x).sum::<f64>().sqrt();
            let scale = trust(at).map_or(1.0, |trust| trust * length(&w) / length(&g));
            let old = |i: usize| if at % 5 == 0 { 0.0 } else { 0.9 * f64::from(first[at][i]) };
            let expected: Vec<f64> = g.iter().enumerate().map(|(i, g)| old(i) + g * scale).collect();
            assert_close(&format!("{name}, velocity {at}"), &values(velocity), &expected);
            let expected: Vec<f64> = w.iter().zip(&expected).map(|(w, v)| w - 0.1 * v).collect();
            assert_close(&format!("{name}, weight {at}"), &values(weight), &expected);
        }

        let decays = Decays { beta1: 0.9, beta2: 0.99, epsilon: 1e-8 };
        let adaptations = (0..weights.len()).map(|at| Adaptation {
            weight: put(&weights[at]),
            gradient: put(&gradients[at]),
            moments: (at % 2 == 1).then(|| [put(&first[at]), put(&square[at])]),
            steps: if at % 2 == 1 { 7 } else { 1 },
            rate: 0.003,
            decay: decay(at),
        });
        for (at, found) in adapt(adaptations.collect(), decays).into_iter().enumerate() {
            let [mut w_all, mut m_all, mut s_all] = [const { Vec::new() }; 3];
            for (i, &w) in wide(&weights[at]).iter().enumerate() {
                let (g, has, steps) = (f64::from(gradients[at][i]), at % 2 == 1, if at % 2 == 1 { 7 } else { 1 });
                let before = |values: &[f32]| if has { f64::from(values[i]) } else { 0.0 };
                let mean = 0.9 * before(&first[at]) + 0.1 * g;
                let square = 0.99 * before(&square[at]) + 0.01 * g * g;
                let (hat, root) = (mean / (1.0 - 0.9f64.powi(steps)), (square / (1.0 - 0.99f64.powi(steps))).sqrt());
                w_all.push(w * (1.0 - 0.003 * decay(at)) - 0.003 * hat / (root + 1e-8));
                m_all.push(mean);
                s_all.push(square);
            }
            for ((part, found), expected) in ["weight", "mean", "square"].iter().zip(found).zip([w_all, m_all, s_all]) {
                assert_close(&format!("{name}, Adam's {part} {at}"), &values(found), &expected);
            }
        }
    }
}
