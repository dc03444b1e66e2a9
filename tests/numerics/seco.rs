//! InfoNCE and whole SeCo steps (losses, gradients, momentum encoder, queues, optimiser) against an independent PyTorch
//! step, and the checklist of what is commonly got wrong.

use crate::devices::tested;
use crate::pattern::{assert_digest, golden, uniform, unit_rows, weight};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use serde_json::Value;
use shared::encoder::{Architecture, EncoderConfig, Stem, module_tensors};
use shared::tensors::{NamedTensor, TensorMap, into_map};
use trainer::engine::optimiser::{Sgd, SgdConfig};
use trainer::losses::{Negatives, by_operations, info_nce};
use trainer::methods::{Losses, Method, Seco, SecoConfig, StepContext};
use trainer::views::Recipe;

const N: usize = 8;
const PX: usize = 32;
const DIM: usize = 16;
const LENGTH: usize = 32;

fn unit_tensor(name: &str, rows: usize, dim: usize, device: &Device) -> Tensor<2> {
    let values = unit_rows(uniform(name, rows * dim), dim);
    Tensor::from_data(TensorData::new(values, [rows, dim]), device)
}

fn scalar(tensor: &Tensor<1>) -> f64 {
    f64::from(tensor.clone().into_scalar::<f32>())
}

#[test]
fn info_nce_is_pytorchs_cross_entropy() {
    let golden = golden("info-nce");
    let device = tested().autodiff();
    let q = unit_tensor("q", 6, 16, &device).require_grad();
    let [k, bank, extra] =
        [("k", 6), ("bank", 40), ("extra", 6)].map(|(name, rows)| unit_tensor(name, rows, 16, &device));
    let result = info_nce(q.clone(), k, &[bank.into(), extra.into()], 0.07);
    let expected = golden["loss"].as_f64().unwrap();
    assert!((scalar(&result.loss) - expected).abs() < 1e-4 * expected, "{} is not {expected}", scalar(&result.loss));
    let gradient = q.grad(&result.loss.backward()).unwrap().into_data().try_into_vec::<f32>().unwrap();
    assert_digest("gradient", &gradient, &golden["gradient"], 1e-3, 0.0);
}

#[test]
fn equal_embeddings_give_log_of_the_number_of_logits() {
    let device = tested();
    let one = |rows: usize| unit_tensor("same", 1, 16, &device).repeat(&[rows, 1]);
    let result = info_nce(one(4), one(4), &[one(30).into(), one(7).into()], 0.07);
    assert!((scalar(&result.loss) - f64::from(38.0_f32).ln()).abs() < 1e-4);
    assert!(scalar(&result.accuracy).abs() < 1e-9, "a tie is no win");
}

fn config() -> SecoConfig {
    SecoConfig {
        temperature: 0.07,
        momentum: 0.9,
        queue: LENGTH,
        dim: DIM,
        norm_splits: 1,
        shuffle_bn: true,
        skip_same_date: true,
        dates_with_replacement: false,
        clean: Recipe::seco_clean(),
        augmented: Recipe::seco_augmented(),
    }
}

/// A SeCo with the golden's weights and queues.
fn patterned() -> Seco {
    patterned_with(config())
}

fn patterned_with(config: SecoConfig) -> Seco {
    let encoder = EncoderConfig { architecture: Architecture::CompactXs, stem: Stem::Small, bands: 3 };
    let mut seco = Seco::new(config, &encoder, 0, &tested());
    let mut state = TensorMap::new();
    for (name, tensor) in module_tensors(seco.query()) {
        // Query and key start alike.
        let values = weight(&format!("query.{name}"), &tensor.shape);
        for side in ["query", "key"] {
            let name = format!("{side}.{name}");
            state.insert(name.clone(), NamedTensor { name, shape: tensor.shape.clone(), values: values.clone() });
        }
    }
    for index in 0..3 {
        let values = unit_rows(uniform(&format!("queue{index}"), LENGTH * DIM), DIM);
        let keys = NamedTensor { name: format!("queue{index}.keys"), shape: vec![LENGTH, DIM], values };
        let next = NamedTensor { name: format!("queue{index}.next"), shape: vec![1], values: vec![0.0] };
        state.extend([(keys.name.clone(), keys), (next.name.clone(), next)]);
    }
    let query = seco.query().clone().restore("query", &state).unwrap();
    seco.set_query(query);
    seco.restore(&state).unwrap();
    seco
}

