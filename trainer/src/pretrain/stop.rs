//! Ctrl-C and SIGTERM: a run stops after the step under way, with a checkpoint; the second time it stops at once.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set by Ctrl-C.
static STOP: AtomicBool = AtomicBool::new(false);

/// Tells people that it was heard.
static HEARD: OnceLock<fn(&str)> = OnceLock::new();

/// Sets what tells people, from the signal's own thread, that a first signal was heard.
pub fn tell_when_asked(tell: fn(&str)) {
    let _ = HEARD.set(tell);
}

/// What a run looks at after every step.
pub(super) fn flag() -> &'static AtomicBool {
    &STOP
}

/// Whether Ctrl-C was pressed since the last run began, for commands that go on after one.
pub fn is_asked_to_stop() -> bool {
    STOP.load(Ordering::SeqCst)
}

/// Listens for Ctrl-C from now on, for a run that begins.
pub(super) fn on_ctrl_c() {
    STOP.store(false, Ordering::SeqCst);
    // A second run in one process (the demo, tests) finds its handler in place: that is no error.
    let _ = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::SeqCst) {
            // Asked twice: at once. The checkpoint on disk is whole.
            std::process::exit(130);
        }
        // A first step may compile kernels for long: that it was heard is said at once.
        if let Some(tell) = HEARD.get() {
            tell("stopping after this step; once more stops at once");
        }
    });
}
