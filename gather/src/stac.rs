//! Finding scenes: STAC API search with paging, and static catalogs.
//!
//! Only the fields that gathering needs are read. (The `stac` crate carries CQL2, JSON Schema and SQL parsers along and
//! takes longer to build than all the rest of this crate.)

use std::collections::{BTreeMap, HashSet};

use anyhow::{Context, Result, bail};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::comb::Window;
use crate::http::{Http, HttpError};

/// Items asked for at a time.
const PAGE: usize = 100;
/// A search that has more pages than this never ends.
const MAX_PAGES: usize = 200;

/// A scene.
#[derive(Clone, Debug, Deserialize)]
pub struct Item {
    /// Its name, unique in its collection.
    pub id: String,
    /// The collection.
    #[serde(default)]
    pub collection: Option<String>,
    /// West, south, east, north (or with heights, which are passed over).
    #[serde(default)]
    bbox: Vec<f64>,
    /// Its properties.
    pub properties: Map<String, Value>,
    /// Its files.
    pub assets: BTreeMap<String, Asset>,
    #[serde(default)]
    links: Vec<Link>,
}

/// A file of a scene.
#[derive(Clone, Debug, Deserialize)]
pub struct Asset {
    /// Its address.
    pub href: String,
    /// Everything else that is said of it.
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

#[derive(Clone, Debug, Deserialize)]
struct Link {
    rel: String,
    href: String,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    body: Option<Value>,
    #[serde(default)]
    merge: bool,
}

#[derive(Deserialize)]
struct Page {
    features: Vec<Item>,
    #[serde(default)]
    links: Vec<Link>,
}

#[derive(Deserialize)]
struct Root {
    #[serde(default)]
    links: Vec<Link>,
    #[serde(default, rename = "conformsTo")]
    conforms_to: Vec<String>,
}

impl Item {
    /// When it was taken.
    #[must_use]
    pub fn datetime(&self) -> Option<DateTime<Utc>> {
        let text = self.properties.get("datetime").and_then(Value::as_str);
        let text = text.or_else(|| self.properties.get("start_datetime").and_then(Value::as_str))?;
        DateTime::parse_from_rfc3339(text).ok().map(|moment| moment.to_utc())
    }

    /// Cloud cover of the whole scene in percent.
    #[must_use]
    pub fn cloud_cover(&self) -> Option<f64> {
        self.properties.get("eo:cloud_cover").and_then(Value::as_f64)
    }

    /// The coordinate system of its files, from the projection extension in any of its versions.
    #[must_use]
    pub fn epsg(&self) -> Option<u32> {
        let of = |fields: &Map<String, Value>| {
            let code = fields.get("proj:code").and_then(Value::as_str).and_then(|code| code.strip_prefix("EPSG:"));
            let number = fields.get("proj:epsg").and_then(Value::as_u64);
            number.and_then(|number| u32::try_from(number).ok()).or_else(|| code?.parse().ok())
        };
        of(&self.properties).or_else(|| self.assets.values().find_map(|asset| of(&asset.fields)))
    }

    /// The number of the processing baseline, such as 4.0 for `04.00`.
    #[must_use]
    pub fn processing_baseline(&self) -> Option<f64> {
        let keys = ["s2:processing_baseline", "processing:version", "processing_baseline"];
        keys.iter().find_map(|key| match self.properties.get(*key)? {
            Value::String(text) => text.parse().ok(),
            Value::Number(number) => number.as_f64(),
            _ => None,
        })
    }

