//! `trainer devices`: what this machine can compute on.

use crate::device;
use crate::report::{Reporter, Table};

/// What can be typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  trainer devices
  trainer pretrain --preset compact --data kind=folder,path=tiles --out runs/a --device wgpu:discrete:0")]
pub struct DevicesArgs {}

/// Runs the command.
///
/// # Errors
/// None today.
pub fn run(_args: &DevicesArgs, reporter: &mut Reporter<'_>) -> anyhow::Result<()> {
    let mut table = Table::new(["--device", "what", "kind"]);
    let cpu = device::resolve("cpu")?;
    table.row(["cpu".to_owned(), cpu.name, "always there".to_owned()]);
    for adapter in device::adapters() {
        table.row([adapter.argument, adapter.name, adapter.kind]);
    }
    match device::resolve("cuda") {
        Ok(cuda) => table.row(["cuda".to_owned(), cuda.name, "NVIDIA".to_owned()]),
        Err(_) if device::has_cuda() => table.row(["cuda", "no NVIDIA GPU found", "compiled in"].map(String::from)),
        Err(_) => table.row(["cuda", "not compiled in", "cargo build -p trainer --features cuda"].map(String::from)),
    }
    reporter.table(&table);
    let auto = device::resolve("auto")?;
    reporter.line(&format!("auto: {} ({})", auto.name, auto.reason));
    Ok(())
}
