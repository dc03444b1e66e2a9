//! Cancellation in one place: a token for a piece of work, which everybody who works for it carries through every await.
//!
//! A [`Scope`] is over when it was ended, or the one that it is part of: tasks are part of the model that they ask, the
//! model's scope ends with the model. A [`Slot`] holds the one piece of work of its kind: to begin the next ends the last.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The work was given up while somebody waited: what has come is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over;

/// A piece of work that can be given up. Clones are the same piece.
#[derive(Clone, Debug, Default)]
pub struct Scope(Arc<Node>);

#[derive(Debug, Default)]
struct Node {
    is_ended: AtomicBool,
    whole: Option<Scope>,
}

impl Scope {
    /// Work of its own.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A part of this work.
    #[must_use]
    pub fn part(&self) -> Self {
        Self(Arc::new(Node { is_ended: AtomicBool::new(false), whole: Some(self.clone()) }))
    }

    /// Gives it up, with all its parts.
    pub fn end(&self) {
        self.0.is_ended.store(true, Ordering::Relaxed);
    }

    /// Whether it was given up.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.is_ended.load(Ordering::Relaxed) || self.0.whole.as_ref().is_some_and(Self::is_over)
    }

    /// Waits for a part of the work.
    ///
    /// # Errors
    /// When the work was given up meanwhile, or before.
    pub async fn hold<T>(&self, part: impl Future<Output = T>) -> Result<T, Over> {
        let outcome = part.await;
        if self.is_over() { Err(Over) } else { Ok(outcome) }
    }
}

impl PartialEq for Scope {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Where the one piece of work of its kind is. Clones are the same place.
#[derive(Clone, Debug, Default)]
pub struct Slot(Arc<Mutex<Option<Scope>>>);

impl Slot {
    /// Ends what goes on and begins something new, as a part of `whole`.
    pub fn begin(&self, whole: &Scope) -> Scope {
        let next = whole.part();
        self.replace(Some(next.clone()));
        next
    }

    /// Ends what goes on.
    pub fn end(&self) {
        self.replace(None);
    }

    /// Whether something goes on.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.current().is_some()
    }

    /// What goes on.
    #[must_use]
    pub fn current(&self) -> Option<Scope> {
        let scope = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        scope.filter(|scope| !scope.is_over())
    }

    fn replace(&self, next: Option<Scope>) {
        let before = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), next);
        before.iter().for_each(Scope::end);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// A future that is ready when it is polled the second time, and does something at the first.
    fn after(first: impl FnOnce()) -> impl Future<Output = u8> {
        let mut first = Some(first);
        std::future::poll_fn(move |_| match first.take() {
            Some(first) => {
                first();
                Poll::Pending
            }
            None => Poll::Ready(7),
        })
    }

    fn outcome(scope: &Scope, meanwhile: impl FnOnce()) -> Result<u8, Over> {
        let mut work = pin!(scope.hold(after(meanwhile)));
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(outcome) = work.as_mut().poll(&mut context) {
                return outcome;
            }
        }
    }

    #[test]
    fn what_comes_after_the_end_is_not_handed_out() {
        let scope = Scope::new();
        assert_eq!(outcome(&scope, || ()), Ok(7));
        assert_eq!(outcome(&scope, || scope.end()), Err(Over));
        assert_eq!(outcome(&scope, || ()), Err(Over), "nor anything asked later");
    }

    #[test]
    fn a_part_ends_with_the_whole_but_not_the_other_way_round() {
        let model = Scope::new();
        let (task, other) = (model.part(), model.part());
        assert_eq!(outcome(&task, || task.end()), Err(Over));
        assert!(!model.is_over() && !other.is_over());
        let step = other.part();
        model.end();
        assert!(step.is_over() && other.is_over());
    }

    #[test]
    fn to_begin_the_next_ends_the_last() {
        let (model, slot) = (Scope::new(), Slot::default());
        assert!(!slot.is_taken());
        let first = slot.begin(&model);
        assert!(slot.is_taken() && slot.current() == Some(first.clone()));
        let second = slot.begin(&model);
        assert!(first.is_over() && !second.is_over());
        slot.end();
        assert!(second.is_over() && !slot.is_taken());
        let third = slot.begin(&model);
        model.end();
        assert!(third.is_over() && !slot.is_taken(), "another model frees the place");
    }
}