    /// Whether its bounding box touches the given one: west, south, east, north, west below east.
    #[must_use]
    pub fn touches(&self, [west, south, east, north]: [f64; 4]) -> bool {
        let (own_west, own_south, own_east, own_north) = match self.bbox[..] {
            [west, south, east, north] | [west, south, _, east, north, _] => (west, south, east, north),
            _ => return true,
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
            asset.href = resolve(own, &asset.href);
        }
    }
}

/// Where scenes are looked up.
pub enum Catalog {
    /// A server that searches.
    Api {
        /// The address of its search.
        search: String,
        /// Whether the search is posted.
        is_post: bool,
        /// Whether it filters by properties.
        has_query: bool,
        /// The collections to search.
        collections: Vec<String>,
    },
    /// Files that were read through once.
    Static(Vec<Item>),
}

impl Catalog {
    /// Opens an API by its landing page, or reads a static catalog, collection or item collection through.
    ///
    /// # Errors
    /// When the address cannot be read or is no STAC.
    pub fn open(http: &Http, address: &str, collections: &[String]) -> Result<Self> {
        let bytes = http.get(address).with_context(|| {
            format!("cannot open the STAC archive {address}\nhint: the address of an API's landing page or of a catalog.json")
        })?;
        let not_stac =
            || format!("{address} is no STAC catalog\nhint: the address of an API's landing page or of a catalog.json");
        let root: Root = serde_json::from_slice(&bytes).with_context(not_stac)?;
        let mut searches: Vec<&Link> = root.links.iter().filter(|link| link.rel == "search").collect();
        // Posting first: not every server takes long queries in an address.
        searches.sort_by_key(|link| !link.method.as_deref().is_some_and(|method| method.eq_ignore_ascii_case("post")));
        if let Some(search) = searches.first() {
            let is_post = search.method.as_deref().is_some_and(|method| method.eq_ignore_ascii_case("post"));
            let has_query =
                root.conforms_to.iter().any(|class| class.contains("item-search") && class.contains("query"));
            let search = resolve(address, &search.href);
            return Ok(Self::Api { search, is_post, has_query, collections: collections.to_vec() });
        }
        let mut items = Vec::new();
        let mut seen = HashSet::new();
        let mut left = vec![(address.to_owned(), Some(bytes))];
        while let Some((own, bytes)) = left.pop() {
            if !seen.insert(own.clone()) {
                continue;
            }
            let bytes = match bytes {
                Some(bytes) => bytes,
                None => http.get(&own).with_context(|| {
                    format!(
                        "the catalog {address} has a broken link\nhint: every child and item link must lead to a file"
                    )
                })?,
            };
            crawl(&bytes, &own, &mut items, &mut left).with_context(not_stac)?;
        }
        items.retain(|item| {
            let named = |own: &String| collections.iter().any(|wanted| wanted == own);
            collections.is_empty() || item.collection.as_ref().is_none_or(named)
        });
        if items.is_empty() {
            bail!("no items in {address}\nhint: is it the right catalog, and --collection one of its collections?");
        }
        items.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(Self::Static(items))
    }

    /// The scenes that touch a box (west, south, east, north) inside a window of time, with less than `max_cloud` percent
    /// of clouds, newest first.
    ///
    /// # Errors
    /// When the archive cannot be read, or answers with something else.
    pub fn search(&self, http: &Http, area: [f64; 4], window: Window, max_cloud: f64) -> Result<Vec<Item>> {
        let mut found = match self {
            Self::Static(items) => {
                let mut found: Vec<Item> = Vec::new();
                for item in items {
                    if item.touches(area) && item.datetime().is_some_and(|moment| window.contains(moment)) {
                        found.push(item.clone());
                    }
                }
                found
            }
            Self::Api { search, is_post, has_query, collections } => {
                let mut query = json!({
                    "bbox": area,
                    "datetime": window.interval(),
                    "limit": PAGE,
                });
                if !collections.is_empty() {
                    query["collections"] = json!(collections);
                }
                if *has_query {
                    query["query"] = json!({ "eo:cloud_cover": { "lt": max_cloud } });
                }
                pages(http, search, *is_post, query)?
            }
        };
        found.retain(|item| {
            item.touches(area)
                && item.datetime().is_some_and(|moment| window.contains(moment))
                && item.cloud_cover().is_none_or(|cover| cover < max_cloud)
        });
        found.sort_by(|a, b| b.datetime().cmp(&a.datetime()).then_with(|| a.id.cmp(&b.id)));
        found.dedup_by(|a, b| a.id == b.id);
        Ok(found)
    }
}

/// All pages of a search.
fn pages(http: &Http, search: &str, is_post: bool, query: Value) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    let mut bytes = if is_post {
        http.post(search, &query.to_string())?
    } else {
        http.get(&format!("{search}{}", query_string(search, &query)))?
    };
    let mut body = query;
    for _ in 0..MAX_PAGES {
        let page: Page = serde_json::from_slice(&bytes)
            .map_err(|error| HttpError::Unreachable(format!("{search} did not answer with items ({error})")))?;
        let got = page.features.len();
        items.extend(page.features.into_iter().map(|mut item| {
            let own = item.links.iter().find(|link| link.rel == "self").map_or(search, |link| &link.href).to_owned();
            item.resolve(&own);
            item
        }));
        let Some(next) = page.links.into_iter().find(|link| link.rel == "next").filter(|_| got > 0) else {
            return Ok(items);
        };
        let address = resolve(search, &next.href);
        let is_post = next.method.as_deref().is_some_and(|method| method.eq_ignore_ascii_case("post"));
        bytes = if is_post {
            body = match (next.body, next.merge) {
                (Some(own), true) => merged(body, own),
                (Some(own), false) => own,
                (None, _) => body,
            };
            http.post(&address, &body.to_string())?
        } else {
            http.get(&address)?
        };
    }
    bail!(
        "{search} has more than {MAX_PAGES} pages for one place\nhint: narrow the search with --max-cloud or --window-days"
    );
}

