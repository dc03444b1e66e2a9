//! The public archives by name, any other by its address and band map, and addresses that must be signed.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use crate::UsageError;
use crate::http::Http;
use crate::stac::{Asset, Item, Scene};

/// The bands of surface reflectance, in SeCo's spelling and order.
pub const BANDS: [&str; 12] = ["B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12"];
/// How Earth Search calls them.
const EARTH_SEARCH: [&str; 12] = [
    "coastal", "blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "nir09", "swir16", "swir22",
];
/// How Planetary Computer calls them.
const PLANETARY: [&str; 12] = ["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12"];
/// A token is renewed this long before it expires.
const TOKEN_MARGIN_MINUTES: i64 = 5;

/// An archive of Sentinel-2 surface reflectance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Archive {
    /// The landing page of its API, or its catalog's file.
    pub stac: String,
    /// The collections to search; all when empty.
    pub collections: Vec<String>,
    /// Band (`B2`) → key of the asset (`blue`).
    pub assets: BTreeMap<String, String>,
    /// Key of the scene classification; clouds are not looked at when absent.
    pub scl: Option<String>,
    /// Where a token for reading the files is handed out.
    pub sign: Option<String>,
}

impl Archive {
    /// A public archive: `earth-search` or `planetary-computer`.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn preset(name: &str) -> Result<Self> {
        let map =
            |keys: [&str; 12]| BANDS.iter().zip(keys).map(|(band, key)| ((*band).to_owned(), key.to_owned())).collect();
        match name {
            "earth-search" => Ok(Self {
                stac: "https://earth-search.aws.element84.com/v1".to_owned(),
                collections: vec!["sentinel-2-l2a".to_owned()],
                assets: map(EARTH_SEARCH),
                scl: Some("scl".to_owned()),
                sign: None,
            }),
            "planetary-computer" => Ok(Self {
                stac: "https://planetarycomputer.microsoft.com/api/stac/v1".to_owned(),
                collections: vec!["sentinel-2-l2a".to_owned()],
                assets: map(PLANETARY),
                scl: Some("SCL".to_owned()),
                sign: Some("https://planetarycomputer.microsoft.com/api/sas/v1/token/sentinel-2-l2a".to_owned()),
            }),
            _ => Err(UsageError(format!(
                "no archive is called {name:?}\nhint: earth-search, planetary-computer, or --stac with the address of any other"
            ))
            .into()),
        }
    }

    /// Any archive, its assets called as Planetary Computer's or Earth Search's until told otherwise.
    #[must_use]
    pub fn at(stac: &str) -> Self {
        let assets = BANDS.iter().zip(PLANETARY).map(|(band, key)| ((*band).to_owned(), key.to_owned())).collect();
        Self { stac: stac.to_owned(), collections: Vec::new(), assets, scl: Some("SCL".to_owned()), sign: None }
    }

    /// The asset of a band (`B2`): by the band map, else by Earth Search's name for it.
    #[must_use]
    pub fn asset<'a>(&self, item: &'a Item, band: &str) -> Option<&'a Asset> {
        let usual = BANDS.iter().position(|known| *known == band).map(|at| EARTH_SEARCH[at]);
        item.assets.get(self.assets.get(band)?).or_else(|| item.assets.get(usual?))
    }

    /// The scene classification of an item.
    #[must_use]
    pub fn scl_asset<'a>(&self, item: &'a Item) -> Option<&'a Asset> {
        let key = self.scl.as_deref()?;
        item.assets.get(key).or_else(|| item.assets.get(&key.to_lowercase()))
    }
}

/// An offset that is larger is one of digital numbers.
const MOST_REFLECTANCE: f64 = 10.0;

