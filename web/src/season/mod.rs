//! A place at several dates, as numbers: reading dates from file names, comparing dates pairwise, telling the same place
//! from other places, and a flat map of a place's way through the year. Plain logic, tested natively.

pub mod colour;
pub mod date;
pub mod pairs;
pub mod plane;
pub mod series;
