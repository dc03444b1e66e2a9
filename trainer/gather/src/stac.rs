//! Scenes as STAC items, and what is said of them by extensions in any of their versions.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use stac::Bbox;
pub use stac::{Asset, Item};

/// What gathering asks of a scene.
pub trait Scene {
    /// When it was taken.
    fn moment(&self) -> Option<DateTime<Utc>>;

    /// Cloud cover of the whole scene in percent.
    fn cloud_cover(&self) -> Option<f64>;

    /// The coordinate system of its files, from the projection extension in any of its versions.
    fn epsg(&self) -> Option<u32>;

    /// The number of the processing baseline, such as 4.0 for `04.00`.
    fn processing_baseline(&self) -> Option<f64>;

    /// Whether its bounding box touches the given one: west, south, east, north, west below east.
    fn touches(&self, area: [f64; 4]) -> bool;

    /// Makes the addresses of its files absolute; `own` is the item's.
    fn resolve(&mut self, own: &str);
}

impl Scene for Item {
    fn moment(&self) -> Option<DateTime<Utc>> {
        self.properties.datetime.or(self.properties.start_datetime)
    }

    fn cloud_cover(&self) -> Option<f64> {
        self.properties.additional_fields.get("eo:cloud_cover").and_then(Value::as_f64)
    }

    fn epsg(&self) -> Option<u32> {
        let of = |fields: &Map<String, Value>| {
            let number = fields.get("proj:epsg").and_then(epsg_code).or_else(|| epsg_code(fields.get("proj:code")?));
            let id = || fields.get("proj:projjson")?.get("id")?.get("code").and_then(epsg_code);
            // The last identifier of a WKT2 text is that of the whole system.
            let wkt = || {
                let text = fields.get("proj:wkt2").and_then(Value::as_str)?;
                let (_, code) = text.rsplit_once("ID[\"EPSG\",")?;
                code.split(']').next()?.trim().parse().ok()
            };
            number.or_else(id).or_else(wkt)
        };
        let own = of(&self.properties.additional_fields);
        own.or_else(|| self.assets.values().find_map(|asset| of(&asset.additional_fields)))
    }

    fn processing_baseline(&self) -> Option<f64> {
        let keys = ["s2:processing_baseline", "processing:version", "processing_baseline"];
        keys.iter().find_map(|key| match self.properties.additional_fields.get(*key)? {
            Value::String(text) => text.parse().ok(),
            Value::Number(number) => number.as_f64(),
            _ => None,
        })
    }

    fn touches(&self, [west, south, east, north]: [f64; 4]) -> bool {
        let (own_west, own_south, own_east, own_north) = match self.bbox {
            Some(Bbox::TwoDimensional([west, south, east, north])) => (west, south, east, north),
            Some(Bbox::ThreeDimensional([west, south, _, east, north, _])) => (west, south, east, north),
            None => return true,
        };
        let meets = if own_west <= own_east {
            own_west <= east && west <= own_east
        } else {
            east >= own_west || west <= own_east // over the date line
        };
        meets && own_south <= north && south <= own_north
    }

    fn resolve(&mut self, own: &str) {
        for asset in self.assets.values_mut() {
            let https = || asset.additional_fields.get("alternate")?.get("https")?.get("href")?.as_str();
            // Buckets are reached by the address that the item gives beside theirs.
            if asset.href.starts_with("s3://")
                && let Some(https) = https()
            {
                asset.href = https.to_owned();
            }
            asset.href = resolve(own, &asset.href);
        }
    }
}

/// `32633`, `"32633"` and `"EPSG:32633"`.
fn epsg_code(value: &Value) -> Option<u32> {
    match value {
        Value::Number(number) => u32::try_from(number.as_u64()?).ok(),
        Value::String(text) => text.trim().rsplit(':').next()?.parse().ok(),
        _ => None,
    }
}

