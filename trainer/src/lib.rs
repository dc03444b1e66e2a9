//! Everything that needs a disk, a clock or gradients: pre-training, evaluation and export of Solstice encoders.
//!
//! | room | what is in it |
//! |---|---|
//! | [`cli`], [`commands`] | what can be typed, one file a subcommand; each calls one of the rooms below |
//! | [`config`] | a preset and what was typed → the configuration of a run, saved with it |
//! | [`data`] | sources of tiles, labelled sets, the loader |
//! | [`views`] | augmentations |
//! | [`methods`] | one file a method: its mathematics, and its definition for the rest of the program |
//! | [`losses`], [`parts`] | what methods are made of: functions without state, and blocks with it |
//! | [`engine`] | the loop, optimiser, schedule, checkpoints, events; it knows no method by name |
//! | [`pretrain`] | a run in its folder, and runs of several phases |
//! | [`study`] | a grid of runs and what helped |
//! | [`eval`], [`linear_algebra`] | how good a frozen encoder is |
//! | [`encoder_file`], [`seen`] | trained encoders from wherever they are, and the record of what they were trained on |
//! | [`export`], [`site`] | model files, galleries, ONNX, PyTorch; the folders that the page reads |
//! | [`superres`], [`inspection`] | enlarging a picture; looking at a data set |
//! | [`report`] | all printing, tables and pictures |
//! | [`device`], [`error`] | where tensors are, and how errors are shown |
//!
//! The words are the field's; those that are this project's own stand in the glossary at the end of `trainer/README.md`, and
//! what to touch for a new method, architecture or data set in "Adding to it" there.

pub mod benchmark;
pub mod cli;
pub mod commands;
pub mod config;
pub mod data;
pub mod device;
pub mod encoder_file;
pub mod engine;
pub mod error;
pub mod eval;
pub mod export;
pub mod inspection;
pub mod linear_algebra;
pub mod losses;
pub mod methods;
pub mod parts;
pub mod pretrain;
pub mod report;
pub mod seen;
pub mod site;
pub mod study;
pub mod superres;
pub mod views;

use clap::FromArgMatches;
use cli::{Cli, Command};
use report::Reporter;
use std::ffi::OsString;
use std::io::Write;

/// Runs one command line (without the program's name being special) and returns the exit code: 0, 1 for failure, 2 for
/// usage.
///
/// Results go to `out`; progress, warnings and errors go to `err`. `is_terminal` says whether `err` is one.
pub fn run<I, S>(args: I, out: &mut dyn Write, err: &mut dyn Write, is_terminal: bool) -> i32
where
    I: IntoIterator<Item = S>,
    S: Into<OsString> + Clone,
{
    let parsed = cli::command().try_get_matches_from(args).and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            let (stream, code): (&mut dyn Write, i32) = if error.use_stderr() { (err, 2) } else { (out, 0) };
            // A closed pipe is the reader's choice.
            let _ = write!(stream, "{error}");
            return code;
        }
    };
    let result = {
        let mut reporter = Reporter::new(out, err, is_terminal);
        dispatch(cli.command, &mut reporter)
    };
    match result {
        Ok(()) => 0,
        Err(error) => {
            let _ = writeln!(err, "{}", error::render(&error));
            error::exit_code(&error)
        }
    }
}

fn dispatch(command: Command, reporter: &mut Reporter<'_>) -> anyhow::Result<()> {
    match command {
        Command::Pretrain(args) => commands::pretrain::run(&args, reporter),
        Command::Distill(args) => commands::distill::run(&args, reporter),
        Command::Evaluate(args) => commands::evaluate::run(args, reporter),
        Command::Benchmark(args) => commands::benchmark::run(&args, reporter),
        Command::Seasons(args) => commands::seasons::run(args, reporter),
        Command::Export(args) => commands::export::run(args, reporter),
        Command::Embed(args) => commands::embed::run(args, reporter),
        Command::Publish(args) => commands::publish::run(&args, reporter),
        Command::Fetch(args) => commands::fetch::run(&args, reporter),
        Command::Gather(args) => commands::gather::run(&args, reporter),
        Command::InspectData(args) => commands::inspect_data::run(args, reporter),
        Command::Devices(args) => commands::devices::run(&args, reporter),
        Command::Study(args) => commands::study::run(&args, reporter),
        Command::Superres(args) => commands::superres::run(&args, reporter),
        Command::Serve(args) => commands::serve::run(&args, reporter),
        Command::Demo(args) => commands::demo::run(&args, reporter),
        Command::Completions(args) => commands::completions::run(&args, cli::command(), reporter),
        Command::Man(args) => commands::completions::run_man(&args, cli::command(), reporter),
    }
}
