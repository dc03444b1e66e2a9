//! The kernels against slow double-precision loops, against Burn's own operations, and against themselves on other numbers
//! of threads.

use crate::devices;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, TensorData, activation};
use shared::kernels::{After, Convolved, Negatives, batch_norm_train, contrast, conv2d, max_pool2d};

/// Rounding of sums of some thousand single-precision products of numbers around 0.3, relative to the largest result.
const TOLERANCE: f64 = 1e-5;

/// Numbers between -0.5 and 0.5 that look random and are the same everywhere.
fn noise(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    (0..len).map(|_| next()).collect()
}

fn tensor<const D: usize>(values: &[f32], shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec::<f32>().unwrap()
}

fn assert_close(found: &[f32], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}: length");
    let largest = expected.iter().fold(1e-3f64, |largest, value| largest.max(value.abs()));
    for (index, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(found) - expected).abs() / largest;
        assert!(error <= TOLERANCE, "{what}: element {index} is {found} instead of {expected}");
    }
}

#[derive(Clone, Copy, Debug)]
struct Case {
    n: usize,
    ci: usize,
    size: [usize; 2],
    co: usize,
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
}

impl Case {
    fn output(&self) -> [usize; 2] {
        [0, 1].map(|axis| (self.size[axis] + 2 * self.padding[axis] - self.kernel[axis]) / self.stride[axis] + 1)
    }

    fn x(&self) -> [usize; 4] {
        [self.n, self.ci, self.size[0], self.size[1]]
    }

    fn weight(&self) -> [usize; 4] {
        [self.co, self.ci, self.kernel[0], self.kernel[1]]
    }

    fn y(&self) -> [usize; 4] {
        [self.n, self.co, self.output()[0], self.output()[1]]
    }
}

fn square(n: usize, [ci, co]: [usize; 2], size: [usize; 2], [kernel, stride, padding]: [usize; 3]) -> Case {
    Case { n, ci, size, co, kernel: [kernel; 2], stride: [stride; 2], padding: [padding; 2] }
}

/// Kernels 1, 3 and 7, strides 1 and 2, paddings 0, 1 and 3, odd sizes, 1 … 33 images, 1 … 70 channels; several pieces
/// of work per image and several images per piece; more kernel than image.
fn cases() -> Vec<Case> {
    let mut cases = vec![
        square(1, [1, 1], [5, 5], [3, 1, 1]),
        square(2, [3, 5], [9, 7], [3, 2, 1]),
        square(3, [16, 32], [8, 8], [3, 1, 1]),
        square(33, [4, 70], [4, 4], [3, 2, 1]),
        square(2, [70, 33], [6, 5], [1, 1, 0]),
        square(2, [7, 9], [11, 13], [7, 2, 3]),
        square(5, [32, 48], [2, 2], [3, 1, 1]),
        square(4, [17, 16], [7, 7], [1, 2, 0]),
        square(2, [8, 8], [1, 1], [3, 1, 1]),
        square(1, [3, 20], [40, 33], [7, 1, 3]),
        square(2, [5, 6], [8, 8], [3, 2, 0]),
        square(3, [9, 64], [10, 10], [3, 1, 0]),
        square(1, [2, 2], [3, 3], [3, 3, 3]),
        square(17, [12, 24], [16, 16], [3, 2, 1]),
        square(1, [40, 40], [24, 24], [3, 1, 1]),
        // Wide enough for Winograd's way: one patch an image, odd sides, other paddings, several groups, many channels.
        square(20, [32, 48], [2, 2], [3, 1, 1]),
        square(9, [17, 20], [5, 7], [3, 1, 1]),
        square(2, [20, 70], [11, 9], [3, 1, 0]),
        square(2, [33, 16], [8, 6], [3, 1, 2]),
        square(70, [64, 16], [4, 4], [3, 1, 1]),
        square(1, [16, 128], [33, 32], [3, 1, 1]),
        square(1, [600, 16], [8, 8], [3, 1, 1]),
        // A ResNet's stem, and strides over channels that are read four at a time.
        square(2, [3, 64], [16, 14], [7, 2, 3]),
        square(3, [64, 64], [9, 7], [1, 2, 0]),
        square(2, [64, 128], [9, 12], [3, 2, 1]),
        square(5, [64, 96], [6, 6], [3, 3, 1]),
    ];
    let uneven = Case { n: 2, ci: 3, size: [6, 9], co: 4, kernel: [3, 1], stride: [1, 2], padding: [1, 0] };
    cases.push(uneven);
    cases.push(Case { kernel: [1, 5], stride: [3, 1], padding: [0, 2], ..uneven });
    cases
}