fn merged(mut body: Value, own: Value) -> Value {
    if let (Some(body), Value::Object(own)) = (body.as_object_mut(), own) {
        body.extend(own);
    }
    body
}

/// The query of a search that is not posted.
fn query_string(search: &str, query: &Value) -> String {
    let mut text = String::new();
    for (key, value) in query.as_object().into_iter().flatten() {
        let value = match value {
            Value::Array(parts) => parts
                .iter()
                .map(|part| part.as_str().map_or_else(|| part.to_string(), str::to_owned))
                .collect::<Vec<_>>()
                .join(","),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        text.push(if text.is_empty() && !search.contains('?') { '?' } else { '&' });
        text.push_str(key);
        text.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.~,".contains(&byte) {
                text.push(char::from(byte));
            } else {
                text.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    text
}

fn crawl(bytes: &[u8], own: &str, items: &mut Vec<Item>, left: &mut Vec<(String, Option<Vec<u8>>)>) -> Result<()> {
    let value: Value = serde_json::from_slice(bytes)?;
    let mut push = |value: Value| -> Result<()> {
        let mut item: Item = serde_json::from_value(value).with_context(|| format!("the item {own} is damaged"))?;
        item.resolve(own);
        items.push(item);
        Ok(())
    };
    match value.get("type").and_then(Value::as_str) {
        Some("Feature") => push(value),
        Some("FeatureCollection") => {
            let features = value.get("features").and_then(Value::as_array).cloned().unwrap_or_default();
            features.into_iter().try_for_each(push)
        }
        Some("Catalog" | "Collection") => {
            let root: Root = serde_json::from_value(value)?;
            for link in root.links.iter().filter(|link| matches!(link.rel.as_str(), "child" | "item")) {
                left.push((resolve(own, &link.href), None));
            }
            Ok(())
        }
        _ => bail!("{own} is neither a catalog nor an item"),
    }
}

/// An address relative to another one.
#[must_use]
pub fn resolve(base: &str, href: &str) -> String {
    if href.contains("://") {
        return href.to_owned();
    }
    let base = base.split(['?', '#']).next().unwrap_or(base);
    let (host, path) = match base.find("://") {
        Some(at) => {
            let start = base[at + 3..].find('/').map_or(base.len(), |slash| at + 3 + slash);
            base.split_at(start)
        }
        None => ("", base),
    };
    if href.starts_with('/') {
        return format!("{host}{href}");
    }
    let is_rooted = path.starts_with('/') || !host.is_empty();
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if !path.ends_with('/') {
        parts.pop();
    }
    for part in href.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    format!("{host}{}{}", if is_rooted { "/" } else { "" }, parts.join("/"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

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
    fn a_search_in_an_address_is_escaped() {
        let query = json!({"collections": ["a b"], "limit": 3, "query": {"x": 1}});
        assert_eq!(query_string("http://s", &query), "?collections=a%20b&limit=3&query=%7B%22x%22%3A1%7D");
    }

    #[test]
    fn projections_and_boxes_of_all_versions() {
        let item = |properties: Value, bbox: Value| -> Item {
            serde_json::from_value(json!({"id": "x", "bbox": bbox, "properties": properties, "assets": {}})).unwrap()
        };
        assert_eq!(item(json!({"proj:epsg": 32633}), json!([0, 0, 1, 1])).epsg(), Some(32_633));
        assert_eq!(item(json!({"proj:code": "EPSG:32733"}), json!([])).epsg(), Some(32_733));
        let over_the_date_line = item(json!({}), json!([179.0, -20.0, -179.0, -10.0]));
        assert!(over_the_date_line.touches([-179.6, -15.1, -179.5, -15.0]));
        assert!(over_the_date_line.touches([179.5, -15.1, 179.6, -15.0]));
        assert!(!over_the_date_line.touches([0.0, -15.1, 0.1, -15.0]));
        let baseline = item(json!({"s2:processing_baseline": "05.09"}), json!([])).processing_baseline();
        assert_eq!(baseline, Some(5.09));
    }
}
