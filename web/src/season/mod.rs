//! A place at several dates, as numbers: reading dates from file names, comparing dates pairwise, telling the same place
//! from other places, a flat map of a place's way through the year, and pictures square by square. Plain logic, tested natively.

pub mod colour;
pub mod date;
pub mod gif;
pub mod pairs;
pub mod patches;
pub mod plane;
pub mod series;
