//! Work for the processor, kept apart from the tasks that wait for the network.

use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::sync::Semaphore;

/// As many pieces of work at a time as there are cores; clones share them.
#[derive(Clone, Debug)]
pub struct Cpu(Arc<Semaphore>);

impl Default for Cpu {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(cores())))
    }
}

/// Cores of this machine.
#[must_use]
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

impl Cpu {
    /// Does the work on a thread of its own, when a core is free.
    ///
    /// # Errors
    /// When the work panics, which only damaged data makes it do.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let turn = Arc::clone(&self.0).acquire_owned().await?;
        let work = move || {
            let _turn = turn;
            work()
        };
        tokio::task::spawn_blocking(work).await.context("it is damaged")
    }
}
