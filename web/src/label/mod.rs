//! The user's own classes, without a browser: marked tiles, the linear head learned from them, its leave-one-out figure,
//! and the file that keeps all of it.

pub mod book;
pub mod file;
pub mod head;
pub mod leave_one_out;
pub mod own;

#[cfg(test)]
mod oracle_tests;
