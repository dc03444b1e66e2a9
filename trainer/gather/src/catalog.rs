//! Finding scenes: STAC API search with paging, and static catalogs.

use std::collections::HashSet;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use futures::stream::{FuturesUnordered, StreamExt};
use serde_json::{Map, Value, json};
use stac::{ItemCollection, Link, Links};

use crate::comb::Window;
use crate::http::{Http, HttpError};
use crate::one_line;
use crate::stac::{Item, Scene, resolve};

/// Is told of items that are left out.
pub type Warn = dyn Fn(String) + Send + Sync;

/// Items asked for at a time.
const PAGE: usize = 100;
/// A search that has more pages than this never ends.
const MAX_PAGES: usize = 200;
/// Files of a static catalog that are read at the same time.
const FILES_AT_ONCE: usize = 32;

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
    /// Files that were read through once, oldest scene first.
    Static(Vec<Arc<Item>>),
}

/// What a file of a catalog holds.
enum Found {
    Items(Vec<Item>),
    Links(Vec<String>),
}

impl Catalog {
    /// Opens an API by its landing page, or reads a static catalog, collection or item collection through.
    ///
    /// # Errors
    /// When the address cannot be read or is no STAC.
    pub async fn open(http: &Http, address: &str, collections: &[String], warn: &Warn) -> Result<Self> {
        let bytes = http.get(address).await.with_context(|| {
            format!("cannot open the STAC archive {address}\nhint: the address of an API's landing page or of a catalog.json")
        })?;
        let root: Value = serde_json::from_slice(&bytes).with_context(|| not_stac(address))?;
        let links: Vec<Link> = root.get("links").cloned().map_or(Ok(Vec::new()), serde_json::from_value)?;
        let mut searches: Vec<&Link> = links.iter().filter(|link| link.rel == "search").collect();
        // Posting first: not every server takes long queries in an address.
        searches.sort_by_key(|link| !is_post(link));
        if let Some(search) = searches.first() {
            let classes = root.get("conformsTo").and_then(Value::as_array).into_iter().flatten();
            let has_query =
                classes.filter_map(Value::as_str).any(|class| class.contains("item-search") && class.contains("query"));
            return Ok(Self::Api {
                search: resolve(address, &search.href),
                is_post: is_post(search),
                has_query,
                collections: collections.to_vec(),
            });
        }
        let mut items = crawl(http, address, &bytes, warn).await?;
        items.retain(|item| {
            let named = |own: &String| collections.iter().any(|wanted| wanted == own);
            collections.is_empty() || item.collection.as_ref().is_none_or(named)
        });
        if items.is_empty() {
            bail!("no items in {address}\nhint: is it the right catalog, and --collection one of its collections?");
        }
        items.sort_by(|a, b| a.moment().cmp(&b.moment()).then_with(|| a.id.cmp(&b.id)));
        Ok(Self::Static(items.into_iter().map(Arc::new).collect()))
    }

    /// The scenes that touch a box (west, south, east, north) inside a window of time, with less than `max_cloud` percent
    /// of clouds, newest first.
    ///
    /// # Errors
    /// When the archive cannot be read, or answers with something else.
    pub async fn search(
        &self,
        http: &Http,
        area: [f64; 4],
        window: Window,
        max_cloud: f64,
        warn: &Warn,
    ) -> Result<Vec<Arc<Item>>> {
        let mut found: Vec<Arc<Item>> = match self {
            Self::Static(items) => {
                let from = items.partition_point(|item| item.moment() < Some(window.from));
                let until = items.partition_point(|item| item.moment() <= Some(window.to));
                items[from..until].to_vec()
            }
            Self::Api { search, is_post, has_query, collections } => {
                let mut query = Map::new();
                query.insert("bbox".to_owned(), json!(area));
                query.insert("datetime".to_owned(), json!(window.interval()));
                query.insert("limit".to_owned(), json!(PAGE));
                if !collections.is_empty() {
                    query.insert("collections".to_owned(), json!(collections));
                }
                if *has_query {
                    query.insert("query".to_owned(), json!({ "eo:cloud_cover": { "lt": max_cloud } }));
                }
                pages(http, search, *is_post, query, warn).await?.into_iter().map(Arc::new).collect()
            }
        };
        found.retain(|item| {
            item.touches(area)
                && item.moment().is_some_and(|moment| window.contains(moment))
                && item.cloud_cover().is_none_or(|cover| cover < max_cloud)
        });
        found.sort_by(|a, b| b.moment().cmp(&a.moment()).then_with(|| a.id.cmp(&b.id)));
        found.dedup_by(|a, b| a.id == b.id);
        Ok(found)
    }
}

fn not_stac(address: &str) -> String {
    format!("{address} is no STAC catalog\nhint: the address of an API's landing page or of a catalog.json")
}

fn is_post(link: &Link) -> bool {
    link.method.as_deref().is_some_and(|method| method.eq_ignore_ascii_case("post"))
}

