//! A large picture as a class map, as plain logic: how it is cut, which bands are taken, where on the ground it lies, what
//! each class covers.
//!
//! Nothing here knows the browser: the worker reads pictures by it, `pages/scene` shows it, and the tests run natively.

pub mod bands;
pub mod basemap;
pub mod card;
pub mod cells;
pub mod dissolve;
pub mod doubt;
pub mod gdal;
pub mod geojson;
pub mod georeference;
pub mod geotiff;
pub mod grid;
pub mod heat;
pub mod kept;
pub mod kml;
pub mod pace;
pub mod peek;
pub mod reading;
pub mod ruler;
pub mod settle;
pub mod step;
pub mod tally;
