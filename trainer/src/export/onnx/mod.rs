//! ONNX export: a folded encoder, and its linear head when it has one, as a graph that any ONNX runtime executes.
//!
//! Input `tiles` is `[n, bands, px, px]` on the unit scale: the normalisation is part of the graph. Outputs are
//! `embedding` `[n, width]` and, with a head, `logits` `[n, classes]`.

mod graph;
mod proto;
#[cfg(test)]
mod tests;

pub use graph::encode_model;

/// The operator set that the graph is written in; all of its operators are older.
pub const OPSET: i64 = 17;
/// The file format version that belongs to [`OPSET`].
pub const IR_VERSION: i64 = 8;
