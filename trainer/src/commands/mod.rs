//! One file a subcommand.

mod arguments;
pub mod benchmark;
pub mod completions;
pub mod demo;
pub mod devices;
pub mod distill;
pub mod embed;
pub mod evaluate;
pub mod export;
#[cfg(feature = "gather")]
pub mod fetch;
#[cfg(not(feature = "gather"))]
#[path = "fetch_absent.rs"]
pub mod fetch;
#[cfg(feature = "gather")]
pub mod gather;
#[cfg(not(feature = "gather"))]
#[path = "gather_absent.rs"]
pub mod gather;
pub mod inspect_data;
pub mod pretrain;
pub mod publish;
pub mod seasons;
pub mod serve;
pub mod study;
pub mod superres;
