//! The `trainer` program: hands what was typed to the library.

use std::io::{IsTerminal, stderr, stdout};
use std::process::ExitCode;

fn main() -> ExitCode {
    let is_terminal = stderr().is_terminal();
    let code = trainer::run(std::env::args_os(), &mut stdout(), &mut stderr(), is_terminal);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
