//! Labels and head as a file: written by the page, read again by it, checked before anything of it is believed.

use serde::{Deserialize, Serialize};

use super::book::{Book, Example, MAX_CLASSES, MAX_EXAMPLES};
use super::head::Head;
use super::leave_one_out::LeftOut;
use crate::engine::protocol::ModelCard;
use crate::problem::Problem;

/// What such a file calls itself.
const FORMAT: &str = "solstice-labels";
/// The version that this release writes and reads.
const FORMAT_VERSION: u32 = 1;
/// Larger files are not read: as many marks as the page takes, of the widest embedding, need less.
pub const MAX_FILE_BYTES: usize = 64 * 1024 * 1024;

const WHAT: &str = "The labels cannot be used";

/// Read before everything else, for a clear word about files of other kinds and releases.
#[derive(Deserialize)]
struct Envelope {
    format: Option<String>,
    format_version: Option<u64>,
}

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: String,
    format_version: u32,
    model: Model,
    classes: Vec<String>,
    examples: Vec<Marked>,
    head: Option<Head>,
    leave_one_out: Option<Figure>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Model {
    name: String,
    sha256: String,
    embedding_width: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Marked {
    file: String,
    class: String,
    embedding: Vec<f32>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Figure {
    tiles: usize,
    parts: usize,
    right: usize,
    majority: usize,
}

/// Everything that is known, as text.
#[must_use]
pub fn write(card: &ModelCard, book: &Book, head: Option<&Head>, left_out: Option<&LeftOut>) -> String {
    let marked = |example: &Example| Marked {
        file: example.file.clone(),
        class: book.classes.get(example.class).cloned().unwrap_or_default(),
        embedding: example.embedding.clone(),
    };
    let figure = |found: &LeftOut| Figure {
        tiles: found.tiles,
        parts: found.parts,
        right: found.right,
        majority: found.majority,
    };
    let document = Document {
        format: FORMAT.to_owned(),
        format_version: FORMAT_VERSION,
        model: Model { name: card.name.clone(), sha256: card.sha256.clone(), embedding_width: card.embedding_width },
        classes: book.classes.clone(),
        examples: book.examples.iter().map(marked).collect(),
        head: head.cloned(),
        leave_one_out: left_out.map(figure),
    };
    // Names and finite numbers: there is nothing in it that JSON could refuse.
    serde_json::to_string(&document).map(|text| text + "\n").unwrap_or_default()
}

/// Reads what [`write`] wrote, for the model in use.
///
/// # Errors
/// When it is another kind of file, of another release, of another model, or contradicts itself.
pub fn read(text: &str, card: &ModelCard) -> Result<(Book, Option<Head>), Problem> {
    let not_labels =
        |why: String| Problem::new(WHAT, why, "Choose a file that “Save labels” on this page has written.");
    let envelope: Envelope =
        serde_json::from_str(text).map_err(|error| not_labels(format!("It is no JSON of labels: {error}.")))?;
    if envelope.format.as_deref() != Some(FORMAT) {
        return Err(not_labels(format!("It does not say that it is of the format “{FORMAT}”.")));
    }
    if envelope.format_version != Some(u64::from(FORMAT_VERSION)) {
        let found = envelope.format_version.map_or_else(|| "none".to_owned(), |version| version.to_string());
        return Err(Problem::new(
            WHAT,
            format!("Its format version is {found}; this page reads {FORMAT_VERSION}."),
            "Reload the page to get its newest release, or save the labels again with this one.",
        ));
    }
    let document: Document =
        serde_json::from_str(text).map_err(|error| not_labels(format!("It is damaged: {error}.")))?;
    check_model(&document.model, card)?;
    let book = book(&document, card.embedding_width).map_err(not_labels)?;
    if let Some(head) = &document.head {
        check_head(head, card.embedding_width).map_err(not_labels)?;
    }
    Ok((book, document.head))
}

/// Embeddings of one model mean nothing to another, whatever their width.
fn check_model(model: &Model, card: &ModelCard) -> Result<(), Problem> {
    let why = if model.name != card.name {
        format!("They were made with the model “{}”; “{}” is in use.", model.name, card.name)
    } else if model.embedding_width != card.embedding_width {
        let (theirs, ours) = (model.embedding_width, card.embedding_width);
        format!("Their embeddings have {theirs} numbers; those of “{}” have {ours}.", card.name)
    } else if model.sha256 != card.sha256 {
        format!("They were made with another version of the model “{}” (its checksum differs).", card.name)
    } else {
        return Ok(());
    };
    Err(Problem::new(WHAT, why, "Change to that model on the Models page, or mark the tiles again."))
}

fn book(document: &Document, width: usize) -> Result<Book, String> {
    let mut book = Book::default();
    if document.classes.len() > MAX_CLASSES || document.examples.len() > MAX_EXAMPLES {
        let (classes, examples) = (document.classes.len(), document.examples.len());
        return Err(format!(
            "It has {classes} classes and {examples} tiles; {MAX_CLASSES} and {MAX_EXAMPLES} are read at most."
        ));
    }
    for name in &document.classes {
        book.add_class(name)?;
    }
    for Marked { file, class, embedding } in &document.examples {
        let Some(class) = document.classes.iter().position(|name| name == class) else {
            return Err(format!("“{file}” is marked as “{class}”, which is not among its classes."));
        };
        check_numbers(embedding, width, &format!("The embedding of “{file}”"))?;
        book.mark(file, embedding, Some(class))?;
    }
    Ok(book)
}

fn check_head(head: &Head, width: usize) -> Result<(), String> {
    let classes = head.classes.len();
    if classes < 2 || head.weight.len() != classes || head.bias.len() != classes {
        let (lines, biases) = (head.weight.len(), head.bias.len());
        return Err(format!("Its head has {classes} classes, {lines} lines of weights and {biases} of bias."));
    }
    check_numbers(&head.bias, classes, "The head's bias")?;
    head.weight.iter().try_for_each(|line| check_numbers(line, width, "A line of the head"))
}

fn check_numbers(values: &[f32], count: usize, what: &str) -> Result<(), String> {
    if values.len() != count {
        return Err(format!("{what} has {} numbers, not {count}.", values.len()));
    }
    // A number too large for 32 bits is read as infinite.
    if values.iter().all(|value| value.is_finite()) {
        Ok(())
    } else {
        Err(format!("{what} holds a number without end."))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    fn card() -> ModelCard {
        ModelCard { name: "m".into(), sha256: "abc".into(), embedding_width: 2, ..ModelCard::default() }
    }

    fn book() -> Book {
        let mut book = Book { classes: vec!["Water".into(), "Town, old".into()], examples: Vec::new() };
        for (at, (x, y)) in [(1.0, 0.1), (0.9, 0.2), (0.1, 1.0), (0.3, 0.8)].into_iter().enumerate() {
            book.mark(&format!("{at}.png"), &[x, y], Some(at / 2)).unwrap();
        }
        book
    }

    fn text() -> String {
        write(&card(), &book(), Head::learn(&book()).as_ref(), None)
    }

    #[test]
    fn what_was_written_is_read_again_to_the_last_bit() {
        let (found, head) = read(&text(), &card()).unwrap();
        assert_eq!(found, book());
        assert_eq!(head, Head::learn(&book()));
        assert!(head.is_some());
    }

    #[test]
    fn files_of_other_kinds_releases_and_models_are_refused_with_the_reason() {
        let other = |change: &dyn Fn(&mut ModelCard)| {
            let mut card = card();
            change(&mut card);
            card
        };
        for (text, card, says) in [
            ("dear diary".to_owned(), card(), "no JSON"),
            ("{}".to_owned(), card(), "solstice-labels"),
            (text().replace("\"format_version\":1", "\"format_version\":7"), card(), "version is 7"),
            (text(), other(&|card| card.name = "n".into()), "“m”; “n” is in use"),
            (text(), other(&|card| card.embedding_width = 3), "2 numbers; those of “m” have 3"),
            (text(), other(&|card| card.sha256 = "abd".into()), "another version"),
            (text().replace("[1.0,0.1]", "[1.0]"), card(), "“0.png” has 1 numbers, not 2"),
            (text().replace("[1.0,0.1]", "[1.0,1e39]"), card(), "without end"),
            (text().replace("\"class\":\"Water\"", "\"class\":\"Wine\""), card(), "“Wine”, which is not among"),
            (text().replace("\"bias\":[", "\"bias\":[0.5,"), card(), "3 of bias"),
            (text().replace("\"examples\"", "\"samples\""), card(), "damaged"),
        ] {
            let problem = read(&text, &card).unwrap_err();
            assert!(problem.why.contains(says), "{says}: {problem:?}");
        }
    }
}
