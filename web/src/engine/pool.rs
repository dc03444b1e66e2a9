//! The workers of one device: the first one answers everything, the others share a batch with it.
//!
//! On the CPU every worker is an instance of its own on a core of its own: all cores without threads, and so without the
//! headers that threads would need. They are started when there is a batch that is worth it, from the module that the
//! first one has compiled. A graphics device has one worker.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_channel::oneshot;
use wasm_bindgen::prelude::*;

use super::handle::Handle;
use super::protocol::Bundle;
use crate::problem::Problem;

/// Slabs that one worker has at a time: it computes one while the files of the next are read.
const SLABS_AT_ONCE: usize = 2;

/// Workers of one bundle.
pub struct Pool {
    bundle: Bundle,
    workers: RefCell<Vec<Rc<Handle>>>,
    starting: Cell<usize>,
    /// Why there are fewer than there could be.
    trouble: RefCell<Option<Problem>>,
    /// Those who wait for another worker.
    waiting: RefCell<Vec<oneshot::Sender<()>>>,
    module: JsValue,
}

impl Pool {
    /// A pool of one, who has proven itself.
    #[must_use]
    pub fn new(first: Rc<Handle>) -> Self {
        Self {
            bundle: first.bundle(),
            module: first.module(),
            workers: RefCell::new(vec![first]),
            starting: Cell::new(0),
            trouble: RefCell::new(None),
            waiting: RefCell::new(Vec::new()),
        }
    }

    /// Which bundle runs in its workers.
    #[must_use]
    pub const fn bundle(&self) -> Bundle {
        self.bundle
    }

    /// The compiled program; none when the browser could not hand it over.
    #[must_use]
    pub fn module(&self) -> Option<JsValue> {
        self.module.is_object().then(|| self.module.clone())
    }

    /// The worker that answers what one alone can answer; none when all are dead.
    #[must_use]
    pub fn first(&self) -> Option<Rc<Handle>> {
        self.workers.borrow().first().cloned()
    }

    /// All of them.
    #[must_use]
    pub fn workers(&self) -> Vec<Rc<Handle>> {
        self.workers.borrow().clone()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.workers.borrow().len()
    }

    /// Bytes of WebAssembly memory that they hold together.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.workers.borrow().iter().map(|worker| worker.memory_bytes()).sum()
    }

    /// Why there are fewer than there could be.
    #[must_use]
    pub fn trouble(&self) -> Option<Problem> {
        self.trouble.borrow().clone()
    }

    /// True when it is worth starting another one; who does so calls [`Self::begin`] and [`Self::end`].
    #[must_use]
    pub fn is_short_of(&self, wanted: usize) -> bool {
        self.trouble.borrow().is_none() && self.count() + self.starting.get() < wanted
    }

    /// True while another one is on its way.
    #[must_use]
    pub fn is_growing(&self) -> bool {
        self.starting.get() > 0
    }

    /// Another worker is being started.
    pub fn begin(&self) {
        self.starting.set(self.starting.get() + 1);
    }

    /// It has come and proven itself, or it has not: then no further one is tried.
    pub fn end(&self, started: Result<Rc<Handle>, Problem>) {
        self.starting.set(self.starting.get() - 1);
        match started {
            Ok(worker) => self.workers.borrow_mut().push(worker),
            Err(problem) => *self.trouble.borrow_mut() = Some(problem),
        }
        for waiting in self.waiting.take() {
            // Nobody waits any more.
            let _ = waiting.send(());
        }
    }

    /// Resolves when a worker has come, or could not be started.
    pub fn change(&self) -> oneshot::Receiver<()> {
        let (sender, change) = oneshot::channel();
        let mut waiting = self.waiting.borrow_mut();
        waiting.retain(|other| !other.is_canceled());
        waiting.push(sender);
        change
    }

    /// The worker with the fewest slabs in hand, unless all have their fill; `at_work` names a worker once for each slab.
    #[must_use]
    pub fn least_busy(&self, at_work: &[Rc<Handle>]) -> Option<Rc<Handle>> {
        let slabs = |worker: &Rc<Handle>| at_work.iter().filter(|other| Rc::ptr_eq(worker, other)).count();
        let workers = self.workers.borrow();
        let worker = workers.iter().min_by_key(|worker| slabs(worker))?;
        (slabs(worker) < SLABS_AT_ONCE).then(|| Rc::clone(worker))
    }

    /// Takes the dead out, and stops what is left of them.
    pub fn bury(&self) {
        self.workers.borrow_mut().retain(|worker| worker.is_alive());
    }
}
