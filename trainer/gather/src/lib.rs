//! Gathers unlabelled multi-season Sentinel-2 patches from any STAC archive, after SeCo's procedure (Mañas et al., ICCV
//! 2021, §3.1).
//!
//! [`sample`] says where, [`comb`] when, [`catalog`] finds the scenes, [`cog`] reads windows of them, [`patch`] accepts or
//! refuses what was read, [`store`] writes it, and [`run`] keeps it all going, on one machine of any number.

pub mod archive;
pub mod catalog;
pub mod cities;
pub mod cog;
mod columns;
pub mod comb;
pub mod cpu;
pub mod download;
mod effort;
pub mod files;
mod flight;
pub mod geo;
pub mod http;
pub mod index;
mod journal;
pub mod map;
pub mod merge;
pub mod neighbours;
pub mod outline;
pub mod patch;
pub mod plan;
pub mod record;
pub mod run;
pub mod sample;
pub mod stac;
pub mod store;
mod work;

/// Something asked for wrongly; its text ends with a `hint:` line.
#[derive(Debug)]
pub struct UsageError(pub String);

impl std::fmt::Display for UsageError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// An error with its causes, without its hint.
pub(crate) fn one_line(error: &anyhow::Error) -> String {
    let line = error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ");
    line.split("\nhint:").next().unwrap_or(&line).to_owned()
}
