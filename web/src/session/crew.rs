//! Spreading a batch over the workers of a device, and starting more of them when it is worth it.

use std::ops::Range;
use std::rc::Rc;

use futures_util::future::{Either, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use js_sys::Reflect;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::Session;
use crate::engine::capacity::{affordable_workers, wished_workers};
use crate::engine::handle::{Event, Handle};
use crate::engine::pool::Pool;
use crate::engine::protocol::{Bundle, FromWorker};
use crate::engine::slabs::Slabs;
use crate::problem::Problem;
use crate::route;
use crate::scope::Scope;
use crate::state::Crew;

/// Key of the wished number of workers in the address.
const WORKERS_KEY: &str = "workers";

/// How a batch went.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Tiles answered.
    pub tiles: usize,
    /// Milliseconds inside the encoder, of all workers together.
    pub encoder_ms: f64,
    /// Workers that took part.
    pub workers: usize,
    /// Why it ended early.
    pub problem: Option<Problem>,
}

impl Session {
    /// Has every slab asked about by `ask`, by whichever worker of `pool` is free, until all are answered, the batch
    /// is given up, or the device fails. What a dying worker had in hand goes to another one.
    pub(super) async fn share_out(
        self,
        pool: &Rc<Pool>,
        mut slabs: Slabs,
        scope: &Scope,
        ask: impl AsyncFn(&Rc<Handle>, Range<usize>) -> Result<FromWorker, Problem>,
    ) -> Shared {
        pool.bury();
        let wanted = self.most_workers(pool).min(slabs.useful_workers()).max(1);
        let (mut shared, mut at_work, mut took_part) = (Shared::default(), Vec::new(), Vec::new());
        let (mut in_flight, ask) = (FuturesUnordered::new(), &ask);
        loop {
            let is_over = shared.problem.is_some() || scope.is_over();
            if !is_over {
                self.recruit(pool, wanted);
            }
            while !is_over
                && let Some(worker) = pool.least_busy(&at_work)
                && let Some(slab) = slabs.take(wanted)
            {
                at_work.push(Rc::clone(&worker));
                in_flight.push(async move {
                    let outcome = ask(&worker, slab.tiles.clone()).await;
                    (worker, slab, outcome)
                });
            }
            if in_flight.is_empty() {
                if is_over || slabs.is_empty() {
                    break;
                }
                if !pool.is_growing() {
                    // The last worker is dead, and no other can be started.
                    shared.problem = pool.trouble();
                    break;
                }
                // Resolves in any case: the pool outlives the start that is on its way.
                let _ = pool.change().await;
                continue;
            }
            let Either::Left((Some((worker, slab, outcome)), _)) = select(in_flight.next(), pool.change()).await else {
                continue;
            };
            at_work.extract_if(.., |other| Rc::ptr_eq(&worker, other)).next();
            match outcome {
                Ok(FromWorker::Finished { done, encoder_ms, .. }) => {
                    shared.tiles += done;
                    shared.encoder_ms += encoder_ms;
                    if !took_part.iter().any(|other| Rc::ptr_eq(&worker, other)) {
                        took_part.push(worker);
                    }
                }
                Ok(_) => {}
                // Nobody wants to know any more.
                Err(_) if scope.is_over() => {}
                Err(problem) => {
                    let is_dead = !worker.is_alive();
                    pool.bury();
                    // A lost graphics device is opened afresh by another way.
                    let is_redone = is_dead && pool.bundle() == Bundle::Cpu && slabs.give_back(slab);
                    if !is_redone {
                        shared.problem.get_or_insert(problem);
                    }
                }
            }
            self.count_crew();
        }
        shared.workers = took_part.len();
        shared
    }

    /// Starts workers until there are as many as `wanted`.
    fn recruit(self, pool: &Rc<Pool>, wanted: usize) {
        while pool.is_short_of(wanted) {
            pool.begin();
            let pool = Rc::clone(pool);
            spawn_local(async move {
                let started = self.start_another(&pool).await;
                pool.end(started);
                self.count_crew();
            });
        }
    }

    /// One more worker, from the first one's compiled program and the files that are here already; it proves itself as
    /// the first one did.
    async fn start_another(self, pool: &Pool) -> Result<Rc<Handle>, Problem> {
        let bundle = pool.bundle();
        let on_event = move |event: Event| {
            if !matches!(event.message, FromWorker::Fetching { .. }) {
                self.on_event(bundle, event);
            }
        };
        let worker = Handle::open(bundle, pool.module(), on_event).await?;
        self.give_model(&worker, false).await?;
        self.give_gallery(&worker).await?;
        Ok(Rc::new(worker))
    }

    pub(super) fn most_workers(self, pool: &Pool) -> usize {
        if pool.bundle() == Bundle::Gpu {
            return 1;
        }
        if let Some(wished) = route::parameter(WORKERS_KEY).as_deref().and_then(wished_workers) {
            return wished;
        }
        let navigator = window().navigator();
        // A few browsers tell how much memory there is; types for it are not to be had.
        let memory_gb = Reflect::get(&navigator, &"deviceMemory".into()).ok().and_then(|memory| memory.as_f64());
        let largest = pool.workers().iter().map(|worker| worker.memory_bytes()).max().unwrap_or(0);
        affordable_workers(navigator.hardware_concurrency() as usize, memory_gb, largest)
    }

    /// Looks after the workers, for the header.
    pub(super) fn count_crew(self) {
        let parts = self.parts();
        let active = self.active_pool();
        let memory = |bundle| parts.slot(bundle).borrow().as_ref().map_or(0, |pool| pool.memory_bytes());
        let crew = Crew {
            workers: active.as_ref().map_or(0, |pool| pool.count()),
            memory_bytes: memory(Bundle::Cpu) + memory(Bundle::Gpu),
            trouble: active.and_then(|pool| pool.trouble()),
        };
        if self.crew.with_untracked(|before| *before != crew) {
            self.crew.set(crew);
        }
    }
}
