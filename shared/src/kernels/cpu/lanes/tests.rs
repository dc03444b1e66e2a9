//! Every instruction set that this machine has against plain loops: elsewhere only the best one is ever used.

use std::mem::MaybeUninit;

use super::*;

/// Fused and separate rounding differ in the last digits of sums of a few dozen products below 1.
const TOLERANCE: f32 = 1e-5;

fn each() -> Vec<&'static Kernels> {
    let mut all = vec![&portable::KERNELS];
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    all.extend(x86::available());
    all
}

/// Numbers in -1 … 1 without a pattern that a wrong index could meet again.
fn value(index: usize) -> f32 {
    (index as f32 * 12.9898).sin()
}

fn values(first: usize, len: usize) -> Vec<f32> {
    (first..first + len).map(value).collect()
}

#[test]
fn gather_tiles() {
    let (channels, plane, offsets) = (5, 40, [0, 1, 7, 9]);
    let input = values(0, channels * plane + MAX_ROWS);
    for kernels in each() {
        for vectors in 1..=kernels.max_vectors() {
            let (rows, lanes) = (kernels.gather_rows[vectors - 1], vectors * kernels.width);
            let weights = values(1000, channels * offsets.len() * lanes);
            let seed = values(5000, rows * lanes);
            let mut out = vec![0.0; rows * lanes];
            let tile = GatherTile {
                starts: std::array::from_fn(|r| input[r..].as_ptr()),
                channels,
                plane,
                offsets: &offsets,
                weights: weights.as_ptr(),
                seed: seed.as_ptr(),
                seed_row: lanes,
                out: out.as_mut_ptr(),
                out_row: lanes,
            };
            // SAFETY: `input` has a spare row for every start; the rest has the tile's sizes.
            unsafe { (kernels.gather[vectors - 1])(&tile) };
            for (at, &found) in out.iter().enumerate() {
                let (row, lane) = (at / lanes, at % lanes);
                let terms = (0..channels * offsets.len()).map(|k| {
                    let (channel, tap) = (k / offsets.len(), k % offsets.len());
                    input[row + channel * plane + offsets[tap]] * weights[k * lanes + lane]
                });
                let expected = seed[at] + terms.sum::<f32>();
                assert!((found - expected).abs() < TOLERANCE, "width {}, {vectors} vectors, {at}", kernels.width);
            }
        }
    }
}

#[test]
fn reduce_tiles() {
    let (images, lines, length, step) = (2, 3, 4, 2);
    let (image_step, line_step) = (50, 11);
    let input = values(0, images * image_step + MAX_ROWS);
    for kernels in each() {
        for vectors in 1..=kernels.max_vectors() {
            let (rows, width) = (kernels.reduce_rows[vectors - 1], vectors * kernels.width);
            let lanes_image = lines * length * width + 3;
            let lanes = values(2000, images * lanes_image);
            for adds in [false, true] {
                let before = values(7000, rows * width);
                let mut out = before.clone();
                let tile = ReduceTile {
                    starts: std::array::from_fn(|r| input[r..].as_ptr()),
                    images,
                    image_step,
                    lines,
                    line_step,
                    length,
                    step,
                    lanes: lanes.as_ptr(),
                    lanes_image,
                    out: out.as_mut_ptr(),
                    out_row: width,
                    adds,
                };
                // SAFETY: `input` has a spare row for every start; the rest has the tile's sizes.
                unsafe { (kernels.reduce[vectors - 1])(&tile) };
                for (at, &found) in out.iter().enumerate() {
                    let (row, lane) = (at / width, at % width);
                    let mut expected = if adds { before[at] } else { 0.0 };
                    for position in 0..images * lines * length {
                        let (i, line, image) =
                            (position % length, position / length % lines, position / (length * lines));
                        expected += input[row + image * image_step + line * line_step + i * step]
                            * lanes[image * lanes_image + (line * length + i) * width + lane];
                    }
                    assert!((found - expected).abs() < TOLERANCE, "width {}, {vectors} vectors, {at}", kernels.width);
                }
            }
        }
    }
}

#[test]
fn transposition_of_any_size() {
    for kernels in each() {
        for [rows, columns] in [[8, 8], [1, 5], [19, 33], [130, 16], [7, 64]] {
            let (source_row, target_row) = (columns + 3, rows + 1);
            let source = values(0, rows * source_row);
            let mut target = vec![0.0; columns * target_row];
            // SAFETY: both matrices have these sizes.
            unsafe {
                kernels.transpose([rows, columns], source.as_ptr(), source_row, target.as_mut_ptr(), target_row);
            }
            for at in 0..rows * columns {
                let (row, column) = (at / columns, at % columns);
                assert_eq!(target[column * target_row + row], source[row * source_row + column], "{rows}×{columns}");
            }
        }
    }
}

