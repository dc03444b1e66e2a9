//! The module that the kernels are written for.

#[path = "../../../shared/src/kernels/cpu/mod.rs"]
mod cpu;

#[cfg(test)]
mod convolutions;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod rows;
