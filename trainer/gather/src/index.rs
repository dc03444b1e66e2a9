//! The index of a set: one row a picture, as GeoParquet, for DuckDB, GeoPandas and everything else that reads it.

use std::path::Path;

use anyhow::Result;
use serde_json::json;

use crate::columns::{Column, Values, table};
use crate::patch::Record;
use crate::store::{digest, place_name};

/// The file's name.
pub const INDEX_FILE: &str = "index.parquet";

/// Writes the index of `records`, by place and date. `in_tar` names the tar of a place.
///
/// # Errors
/// When it cannot be written.
pub fn write(folder: &Path, mut records: Vec<Record>, in_tar: &dyn Fn(usize) -> Option<String>) -> Result<()> {
    records.sort_by_key(|record| (record.place, record.datetime));
    let integers = |of: &dyn Fn(&Record) -> i64| Values::Integers(records.iter().map(of).collect());
    let numbers = |of: &dyn Fn(&Record) -> Option<f64>| Values::Numbers(records.iter().map(of).collect());
    let texts = |of: &dyn Fn(&Record) -> Option<String>| Values::Texts(records.iter().map(of).collect());
    let path = |record: &Record| {
        let place = place_name(record.place as usize);
        let inside = format!("{place}/{}", record.date_name());
        in_tar(record.place as usize).map_or(inside.clone(), |tar| format!("{tar}/{inside}"))
    };
    let columns = [
        Column { name: "place", values: integers(&|record| record.place as i64) },
        Column {
            name: "datetime",
            values: Values::Moments(records.iter().map(|record| record.datetime.timestamp_micros()).collect()),
        },
        Column { name: "path", values: texts(&|record| Some(path(record))) },
        Column { name: "items", values: texts(&|record| Some(record.items.join(" "))) },
        Column { name: "longitude", values: numbers(&|record| Some(record.longitude)) },
        Column { name: "latitude", values: numbers(&|record| Some(record.latitude)) },
        Column { name: "city", values: texts(&|record| record.city.clone()) },
        Column { name: "country", values: texts(&|record| record.country.clone()) },
        Column { name: "epsg", values: integers(&|record| i64::from(record.epsg)) },
        Column { name: "west", values: numbers(&|record| Some(record.west)) },
        Column { name: "north", values: numbers(&|record| Some(record.north)) },
        Column { name: "scene_cloud", values: numbers(&|record| record.scene_cloud) },
        Column { name: "patch_cloud", values: numbers(&|record| record.patch_cloud) },
        Column { name: "tile_bytes", values: integers(&|record| record.tile_bytes as i64) },
        Column { name: "bytes", values: integers(&|record| record.bands.values().map(|band| band.bytes as i64).sum()) },
        Column { name: "sha256", values: texts(&|record| Some(checksum(record))) },
        Column { name: "geometry", values: Values::Bytes(records.iter().map(point).collect()) },
    ];
    let bounds = records.iter().fold([180.0, 90.0, -180.0, -90.0], |[w, s, e, n], record| {
        let (x, y) = (record.longitude, record.latitude);
        [f64::min(w, x), f64::min(s, y), f64::max(e, x), f64::max(n, y)]
    });
    let geo = json!({
        "version": "1.1.0",
        "primary_column": "geometry",
        "columns": { "geometry": { "encoding": "WKB", "geometry_types": ["Point"], "bbox": bounds } },
    });
    atomic_file::write(&folder.join(INDEX_FILE), &table(&columns, &[("geo", geo.to_string())])?)
}

/// The checksum of a picture: SHA-256 over its bands' checksums, one a line, `<sha256>  <band>.tif`.
#[must_use]
pub fn checksum(record: &Record) -> String {
    let lines: String = record.bands.iter().map(|(band, about)| format!("{}  {band}.tif\n", about.sha256)).collect();
    digest(lines.as_bytes())
}

/// A point in well-known binary.
fn point(record: &Record) -> Vec<u8> {
    let mut bytes = vec![1, 1, 0, 0, 0];
    bytes.extend(record.longitude.to_le_bytes());
    bytes.extend(record.latitude.to_le_bytes());
    bytes
}
