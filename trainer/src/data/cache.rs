//! Decoded pictures kept in memory, up to a bound.
//!
//! Nothing is ever evicted: a shuffled epoch touches every picture once, so a cache that is too small for all of them
//! serves the ones it has and lets the rest be decoded each time. The bound may be exceeded by one picture a thread.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use super::SampleError;
use super::picture::Picture;

type Slot = OnceLock<Result<Arc<Picture>, SampleError>>;

/// One slot a picture.
pub(super) struct Cache {
    slots: Vec<Slot>,
    limit_bytes: usize,
    used_bytes: AtomicUsize,
}

impl Cache {
    /// Room for `count` pictures of `limit_bytes` in all.
    pub(super) fn new(count: usize, limit_bytes: usize) -> Self {
        Self { slots: (0..count).map(|_| OnceLock::new()).collect(), limit_bytes, used_bytes: AtomicUsize::new(0) }
    }

    /// The picture at `index`, decoded by `load` unless it is kept already. A failure is kept as well.
    pub(super) fn get(
        &self,
        index: usize,
        load: impl FnOnce() -> Result<Picture, SampleError>,
    ) -> Result<Arc<Picture>, SampleError> {
        let slot = &self.slots[index];
        if slot.get().is_none() && self.is_full() {
            return load().map(Arc::new);
        }
        slot.get_or_init(|| {
            let picture = load()?;
            self.used_bytes.fetch_add(picture.bytes(), Ordering::Relaxed);
            Ok(Arc::new(picture))
        })
        .clone()
    }

    /// Memory taken so far.
    pub(super) fn used_bytes(&self) -> usize {
        self.used_bytes.load(Ordering::Relaxed)
    }

    /// Whether further pictures are no longer kept.
    pub(super) fn is_full(&self) -> bool {
        self.used_bytes() >= self.limit_bytes
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;
    use crate::data::picture::Samples;

    #[test]
    fn keeps_up_to_its_bound_and_decodes_the_rest_each_time() {
        let cache = Cache::new(3, 100);
        let loads = AtomicUsize::new(0);
        let picture = |_| {
            loads.fetch_add(1, Ordering::Relaxed);
            Ok(Picture::whole(1, 1, 60, Samples::U8(vec![0; 60])))
        };
        for index in [0, 1, 2, 0, 1, 2, 2] {
            cache.get(index, || picture(index)).unwrap();
        }
        assert_eq!(loads.load(Ordering::Relaxed), 2 + 3);
        assert_eq!(cache.used_bytes(), 120);
    }
}
