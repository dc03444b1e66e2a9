//! The pages, one file each.

pub mod classify;
pub mod explore;
pub mod seasons;