fn view(name: &str) -> Tensor<4> {
    view_of(name, N)
}

fn view_of(name: &str, n: usize) -> Tensor<4> {
    let values = uniform(name, n * 3 * PX * PX);
    Tensor::from_data(TensorData::new(values, [n, 3, PX, PX]), &tested())
}

fn optimise(seco: &mut Seco, optimiser: &mut Sgd, losses: &Losses, lr: f64) {
    let network = seco.query().clone();
    let gradients = GradientsParams::from_grads(losses.total.backward(), &network);
    let network = optimiser.step(lr, network, gradients);
    seco.set_query(network);
}

fn assert_all(what: &str, tensors: &TensorMap, prefix: &str, golden: &Value, tolerance: f64) {
    for (name, digest) in golden.as_object().unwrap() {
        let found = tensors.get(&format!("{prefix}{name}")).unwrap_or_else(|| panic!("{what}: no {prefix}{name}"));
        assert_digest(&format!("{what} {name}"), &found.values, digest, tolerance, 1e-3);
    }
}

#[test]
fn three_steps_are_pytorchs() {
    follow(&golden("seco"), config(), N);
}

#[test]
fn three_steps_in_eight_groups_with_places_of_few_dates_are_pytorchs() {
    follow(&golden("seco-groups"), SecoConfig { norm_splits: 8, ..config() }, 16);
}

/// Three steps of batches of `n`, everything compared after each.
fn follow(golden: &Value, config: SecoConfig, n: usize) {
    let mut seco = patterned_with(config);
    let mut optimiser = Sgd::new(SgdConfig { momentum: 0.9, weight_decay: 1e-3, lars: 0.0 });
    let dates: Vec<Vec<usize>> = serde_json::from_value(golden["dates"].clone()).unwrap();
    for (index, expected) in golden["steps"].as_array().unwrap().iter().enumerate() {
        let views = (0..4).map(|v| view_of(&format!("step{index}.view{v}"), n)).collect();
        seco.begin_step(&StepContext { step: index, total_steps: 3, places: &[], dates: &dates }).unwrap();
        let losses = seco.losses(views);
        let parts: Vec<f64> = losses.parts.iter().map(|(_, loss)| scalar(loss)).collect();
        for (part, expected) in parts.iter().zip(expected["losses"].as_array().unwrap()) {
            let expected = expected.as_f64().unwrap();
            // Rounding grows over the steps: each passes through batch statistics and a temperature of 0.07.
            assert!((part - expected).abs() < 2e-3 * expected.max(0.1), "step {index}: {part} is not {expected}");
        }
        let total = scalar(&losses.total.clone().without_autodiff());
        assert!((total - parts.iter().sum::<f64>()).abs() < 1e-4, "the sum, not the mean");
        optimise(&mut seco, &mut optimiser, &losses, 0.05);

        let what = format!("step {index}");
        let tolerance = [1e-3, 5e-3, 2e-2][index];
        let own = into_map(seco.state());
        assert_all(&format!("{what} key"), &own, "key.", &expected["key"], tolerance);
        for (queue, digest) in expected["queues"].as_array().unwrap().iter().enumerate() {
            assert_digest(
                &format!("{what} queue {queue}"),
                &own[&format!("queue{queue}.keys")].values,
                digest,
                tolerance,
                0.0,
            );
        }
        let velocity = into_map(optimiser.state());
        assert_all(&format!("{what} velocity"), &velocity, "velocity.", &expected["velocity"], tolerance);
        let query = into_map(seco.query().state("query"));
        assert_all(&format!("{what} query"), &query, "query.", &expected["query"], tolerance);
    }
}