/// Output and gradients of `x`, `weight`, bias for the output gradient `gradient`.
struct Reference {
    y: Vec<f64>,
    x: Vec<f64>,
    weight: Vec<f64>,
    bias: Vec<f64>,
}

/// The definition of a convolution and of its derivatives, one product at a time.
fn reference(case: &Case, x: &[f32], weight: &[f32], bias: &[f32], gradient: &[f32]) -> Reference {
    let [rows, columns] = case.output();
    let mut result = Reference {
        y: vec![0.0; gradient.len()],
        x: vec![0.0; x.len()],
        weight: vec![0.0; weight.len()],
        bias: vec![0.0; bias.len()],
    };
    for (at, y) in result.y.iter_mut().enumerate() {
        let (column, row) = (at % columns, at / columns % rows);
        let (co, image) = (at / (columns * rows) % case.co, at / (columns * rows * case.co));
        *y = f64::from(bias[co]);
        result.bias[co] += f64::from(gradient[at]);
        for index in 0..case.ci * case.kernel[0] * case.kernel[1] {
            let (k, j) = (index % case.kernel[1], index / case.kernel[1] % case.kernel[0]);
            let ci = index / (case.kernel[0] * case.kernel[1]);
            let from_row = (row * case.stride[0] + j).checked_sub(case.padding[0]).filter(|&row| row < case.size[0]);
            let from_column =
                (column * case.stride[1] + k).checked_sub(case.padding[1]).filter(|&column| column < case.size[1]);
            let (Some(from_row), Some(from_column)) = (from_row, from_column) else { continue };
            let from = ((image * case.ci + ci) * case.size[0] + from_row) * case.size[1] + from_column;
            let element = co * case.ci * case.kernel[0] * case.kernel[1] + index;
            *y += f64::from(x[from]) * f64::from(weight[element]);
            result.x[from] += f64::from(gradient[at]) * f64::from(weight[element]);
            result.weight[element] += f64::from(gradient[at]) * f64::from(x[from]);
        }
    }
    result
}

/// Output and gradients as the kernels (or Burn) compute them.
fn computed(
    device: &Device,
    case: &Case,
    own: bool,
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    gradient: &[f32],
) -> [Vec<f32>; 4] {
    let device = device.clone().autodiff();
    let x = tensor(x, case.x(), &device).require_grad();
    let weight = tensor(weight, case.weight(), &device).require_grad();
    let bias = tensor(bias, [case.co], &device).require_grad();
    let y = if own {
        conv2d(x.clone(), weight.clone(), Some(bias.clone()), case.stride, case.padding)
    } else {
        let options = ConvOptions::new(case.stride, case.padding, [1, 1], 1);
        burn::tensor::module::conv2d(x.clone(), weight.clone(), Some(bias.clone()), options)
    };
    let gradients = (y.clone() * tensor(gradient, case.y(), &device)).sum().backward();
    [
        values(y),
        values(x.grad(&gradients).unwrap()),
        values(weight.grad(&gradients).unwrap()),
        values(bias.grad(&gradients).unwrap()),
    ]
}

fn inputs(case: &Case) -> [Vec<f32>; 4] {
    let len = |shape: [usize; 4]| shape.iter().product();
    [noise(len(case.x()), 1), noise(len(case.weight()), 2), noise(case.co, 3), noise(len(case.y()), 4)]
}

#[test]
fn convolution_and_its_gradients_match_the_definition() {
    for (case, (name, device)) in cases().into_iter().flat_map(|case| devices::all().map(|device| (case, device))) {
        let [x, weight, bias, gradient] = inputs(&case);
        let expected = reference(&case, &x, &weight, &bias, &gradient);
        let [y, dx, dw, db] = computed(&device, &case, true, &x, &weight, &bias, &gradient);
        assert_close(&y, &expected.y, &format!("{name}, output of {case:?}"));
        assert_close(&dx, &expected.x, &format!("{name}, input gradient of {case:?}"));
        assert_close(&dw, &expected.weight, &format!("{name}, weight gradient of {case:?}"));
        assert_close(&db, &expected.bias, &format!("{name}, bias gradient of {case:?}"));
    }
}