/// What must be added to digital numbers so that 10 000 is a reflectance of 1, by what the item says of itself; `None`
/// when it does not say.
#[must_use]
pub fn dn_offset(item: &Item, asset: &Asset) -> Option<i32> {
    // Earth Search takes the offset out of some of its files, and then says so; what it says of the band is older.
    let properties = &item.properties.additional_fields;
    if properties.get("earthsearch:boa_offset_applied").and_then(Value::as_bool) == Some(true) {
        return Some(0);
    }
    let fields = &asset.additional_fields;
    let raster = fields.get("raster:bands").and_then(|bands| bands.get(0)?.as_object());
    let band: Option<&Map<String, Value>> = raster.or_else(|| Some(&asset.bands.first()?.additional_fields));
    let of = |key: &str| {
        let own = band.and_then(|band| band.get(key).or_else(|| band.get(&format!("raster:{key}"))));
        own.or_else(|| fields.get(&format!("raster:{key}")))?.as_f64()
    };
    if let Some(offset) = of("offset") {
        // The extension means reflectance; some archives state digital numbers, which no reflectance is as large as.
        let in_dn = if offset.abs() < MOST_REFLECTANCE {
            offset / of("scale").filter(|scale| *scale > 0.0).unwrap_or(1e-4)
        } else {
            offset
        };
        return Some(in_dn.round() as i32);
    }
    match item.processing_baseline() {
        Some(baseline) => Some(if baseline >= 4.0 { -1_000 } else { 0 }),
        // Baseline 04.00 began on 25 January 2022; older scenes may have been processed anew, and would say so.
        None => {
            let start = DateTime::from_timestamp(1_643_068_800, 0)?;
            (item.moment()? < start).then_some(0)
        }
    }
}

/// Adds the token that an archive hands out to the addresses of its files.
#[derive(Default)]
pub struct Signer {
    endpoint: Option<String>,
    token: Mutex<Option<(String, DateTime<Utc>)>>,
}

#[derive(Deserialize)]
struct Token {
    token: String,
    #[serde(rename = "msft:expiry")]
    expiry: Option<DateTime<Utc>>,
}

impl Signer {
    /// A signer; without an `endpoint`, addresses stay as they are.
    #[must_use]
    pub fn new(endpoint: Option<String>) -> Self {
        Self { endpoint, token: Mutex::new(None) }
    }

    /// The address with its token.
    ///
    /// # Errors
    /// When no token can be had.
    pub async fn sign(&self, http: &Http, address: &str) -> Result<String> {
        let Some(endpoint) = &self.endpoint else { return Ok(address.to_owned()) };
        let mut kept = self.token.lock().await;
        let soon = Utc::now() + Duration::minutes(TOKEN_MARGIN_MINUTES);
        let token = match kept.as_ref().filter(|(_, expiry)| *expiry > soon) {
            Some((token, _)) => token.clone(),
            None => {
                let bytes = http.get(endpoint).await?;
                let new: Token = serde_json::from_slice(&bytes).with_context(|| {
                    format!("{endpoint} handed out no token\nhint: check the archive's address for signing")
                })?;
                let expiry = new.expiry.unwrap_or_else(|| Utc::now() + Duration::minutes(30));
                *kept = Some((new.token.clone(), expiry));
                new.token
            }
        };
        let joint = if address.contains('?') { '&' } else { '?' };
        Ok(format!("{address}{joint}{token}"))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;
    use serde_json::json;

    fn offset(properties: Value, asset: Value) -> Option<i32> {
        let item: Item =
            serde_json::from_value(json!({"id": "x", "properties": properties, "assets": {"B02": asset}})).unwrap();
        dn_offset(&item, &item.assets["B02"])
    }

    #[test]
    fn the_offset_is_what_the_item_says() {
        let plain = json!({"href": "x"});
        let old = json!({"datetime": "2021-05-01T00:00:00Z"});
        let new = json!({"datetime": "2022-05-01T00:00:00Z"});
        assert_eq!(offset(old, plain.clone()), Some(0));
        assert_eq!(offset(new, plain.clone()), None, "neither offset nor baseline");
        let based = |baseline| json!({"datetime": "2021-05-01T00:00:00Z", "s2:processing_baseline": baseline});
        assert_eq!(offset(based("05.00"), plain.clone()), Some(-1_000), "an old scene processed anew");
        assert_eq!(offset(based("03.01"), plain), Some(0));
        let raster = json!({"href": "x", "raster:bands": [{"scale": 0.0001, "offset": -0.1}]});
        assert_eq!(offset(json!({"datetime": "2022-05-01T00:00:00Z"}), raster.clone()), Some(-1_000));
        let in_dn = json!({"href": "x", "raster:bands": [{"scale": 0.0001, "offset": -1000}]});
        assert_eq!(offset(json!({"datetime": "2022-05-01T00:00:00Z"}), in_dn), Some(-1_000));
        let applied = json!({"earthsearch:boa_offset_applied": true, "s2:processing_baseline": "05.00"});
        assert_eq!(offset(applied, raster), Some(0));
        let stac_1_1 = json!({"href": "x", "bands": [{"raster:scale": 0.0001, "raster:offset": -0.1}]});
        assert_eq!(offset(json!({}), stac_1_1), Some(-1_000));
    }
}
