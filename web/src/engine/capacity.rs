//! How many workers a machine can have: one a core, as far as memory goes.

/// The most workers that a batch is spread over.
pub const MAX_WORKERS: usize = 8;
/// What browsers that keep it to themselves are taken to have.
const ASSUMED_MEMORY_GB: f64 = 4.0;
/// The workers together get this share of the memory.
const SHARE_OF_MEMORY: f64 = 0.25;

/// Workers for a machine of `cores`, with the memory that the browser admits to (in GB), if one of them takes
/// `worker_bytes`.
#[must_use]
pub fn affordable_workers(cores: usize, memory_gb: Option<f64>, worker_bytes: u64) -> usize {
    let bytes = memory_gb.unwrap_or(ASSUMED_MEMORY_GB) * 1e9 * SHARE_OF_MEMORY;
    let in_memory = (bytes / worker_bytes.max(1) as f64) as usize;
    cores.min(MAX_WORKERS).min(in_memory).max(1)
}

/// A count that the user asks for (`workers=2` in the address); none when it makes no sense.
#[must_use]
pub fn wished_workers(text: &str) -> Option<usize> {
    text.parse().ok().filter(|count| (1..=MAX_WORKERS).contains(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_a_core_as_far_as_memory_goes() {
        let worker = 60_000_000;
        assert_eq!(affordable_workers(1, None, worker), 1);
        assert_eq!(affordable_workers(2, Some(8.0), worker), 2);
        assert_eq!(affordable_workers(32, Some(8.0), worker), MAX_WORKERS);
        assert_eq!(affordable_workers(8, Some(0.5), worker), 2);
        assert_eq!(affordable_workers(8, Some(0.25), 500_000_000), 1);
        assert_eq!(affordable_workers(8, None, 300_000_000), 3);
    }

    #[test]
    fn a_wish_is_a_number_of_workers_or_nothing() {
        assert_eq!(wished_workers("1"), Some(1));
        assert_eq!(wished_workers("8"), Some(8));
        assert!(["0", "9", "-1", "many", ""].iter().all(|text| wished_workers(text).is_none()));
    }
}