/// What leaving own rows out must give, from the definition: losses, and gradients by the queries.
fn left_out_by_a_loop(
    [query, positive]: [&[f32]; 2],
    banks: &[(Vec<f32>, Vec<bool>)],
    dim: usize,
    temperature: f64,
) -> (f64, Vec<f64>) {
    let n = query.len() / dim;
    let (mut loss, mut gradient) = (0.0, vec![0.0; n * dim]);
    for row in 0..n {
        let own = &query[row * dim..][..dim];
        let mut keys = vec![&positive[row * dim..][..dim]];
        for (bank, skips) in banks {
            let counted =
                bank.chunks(dim).enumerate().filter(|(key, _)| !(*key == row && skips.get(row) == Some(&true)));
            keys.extend(counted.map(|(_, key)| key));
        }
        let dot = |key: &[f32]| own.iter().zip(key).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        let logits: Vec<f64> = keys.iter().map(|key| dot(key) / temperature).collect();
        let total: f64 = logits.iter().map(|logit| logit.exp()).sum();
        loss += (total.ln() - logits[0]) / n as f64;
        for (key, logit) in keys.iter().zip(&logits) {
            for (at, value) in key.iter().enumerate() {
                gradient[row * dim + at] += logit.exp() / total * f64::from(*value) / temperature / n as f64;
            }
        }
        for (at, value) in keys[0].iter().enumerate() {
            gradient[row * dim + at] -= f64::from(*value) / temperature / n as f64;
        }
    }
    (loss, gradient)
}

#[test]
fn own_rows_that_are_left_out_count_for_nothing_in_the_kernel_and_in_plain_operations() {
    let (n, dim, temperature) = (9, 16, 0.07);
    let rows = |name: &str, count: usize| unit_rows(uniform(name, count * dim), dim);
    let (query, positive) = (rows("q", n), rows("k", n));
    let skips: Vec<bool> = (0..n).map(|row| row % 3 != 1).collect();
    let banks = [(rows("bank", 40), Vec::new()), (rows("others", n), skips), (rows("rest", n), vec![true; n])];
    let (loss, gradient) = left_out_by_a_loop([&query, &positive], &banks, dim, temperature);
    let device = tested().autodiff();
    let tensor =
        |values: &[f32]| Tensor::<2>::from_data(TensorData::new(values.to_vec(), [values.len() / dim, dim]), &device);
    let negatives = banks.clone().map(|(keys, skips_own)| Negatives { keys: tensor(&keys), skips_own });
    for (what, way) in [("kernel", info_nce as fn(_, _, &[Negatives], f64) -> _), ("operations", by_operations)] {
        let q = tensor(&query).require_grad();
        let found = way(q.clone(), tensor(&positive), &negatives, temperature);
        assert!((scalar(&found.loss) - loss).abs() < 1e-5 * loss, "{what}: {} is not {loss}", scalar(&found.loss));
        let found = q.grad(&found.loss.backward()).unwrap().into_data().try_into_vec::<f32>().unwrap();
        let largest = gradient.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        for (found, expected) in found.iter().zip(&gradient) {
            assert!((f64::from(*found) - expected).abs() < 1e-5 * largest, "{what}: {found} is not {expected}");
        }
    }
}

#[test]
fn z2_has_no_negatives_of_the_querys_own_date_in_its_own_row() {
    // With the query's own view as k0 or k1, of its own date, Z2 must not call it unlike; of another date it must.
    let part = |dates: [usize; 3], key: usize| {
        let mut seco = patterned();
        let mut views: Vec<Tensor<4>> = (0..4).map(|v| view(&format!("step0.view{v}"))).collect();
        views[key + 1] = views[0].clone();
        let dates = vec![dates.to_vec(); N];
        seco.begin_step(&StepContext { step: 0, total_steps: 1, places: &[], dates: &dates }).unwrap();
        let losses = seco.losses(views);
        [1, 2].map(|subspace| scalar(&losses.parts[subspace].1))
    };
    for (key, own) in [(0, [0, 0, 1]), (1, [0, 1, 0])] {
        let ([z1, z2], [other_z1, other_z2]) = (part(own, key), part([0, 1, 2], key));
        assert!(z2 < other_z2 - 1e-3, "k{key} of q's own date costs Z2 {z2}, of another date {other_z2}");
        assert!((z1 - other_z1).abs() < 1e-9, "Z1 varies with augmentation at any date");
    }
}

