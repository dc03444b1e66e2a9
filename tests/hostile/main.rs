//! Thousands of damaged files for everything that reads bytes from strangers, seeded: none may make it panic, or hold more
//! memory than its bound. `SOLSTICE_MUTATIONS=1000000 cargo test -p solstice-tests --test hostile` damages more.

#![expect(clippy::print_stdout, reason = "what was damaged, and how long the slowest file took")]

mod counting;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use counting::peak_of;
use solstice_tests::hostile::{DECODERS, Random, decoder, mutate};

/// Damaged files for each decoder, unless asked for more.
const MUTATIONS: u64 = 3_000;
/// A small file that takes longer makes a decoder hang, on a machine that is busy with other things too.
const PATIENCE: Duration = Duration::from_secs(20);

fn mutations() -> u64 {
    std::env::var("SOLSTICE_MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(MUTATIONS)
}

/// Where a damaged file is kept that did harm.
fn kept(name: &str, index: u64, bytes: &[u8]) -> String {
    let path = std::env::temp_dir().join(format!("solstice-hostile-{name}-{index}"));
    let outcome = std::fs::write(&path, bytes);
    outcome.map_or_else(|error| format!("not kept: {error}"), |()| format!("kept as {}", path.display()))
}

fn damage(name: &str) {
    let decoder = decoder(name);
    let seeds = (decoder.seeds)();
    assert!(!seeds.is_empty(), "{name}: nothing to damage");
    for (seed, bytes) in &seeds {
        let peak = peak_of(|| (decoder.read)(bytes));
        assert!(peak <= (decoder.bound)(bytes.len()), "{name}: {seed}, whole, takes {peak} bytes");
    }
    let mut bytes = Vec::new();
    let mut slowest = Duration::ZERO;
    for index in 0..mutations() {
        let mut random = Random::new(index);
        let (seed, base) = &seeds[random.below(seeds.len())];
        let donor = &seeds[random.below(seeds.len())].1;
        mutate(base, donor, &mut random, &mut bytes);
        let start = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| peak_of(|| (decoder.read)(&bytes))));
        let Ok(peak) = outcome else {
            panic!("{name}: mutation {index} of {seed} panics; {}", kept(name, index, &bytes))
        };
        let bound = (decoder.bound)(bytes.len());
        assert!(
            peak <= bound,
            "{name}: mutation {index} of {seed}, {} bytes, takes {peak}, over {bound}; {}",
            bytes.len(),
            kept(name, index, &bytes)
        );
        let taken = start.elapsed();
        assert!(taken < PATIENCE, "{name}: mutation {index} of {seed} takes {taken:?}; {}", kept(name, index, &bytes));
        slowest = slowest.max(taken);
    }
    println!("{name}: {} mutations of {} files, the slowest in {slowest:?}", mutations(), seeds.len());
}

/// A test for each decoder, so that they run side by side.
macro_rules! decoders {
    ($($name:ident),+) => {
        $(#[test] fn $name() { damage(stringify!($name)); })+

        #[test]
        fn every_decoder_has_a_test_and_a_target() {
            let mut named = vec![$(stringify!($name)),+];
            named.sort_unstable();
            let mut all: Vec<&str> = DECODERS.iter().map(|decoder| decoder.name).collect();
            all.sort_unstable();
            assert_eq!(named, all);
            let manifest = solstice_tests::repository().join("tests/fuzz/Cargo.toml");
            let manifest = std::fs::read_to_string(manifest).expect("the targets of cargo fuzz");
            for name in all {
                assert!(manifest.contains(&format!("name = \"{name}\"")), "cargo fuzz has no target {name}");
            }
        }
    };
}

decoders!(raster, picture, npy, list, artifact, gallery, encoder, pth, tar, stac, geojson);
