//! Gathers a saved plan without the trainer: `cargo run -p gather --example plan -- gather.json --out DIR [--places N]
//! [--requests N]`.
#![expect(clippy::print_stdout, reason = "a program of its own")]

use std::path::Path;

use anyhow::{Context, Result};
use gather::http::HttpConfig;
use gather::plan::{Plan, Shard};
use gather::run::{Effort, Progress, Watch, run};

struct Quiet;

impl Watch for Quiet {
    fn progress(&mut self, _: &Progress) {}
    fn warning(&mut self, text: &str) {
        println!("warning: {text}");
    }
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1));
    let plan = args.first().context("which plan?")?;
    let plan: Plan = serde_json::from_slice(&std::fs::read(plan)?)?;
    let number = |name: &str, usual: usize| value(name).and_then(|text| text.parse().ok()).unwrap_or(usual);
    let usual = Effort::default();
    let http = HttpConfig { connections: number("--requests", usual.http.connections), ..usual.http };
    let effort = Effort { places: number("--places", usual.places), http, ..usual };
    let out = Path::new(value("--out").context("where to? --out DIR")?);
    let outcome = run(&plan, out, Shard::WHOLE, &effort, &mut Quiet)?;
    let Progress { done, before, bytes, requests, refused, elapsed_secs, .. } = outcome.progress;
    println!(
        "{done} places ({before} before), {} pictures in {elapsed_secs:.1} s: {:.2} pictures/s; {bytes} bytes read in {requests} \
         requests, {} bytes of tiles, {refused} refused, {} missing",
        outcome.pictures,
        outcome.pictures as f64 / elapsed_secs,
        outcome.tile_bytes,
        outcome.missing.len()
    );
    Ok(())
}
