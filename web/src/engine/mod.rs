//! The encoder at arm's length: the page's end ([`handle`], [`pool`], [`capability`]) and the worker's end ([`worker`],
//! [`runtime`]) of one conversation ([`protocol`]).

pub mod capacity;
pub mod protocol;
pub mod slabs;

#[cfg(feature = "ui")]
pub mod capability;
#[cfg(feature = "ui")]
pub mod handle;
#[cfg(feature = "ui")]
pub mod pool;

#[cfg(feature = "worker")]
pub mod clock;
#[cfg(feature = "worker")]
pub mod decode;
#[cfg(feature = "worker")]
pub mod part_reader;
#[cfg(any(test, feature = "worker"))]
pub mod picture;
#[cfg(feature = "worker")]
pub mod remote;
#[cfg(feature = "worker")]
pub mod runtime;
#[cfg(feature = "worker")]
pub mod scene;
#[cfg(any(test, feature = "worker"))]
pub mod tiff_rows;
#[cfg(feature = "worker")]
pub mod units;
#[cfg(feature = "worker")]
pub mod worker;
