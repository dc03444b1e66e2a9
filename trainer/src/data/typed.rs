//! Sources as they are typed on a command line: a path, or `kind=…,path=…` with any key of a [[data]] table.

use std::path::{Path, PathBuf};

use anyhow::Result;
use toml::{Table, Value};

use super::spec::SourceSpec;
use crate::error::UsageError;

const HINT: &str = "--data tiles, --data kind=folder,path=tiles,file_bands=[B02,B03,B04,B08] or --data kind=mosaic,path=months,weight=0.5";

impl SourceSpec {
    /// What `--data` means where one source is wanted: a path that is there, or has no `key=` at its beginning, is a path.
    ///
    /// # Errors
    /// For unknown keys and values, and when no path is named.
    pub fn typed(text: &Path) -> Result<Self> {
        let shown = text.to_string_lossy();
        if is_path(&shown) {
            return Ok(Self::new(PathBuf::from(text)));
        }
        let wrong =
            |error: toml::de::Error| UsageError::new(format!("--data {shown}: {}\nhint: {HINT}", error.message()));
        Ok(data_table(&shown)?.try_into().map_err(wrong)?)
    }
}

/// Whether a typed source is a path: something that is there, or has no `key=` at its beginning.
fn is_path(text: &str) -> bool {
    let is_key = |letter: char| letter.is_ascii_lowercase() || letter == '_';
    let is_table = text.split_once('=').is_some_and(|(key, _)| !key.is_empty() && key.chars().all(is_key));
    !is_table || Path::new(text).exists()
}

/// `kind=folder,path=eurosat.tar,weight=2` as a table; a path alone is one too.
pub(crate) fn data_table(text: &str) -> Result<Value> {
    let mut table = Table::new();
    if is_path(text) {
        table.insert("path".to_owned(), Value::String(text.to_owned()));
        return Ok(Value::Table(table));
    }
    for pair in outside_brackets(text) {
        let (key, value) = pair.split_once('=').ok_or_else(|| {
            UsageError::new(format!("--data {text:?}: {pair:?} has no `key=value` form\nhint: {HINT}"))
        })?;
        table.insert(key.trim().to_owned(), scalar(value.trim()));
    }
    Ok(Value::Table(table))
}

/// TOML where it is some; else a text or, in brackets, a list: `[paris,pisa]`.
pub(crate) fn scalar(text: &str) -> Value {
    let parsed = format!("value = {text}").parse::<Table>().ok();
    let listed = || text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    parsed.and_then(|mut table| table.remove("value")).unwrap_or_else(|| match listed() {
        Some(items) => Value::Array(outside_brackets(items).into_iter().map(|item| scalar(item.trim())).collect()),
        None => Value::String(text.to_owned()),
    })
}

/// The parts of `text` between commas that stand in no bracket and in no quotation marks.
fn outside_brackets(text: &str) -> Vec<&str> {
    let (mut depth, mut is_quoted) = (0_i32, false);
    text.split(|character| {
        is_quoted ^= character == '"';
        depth += match character {
            _ if is_quoted => 0,
            '[' | '{' => 1,
            ']' | '}' => -1,
            _ => 0,
        };
        character == ',' && depth == 0 && !is_quoted
    })
    .collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;
    use crate::data::SourceKind;
    use shared::bands::{Band, Bands};

    #[test]
    fn a_source_may_hold_lists() {
        let source = data_table("kind=mosaic,path=months,weight=0.5,skip_longitude=[[60.0,180.0],[0,1]]").unwrap();
        assert_eq!(source["path"].as_str(), Some("months"));
        assert_eq!(source["weight"].as_float(), Some(0.5));
        assert_eq!(source["skip_longitude"].as_array().map(Vec::len), Some(2));
        let cities = data_table("path=oscd,keep_places=[paris, \"pisa\",saclay_e],weight=1").unwrap();
        let expected = ["paris", "pisa", "saclay_e"].map(|city| Value::String(city.into()));
        assert_eq!(cities["keep_places"].as_array().map(Vec::as_slice), Some(&expected[..]));
        assert_eq!(cities["weight"].as_integer(), Some(1));
        assert_eq!(data_table("months").unwrap()["path"].as_str(), Some("months"), "a path alone");
        assert_eq!(data_table("path=\"a,b\",weight=1").unwrap()["path"].as_str(), Some("a,b"));
        assert!(data_table("kind=folder,months").is_err());
    }

    #[test]
    fn a_path_or_a_table_is_one_source() {
        assert_eq!(SourceSpec::typed(Path::new("a/b=c")).unwrap(), SourceSpec::new("a/b=c"));
        let four = Some(Bands::new(vec![Band::B02, Band::B03, Band::B04, Band::B08]).unwrap());
        for text in [
            "kind=folder,path=x.tar,file_bands=[B02,B03,B04,B8]",
            "kind=folder,path=x.tar,file_bands=[\"B02\",\"B3\",\"B04\",\"B08\"]",
        ] {
            let spec = SourceSpec::typed(Path::new(text)).unwrap();
            assert_eq!((spec.kind, &spec.file_bands), (Some(SourceKind::Folder), &four), "{text}");
        }
        for text in ["kind=folder", "path=x,weigth=2", "path=x,kind=heap"] {
            let message = SourceSpec::typed(Path::new(text)).unwrap_err().to_string();
            assert!(message.contains("\nhint: --data"), "{message}");
        }
    }
}