/// Losses when key view `changed` is replaced by other tiles.
fn parts_with(changed: Option<usize>) -> Vec<f64> {
    let mut seco = patterned();
    let views = (0..4).map(|v| match changed {
        Some(key) if v == key + 1 => view("something else"),
        _ => view(&format!("step0.view{v}")),
    });
    let losses = seco.losses(views.collect());
    losses.parts.iter().map(|(_, loss)| scalar(loss)).collect()
}

#[test]
fn k1_and_k2_are_not_swapped() {
    // The query itself is given as one key: only the loss whose positive that key is can fall to (nearly) nothing.
    for (key, own) in [(0, 0), (1, 1), (2, 2)] {
        let mut seco = patterned();
        let mut views: Vec<Tensor<4>> = (0..4).map(|v| view(&format!("step0.view{v}"))).collect();
        views[key + 1] = views[0].clone();
        let parts: Vec<f64> = seco.losses(views).parts.iter().map(|(_, loss)| scalar(loss)).collect();
        let base = parts_with(None);
        assert!(parts[own] < base[own], "loss {own} falls when key {key} is the query: {parts:?} from {base:?}");
        for other in (1..3).filter(|&other| other != own) {
            assert!(parts[other] > base[other], "as a negative it raises loss {other}: {parts:?} from {base:?}");
        }
    }
}

#[test]
fn z0_ignores_k1_and_k2() {
    let base = parts_with(None);
    for key in [1, 2] {
        let parts = parts_with(Some(key));
        assert!((parts[0] - base[0]).abs() < 1e-9, "z0 does not see k{key}");
        assert!((parts[1] - base[1]).abs() > 1e-6 && (parts[2] - base[2]).abs() > 1e-6, "z1 and z2 do");
    }
}

#[test]
fn each_queue_takes_its_own_heads_own_key_after_the_logits() {
    let rows = |changed: Option<usize>| {
        let mut seco = patterned();
        let views = (0..4).map(|v| match changed {
            Some(key) if v == key + 1 => view("something else"),
            _ => view(&format!("step0.view{v}")),
        });
        let _ = seco.losses(views.collect());
        let state = into_map(seco.state());
        [0, 1, 2].map(|queue| state[&format!("queue{queue}.keys")].values.clone())
    };
    let base = rows(None);
    for key in 0..3 {
        let changed = rows(Some(key));
        for queue in 0..3 {
            let same = changed[queue][..N * DIM] == base[queue][..N * DIM];
            assert_eq!(same, queue != key, "queue {queue} after another key {key}");
            assert_eq!(changed[queue][N * DIM..], base[queue][N * DIM..], "older keys stay");
        }
    }
    // Enqueued before the logits, the query's own key would be among the negatives of its first step: then a query that
    // equals its key could not beat log 2.
    let mut seco = patterned();
    let views: Vec<Tensor<4>> = [0, 0, 1, 2].map(|v| view(&format!("step0.view{v}"))).to_vec();
    let first = scalar(&seco.losses(views).parts[0].1);
    assert!(first < f64::ln(2.0), "{first}");
}

#[test]
fn no_gradient_reaches_the_keys_and_buffers_are_their_own() {
    let mut seco = patterned();
    let before = into_map(seco.state());
    let views = (0..4).map(|v| view(&format!("step0.view{v}"))).collect();
    let losses = seco.losses(views);
    let after = into_map(seco.state());
    // Query and key were equal, so the average moves nothing: a gradient or an optimiser step would.
    for (name, tensor) in before.iter().filter(|(name, _)| name.starts_with("key.") && !name.contains("running_")) {
        let moved = tensor.values.iter().zip(&after[name].values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(moved <= 1e-6, "{name} moved by {moved}");
    }
    let running = "key.encoder.bn1.running_mean";
    assert_ne!(before[running].values, after[running].values, "keys are encoded with batch statistics");
    let query = into_map(seco.query().state("query"));
    assert_ne!(after[running].values, query["query.encoder.bn1.running_mean"].values, "each its own buffers");
    drop(losses);
}
