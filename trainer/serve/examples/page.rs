//! Serves a built page before the trainer is compiled: `cargo run -p serve --example page -- FOLDER [PORT]`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program of its own")]

use serve::{Server, Site};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (Some(folder), port) = (args.next(), args.next().map_or(Ok(8080), |port| port.parse())) else {
        eprintln!("usage: page FOLDER [PORT]");
        return ExitCode::from(2);
    };
    let Ok(port) = port else {
        eprintln!("error: the port is not a number from 0 to 65535");
        return ExitCode::from(2);
    };
    match Server::bind(port) {
        Ok(server) => {
            println!("{}", server.address());
            server.run(&Site::new(folder.as_ref()));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