/// Few images: what was arranged for one pass serves the next, of any size, until the weights are others.
#[test]
fn kept_weights_are_those_of_the_pass() {
    let device = Device::flex();
    // The first two sizes take different ways.
    let cases = [4, 16, 4, 9].map(|px| square(1, [20, 18], [px, px], [3, 1, 1]));
    let mut weight = tensor(&inputs(&cases[0])[1], cases[0].weight(), &device);
    let mut bias = tensor(&inputs(&cases[0])[2], [18], &device);
    for factor in [1.0, -0.5, 3.0] {
        (weight, bias) = (weight * factor, bias * factor);
        for case in &cases {
            let [x, _, _, gradient] = inputs(case);
            let [plain, plain_bias] = [values(weight.clone()), values(bias.clone())];
            let expected = reference(case, &x, &plain, &plain_bias, &gradient).y;
            let x = tensor(&x, case.x(), &device);
            let y = conv2d(x.clone(), weight.clone(), Some(bias.clone()), case.stride, case.padding);
            assert_close(&values(y), &expected, &format!("{case:?}, weights times {factor}"));
            let without = reference(case, &values(x.clone()), &plain, &[0.0; 18], &gradient).y;
            let y = conv2d(x, weight.clone(), None, case.stride, case.padding);
            assert_close(&values(y), &without, &format!("{case:?} without bias, weights times {factor}"));
        }
    }
}

#[test]
fn convolution_matches_burns_own() {
    for case in cases() {
        let [x, weight, bias, gradient] = inputs(&case);
        let own = computed(&Device::flex(), &case, true, &x, &weight, &bias, &gradient);
        let burns = computed(&Device::flex(), &case, false, &x, &weight, &bias, &gradient);
        for (index, (own, burns)) in own.iter().zip(burns).enumerate() {
            let burns: Vec<f64> = burns.into_iter().map(f64::from).collect();
            assert_close(own, &burns, &format!("result {index} of {case:?}"));
        }
    }
}

#[test]
fn results_are_the_same_bits_on_any_number_of_threads() {
    let cases = [
        square(33, [16, 48], [9, 9], [3, 1, 1]),
        square(9, [3, 32], [32, 32], [7, 2, 3]),
        square(64, [64, 64], [4, 4], [3, 2, 1]),
    ];
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut all = Vec::new();
            for case in &cases {
                let [x, weight, bias, gradient] = inputs(case);
                all.extend(computed(&Device::flex(), case, true, &x, &weight, &bias, &gradient));
                all.extend(normalised(&Device::flex(), [case.n, case.ci, 1], case.size, true, &x));
            }
            all.into_iter().flatten().map(f32::to_bits).collect::<Vec<_>>()
        })
    };
    let one = run(1);
    assert_eq!(one, run(2), "two threads");
    assert_eq!(one, run(5), "five threads");
}

#[test]
fn tensors_that_are_not_dense_and_other_precisions_work() {
    let device = Device::flex();
    let case = square(2, [3, 5], [6, 8], [3, 1, 1]);
    let [x, weight, bias, gradient] = inputs(&case);
    let expected = reference(&case, &x, &weight, &bias, &gradient).y;
    // Stored as [n, w, h, c] and seen through a permutation.
    let stored = values(tensor(&x, case.x(), &device).permute([0, 3, 2, 1]));
    let seen = tensor(&stored, [2, 8, 6, 3], &device).permute([0, 3, 2, 1]);
    let [weight, bias] = [tensor(&weight, case.weight(), &device), tensor(&bias, [5], &device).reshape([5, 1, 1, 1])];
    let bias = bias.reshape([5]);
    let y = conv2d(seen.clone(), weight.clone(), Some(bias.clone()), case.stride, case.padding);
    assert_close(&values(y), &expected, "permuted input");
    let double = burn::tensor::FloatDType::F64;
    let y = conv2d(seen.cast(double), weight.cast(double), Some(bias.cast(double)), case.stride, case.padding);
    assert_close(&y.into_data().convert::<f32>().try_to_vec::<f32>().unwrap(), &expected, "double precision");
}