/// An address relative to another one; paths may be relative themselves.
#[must_use]
pub fn resolve(base: &str, href: &str) -> String {
    if href.contains("://") {
        return href.to_owned();
    }
    if let Ok(base) = url::Url::parse(base)
        && !base.cannot_be_a_base()
    {
        return base.join(href).map_or_else(|_| href.to_owned(), String::from);
    }
    let mut whole = std::path::PathBuf::new();
    let folder = std::path::Path::new(base).parent().unwrap_or(std::path::Path::new(""));
    for part in folder.join(href).components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir if whole.file_name().is_some() => drop(whole.pop()),
            other => whole.push(other),
        }
    }
    whole.to_string_lossy().into_owned()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;
    use serde_json::json;

    /// The answers are those of Python's `urllib.parse.urljoin`.
    #[test]
    fn addresses_are_resolved_as_elsewhere() {
        let cases = [
            ("http://a/b/c.json", "d/e.json", "http://a/b/d/e.json"),
            ("http://a/b/c.json", "./d.tif", "http://a/b/d.tif"),
            ("http://a/b/c.json?x=1", "../d.tif", "http://a/d.tif"),
            ("http://a/b/c.json", "/d", "http://a/d"),
            ("http://a", "d", "http://a/d"),
            ("http://a/b/c.json", "https://x/y", "https://x/y"),
            ("/tmp/cat/catalog.json", "./sub/item.json", "/tmp/cat/sub/item.json"),
            ("cat/catalog.json", "../item.json", "item.json"),
        ];
        for (base, href, whole) in cases {
            assert_eq!(resolve(base, href), whole, "{base} {href}");
        }
    }

    #[test]
    fn projections_and_boxes_of_all_versions() {
        let item = |properties: Value, bbox: Value| -> Item {
            serde_json::from_value(json!({"id": "x", "bbox": bbox, "properties": properties, "assets": {}})).unwrap()
        };
        assert_eq!(item(json!({"proj:epsg": 32633}), json!([0, 0, 1, 1])).epsg(), Some(32_633));
        assert_eq!(item(json!({"proj:code": "EPSG:32733"}), json!(null)).epsg(), Some(32_733));
        for properties in [
            json!({"proj:epsg": "32633"}),
            json!({"proj:epsg": null, "proj:code": "epsg:32633"}),
            json!({"proj:projjson": {"id": {"authority": "EPSG", "code": 32633}}}),
            json!({"proj:wkt2": "PROJCRS[\"WGS 84 / UTM zone 33N\",BASEGEOGCRS[\"WGS 84\",ID[\"EPSG\",4326]],ID[\"EPSG\",32633]]"}),
        ] {
            assert_eq!(item(properties.clone(), json!(null)).epsg(), Some(32_633), "{properties}");
        }
        let over_the_date_line = item(json!({}), json!([179.0, -20.0, -179.0, -10.0]));
        assert!(over_the_date_line.touches([-179.6, -15.1, -179.5, -15.0]));
        assert!(over_the_date_line.touches([179.5, -15.1, 179.6, -15.0]));
        assert!(!over_the_date_line.touches([0.0, -15.1, 0.1, -15.0]));
        let baseline = item(json!({"s2:processing_baseline": "05.09"}), json!(null)).processing_baseline();
        assert_eq!(baseline, Some(5.09));
    }

    #[test]
    fn a_bucket_is_reached_by_its_address_on_the_web() {
        let mut item: Item = serde_json::from_value(json!({"id": "x", "properties": {}, "assets": {
            "B02": {"href": "s3://bucket/B02.tif", "alternate": {"https": {"href": "https://host/B02.tif"}}},
            "B03": {"href": "s3://bucket/B03.tif"}}}))
        .unwrap();
        item.resolve("https://host/item.json");
        assert_eq!(item.assets["B02"].href, "https://host/B02.tif");
        assert_eq!(item.assets["B03"].href, "s3://bucket/B03.tif");
    }
}
