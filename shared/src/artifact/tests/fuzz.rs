//! More than a million damaged model files, seeded: none may panic, and none may be taken for another model.

use super::mutation::{Random, edit_text, mutate};
use super::*;

/// Mutations of whole files.
const FILES: u64 = 1_000_000;
/// Mutations whose checksum is made valid again, so that they get past it.
const RESEALED: u64 = 150_000;
/// Mutations of a complete file of half a megabyte.
const COMPLETE: u64 = 2_000;

/// Runs `body` for every number below `count`, on all cores.
fn on_all_cores(count: u64, body: impl Fn(&mut Random, u64) + Sync) {
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let body = &body;
            scope.spawn(move || {
                for index in (thread..count).step_by(threads as usize) {
                    // seeded by index: the same mutations whatever the number of cores
                    body(&mut Random::new(index), index);
                }
            });
        }
    });
}

#[test]
fn a_million_damaged_files() {
    let bases = [WeightFormat::F32, WeightFormat::F16, WeightFormat::Int8].map(tiny_bytes);
    let originals = bases.each_ref().map(|bytes| read_tiny(bytes).unwrap());
    on_all_cores(FILES, |random, index| {
        let mut damaged = Vec::new();
        let base = (index % 3) as usize;
        mutate(&bases[base], &bases[random.below(3)], random, &mut damaged);
        if let Ok(read) = read_tiny(&damaged) {
            assert!(originals.contains(&read), "mutation {index} was taken for a model");
        }
    });
}

#[test]
fn damage_behind_a_valid_checksum() {
    let bases = [WeightFormat::F32, WeightFormat::F16, WeightFormat::Int8].map(tiny_bytes);
    let accepted = std::sync::atomic::AtomicU64::new(0);
    on_all_cores(RESEALED, |random, index| {
        let Container { text, mut tensors } = Container::read(&bases[(index % 3) as usize], Manifest::KEY).unwrap();
        let (manifest, mut covered) = sealed::parse::<Manifest>(&text.unwrap()).unwrap();
        drop(manifest);
        if index % 2 == 0 {
            let Some(edited) = edit_text(&covered, random) else { return };
            covered = edited;
        } else {
            damage(&mut tensors, random);
        }
        let mut container = Container { text: None, tensors };
        let digest = container.digest(&covered);
        container.text = Some(covered.replacen(r#""sha256":"""#, &format!(r#""sha256":"{digest}""#), 1));
        let Ok(bytes) = container.write(Manifest::KEY) else { return };
        if let Ok(read) = read_tiny(&bytes) {
            accepted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            assert!(all_finite(&read), "mutation {index} let a NaN through");
            assert!(read.manifest.check().is_ok());
        }
    });
    // harmless changes (a name, a seed, a weight) are accepted: the deep checks were reached
    assert!(accepted.into_inner() > RESEALED / 20);
}

#[test]
fn damaged_complete_files() {
    let original = sample(sample(Vec::new()).manifest.encoder_shapes());
    let bytes = original.to_bytes(WeightFormat::Int8).unwrap();
    let original = Artifact::from_bytes(&bytes).unwrap();
    on_all_cores(COMPLETE, |random, index| {
        let mut damaged = Vec::new();
        mutate(&bytes, &bytes[..4096], random, &mut damaged);
        if let Ok(read) = Artifact::from_bytes(&damaged) {
            assert_eq!(read, original, "mutation {index} was taken for a model");
        }
    });
}

fn all_finite(artifact: &Artifact) -> bool {
    let head = artifact.head.iter().flat_map(|head| head.weight.iter().chain(&head.bias));
    let projections = artifact.projections.iter().flat_map(|projection| &projection.tensors);
    let tensors = artifact.encoder.iter().chain(projections).flat_map(|tensor| &tensor.values);
    head.chain(tensors).all(|value| value.is_finite())
}

/// Changes one tensor: bytes, shape, element type, name, or its presence.
fn damage(tensors: &mut BTreeMap<String, RawTensor<'_>>, random: &mut Random) {
    let names: Vec<String> = tensors.keys().cloned().collect();
    let name = names[random.below(names.len())].clone();
    let Some(mut tensor) = tensors.remove(&name) else { return };
    match random.below(6) {
        0 => {
            let at = random.below(tensor.bytes.len());
            tensor.bytes.to_mut()[at] = random.next() as u8;
        }
        1 => tensor.shape.reverse(),
        2 => tensor.shape.push(random.below(3)),
        3 => tensor.element = [Element::F32, Element::F16, Element::I8, Element::U16][random.below(4)],
        4 => {
            tensors.insert(names[random.below(names.len())].clone(), tensor.clone());
        }
        _ => return,
    }
    tensors.insert(name, tensor);
}
