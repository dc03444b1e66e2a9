//! The page's own models beside one that was trained here.

use anyhow::Context;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Lists the page's own models behind the trained one, so that the two can be changed and compared there.
///
/// # Errors
/// When an index is damaged, or the disk refuses.
pub fn list_shipped(page: &Path, site: &Path) -> anyhow::Result<()> {
    let shipped = page.join("models/index.json");
    if !shipped.is_file() {
        return Ok(());
    }
    let read = |path: &Path| -> anyhow::Result<Value> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&bytes).with_context(|| format!("{} is no index of models", path.display()))
    };
    let path = site.join("models/index.json");
    let mut index = read(&path)?;
    let shipped = read(&shipped)?["models"].as_array().cloned().unwrap_or_default();
    if let Some(models) = index["models"].as_array_mut() {
        let listed: Vec<Value> = models.iter().map(|model| model["id"].clone()).collect();
        models.extend(shipped.into_iter().filter(|model| !listed.contains(&model["id"])));
    }
    atomic_file::write(&path, serde_json::to_string(&index)?.as_bytes())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    #[test]
    fn shipped_models_are_listed_once_behind_the_trained_one() {
        let folder = tempfile::tempdir().unwrap();
        let (page, site) = (folder.path().join("page"), folder.path().join("site"));
        let index = |folder: &Path, text: &str| {
            fs::create_dir_all(folder.join("models")).unwrap();
            fs::write(folder.join("models/index.json"), text).unwrap();
        };
        index(&site, r#"{"format_version":1,"default":"demo","models":[{"id":"demo"}]}"#);
        list_shipped(&page, &site).unwrap();
        index(&page, r#"{"format_version":1,"default":"big","models":[{"id":"big"},{"id":"demo"}]}"#);
        list_shipped(&page, &site).unwrap();
        list_shipped(&page, &site).unwrap();
        let found = fs::read_to_string(site.join("models/index.json")).unwrap();
        assert_eq!(found, r#"{"format_version":1,"default":"demo","models":[{"id":"demo"},{"id":"big"}]}"#);
    }
}
