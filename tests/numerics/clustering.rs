//! The clustering methods' numbers against scikit-learn and PyTorch: k-means, whitening, DeeperCluster's loss, Sobel.

use crate::devices::tested;
use crate::pattern::{assert_digest, golden, uniform, weights};
use burn::tensor::{Int, Tensor, TensorData};
use shared::encoder::{Architecture, EncoderConfig, NormMode, Stem};
use trainer::losses::two_level;
use trainer::parts::{KMeans, Rows, Similarity, Whitening};
use trainer::views::view_rng;

const COUNT: usize = 300;
const WIDTH: usize = 12;

/// Five overlapping groups of unequal spread, as `clustering.py` makes them.
fn blobs() -> Vec<f32> {
    let (rows, centres) = (uniform("rows", COUNT * WIDTH), uniform("centres", 5 * WIDTH));
    let value = |at: usize| {
        let (row, column) = (at / WIDTH, at % WIDTH);
        let spread = 0.45 * f64::from(rows[at]) * (1 + row % 3) as f64;
        (spread + f64::from(centres[row % 5 * WIDTH + column])) as f32
    };
    (0..COUNT * WIDTH).map(value).collect()
}

fn check_k_means(name: &str, similarity: Similarity) {
    let golden = &golden("clustering")[name];
    let rows = Rows::new(blobs(), WIDTH, &tested());
    let rows = if similarity == Similarity::Cosine { rows.normalised() } else { rows };
    let start = rows.subset(&(0..7).collect::<Vec<_>>()).values();
    let k_means = KMeans { clusters: 7, iterations: 10, similarity };
    let found = k_means.run_from(&rows, start, &mut view_rng(0, 0, 0));
    let expected: Vec<usize> =
        golden["labels"].as_array().unwrap().iter().map(|label| label.as_u64().unwrap() as usize).collect();
    assert_eq!(found.labels, expected);
    assert_digest("centroids", &found.centroids, &golden["centroids"], 1e-5, 0.0);
    let sizes: Vec<usize> = (0..7).map(|cluster| expected.iter().filter(|&&label| label == cluster).count()).collect();
    assert_eq!((found.sizes, found.reseeded), (sizes, 0));
}

#[test]
fn k_means_is_scikit_learns() {
    check_k_means("euclidean", Similarity::Euclidean);
}

#[test]
fn cosine_k_means_is_the_spherical_loop() {
    check_k_means("cosine", Similarity::Cosine);
}

#[test]
fn chunks_do_not_change_a_clustering() {
    // Two and a half chunks of 4096 rows, all in four corners far apart.
    let count = 10_000;
    let values: Vec<f32> = uniform("many", count * 2)
        .chunks_exact(2)
        .enumerate()
        .flat_map(|(at, row)| [row[0] + 10.0 * (at % 2) as f32, row[1] + 10.0 * (at / 2 % 2) as f32])
        .collect();
    let rows = Rows::new(values.clone(), 2, &tested());
    assert_eq!(rows.values(), values);
    let k_means = KMeans { clusters: 4, iterations: 5, similarity: Similarity::Euclidean };
    let found = k_means.run_from(&rows, vec![0.0, 0.0, 10.0, 0.0, 0.0, 10.0, 10.0, 10.0], &mut view_rng(0, 0, 0));
    assert!(found.labels.iter().enumerate().all(|(at, &label)| label == at % 4));
    assert_eq!(found.sizes, [count / 4; 4]);
    // Rows picked over the border of a chunk.
    let picked = [3, 4095, 4096, 9999];
    let expected: Vec<f32> = picked.iter().flat_map(|&at| values[2 * at..2 * at + 2].to_vec()).collect();
    assert_eq!(rows.subset(&picked).values(), expected);
}

#[test]
fn an_empty_cluster_is_seeded_anew_beside_another() {
    let values: Vec<f32> = uniform("rows", 200).iter().map(|value| value * 0.5).collect();
    let rows = Rows::new(values.clone(), 2, &tested());
    let k_means = |iterations| KMeans { clusters: 2, iterations, similarity: Similarity::Euclidean };
    // Nothing is nearer to the second centroid.
    let start = vec![0.0, 0.0, 100.0, 100.0];
    let once = k_means(1).run_from(&rows, start.clone(), &mut view_rng(1, 0, 0));
    assert_eq!(once.reseeded, 1);
    for (a, b) in once.centroids[..2].iter().zip(&once.centroids[2..]) {
        assert!(a != b && (a - b).abs() < 1e-6, "{a} and {b} are 2e-7 apart");
    }
    let later = k_means(20).run_from(&rows, start, &mut view_rng(1, 0, 0));
    assert!(later.sizes.iter().all(|&size| size > 20), "the twins share the rows: {:?}", later.sizes);
}

