//! The pages, one file each.

pub mod classify;
pub mod seasons;
