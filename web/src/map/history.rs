//! Undo and redo.

/// Steps that can be taken back.
const MAX_STEPS: usize = 100;

/// A value with its past and, after an undo, its future.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History<T> {
    past: Vec<T>,
    now: T,
    future: Vec<T>,
}

impl<T: Clone + PartialEq> History<T> {
    /// The value.
    pub const fn now(&self) -> &T {
        &self.now
    }

    /// Takes a new value; one that equals the present is no step.
    pub fn set(&mut self, value: T) {
        if value == self.now {
            return;
        }
        self.past.push(std::mem::replace(&mut self.now, value));
        if self.past.len() > MAX_STEPS {
            self.past.remove(0);
        }
        self.future.clear();
    }

    /// One step back; false at the beginning.
    pub fn undo(&mut self) -> bool {
        let Some(value) = self.past.pop() else { return false };
        self.future.push(std::mem::replace(&mut self.now, value));
        true
    }

    /// One step forward again; false when there is none.
    pub fn redo(&mut self) -> bool {
        let Some(value) = self.future.pop() else { return false };
        self.past.push(std::mem::replace(&mut self.now, value));
        true
    }

    /// True when something can be taken back.
    pub const fn can_undo(&self) -> bool {
        !self.past.is_empty()
    }

    /// True when something can be done again.
    pub const fn can_redo(&self) -> bool {
        !self.future.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_taken_back_and_forth_and_a_new_one_ends_the_future() {
        let mut history = History::default();
        for value in 1..=3 {
            history.set(value);
        }
        history.set(3);
        assert!(history.undo() && history.undo());
        assert_eq!(*history.now(), 1);
        assert!(history.redo());
        assert_eq!(*history.now(), 2);
        history.set(9);
        assert!(!history.can_redo() && !history.redo());
        assert!(history.undo() && history.undo());
        assert_eq!(*history.now(), 1);
        assert!(history.undo() && !history.undo() && !history.can_undo());
        assert_eq!(*history.now(), 0);
    }

    #[test]
    fn the_past_is_bounded() {
        let mut history = History::default();
        (1..=MAX_STEPS + 50).for_each(|value| history.set(value));
        let mut steps = 0;
        while history.undo() {
            steps += 1;
        }
        assert_eq!((steps, *history.now()), (MAX_STEPS, 50));
    }
}
