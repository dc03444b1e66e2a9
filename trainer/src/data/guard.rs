//! Work that must not bring the program down: a panic inside a library becomes an error.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// What `work` gives, or what it panicked with. Nothing is printed then.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |panic| {
            if !IS_GUARDED.with(Cell::get) {
                usual(panic);
            }
        }));
    });
    let before = IS_GUARDED.with(|is_guarded| is_guarded.replace(true));
    // What `work` had in hand is given up with it.
    let outcome = catch_unwind(AssertUnwindSafe(work));
    IS_GUARDED.with(|is_guarded| is_guarded.set(before));
    outcome.map_err(|panic| format!("its decoder failed ({})", said(&*panic)))
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("no reason given").lines().next().unwrap_or_default().chars().take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_and_the_next_work_goes_on() {
        let at = |index: usize| [1, 2, 3].get(index).copied().expect("an index below three");
        let outcome = guarded(|| at(7));
        assert!(outcome.as_ref().is_err_and(|why| why.contains("an index below three")), "{outcome:?}");
        assert_eq!(guarded(|| at(1)), Ok(2));
    }
}
