//! A site: the folders beside the page, indexed for it.

mod publish;
mod shipped;

pub use publish::Publication;
pub use shipped::list_shipped;
