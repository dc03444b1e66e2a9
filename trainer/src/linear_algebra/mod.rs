//! Matrices in double precision, by rows: what neither tensors nor plain loops are for.

mod cholesky;
mod eigen;
mod lanczos;

pub use cholesky::cholesky;
pub use eigen::symmetric_eigen;
pub use lanczos::leading_eigen;
