//! The `trainer` program: hands what was typed to the library.

use std::io::{IsTerminal, Write, stderr, stdout};
use std::process::ExitCode;

fn main() -> ExitCode {
    keep_freed_memory();
    trainer::pretrain::tell_when_asked(|what| {
        let _ = writeln!(stderr(), "\n{what}");
    });
    let is_terminal = stderr().is_terminal();
    let code = trainer::run(std::env::args_os(), &mut stdout(), &mut stderr(), is_terminal);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// Keeps freed blocks for the next step. Activations are blocks of megabytes, all freed and wanted again at every step;
/// glibc would hand each back to the system and have it cleared anew, which took up to a quarter of a training step.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn keep_freed_memory() {
    // SAFETY: sets two numbers of the allocator, before any other thread exists.
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, -1);
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn keep_freed_memory() {}
