//! Matrices in double precision, by rows: what neither tensors nor plain loops are for.

mod cholesky;
mod eigen;

pub use cholesky::cholesky;
pub use eigen::symmetric_eigen;
