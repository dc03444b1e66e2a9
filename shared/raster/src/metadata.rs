//! GDAL's metadata (tag 42112): a flat list of items, in XML.

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};

/// Sentinel-2's digital numbers have the opposite added since processing baseline 04.00 (January 2022).
const BASELINE_4_OFFSET: i32 = -1000;

/// One `<Item name="…" sample="…" role="…">text</Item>`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Item {
    name: String,
    sample: Option<usize>,
    role: String,
    text: String,
}

/// What GDAL writes beside the pixels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata(Vec<Item>);

impl Metadata {
    /// Reads the tag's text; what cannot be understood is left out.
    #[must_use]
    pub fn parse(xml: &str) -> Self {
        let mut reader = Reader::from_str(xml);
        let mut items = Vec::new();
        let mut open: Option<Item> = None;
        while let Ok(event) = reader.read_event() {
            match event {
                Event::Start(tag) if tag.name().as_ref() == b"Item" => open = item(&tag),
                Event::Text(text) => {
                    if let (Some(item), Ok(text)) = (&mut open, text.decode()) {
                        item.text.push_str(&text);
                    }
                }
                Event::CData(text) => {
                    if let (Some(item), Ok(text)) = (&mut open, text.decode()) {
                        item.text.push_str(&text);
                    }
                }
                Event::GeneralRef(name) => {
                    if let (Some(item), Ok(name)) = (&mut open, name.decode()) {
                        item.text.push_str(&unescape(&format!("&{name};")).unwrap_or_default());
                    }
                }
                Event::End(tag) if tag.name().as_ref() == b"Item" => {
                    // GDAL escapes descriptions before it writes XML, which escapes them again.
                    let plain =
                        |text: &str| unescape(text).map_or_else(|_| text.to_owned(), |plain| plain.into_owned());
                    items.extend(open.take().map(|item| Item { text: plain(item.text.trim()), ..item }));
                }
                Event::Eof => break,
                _ => {}
            }
        }
        Self(items)
    }

    /// The text of a band's item with this role, or, for writers that leave roles out, this name in capitals.
    #[must_use]
    pub fn of_band(&self, sample: usize, role: &str) -> Option<&str> {
        let is_it = |item: &&Item| {
            item.sample == Some(sample)
                && (item.role == role || item.role.is_empty() && item.name.eq_ignore_ascii_case(role))
        };
        self.0.iter().find(is_it).map(|item| item.text.as_str())
    }

    /// The text of the first item whose name passes `test`.
    pub fn find(&self, test: impl Fn(&str) -> bool) -> Option<&str> {
        self.0.iter().find(|item| test(&item.name)).map(|item| item.text.as_str())
    }

    /// What a Sentinel-2 product says is to be added to its digital numbers: by itself, or by its processing baseline.
    #[must_use]
    pub fn product_dn_offset(&self) -> Option<i32> {
        let number = |test: &dyn Fn(&str) -> bool| self.find(test)?.parse::<f64>().ok().filter(|it| it.is_finite());
        if let Some(offset) = number(&|name| name.contains("BOA_ADD_OFFSET") || name.contains("RADIO_ADD_OFFSET")) {
            return Some(offset.round() as i32);
        }
        let baseline = number(&|name| name.ends_with("PROCESSING_BASELINE"))?;
        Some(if baseline >= 4.0 { BASELINE_4_OFFSET } else { 0 })
    }

    /// True when nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn item(tag: &BytesStart<'_>) -> Option<Item> {
    let attribute = |name: &str| {
        let found = tag.try_get_attribute(name).ok()??;
        let text = String::from_utf8_lossy(&found.value).into_owned();
        Some(unescape(&text).map_or(text.clone(), |plain| plain.into_owned()))
    };
    Some(Item {
        name: attribute("name")?,
        sample: attribute("sample").and_then(|sample| sample.trim().parse().ok()),
        role: attribute("role").unwrap_or_default(),
        text: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_found_by_band_and_role() {
        let metadata = Metadata::parse(
            "<GDALMetadata>\n  <Item name=\"DESCRIPTION\" sample=\"1\" role=\"description\">B3, green &amp; more</Item>\n\
             <Item name=\"SCALE\" sample=\"0\" role=\"scale\">2.75e-05</Item><Item name='AREA'>x</Item></GDALMetadata>",
        );
        assert_eq!(metadata.of_band(1, "description"), Some("B3, green & more"));
        assert_eq!(metadata.of_band(0, "scale"), Some("2.75e-05"));
        assert_eq!(metadata.of_band(1, "scale"), None);
        assert_eq!(metadata.find(|name| name == "AREA"), Some("x"));
    }

    #[test]
    fn rubbish_is_no_metadata() {
        for text in ["", "<Item", "<Item name=>x</Item>", "<Item name=\"a>b</Item>", "no xml", "<Item>x</Item>", "&#0;"]
        {
            assert!(Metadata::parse(text).is_empty(), "{text}");
        }
    }
}