#[test]
fn whitening_is_scikit_learns() {
    let rows = Rows::new(blobs(), WIDTH, &tested());
    let whitening = Whitening::fit(&rows, 9);
    assert_eq!(whitening.components(), 9);
    let magnitudes: Vec<f32> = whitening.apply(rows).values().iter().map(|value| value.abs()).collect();
    assert_digest("whitened", &magnitudes, &golden("clustering")["whitening"]["magnitudes"], 1e-4, 0.0);
}

#[test]
fn directions_without_spread_are_left_out() {
    let flat: Vec<f32> = uniform("rows", 100).into_iter().flat_map(|value| [value, 2.0 * value, 1.0]).collect();
    let rows = Rows::new(flat.clone(), 3, &tested());
    let whitening = Whitening::fit(&rows, 3);
    assert_eq!(whitening.components(), 1);
    assert!(whitening.apply(rows).values().iter().all(|value| value.is_finite()));
}

#[test]
fn the_two_level_loss_is_pytorchs() {
    let golden = &golden("clustering")["two_level"];
    let (n, width, supers, subs) = (10, 8, 5, 3);
    let device = tested().autodiff();
    let tensor = |values: Vec<f32>, rows: usize| {
        Tensor::<2>::from_data(TensorData::new(values, [rows, width]), &device).require_grad()
    };
    let features = tensor(uniform("features", n * width), n);
    let above = tensor(uniform("super", supers * width), supers);
    let below: Vec<f32> = (0..supers).flat_map(|s| uniform(&format!("sub{s}"), subs * width)).collect();
    let below = tensor(below, supers * subs);
    let class = |step: i32, count: i32| {
        let values: Vec<i32> = (0..n as i32).map(|at| at * step % count).collect();
        Tensor::<1, Int>::from_data(TensorData::new(values, [n]), &device)
    };
    let found = two_level(
        features.clone().matmul(above.clone().transpose()),
        features.clone().matmul(below.clone().transpose()),
        class(3, supers as i32),
        class(2, subs as i32),
    );
    for (name, loss) in [("super_loss", &found.super_loss), ("sub_loss", &found.sub_loss)] {
        let (found, expected) = (f64::from(loss.clone().into_scalar::<f32>()), golden[name].as_f64().unwrap());
        assert!((found - expected).abs() < 1e-5 * expected, "{name}: {found} is not {expected}");
    }
    let gradients = (found.super_loss + found.sub_loss).backward();
    for (name, tensor) in [("features", &features), ("super", &above), ("sub", &below)] {
        let values = tensor.grad(&gradients).unwrap().into_data().try_into_vec::<f32>().unwrap();
        assert_digest(name, &values, &golden[name], 1e-5, 0.0);
    }
}

#[test]
fn a_sobel_stem_is_the_filter_written_out_before_two_planes() {
    let config = |stem, bands| EncoderConfig { architecture: Architecture::CompactXs, stem, bands };
    let device = tested();
    let (sobel, plain) = (config(Stem::Sobel, 3), config(Stem::Small, 2));
    assert_eq!(sobel.tensor_shapes(false), plain.tensor_shapes(false));
    let own = weights(plain.tensor_shapes(false), "");
    let (n, px) = (2, 16);
    let x = uniform("sobel", n * 3 * px * px);
    let grey = |tile: usize, y: isize, x_: isize| {
        if y < 0 || x_ < 0 || y >= px as isize || x_ >= px as isize {
            return 0.0;
        }
        let at = |band: usize| f64::from(x[((tile * 3 + band) * px + y as usize) * px + x_ as usize]);
        (at(0) + at(1) + at(2)) / 3.0
    };
    let mut planes = Vec::new();
    for tile in 0..n {
        for vertical in [false, true] {
            for y in 0..px as isize {
                for x_ in 0..px as isize {
                    let value: f64 = [(-1, 1.0), (0, 2.0), (1, 1.0)]
                        .iter()
                        .map(|&(along, weight)| {
                            let (before, after) = match vertical {
                                false => (grey(tile, y + along, x_ - 1), grey(tile, y + along, x_ + 1)),
                                true => (grey(tile, y - 1, x_ + along), grey(tile, y + 1, x_ + along)),
                            };
                            weight * (before - after)
                        })
                        .sum();
                    planes.push(value as f32);
                }
            }
        }
    }
    let answer = |config: EncoderConfig, values: Vec<f32>, bands: usize| {
        let encoder = config.init(&device).load_named(&own).unwrap();
        let x = Tensor::<4>::from_data(TensorData::new(values, [n, bands, px, px]), &device);
        encoder.forward(x, NormMode::Running).into_data().try_into_vec::<f32>().unwrap()
    };
    let (found, expected) = (answer(sobel, x.clone(), 3), answer(plain, planes, 2));
    let most = expected.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    let error = found.iter().zip(&expected).fold(0.0_f32, |worst, (a, b)| worst.max((a - b).abs()));
    assert!(error < 1e-4 * most, "{error} of {most}");
}
