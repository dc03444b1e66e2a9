//! A study of augmentations and temperatures: a declared grid of runs, their scores, and what helped.

mod grid;
mod run;
mod score;
mod summary;

pub use grid::{Cell, CellScore, DEFAULT_GRID, Grid, NamedView, SCORE_VERSION, Spread, effects};
pub use run::Study;
pub use score::Labelled;