/// Output, mean, variance, and gradients of `x`, γ, β, and the residual of the fused operation.
fn normalised(
    device: &Device,
    [n, channels, groups]: [usize; 3],
    size: [usize; 2],
    fused: bool,
    x: &[f32],
) -> Vec<Vec<f32>> {
    let device = device.clone().autodiff();
    let shape = [n, channels, size[0], size[1]];
    let x = tensor(x, shape, &device).require_grad();
    let gamma = tensor(&noise(channels, 11), [channels], &device).require_grad();
    let beta = tensor(&noise(channels, 12), [channels], &device).require_grad();
    let extra = tensor(&noise(shape.iter().product(), 13), shape, &device).require_grad();
    let after = if fused { After { residual: Some(extra.clone()), relu: true } } else { After::default() };
    let result = batch_norm_train(Convolved::new(x.clone(), groups), gamma.clone(), beta.clone(), after, 1e-5);
    let output = result.output.clone();
    let gradient = tensor(&noise(shape.iter().product(), 14), shape, &device);
    let gradients = (output.clone() * gradient).sum().backward();
    let mut all = vec![values(output), values(result.mean), values(result.variance)];
    all.extend([x.grad(&gradients).map(values).unwrap()]);
    all.extend([gamma.grad(&gradients).map(values).unwrap(), beta.grad(&gradients).map(values).unwrap()]);
    all.extend(extra.grad(&gradients).map(values));
    all
}

/// The same from the definition, in double precision.
fn reference_norm([n, channels, groups]: [usize; 3], plane: usize, fused: bool, x: &[f32]) -> Vec<Vec<f64>> {
    let wide = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<_>>();
    let (gamma, beta) = (wide(noise(channels, 11)), wide(noise(channels, 12)));
    let (extra, incoming) = (wide(noise(x.len(), 13)), wide(noise(x.len(), 14)));
    let x = wide(x.to_vec());
    let count = (n / groups * plane) as f64;
    let mut output = vec![0.0; x.len()];
    let (mut dx, mut residual) = (vec![0.0; x.len()], vec![0.0; x.len()]);
    let (mut means, mut variances) = (vec![0.0; groups * channels], vec![0.0; groups * channels]);
    let (mut dgamma, mut dbeta) = (vec![0.0; channels], vec![0.0; channels]);
    for statistic in 0..groups * channels {
        let (group, c) = (statistic / channels, statistic % channels);
        let members: Vec<usize> =
            (0..x.len()).filter(|at| at / plane % channels == c && at / (plane * channels) % groups == group).collect();
        let mean = members.iter().map(|&at| x[at]).sum::<f64>() / count;
        let variance = members.iter().map(|&at| (x[at] - mean).powi(2)).sum::<f64>() / count;
        let inverse = 1.0 / (variance + 1e-5).sqrt();
        let scaled = |at: usize| (x[at] - mean) * inverse;
        for &at in &members {
            let plain = scaled(at) * gamma[c] + beta[c];
            output[at] = if fused { (plain + extra[at]).max(0.0) } else { plain };
            residual[at] = if fused && output[at] <= 0.0 { 0.0 } else { incoming[at] };
        }
        let sum = members.iter().map(|&at| residual[at]).sum::<f64>();
        let product = members.iter().map(|&at| residual[at] * scaled(at)).sum::<f64>();
        for &at in &members {
            dx[at] = gamma[c] * inverse * (residual[at] - sum / count - scaled(at) * product / count);
        }
        dbeta[c] += sum;
        dgamma[c] += product;
        (means[statistic], variances[statistic]) = (mean, variance);
    }
    let mut all = vec![output, means, variances, dx, dgamma, dbeta];
    if fused {
        all.push(residual);
    }
    all
}

