//! The benchmark: data sets, protocols and encoders against each other, ending in a table that says how each figure was made.
//!
//! A [`Task`] is a file of `trainer/benchmarks/`; [`run`] measures every encoder on those that the disk has, keeps every
//! result as soon as it is there, and goes on where it was stopped.

mod card;
mod cell;
mod dense;
mod encoders;
mod every;
mod fine_tune;
#[cfg(test)]
mod golden;
mod labels;
mod on_disk;
mod pattern;
mod pixels;
mod places;
mod protocol;
mod row;
mod run;
mod scenes;
mod share;
mod standing;
mod task;
#[cfg(test)]
mod tests;

pub use card::{Card, points, table};
pub use encoders::Candidate;
pub use every::run;
pub use on_disk::DataFolders;
pub use protocol::Protocol;
pub use row::{Measure, ROW_VERSION, Row};
pub use run::{Findings, Settings};
pub use task::{Download, Kind, Published, SplitRule, SplitSpec, Task};
