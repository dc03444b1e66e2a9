//! Gathers unlabelled multi-season Sentinel-2 patches from any STAC archive, after SeCo's procedure (Mañas et al., ICCV
//! 2021, §3.1).
//!
//! [`sample`] says where, [`comb`] when, [`stac`] finds the scenes, [`cog`] reads windows of them, [`patch`] accepts or
//! refuses what was read, [`store`] writes it, and [`run`] keeps it all going, on one machine of any number.

pub mod archive;
pub mod cities;
pub mod cog;
pub mod comb;
pub mod geo;
pub mod http;
pub mod index;
pub mod map;
pub mod merge;
pub mod neighbours;
pub mod outline;
pub mod parquet;
pub mod patch;
pub mod plan;
pub mod run;
pub mod sample;
pub mod stac;
pub mod store;

/// Something asked for wrongly; its text ends with a `hint:` line.
#[derive(Debug)]
pub struct UsageError(pub String);

impl std::fmt::Display for UsageError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}
