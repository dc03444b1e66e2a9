//! k-means on many vectors: seconds and the largest memory; `kmeans.py` runs it beside scikit-learn.
//!
//!     cargo bench -p solstice-tests --profile dev --bench kmeans -- 1000000 512 320 10
//!
//! Arguments: vectors, their width, clusters, iterations.
#![expect(clippy::print_stdout, reason = "the measurements are the output")]

use burn::tensor::Device;
use std::time::Instant;
use trainer::parts::{KMeans, Rows, Similarity};
use trainer::views::view_rng;

fn main() {
    let numbers: Vec<usize> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let &[count, width, clusters, iterations] = numbers.as_slice() else {
        println!("arguments: vectors, width, clusters, iterations");
        return;
    };
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 24) as f32
    };
    // As many overlapping clouds as clusters are sought.
    let centres: Vec<f32> = (0..clusters * width).map(|_| noise()).collect();
    let mut values = Vec::with_capacity(count * width);
    for row in 0..count {
        let centre = &centres[row % clusters * width..][..width];
        values.extend(centre.iter().map(|centre| centre + noise()));
    }
    let rows = Rows::new(values, width, &Device::flex());
    let start = Instant::now();
    let k_means = KMeans { clusters, iterations, similarity: Similarity::Euclidean };
    let found = k_means.run(&rows, &mut view_rng(0, 0, 0));
    let secs = start.elapsed().as_secs_f64();
    let smallest = found.sizes.iter().min().copied().unwrap_or_default();
    println!("{}", serde_json::json!({ "seconds": secs, "peak_mib": peak_mib(), "smallest_cluster": smallest }));
}

/// The most memory that this process ever held (Linux).
fn peak_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kib| kib / 1024.0)
}
