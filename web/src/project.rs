//! A project as a file: where one was, with which model, what was selected, wanted and marked. The user's pictures themselves stay where
//! they are; their names are kept, so that the page can ask for them.

use serde_json::{Value, json};

use crate::problem::Problem;

/// What such a file calls itself, and the version that this release writes and reads.
const FORMAT: &str = "solstice-project";
const FORMAT_VERSION: u64 = 1;
/// Larger files are not read.
pub const MAX_FILE_BYTES: usize = 80 * 1024 * 1024;
/// Names of pictures that are kept.
const MAX_PICTURES: usize = 1000;

/// Everything that is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Project {
    /// What the model is called.
    pub model: String,
    /// Which it is, whatever it is called.
    pub model_sha256: String,
    /// Its identity in the index; none for a file of the user's.
    pub model_id: Option<String>,
    /// The part of the address behind the page's own, from `#` on.
    pub address: String,
    /// Classes and marks, as their own file has them; none when there are none.
    pub labels: Option<String>,
    /// The gallery on the map when it is not the model's first, as the index names it.
    pub gallery: Option<String>,
    /// Tiles of the gallery that the rows below are of; 0 when there was no map.
    pub tiles: usize,
    /// Selected rows.
    pub selected: Vec<usize>,
    /// Examples that are wanted.
    pub more: Vec<usize>,
    /// And those that are not.
    pub less: Vec<usize>,
    /// The user's own pictures, by name.
    pub pictures: Vec<String>,
}

/// As a file's text.
#[must_use]
pub fn write(project: &Project) -> String {
    let pictures = &project.pictures[..project.pictures.len().min(MAX_PICTURES)];
    let document = json!({
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "model": { "name": project.model, "sha256": project.model_sha256, "id": project.model_id },
        "address": project.address,
        "labels": project.labels,
        "explore": {
            "gallery": project.gallery,
            "tiles": project.tiles,
            "selected": project.selected,
            "more": project.more,
            "less": project.less,
        },
        "pictures": pictures,
    });
    format!("{document}\n")
}

/// Reads what [`write`] wrote.
///
/// # Errors
/// When it is another kind of file, of another release, or contradicts itself.
pub fn read(text: &str) -> Result<Project, Problem> {
    let broken = |why: &str| {
        Problem::new("The project cannot be opened", why, "Choose a file that “Save project” on this page has written.")
    };
    let document: Value = serde_json::from_str(text).map_err(|error| broken(&format!("It is no JSON: {error}.")))?;
    if document["format"] != FORMAT {
        return Err(broken("It does not say that it is a project of this page."));
    }
    if document["format_version"] != FORMAT_VERSION {
        let found = &document["format_version"];
        return Err(broken(&format!("Its format version is {found}; this page reads {FORMAT_VERSION}.")));
    }
    let text_of = |value: &Value| value.as_str().map(str::to_owned);
    let (model, explore) = (&document["model"], &document["explore"]);
    let tiles =
        explore["tiles"].as_u64().ok_or_else(|| broken("It does not say of how many tiles its map is."))? as usize;
    let rows = |name: &str| -> Result<Vec<usize>, Problem> {
        let row = |value: &Value| value.as_u64().map(|row| row as usize).filter(|row| *row < tiles);
        let found = explore[name].as_array().and_then(|rows| rows.iter().map(row).collect());
        found.ok_or_else(|| broken(&format!("Its “{name}” tiles are not all among the {tiles} of its map.")))
    };
    let (Some(name), Some(sha256)) = (text_of(&model["name"]), text_of(&model["sha256"])) else {
        return Err(broken("It does not say of which model it is."));
    };
    let address = text_of(&document["address"]).filter(|address| address.starts_with("#/"));
    let pictures = document["pictures"].as_array().map_or(&[][..], Vec::as_slice);
    Ok(Project {
        model: name,
        model_sha256: sha256,
        model_id: text_of(&model["id"]),
        address: address.ok_or_else(|| broken("It does not say where on the page it was."))?,
        labels: text_of(&document["labels"]),
        gallery: text_of(&explore["gallery"]),
        tiles,
        selected: rows("selected")?,
        more: rows("more")?,
        less: rows("less")?,
        pictures: pictures.iter().take(MAX_PICTURES).filter_map(text_of).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project() -> Project {
        Project {
            model: "m".to_owned(),
            model_sha256: "abc".to_owned(),
            address: "#/explore?k=5".to_owned(),
            labels: Some("{\"a\": \"“b”\"}\n".to_owned()),
            tiles: 10,
            selected: vec![1, 9],
            less: vec![0],
            pictures: vec!["a\"b.tif".to_owned()],
            ..Project::default()
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let text = write(&project());
        assert_eq!(read(&text), Ok(project()));
        assert_eq!(
            read(&write(&Project { address: "#/".to_owned(), ..Project::default() })).map(|read| read.tiles),
            Ok(0)
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        let good = write(&project());
        for (old, new, says) in [
            ("\"selected\":[1,9]", "\"selected\":[1,10]", "“selected” tiles are not all among the 10"),
            ("\"selected\":[1,9]", "\"selected\":[-1]", "“selected” tiles"),
            ("\"format_version\":1", "\"format_version\":2", "version is 2; this page reads 1"),
            ("solstice-project", "solstice-labels", "does not say that it is a project"),
            ("#/explore", "https://elsewhere", "where on the page"),
            ("\"sha256\":\"abc\"", "\"sha256\":7", "of which model"),
            ("{", "", "no JSON"),
        ] {
            let text = good.replacen(old, new, 1);
            let why = read(&text).err().map_or_else(String::new, |problem| problem.why);
            assert!(why.contains(says), "{why}");
        }
    }
}
