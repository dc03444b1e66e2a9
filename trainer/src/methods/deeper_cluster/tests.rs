#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use super::*;

/// Lloyd's algorithm on `rows` (`[n][width]`) in double precision, from the rows that the same draw picks.
fn slow_k_means(rows: &[Vec<f64>], k: usize, iterations: usize, rng: &mut crate::views::ViewRng) -> Vec<usize> {
    let mut first = rand::seq::index::sample(rng, rows.len(), k).into_vec();
    first.sort_unstable();
    let mut centroids: Vec<Vec<f64>> = first.iter().map(|&at| rows[at].clone()).collect();
    let distance = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
    let nearest = |row: &[f64], centroids: &[Vec<f64>]| {
        (0..k).min_by(|&a, &b| distance(row, &centroids[a]).total_cmp(&distance(row, &centroids[b]))).unwrap()
    };
    for _ in 0..iterations {
        let labels: Vec<usize> = rows.iter().map(|row| nearest(row, &centroids)).collect();
        for (cluster, centroid) in centroids.iter_mut().enumerate() {
            let own: Vec<&Vec<f64>> =
                rows.iter().zip(&labels).filter(|pair| *pair.1 == cluster).map(|pair| pair.0).collect();
            assert!(!own.is_empty(), "this data leaves no cluster empty");
            for (at, value) in centroid.iter_mut().enumerate() {
                *value = own.iter().map(|row| row[at]).sum::<f64>() / own.len() as f64;
            }
        }
    }
    rows.iter().map(|row| nearest(row, &centroids)).collect()
}

#[test]
fn the_hierarchy_is_the_slow_loops() {
    let config = DeeperClusterConfig {
        super_clusters: 3,
        sub_clusters: 4,
        rotations: 4,
        every_epochs: 1,
        components: 6,
        iterations: 10,
        norm_splits: 1,
        view: Recipe::default(),
    };
    let encoder = EncoderConfig {
        architecture: shared::encoder::Architecture::CompactXs,
        stem: shared::encoder::Stem::Small,
        bands: 3,
    };
    let mut method = DeeperCluster::new(config, &encoder, 5, &Device::flex());
    let (count, width) = (400, 6);
    let values = crate::parts::initialise::normal_values(count * width, 1.0, 9);
    let places: Vec<(usize, usize)> = (0..count).map(|place| (place / 250, place % 250)).collect();
    // Two tiles cannot be read.
    let is_known: Vec<bool> = (0..count).map(|place| place != 17 && place != 300).collect();
    let survey = crate::methods::PlaceFeatures { values: values.clone(), width, is_known: is_known.clone() };
    let mut context = EpochContext {
        epoch: 2,
        is_begun: false,
        samples: 120,
        places: &places,
        px: 16,
        embed: &mut |_, _| Ok(survey.clone()),
    };
    let plan = method.begin_epoch(&mut context).unwrap();
    assert_eq!(plan.order.unwrap().len(), 120);
    assert_eq!(plan.fresh_parameters, "classifiers.");
    let summary = plan.clustering.unwrap();
    assert_eq!((summary.clusters, summary.empty, summary.stability), (12, 0, None));

    let known: Vec<usize> = (0..count).filter(|&place| is_known[place]).collect();
    let all = Rows::new(values.clone(), width, &Device::flex()).subset(&known);
    let white = Whitening::fit(&all, 6).apply(all).normalised().values();
    let rows: Vec<Vec<f64>> =
        white.chunks_exact(width).map(|row| row.iter().map(|&v| f64::from(v)).collect()).collect();
    let mut rng = keyed_rng(5, 2, 0, CLUSTERING);
    let above = slow_k_means(&rows, 3, 10, &mut rng);
    let mut expected = vec![(-1.0, -1.0); count];
    for cluster in 0..3 {
        let members: Vec<usize> = (0..rows.len()).filter(|&row| above[row] == cluster).collect();
        let own: Vec<Vec<f64>> = members.iter().map(|&row| rows[row].clone()).collect();
        for (&member, sub) in members.iter().zip(slow_k_means(&own, 4, 10, &mut rng)) {
            expected[known[member]] = (cluster as f32, sub as f32);
        }
    }
    let state = method.state();
    let found: Vec<(f32, f32)> = state[0].values.iter().copied().zip(state[1].values.iter().copied()).collect();
    assert_eq!(found, expected);
}

#[test]
fn turns_are_counter_clockwise_and_every_tile_keeps_its_label() {
    // 1 2
    // 3 4, and ten more in the second tile of each pair
    let values: Vec<f32> =
        (0..5).flat_map(|tile| [1.0, 2.0, 3.0, 4.0].map(|value| value + 10.0 * tile as f32)).collect();
    let x = Tensor::<4>::from_data(TensorData::new(values, [5, 1, 2, 2]), &Device::flex());
    let (y, order) = turned(x, &[3, 0, 1, 2, 1]);
    assert_eq!(order, [1, 2, 4, 3, 0]);
    let found = y.into_data().try_into_vec::<f32>().unwrap();
    let expected = [
        [11.0, 12.0, 13.0, 14.0],
        [22.0, 24.0, 21.0, 23.0], // a quarter turn to the left: the right column becomes the top row
        [42.0, 44.0, 41.0, 43.0],
        [34.0, 33.0, 32.0, 31.0],
        [3.0, 1.0, 4.0, 2.0],
    ];
    assert_eq!(found, expected.concat());
}