#[test]
fn batch_normalisation_and_its_gradients_match_the_definition() {
    for (sizes, size) in [
        ([2, 3, 1], [5, 7]),
        ([33, 5, 3], [1, 1]),
        ([4, 17, 2], [8, 8]),
        ([1, 2, 1], [40, 3]),
        ([6, 1, 2], [33, 1]),
        ([16, 32, 8], [6, 6]),
        ([12, 200, 1], [3, 5]),
    ] {
        let x = noise(sizes[0] * sizes[1] * size[0] * size[1], 10);
        for fused in [false, true] {
            let expected = reference_norm(sizes, size[0] * size[1], fused, &x);
            for (name, device) in devices::all() {
                let found = normalised(&device, sizes, size, fused, &x);
                for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
                    assert_close(
                        found,
                        expected,
                        &format!("{name}, result {index} of {sizes:?} {size:?}, fused {fused}"),
                    );
                }
            }
        }
    }
}

#[test]
fn statistics_far_from_zero_keep_their_digits() {
    let x: Vec<f32> = noise(4096, 20).into_iter().map(|value| 1000.0 + value).collect();
    let mean = x.iter().map(|&x| f64::from(x)).sum::<f64>() / 4096.0;
    let variance = x.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / 4096.0;
    for (name, device) in devices::all() {
        let x = tensor(&x, [4, 1, 32, 32], &device);
        let (gamma, beta) = (Tensor::ones([1], &device), Tensor::zeros([1], &device));
        let result = batch_norm_train(Convolved::new(x, 1), gamma, beta, After::default(), 0.0);
        assert_close(&values(result.variance), &[variance], &format!("{name}, variance"));
        assert_close(&values(result.mean), &[mean], &format!("{name}, mean"));
    }
}

#[test]
fn not_a_number_stays_visible_behind_the_relu() {
    let mut x = noise(16, 30);
    x[3] = f32::NAN;
    for (name, device) in devices::all() {
        let one = || Tensor::<1>::ones([1], &device);
        let x = Convolved::new(tensor(&x, [1, 1, 4, 4], &device), 1);
        let result = batch_norm_train(x, one(), one(), After { residual: None, relu: true }, 1e-5);
        assert!(values(result.output).iter().all(|value| value.is_nan()), "{name}");
    }
}

#[test]
fn constants_get_no_gradient() {
    let device = Device::flex().autodiff();
    let case = square(2, [3, 4], [5, 5], [3, 1, 1]);
    let [x, weight, ..] = inputs(&case);
    let x = tensor(&x, case.x(), &device);
    let weight = tensor(&weight, case.weight(), &device).require_grad();
    let y = activation::relu(conv2d(x.clone(), weight.clone(), None, case.stride, case.padding));
    let gradients = y.sum().backward();
    assert!(weight.grad(&gradients).is_some());
    assert!(x.grad(&gradients).is_none());
}

/// Output and gradient of a max pooling from the definition; the first of equal values wins, as in PyTorch.
fn reference_pool([n, c, h, w]: [usize; 4], [kernel, stride, padding]: [usize; 3], x: &[f32]) -> [Vec<f64>; 2] {
    let side = |size: usize| (size + 2 * padding - kernel) / stride + 1;
    let (mut output, mut gradient) = (Vec::new(), vec![0.0; x.len()]);
    for plane in 0..n * c {
        for row in 0..side(h) {
            for column in 0..side(w) {
                let inside = |at: usize, size: usize| at.checked_sub(padding).filter(|&at| at < size);
                let places = (0..kernel * kernel).filter_map(|tap| {
                    let line = inside(row * stride + tap / kernel, h)?;
                    Some(plane * h * w + line * w + inside(column * stride + tap % kernel, w)?)
                });
                let best = places.reduce(|best, at| if x[at] > x[best] { at } else { best }).unwrap();
                // The gradient of the sum of `window number × output`.
                gradient[best] += output.len() as f64;
                output.push(f64::from(x[best]));
            }
        }
    }
    [output, gradient]
}

