//! Convolutions of every way through the kernels: each pass beside its definition, one product at a time.

use super::cpu::convolution::{Arranged, forward, input_gradient};
use super::cpu::weight_gradient::{bias_gradient, weight_gradient};
use super::cpu::{ConvShape, PoolShape, pooling};
use super::reference::{assert_close, noise};

/// All four results of a convolution and its gradients, for the output gradient `gradient`.
struct Slow {
    y: Vec<f64>,
    x: Vec<f64>,
    weight: Vec<f64>,
    bias: Vec<f64>,
}

fn slow(
    shape: &ConvShape,
    [rows, columns]: [usize; 2],
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    gradient: &[f32],
) -> Slow {
    let &ConvShape { n, ci, size: [height, width], co, kernel: [kh, kw], stride, padding } = shape;
    let mut found = Slow {
        y: vec![0.0; n * co * rows * columns],
        x: vec![0.0; x.len()],
        weight: vec![0.0; weight.len()],
        bias: vec![0.0; co],
    };
    for (image, out, row, column) in each([n, co, rows, columns]) {
        let y = ((image * co + out) * rows + row) * columns + column;
        found.y[y] += f64::from(bias[out]);
        found.bias[out] += f64::from(gradient[y]);
        for (_, channel, i, j) in each([1, ci, kh, kw]) {
            let [top, left] = [row * stride[0] + i, column * stride[1] + j];
            let inside = |at: usize, padding: usize, len: usize| at.checked_sub(padding).filter(|&at| at < len);
            let (Some(top), Some(left)) = (inside(top, padding[0], height), inside(left, padding[1], width)) else {
                continue;
            };
            let from = ((image * ci + channel) * height + top) * width + left;
            let tap = ((out * ci + channel) * kh + i) * kw + j;
            found.y[y] += f64::from(x[from]) * f64::from(weight[tap]);
            found.x[from] += f64::from(gradient[y]) * f64::from(weight[tap]);
            found.weight[tap] += f64::from(gradient[y]) * f64::from(x[from]);
        }
    }
    found
}

fn each([a, b, c, d]: [usize; 4]) -> impl Iterator<Item = (usize, usize, usize, usize)> {
    (0..a * b * c * d).map(move |at| (at / (b * c * d), at / (c * d) % b, at / d % c, at % d))
}

fn square(n: usize, [ci, co]: [usize; 2], size: [usize; 2], [kernel, stride, padding]: [usize; 3]) -> ConvShape {
    ConvShape { n, ci, size, co, kernel: [kernel; 2], stride: [stride; 2], padding: [padding; 2] }
}

/// Direct and Winograd's way, odd sizes, every kind of edge; Miri, a thousand times slower, takes the small ones.
fn shapes() -> Vec<ConvShape> {
    let mut shapes = vec![
        square(1, [1, 1], [5, 5], [3, 1, 1]),
        square(2, [3, 5], [9, 7], [3, 2, 1]),
        square(2, [8, 8], [1, 1], [3, 1, 1]),
        square(1, [2, 2], [3, 3], [3, 3, 3]),
        ConvShape { n: 2, ci: 3, size: [6, 9], co: 4, kernel: [3, 1], stride: [1, 2], padding: [1, 0] },
        ConvShape { n: 2, ci: 3, size: [6, 9], co: 4, kernel: [1, 5], stride: [3, 1], padding: [0, 2] },
        // Winograd's.
        square(16, [16, 17], [2, 2], [3, 1, 1]),
    ];
    if !cfg!(miri) {
        shapes.extend([
            square(3, [16, 32], [8, 8], [3, 1, 1]),
            square(33, [4, 70], [4, 4], [3, 2, 1]),
            square(2, [70, 33], [6, 5], [1, 1, 0]),
            square(2, [7, 9], [11, 13], [7, 2, 3]),
            square(4, [17, 16], [7, 7], [1, 2, 0]),
            square(1, [3, 20], [40, 33], [7, 1, 3]),
            square(17, [12, 24], [16, 16], [3, 2, 1]),
            square(9, [17, 20], [5, 7], [3, 1, 1]),
            square(2, [20, 70], [11, 9], [3, 1, 0]),
            square(2, [33, 16], [8, 6], [3, 1, 2]),
            square(70, [64, 16], [4, 4], [3, 1, 1]),
            square(1, [16, 128], [33, 32], [3, 1, 1]),
        ]);
    }
    shapes
}

#[test]
fn every_pass_is_its_definition() {
    for shape in shapes() {
        let what = format!("{shape:?}");
        let output = shape.output_size().expect("the kernel fits");
        let ConvShape { n, ci, size, co, kernel, .. } = shape;
        let x = noise(n * ci * size[0] * size[1], 1);
        let weight = noise(co * ci * kernel[0] * kernel[1], 2);
        let (bias, gradient) = (noise(co, 3), noise(n * co * output[0] * output[1], 4));
        let slow = slow(&shape, output, &x, &weight, &bias, &gradient);
        let arranged = Arranged::new(&shape, output, &weight, Some(&bias));
        assert!(arranged.suits(&shape, output) && arranged.size() > 0);
        assert_close(&forward(&shape, output, &x, &arranged), &slow.y, &format!("forward, {what}"));
        assert_close(&input_gradient(&shape, output, &weight, &gradient), &slow.x, &format!("by the input, {what}"));
        assert_close(&weight_gradient(&shape, output, &x, &gradient), &slow.weight, &format!("by the weights, {what}"));
        assert_close(&bias_gradient(&shape, output, &gradient), &slow.bias, &format!("by the bias, {what}"));
    }
}

#[test]
fn pooling_takes_the_largest() {
    for (size, kernel, stride, padding) in [([7, 5], 3, 2, 1), ([4, 4], 2, 2, 0), ([1, 9], 3, 1, 1), ([6, 6], 3, 3, 0)]
    {
        let shape = PoolShape { planes: 3, size, kernel, stride, padding };
        let output = shape.output_size().expect("a window fits");
        let x = noise(3 * size[0] * size[1], 5);
        let gradient = noise(3 * output[0] * output[1], 6);
        let (mut y, mut by_x) = (Vec::new(), vec![0.0; x.len()]);
        for (plane, _, row, column) in each([3, 1, output[0], output[1]]) {
            let inside = (0..size[0] * size[1]).filter(|at| {
                let [i, j] = [at / size[1] + padding, at % size[1] + padding];
                (row * stride..row * stride + kernel).contains(&i)
                    && (column * stride..column * stride + kernel).contains(&j)
            });
            let places = inside.map(|at| plane * size[0] * size[1] + at);
            let best = places.max_by(|&a, &b| x[a].total_cmp(&x[b])).expect("a window is not empty");
            by_x[best] += f64::from(gradient[y.len()]);
            y.push(f64::from(x[best]));
        }
        assert_close(&pooling::forward(&shape, output, &x), &y, &format!("{shape:?}"));
        assert_close(&pooling::input_gradient(&shape, output, &x, &gradient), &by_x, &format!("gradient, {shape:?}"));
    }
}