/// All pages of a search.
async fn pages(
    http: &Http,
    search: &str,
    is_posted: bool,
    query: Map<String, Value>,
    warn: &Warn,
) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    let mut body = query;
    let mut bytes = match is_posted {
        true => http.post(search, Value::Object(body.clone()).to_string()).await?,
        false => http.get(&with_query(search, &body)?).await?,
    };
    for _ in 0..MAX_PAGES {
        let unreadable = |error| HttpError::Unreachable(format!("{search} did not answer with items ({error})"));
        let mut page: Value = serde_json::from_slice(&bytes).map_err(unreadable)?;
        // One by one, so that one bad item costs itself alone.
        let features = page.get_mut("features").map(Value::take).unwrap_or_else(|| Value::Array(Vec::new()));
        page["features"] = Value::Array(Vec::new());
        let page: ItemCollection = serde_json::from_value(page).map_err(unreadable)?;
        let features: Vec<Value> = serde_json::from_value(features).map_err(unreadable)?;
        let got = features.len();
        items.extend(features.into_iter().filter_map(|feature| readable(feature, search, warn)).map(|mut item| {
            let own = item.self_link().map_or(search, |link| &link.href).to_owned();
            item.resolve(&own);
            item
        }));
        let Some(next) = page.links.into_iter().find(|link| link.rel == "next").filter(|_| got > 0) else {
            return Ok(items);
        };
        let address = resolve(search, &next.href);
        bytes = if is_post(&next) {
            match (next.body, next.merge) {
                (Some(own), Some(true)) => body.extend(own),
                (Some(own), _) => body = own,
                (None, _) => {}
            }
            http.post(&address, Value::Object(body.clone()).to_string()).await?
        } else {
            http.get(&address).await?
        };
    }
    bail!(
        "{search} has more than {MAX_PAGES} pages for one place\nhint: narrow the search with --max-cloud or --window-days"
    );
}

/// The address of a search that is not posted.
fn with_query(search: &str, query: &Map<String, Value>) -> Result<String> {
    let mut address = url::Url::parse(search).with_context(|| format!("{search} is no address"))?;
    for (key, value) in query {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let value = match value {
            Value::Array(parts) => parts.iter().map(text).collect::<Vec<_>>().join(","),
            other => text(other),
        };
        address.query_pairs_mut().append_pair(key, &value);
    }
    Ok(address.into())
}

/// All items that a static catalog leads to.
async fn crawl(http: &Http, address: &str, root: &Bytes, warn: &Warn) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    let mut seen = HashSet::from([address.to_owned()]);
    let mut left = Vec::new();
    let mut take = |found: Found, left: &mut Vec<String>| match found {
        Found::Items(found) => items.extend(found),
        Found::Links(links) => left.extend(links.into_iter().filter(|link| seen.insert(link.clone()))),
    };
    take(read(root, address, warn).with_context(|| not_stac(address))?, &mut left);
    let fetch = |own: String| async move {
        let bytes = match http.get(&own).await {
            Ok(bytes) => bytes,
            // What is not there costs itself alone; an archive that does not answer costs the run.
            Err(HttpError::Refused(why)) => return Ok(Err((own, anyhow!("a broken link: {why}")))),
            Err(error) => {
                return Err(anyhow::Error::new(error)).with_context(|| {
                    format!("the catalog {address} cannot be read through\nhint: the same command again goes on")
                });
            }
        };
        Ok::<_, anyhow::Error>(read(&bytes, &own, warn).map_err(|error| (own, error)))
    };
    let mut reading = FuturesUnordered::new();
    loop {
        while reading.len() < FILES_AT_ONCE
            && let Some(own) = left.pop()
        {
            reading.push(fetch(own));
        }
        match reading.next().await {
            Some(found) => match found? {
                Ok(found) => take(found, &mut left),
                Err((own, error)) => warn(format!("left out {own}: {}", one_line(&error))),
            },
            None => return Ok(items),
        }
    }
}

/// The items that a file of a catalog holds, their addresses made absolute; none of a file that leads to others.
///
/// # Errors
/// When it is neither a catalog nor an item.
pub fn items_in(bytes: &[u8], own: &str, warn: &Warn) -> Result<Vec<Item>> {
    Ok(match read(bytes, own, warn)? {
        Found::Items(items) => items,
        Found::Links(_) => Vec::new(),
    })
}

/// An item, or a warning that it is none.
fn readable(feature: Value, own: &str, warn: &Warn) -> Option<Item> {
    let id = feature.get("id").and_then(Value::as_str).unwrap_or("without a name").to_owned();
    serde_json::from_value(feature).map_err(|error| warn(format!("left out the item {id} of {own}: {error}"))).ok()
}

fn read(bytes: &[u8], own: &str, warn: &Warn) -> Result<Found> {
    let value: Value = serde_json::from_slice(bytes)?;
    let damaged = || format!("{own} is damaged");
    let mut items: Vec<Item> = match value.get("type").and_then(Value::as_str) {
        Some("Feature") => vec![serde_json::from_value(value).with_context(damaged)?],
        Some("FeatureCollection") => {
            let features = value.get("features").cloned().map_or(Ok(Vec::new()), serde_json::from_value::<Vec<Value>>);
            let features = features.with_context(damaged)?;
            features.into_iter().filter_map(|feature| readable(feature, own, warn)).collect()
        }
        Some("Catalog" | "Collection") => {
            let links = value.get("links").cloned().map_or(Ok(Vec::new()), serde_json::from_value::<Vec<Link>>)?;
            let ours = links.iter().filter(|link| link.is_child() || link.is_item());
            return Ok(Found::Links(ours.map(|link| resolve(own, &link.href)).collect()));
        }
        _ => bail!("{own} is neither a catalog nor an item"),
    };
    items.iter_mut().for_each(|item| item.resolve(own));
    Ok(Found::Items(items))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    /// Read back by the rules of URLs.
    #[test]
    fn a_search_in_an_address_is_escaped() {
        let query = json!({"collections": ["a b", "c"], "limit": 3, "query": {"x": 1}});
        let address = with_query("http://s/search?token=1", query.as_object().unwrap()).unwrap();
        assert!(!address.contains([' ', '{', '"']), "{address}");
        let pairs: Vec<(String, String)> = url::Url::parse(&address).unwrap().query_pairs().into_owned().collect();
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("token", "1"), ("collections", "a b,c"), ("limit", "3"), ("query", r#"{"x":1}"#)]);
    }
}