#[test]
fn max_pooling_and_its_gradient_match_the_definition() {
    for (shape, sizes) in [
        ([2, 3, 8, 8], [3, 2, 1]),
        ([1, 5, 7, 9], [3, 2, 1]),
        ([2, 8, 7, 6], [3, 2, 1]),
        ([3, 1, 6, 5], [2, 2, 0]),
        ([1, 2, 1, 1], [3, 2, 1]),
        ([2, 2, 9, 4], [4, 3, 2]),
    ] {
        // Few different values, all negative: ties are common, and padding would win if it counted as zero.
        let x: Vec<f32> = noise(shape.iter().product(), 40).into_iter().map(|x| (x * 4.0).round() - 3.0).collect();
        let [output, gradient] = reference_pool(shape, sizes, &x);
        for (name, device) in devices::all() {
            let device = device.autodiff();
            let input = tensor(&x, shape, &device).require_grad();
            let found = max_pool2d(input.clone(), sizes[0], sizes[1], sizes[2]);
            let numbers: Vec<f32> = (0..output.len()).map(|number| number as f32).collect();
            let numbers = tensor(&numbers, found.dims(), &device);
            let gradients = (found.clone() * numbers).sum().backward();
            let what = format!("{name}, {shape:?} {sizes:?}");
            assert_close(&values(found), &output, &format!("{what}, output"));
            assert_close(&values(input.grad(&gradients).unwrap()), &gradient, &format!("{what}, gradient"));
        }
    }
}

#[test]
fn contrast_and_its_gradient_match_the_definition() {
    // Queries, width, keys of each bank with whether some own rows are left out, temperature.
    type Case = (usize, usize, Vec<(usize, bool)>, f64);
    let cases: [Case; 6] = [
        (1, 3, vec![(1, false)], 1.0),
        (1, 3, vec![(1, true)], 1.0),
        (5, 16, vec![(40, false)], 0.1),
        (70, 33, vec![(300, false), (5, false)], 0.2),
        (40, 128, vec![(520, false), (40, true), (40, false)], 0.07),
        (70, 128, vec![(300, false), (70, true), (70, true)], 0.07),
    ];
    for ((n, width, banks, temperature), (name, device)) in
        cases.into_iter().flat_map(|case| devices::all().map(|device| (case.clone(), device)))
    {
        let count = banks.iter().map(|(m, _)| m).sum::<usize>();
        let (queries, positives) = (noise(n * width, 1), noise(n * width, 2));
        let keys = noise(count * width, 3);
        let skipped = |bank: usize, row: usize| banks[bank].1 && !(row + bank).is_multiple_of(3);
        let mut rows = keys.chunks(width);
        let negatives: Vec<Negatives> = banks
            .iter()
            .enumerate()
            .map(|(at, &(m, skips))| {
                let bank: Vec<f32> = rows.by_ref().take(m).flatten().copied().collect();
                let skips_own = if skips { (0..n).map(|row| skipped(at, row)).collect() } else { Vec::new() };
                Negatives { keys: tensor(&bank, [m, width], &device), skips_own }
            })
            .collect();
        let matrix = |values: &[f32]| tensor(values, [n, width], &device);
        let found = contrast(&matrix(&queries), &matrix(&positives), &negatives, temperature);
        // Graphics devices move four components at a time; the caller has another way for other widths.
        let Some(found) = found else {
            assert!(device != Device::flex() && width % 4 != 0, "{name}: no way for {n} queries of {width}");
            continue;
        };

        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
        let (mut losses, mut gradients, mut wins) = (Vec::new(), Vec::new(), Vec::new());
        for (row, (query, positive)) in queries.chunks(width).zip(positives.chunks(width)).enumerate() {
            let mut all = vec![positive];
            let mut first = 0;
            for (bank, &(m, _)) in banks.iter().enumerate() {
                let own = keys[first * width..][..m * width].chunks(width).enumerate();
                all.extend(own.filter(|(key, _)| !(*key == row && skipped(bank, row))).map(|(_, key)| key));
                first += m;
            }
            let logits: Vec<f64> = all.iter().map(|key| dot(query, key) / temperature).collect();
            let total: f64 = logits.iter().map(|logit| logit.exp()).sum();
            losses.push(total.ln() - logits[0]);
            wins.push(if logits[1..].iter().all(|&logit| logit < logits[0]) { 1.0 } else { 0.0 });
            for i in 0..width {
                let expected: f64 =
                    all.iter().zip(&logits).map(|(key, logit)| logit.exp() / total * f64::from(key[i])).sum();
                gradients.push((expected - f64::from(positive[i])) / temperature);
            }
        }
        let what = format!("{name}, {n} queries of {width}, banks {banks:?}");
        assert_close(&values(found.losses), &losses, &format!("{what}, losses"));
        assert_close(&values(found.gradients), &gradients, &format!("{what}, gradients"));
        assert_close(&values(found.wins), &wins, &format!("{what}, wins"));
    }
}