/// `left · middle · right` of small dense matrices.
fn product3<const A: usize, const B: usize, const C: usize, const D: usize>(
    left: [[f32; B]; A],
    middle: [[f32; C]; B],
    right: [[f32; D]; C],
) -> [[f32; D]; A] {
    let mut result = [[0.0; D]; A];
    for (a, row) in result.iter_mut().enumerate() {
        for (d, sum) in row.iter_mut().enumerate() {
            *sum = (0..B).flat_map(|b| (0..C).map(move |c| left[a][b] * middle[b][c] * right[c][d])).sum();
        }
    }
    result
}

fn turned<const A: usize, const B: usize>(matrix: [[f32; B]; A]) -> [[f32; A]; B] {
    std::array::from_fn(|b| std::array::from_fn(|a| matrix[a][b]))
}

/// The matrices as the paper prints them.
const INPUT: [[f32; 4]; 4] =
    [[1.0, 0.0, -1.0, 0.0], [0.0, 1.0, 1.0, 0.0], [0.0, -1.0, 1.0, 0.0], [0.0, 1.0, 0.0, -1.0]];
const KERNEL: [[f32; 3]; 4] = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]];
const OUTPUT: [[f32; 4]; 2] = [[1.0, 1.0, 1.0, 0.0], [0.0, 1.0, -1.0, -1.0]];

#[test]
fn winograd_transforms() {
    for kernels in each() {
        let (winograd, width) = (kernels.winograd, kernels.width);
        let (vectors, lanes) = (2, 2 * width);
        let (sixteen, nine, four) = (values(0, 16 * lanes), values(3000, 9 * lanes), values(6000, 4 * lanes));
        let bias = values(9000, lanes);
        let mut outputs = vec![0.0; 4 * lanes];
        let (mut spread, mut kernel, mut kernel_gradient) =
            (vec![0.0; 16 * lanes], vec![0.0; 16 * lanes], vec![0.0; 9 * lanes]);
        let mut patch_out = vec![0.0; 16 * lanes];
        // The elements of the patch, in some order.
        let places: [usize; 16] = std::array::from_fn(|i| (i * 5 % 16) * lanes);
        let [first, second, third, fourth] = std::array::from_fn(|i| i * lanes);
        let out = outputs.as_mut_ptr();
        // SAFETY: every buffer has as many rows of `lanes` floats as its transform has elements.
        unsafe {
            (winograd.input)(&InputTransform {
                from: sixteen.as_ptr(),
                places: &places,
                vectors,
                out: patch_out.as_mut_ptr(),
                step: lanes,
            });
            (winograd.output)(&OutputTransform {
                products: sixteen.as_ptr(),
                step: lanes,
                vectors,
                bias: bias.as_ptr(),
                out: [out.add(first), out.add(second), out.add(third), out.add(fourth)],
            });
            (winograd.gradient)(&GradientTransform {
                gradients: std::array::from_fn(|i| four[i * lanes..].as_ptr()),
                vectors,
                out: spread.as_mut_ptr(),
                step: lanes,
            });
            (winograd.kernel)(&KernelTransform {
                from: nine.as_ptr(),
                from_step: lanes,
                vectors,
                out: kernel.as_mut_ptr(),
                out_step: lanes,
            });
            (winograd.kernel_gradient)(&KernelTransform {
                from: sixteen.as_ptr(),
                from_step: lanes,
                vectors,
                out: kernel_gradient.as_mut_ptr(),
                out_step: lanes,
            });
        }
        let close = |found: f32, expected: f32| assert!((found - expected).abs() < TOLERANCE, "width {width}");
        for lane in 0..lanes {
            let patch = std::array::from_fn(|i| std::array::from_fn(|j| sixteen[(i * 4 + j) * lanes + lane]));
            let weights = std::array::from_fn(|i| std::array::from_fn(|j| nine[(i * 3 + j) * lanes + lane]));
            let gradient = std::array::from_fn(|i| std::array::from_fn(|j| four[(i * 2 + j) * lanes + lane]));
            let placed = std::array::from_fn(|i| std::array::from_fn(|j| sixteen[places[i * 4 + j] + lane]));
            let expected = product3(INPUT, placed, turned(INPUT));
            (0..16).for_each(|i| close(patch_out[i * lanes + lane], expected[i / 4][i % 4]));
            let expected = product3(OUTPUT, patch, turned(OUTPUT));
            (0..4).for_each(|i| close(outputs[i * lanes + lane], expected[i / 2][i % 2] + bias[lane]));
            let expected = product3(turned(OUTPUT), gradient, OUTPUT);
            (0..16).for_each(|i| close(spread[i * lanes + lane], expected[i / 4][i % 4]));
            let expected = product3(KERNEL, weights, turned(KERNEL));
            (0..16).for_each(|i| close(kernel[i * lanes + lane], expected[i / 4][i % 4]));
            let expected = product3(turned(KERNEL), patch, KERNEL);
            (0..9).for_each(|i| close(kernel_gradient[i * lanes + lane], expected[i / 3][i % 3]));
        }
    }
}

