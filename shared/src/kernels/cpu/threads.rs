//! Spreading numbered pieces of work over the cores, and the memory each core reuses.

use std::cell::RefCell;
use std::mem::MaybeUninit;

/// Calls `work(0)` … `work(count - 1)`, in any order, on all threads of the current pool.
#[cfg(not(target_family = "wasm"))]
pub(super) fn for_each(count: usize, work: impl Fn(usize) + Sync + Send) {
    use rayon::prelude::*;
    if count <= 1 || rayon::current_num_threads() == 1 {
        (0..count).for_each(work);
    } else {
        (0..count).into_par_iter().with_max_len(1).for_each(work);
    }
}

/// Calls `work(0)` … `work(count - 1)`: the browser's worker has one thread.
#[cfg(target_family = "wasm")]
pub(super) fn for_each(count: usize, work: impl Fn(usize)) {
    (0..count).for_each(work);
}

thread_local! {
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Lends `len` floats of this thread's scratch memory, contents unspecified but initialised.
pub(super) fn with_scratch<R>(len: usize, body: impl FnOnce(&mut [f32]) -> R) -> R {
    if cfg!(sanitised) {
        // Memory of its own and not a float more: what lies beside it is seen to.
        return body(&mut vec![0.0; len]);
    }
    // Taken out for the call, so that a nested use would allocate instead of failing.
    let mut memory = SCRATCH.with(RefCell::take);
    if memory.len() < len {
        memory.resize(len, 0.0);
    }
    let result = body(&mut memory[..len]);
    SCRATCH.with(|slot| slot.replace(memory));
    result
}

/// A result that several pieces of work write at the same time, each to places of its own.
#[derive(Clone, Copy)]
pub(super) struct Output {
    start: *mut f32,
}

// SAFETY: the pieces of work write disjoint elements, which `Output::at` makes its callers promise.
unsafe impl Send for Output {}
// SAFETY: as above.
unsafe impl Sync for Output {}

impl Output {
    /// Room for `len` floats and the handle to fill it through; see [`Output::finish`].
    pub(super) fn reserve(len: usize) -> (Vec<f32>, Self) {
        let mut memory = Vec::with_capacity(len);
        let start = memory.as_mut_ptr();
        (memory, Self { start })
    }

    /// As [`Output::reserve`], but the memory is zero when not all of it will be written.
    pub(super) fn reserve_or_zero(len: usize, all_written: bool) -> (Vec<f32>, Self) {
        if all_written {
            return Self::reserve(len);
        }
        let mut zeros = vec![0.0; len];
        let output = Self::of(&mut zeros);
        (zeros, output)
    }

    /// A handle to existing memory.
    pub(super) fn of(memory: &mut [f32]) -> Self {
        Self { start: memory.as_mut_ptr() }
    }

    /// The address of element `index`.
    ///
    /// # Safety
    /// `index` is within the memory, the memory is alive, and nobody else touches the elements written through it.
    pub(super) unsafe fn at(self, index: usize) -> *mut f32 {
        // SAFETY: within the allocation, by the caller's promise.
        unsafe { self.start.add(index) }
    }

    /// `len` elements from `index`, possibly not written yet.
    ///
    /// # Safety
    /// As for [`Output::at`], for as long as the slice lives.
    pub(super) unsafe fn part<'a>(self, index: usize, len: usize) -> &'a mut [MaybeUninit<f32>] {
        // SAFETY: within the allocation and not shared, by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(index).cast(), len) }
    }

    /// Declares the first `len` floats of `memory` written.
    ///
    /// # Safety
    /// They are, and `memory` came from [`Output::reserve`] with at least `len`.
    pub(super) unsafe fn finish(mut memory: Vec<f32>, len: usize) -> Vec<f32> {
        // SAFETY: capacity and contents are the caller's promise.
        unsafe { memory.set_len(len) };
        memory
    }
}
