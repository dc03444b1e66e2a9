//! What GDAL writes into a TIFF beside the pixels: names of bands, and the offset of digital numbers.

use super::reading::BASELINE_4_OFFSET;

/// One `<Item name="…" sample="…" role="…">text</Item>`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Item {
    name: String,
    sample: Option<usize>,
    role: String,
    text: String,
}

/// GDAL's metadata (tag 42112), which is XML of one flat kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata(Vec<Item>);

impl Metadata {
    /// Reads the tag's text; what cannot be understood is left out.
    #[must_use]
    pub fn parse(xml: &str) -> Self {
        let item = |part: &str| {
            let (head, rest) = part.split_once('>')?;
            let text = rest.split_once("</Item")?.0;
            Some(Item {
                name: attribute(head, "name")?,
                sample: attribute(head, "sample").and_then(|sample| sample.parse().ok()),
                role: attribute(head, "role").unwrap_or_default(),
                text: unescaped(text.trim()),
            })
        };
        Self(xml.split("<Item").skip(1).filter_map(item).collect())
    }

    /// What each of `count` bands is called; empty where nothing is said.
    #[must_use]
    pub fn band_names(&self, count: usize) -> Vec<String> {
        let mut names = vec![String::new(); count];
        for item in self.0.iter().filter(|item| item.role == "description" || item.name == "DESCRIPTION") {
            if let Some(name) = item.sample.and_then(|sample| names.get_mut(sample)) {
                name.clone_from(&item.text);
            }
        }
        names
    }

    /// What is to be added to digital numbers, when the file says so: a band's own offset, the product's, or its processing
    /// baseline.
    #[must_use]
    pub fn dn_offset(&self) -> Option<i32> {
        let number = |item: &Item| item.text.parse::<f64>().ok();
        let of_role = |role: &str| self.0.iter().find(|item| item.role == role && item.sample.is_some());
        if let Some(offset) = of_role("offset").and_then(number) {
            // Value = scale · DN + offset: in digital numbers, offset / scale.
            let scale = of_role("scale").and_then(number).filter(|scale| *scale > 0.0).unwrap_or(1e-4);
            let in_dn = if offset.abs() < 10.0 { offset / scale } else { offset };
            return Some(in_dn.round() as i32);
        }
        let is_product_offset =
            |item: &&Item| item.name.contains("BOA_ADD_OFFSET") || item.name.contains("RADIO_ADD_OFFSET");
        if let Some(offset) = self.0.iter().find(is_product_offset).and_then(number) {
            return Some(offset.round() as i32);
        }
        let baseline = self.0.iter().find(|item| item.name.ends_with("PROCESSING_BASELINE")).and_then(number)?;
        Some(if baseline >= 4.0 { BASELINE_4_OFFSET } else { 0 })
    }
}

/// `name="value"` in a tag's head.
fn attribute(head: &str, name: &str) -> Option<String> {
    let mut rest = head;
    loop {
        let (before, after) = rest.split_once(name)?;
        let after = after.trim_start();
        if before.ends_with(char::is_whitespace)
            && let Some(value) = after.strip_prefix('=')
        {
            let value = value.trim_start();
            let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
            return Some(unescaped(value[1..].split_once(quote)?.0));
        }
        rest = after;
    }
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_band_by_band() {
        let metadata = Metadata::parse(
            "<GDALMetadata>\n  <Item name=\"DESCRIPTION\" sample=\"1\" role=\"description\">B3, green &amp; more</Item>\n  \
             <Item name=\"DESCRIPTION\" sample=\"0\" role=\"description\">B04</Item>\n\
             <Item name=\"DESCRIPTION\" sample=\"99\" role=\"description\">none</Item></GDALMetadata>",
        );
        assert_eq!(metadata.band_names(3), ["B04", "B3, green & more", ""]);
        assert_eq!(metadata.dn_offset(), None);
    }

    #[test]
    fn the_offset_is_found_in_each_of_its_places() {
        let band = "<Item name=\"OFFSET\" sample=\"0\" role=\"offset\">-0.1</Item>\
                    <Item name=\"SCALE\" sample=\"0\" role=\"scale\">0.0001</Item>";
        assert_eq!(Metadata::parse(band).dn_offset(), Some(-1000));
        assert_eq!(Metadata::parse("<Item name='BOA_ADD_OFFSET_1'>-1000</Item>").dn_offset(), Some(-1000));
        assert_eq!(Metadata::parse("<Item name=\"PROCESSING_BASELINE\">05.09</Item>").dn_offset(), Some(-1000));
        assert_eq!(Metadata::parse("<Item name=\"PROCESSING_BASELINE\">02.14</Item>").dn_offset(), Some(0));
    }

    #[test]
    fn rubbish_is_no_metadata() {
        for text in ["", "<Item", "<Item name=>x</Item>", "<Item name=\"a>b</Item>", "no xml"] {
            assert_eq!(Metadata::parse(text), Metadata::default(), "{text}");
        }
    }
}