#[test]
fn planes_of_any_length() {
    for kernels in each() {
        for len in [0, 1, 15, 16, 37, 64] {
            let (x, gradient, residual) = (values(0, len), values(100, len), values(200, len));
            let (mut moments, mut sums) = ([[0.0; PARTS]; 2], [[0.0; PARTS]; 2]);
            let mut passed = sums;
            let mut written = [(); 4].map(|()| vec![MaybeUninit::<f32>::uninit(); len]);
            let affine = Affine { mean: 0.1, scale: 1.5, shift: -0.2, relu: true };
            let plain = Affine { relu: false, ..affine };
            let slope = Slope { offset: 0.3, slope: 0.7 };
            let [normalised, masked, result, rectified] = &mut written;
            // SAFETY: the machine has these instructions; all slices are equally long.
            unsafe {
                (kernels.planes.moments)(&x, 0.5, &mut moments);
                (kernels.planes.gradient_sums)(&gradient, &x, plain, &mut sums);
                (kernels.planes.gradient_sums)(&gradient, &x, affine, &mut passed);
                (kernels.planes.normalise)(&x, Some(&residual), affine, normalised);
                (kernels.planes.mask)(&gradient, &x, masked);
                (kernels.planes.input_gradient)(&gradient, &x, plain, slope, result);
                (kernels.planes.input_gradient)(&gradient, &x, affine, slope, rectified);
            }
            // SAFETY: the four calls write every element.
            let written =
                written.map(|plane| plane.into_iter().map(|y| unsafe { y.assume_init() }).collect::<Vec<_>>());
            let total = |parts: [f32; PARTS]| parts.into_iter().sum::<f32>();
            let close = |found: f32, expected: f32| assert!((found - expected).abs() < TOLERANCE, "{found} {expected}");
            close(total(moments[0]), x.iter().map(|x| x - 0.5).sum());
            close(total(moments[1]), x.iter().map(|x| (x - 0.5).powi(2)).sum());
            close(total(sums[0]), gradient.iter().sum());
            close(total(sums[1]), gradient.iter().zip(&x).map(|(g, x)| g * (x - 0.1)).sum());
            let open = |i: usize| if (x[i] - 0.1) * 1.5 - 0.2 > 0.0 { gradient[i] } else { 0.0 };
            close(total(passed[0]), (0..len).map(open).sum());
            close(total(passed[1]), (0..len).map(|i| open(i) * (x[i] - 0.1)).sum());
            for i in 0..len {
                close(written[0][i], ((x[i] - 0.1) * 1.5 - 0.2 + residual[i]).max(0.0));
                close(written[1][i], if x[i] > 0.0 { gradient[i] } else { 0.0 });
                close(written[2][i], (gradient[i] - 0.3 - (x[i] - 0.1) * 0.7) * 1.5);
                close(written[3][i], (open(i) - 0.3 - (x[i] - 0.1) * 0.7) * 1.5);
            }
        }
    }
}

#[test]
fn exponentials() {
    for kernels in each() {
        for len in [0, 1, 16, 1003] {
            // From 0 down to -100; what is below -87 is as good as nothing.
            let x: Vec<f32> = (0..len).map(|i| 2.0 - i as f32 * 0.05).collect();
            let mut found = x.clone();
            // SAFETY: the machine has these instructions.
            let sum = unsafe { (kernels.planes.exponentials)(&mut found, 2.0, 2.0) };
            let mut expected_sum = 0.0;
            for (&x, &found) in x.iter().zip(&found) {
                let expected = ((f64::from(x) - 2.0) * 2.0).exp();
                expected_sum += expected;
                // The rounding of the argument is the exponential's relative error.
                let tolerance = expected * 1e-5 + 2e-38;
                assert!((f64::from(found) - expected).abs() <= tolerance, "width {}: exp of {x}", kernels.width);
            }
            assert!((f64::from(sum) - expected_sum).abs() <= 1e-5 * expected_sum, "width {}", kernels.width);
        }
        let mut odd = [f32::NAN, 0.0];
        // SAFETY: as above.
        let sum = unsafe { (kernels.planes.exponentials)(&mut odd, 0.0, 1.0) };
        assert!(odd[0].is_nan() && sum.is_nan() && odd[1] == 1.0);
    }
}
