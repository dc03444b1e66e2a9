//! Lists of pictures: which of a source's files to take, and what class each is of.
//!
//! A list is a CSV as the `csv` crate reads it (commas, semicolons or tabs; quotes; a byte-order mark), or a text file of
//! one path a line. A heading names its columns; without one, the column that holds pictures and the other one are taken.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use unicode_normalization::UnicodeNormalization;

use super::layout::is_picture;

const HINT: &str = "a line holds <class>/<file>, or <class>/<file>,<class>, files with their ending; a heading may name the columns file and class";
/// Headings of the column of files, and of that of classes, the best first.
const FILES: [&str; 12] = [
    "file",
    "filename",
    "file_name",
    "path",
    "filepath",
    "file_path",
    "image",
    "image_path",
    "img",
    "picture",
    "name",
    "fname",
];
const CLASSES: [&str; 8] = ["classname", "class_name", "class", "label_name", "category", "label", "labels", "target"];
/// Folders that tell parts of a data set apart: a file of one is never taken for that of another.
pub(super) const PARTS: [&str; 9] =
    ["train", "training", "val", "valid", "validation", "dev", "test", "testing", "holdout"];

/// One line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The path, `/` between folders.
    pub file: String,
    /// Its class, where the list names it.
    pub class: Option<String>,
    /// Its line in the list.
    pub line: u64,
}

/// Reads a list.
pub(super) fn read_list(path: &Path) -> Result<Vec<Listed>> {
    let shown = path.display();
    let bytes = std::fs::read(path).with_context(|| format!("cannot read the split list {shown}\nhint: {HINT}"))?;
    parse_list(&bytes, &shown)
}

/// What the bytes of a list say; `shown` is what messages call it.
///
/// # Errors
/// When they are no text, no list, name nothing, or name something twice.
pub fn parse_list(bytes: &[u8], shown: &dyn std::fmt::Display) -> Result<Vec<Listed>> {
    let text = text_of(bytes)
        .with_context(|| format!("the split list {shown} is not text in UTF-8\nhint: save it as CSV in UTF-8"))?;
    let rows = rows(&text).with_context(|| format!("the split list {shown} is no CSV\nhint: {HINT}"))?;
    let mut listed = columns(&rows).with_context(|| format!("the split list {shown}"))?;
    if listed.is_empty() {
        bail!("the split list {shown} names no picture\nhint: {HINT}");
    }
    let mut seen: HashMap<String, u64> = HashMap::new();
    for entry in &listed {
        if let Some(before) = seen.insert(canonical(&entry.file), entry.line) {
            bail!(
                "the split list {shown} names {} twice (lines {before} and {})\nhint: leave one of them out",
                entry.file,
                entry.line
            );
        }
    }
    // Numbers for classes say less than the names of the folders.
    if listed.iter().all(|entry| entry.class.as_ref().is_some_and(|class| class.parse::<u64>().is_ok()))
        && numbers_are_folders(&listed)
    {
        listed.iter_mut().for_each(|entry| entry.class = None);
    }
    Ok(listed)
}

/// Whether every number stands for one folder, and every folder for one number.
fn numbers_are_folders(listed: &[Listed]) -> bool {
    let (mut folders, mut numbers) = (HashMap::new(), HashMap::new());
    listed.iter().all(|entry| {
        let folder = entry.file.rsplit('/').nth(1).unwrap_or_default();
        let number = entry.class.as_deref().unwrap_or_default();
        !folder.is_empty()
            && *folders.entry(number).or_insert(folder) == folder
            && *numbers.entry(folder).or_insert(number) == number
    })
}

fn text_of(bytes: &[u8]) -> Option<String> {
    // As spreadsheets save "Unicode text".
    if let Some(order) =
        bytes.strip_prefix(b"\xff\xfe").map(|_| true).or(bytes.strip_prefix(b"\xfe\xff").map(|_| false))
    {
        let unit = |pair: &[u8; 2]| if order { u16::from_le_bytes(*pair) } else { u16::from_be_bytes(*pair) };
        let units: Vec<u16> = bytes[2..].as_chunks().0.iter().map(unit).collect();
        return String::from_utf16(&units).ok().filter(|text| !text.contains('\0'));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.contains('\0')).then(|| text.to_owned())
}

/// The fields of every line, with its number.
fn rows(text: &str) -> Result<Vec<(u64, Vec<String>)>> {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    // Of a list whose first line says nothing of it, a line that holds a picture and more does.
    let divides =
        |line: &str, mark: char| !is_picture(line.trim()) && line.split(mark).any(|part| is_picture(part.trim()));
    let marks = ['\t', ';', ',', '|'];
    let delimiter = marks.into_iter().find(|mark| first.contains(*mark)).or_else(|| {
        marks.into_iter().find(|mark| text.lines().any(|line| line.contains(*mark) && divides(line, *mark)))
    });
    let Some(delimiter) = delimiter else {
        let fields = |line: &str| match line.rsplit_once(char::is_whitespace) {
            // "<class>/<file> <class>", where the file's own name has no space at its end
            Some((file, class)) if !is_picture(line) && is_picture(file.trim()) => {
                vec![file.trim().to_owned(), class.to_owned()]
            }
            _ => vec![line.trim().trim_matches('"').to_owned()],
        };
        return Ok((1..).zip(text.lines()).map(|(number, line)| (number, fields(line.trim()))).collect());
    };
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter as u8)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let row = |record: csv::Result<csv::StringRecord>| -> Result<(u64, Vec<String>)> {
        let record = record?;
        let line = record.position().map_or(0, csv::Position::line);
        Ok((line, record.iter().map(str::to_owned).collect()))
    };
    reader.records().map(row).collect()
}

/// Files and classes out of the rows.
fn columns(rows: &[(u64, Vec<String>)]) -> Result<Vec<Listed>> {
    let Some(first_picture) = rows.iter().position(|(_, fields)| fields.iter().any(|field| is_picture(field))) else {
        return Ok(Vec::new());
    };
    let heading: Vec<String> = match first_picture.checked_sub(1) {
        Some(before) => rows[before].1.iter().map(|name| name.to_lowercase().replace([' ', '-'], "_")).collect(),
        None => Vec::new(),
    };
    let fields = &rows[first_picture].1;
    let most = rows[first_picture..].iter().map(|(_, fields)| fields.len()).max().unwrap_or(0);
    let named = |names: &[&str]| names.iter().find_map(|name| heading.iter().position(|own| own == name));
    let pictures: Vec<usize> = (0..fields.len()).filter(|column| is_picture(&fields[*column])).collect();
    let file = match (named(&FILES).filter(|column| pictures.contains(column)), &pictures[..]) {
        (Some(column), _) | (None, &[column]) => column,
        _ => bail!("has {} columns of files\nhint: name one of them file in a heading", pictures.len()),
    };
    let others: Vec<usize> = (0..most).filter(|column| *column != file).collect();
    let of = |column: usize| rows[first_picture..].iter().filter_map(move |(_, fields)| fields.get(column));
    let is_word = |column: &&usize| of(**column).any(|field| !field.is_empty() && field.parse::<f64>().is_err());
    let words: Vec<usize> = others.iter().filter(is_word).copied().collect();
    let class = match (named(&CLASSES).filter(|column| *column != file), &others[..], &words[..]) {
        (Some(column), ..) => Some(column),
        (None, [], _) => None,
        (None, &[column], _) | (None, _, &[column]) if heading.is_empty() || others.len() == 1 => Some(column),
        // A heading that names no class: the other columns are about something else.
        _ if !heading.is_empty() => None,
        _ => bail!("has {} columns beside the files\nhint: name one of them class in a heading", others.len()),
    };
    let mut listed = Vec::new();
    for (line, fields) in &rows[first_picture..] {
        let Some(name) = fields.get(file).filter(|name| !name.is_empty()) else { continue };
        if !is_picture(name) {
            bail!("names {name:?} in line {line}, which is no picture\nhint: {HINT}");
        }
        let name = name.replace('\\', "/");
        let class = class.and_then(|column| fields.get(column)).filter(|class| !class.is_empty()).cloned();
        listed.push(Listed { file: name.trim_start_matches("./").to_owned(), class, line: *line });
    }
    Ok(listed)
}

/// One form for names that look the same: letters with accents have several.
pub(super) fn canonical(name: &str) -> String {
    name.nfc().collect()
}

/// A file: its number, its path, and the parts of that, the file first.
type Known<'a> = (usize, &'a str, Vec<String>);

/// A source's files, found by as many last parts of their paths as it takes.
pub(super) struct Finder<'a> {
    by_file: HashMap<String, Vec<Known<'a>>>,
}

impl<'a> Finder<'a> {
    pub(super) fn new(files: &[(usize, &'a str)]) -> Self {
        let mut by_file: HashMap<String, Vec<_>> = HashMap::new();
        for &(index, name) in files {
            let parts = parts(name);
            by_file.entry(parts.first().cloned().unwrap_or_default()).or_default().push((index, name, parts));
        }
        Self { by_file }
    }

    /// The one file that a list means; nothing when it is not there.
    ///
    /// # Errors
    /// When several are meant equally well.
    pub(super) fn find(&self, listed: &str) -> Result<Option<(usize, &'a str)>> {
        let wanted = parts(listed);
        let Some(candidates) = wanted.first().and_then(|file| self.by_file.get(file)) else { return Ok(None) };
        // How many last parts agree, for those that can be meant at all.
        let rank = |own: &[String]| {
            let shared = own.iter().zip(&wanted).take_while(|(own, wanted)| own == wanted).count();
            let is_part = |name: &String| PARTS.contains(&name.to_lowercase().as_str());
            let differs_in_part =
                own.get(shared).zip(wanted.get(shared)).is_some_and(|(a, b)| is_part(a) || is_part(b));
            let is_covered = shared == own.len() || shared == wanted.len();
            (is_covered || shared >= 2 && !differs_in_part).then_some(shared)
        };
        let ranked: Vec<(usize, &Known<'a>)> =
            candidates.iter().filter_map(|candidate| Some((rank(&candidate.2)?, candidate))).collect();
        let best = ranked.iter().map(|(rank, _)| *rank).max();
        let mut meant = ranked.iter().filter(|(rank, _)| Some(*rank) == best).map(|(_, candidate)| candidate);
        let Some(first) = meant.next() else { return Ok(None) };
        if let Some(second) = meant.next() {
            bail!(
                "{listed} may mean {} or {}\nhint: name it in the list with as many folders as tell them apart",
                first.1,
                second.1
            );
        }
        Ok(Some((first.0, first.1)))
    }
}

/// Parts of a path, the file first.
fn parts(name: &str) -> Vec<String> {
    name.rsplit('/').filter(|part| !part.is_empty() && *part != ".").map(canonical).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<Vec<(String, Option<String>)>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Ok(read_list(file.path())?.into_iter().map(|entry| (entry.file, entry.class)).collect())
    }

    fn pairs(all: &[(&str, Option<&str>)]) -> Vec<(String, Option<String>)> {
        all.iter().map(|(file, class)| ((*file).to_owned(), class.map(str::to_owned))).collect()
    }

    #[test]
    fn every_form_of_a_list_is_read() {
        let plain = pairs(&[("a/1.png", None), ("b/2.png", None)]);
        let classes = pairs(&[("a/1.png", Some("x")), ("b/2.png", Some("y z"))]);
        for text in [
            "a/1.png\n./b/2.png\n",
            "\u{feff}a/1.png\r\nb/2.png\r\n",
            "filename\n\"a/1.png\"\n\"b/2.png\"\n",
            "a\\1.png\nb\\2.png",
        ] {
            assert_eq!(read(text.as_bytes()).unwrap(), plain, "{text:?}");
        }
        for text in [
            "a/1.png,x\nb/2.png,y z\n",
            "\"file\",\"label\"\n\"a/1.png\",\"x\"\n\"b/2.png\",\"y z\"\n",
            "Filename,Label,ClassName\na/1.png,0,x\nb/2.png,1,y z\n",
            "label;image\nx;a/1.png\ny z;b/2.png\n",
            "a/1.png\tx\nb/2.png\ty z\n",
            "a/1.png,0,x\nb/2.png,1,y z\n",
            "a/1.png|x\nb/2.png|y z\n",
        ] {
            assert_eq!(read(text.as_bytes()).unwrap(), classes, "{text:?}");
        }
        let wide: Vec<u8> = "\u{feff}a/1.png,x\nb/2.png,y z\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(read(&wide).unwrap(), classes);
        assert_eq!(read(b"a/1.png 0\nb/2.png 1\n").unwrap(), plain, "numbers that stand for folders");
        assert_eq!(read(b"1.png 0\n2.png 1\n").unwrap(), pairs(&[("1.png", Some("0")), ("2.png", Some("1"))]));
    }

    #[test]
    fn what_is_no_list_says_why() {
        for (text, why) in [
            (&b"a/1.png\nb/2.png\n./a/1.png\n"[..], "twice (lines 1 and 3)"),
            ("a/\u{e9}.png\na/e\u{301}.png\n".as_bytes(), "twice"),
            (b"no picture\n", "names no picture"),
            (b"W\xe4lder/1.png\n", "not text in UTF-8"),
            (b"\xff\xfea\0\0\xd8", "not text in UTF-8"),
            (b"a/1\nb/2\n", "names no picture"),
        ] {
            let error = format!("{:#}", read(text).unwrap_err());
            assert!(error.contains(why) && error.contains("\nhint: "), "{error}");
        }
    }

    #[test]
    fn names_are_told_apart_by_as_many_parts_as_it_takes() {
        let files =
            [(0, "train/a/0.png"), (1, "val/a/0.png"), (2, "b/7.png"), (3, "2750/c/9.png"), (4, "d/e\u{301}.png")];
        let finder = Finder::new(&files);
        let index = |name: &str| finder.find(name).unwrap().map(|(index, _)| index);
        assert_eq!((index("train/a/0.png"), index("val/a/0.png")), (Some(0), Some(1)));
        assert_eq!((index("data/val/a/0.png"), index("7.png"), index("x/b/7.png")), (Some(1), Some(2), Some(2)));
        assert_eq!((index("c/9.png"), index("EuroSAT/c/9.png"), index("d/\u{e9}.png")), (Some(3), Some(3), Some(4)));
        assert_eq!((index("test/a/0.png"), index("a/1.png"), index("x/7.png")), (None, None, None));
        assert!(
            finder.find("a/0.png").unwrap_err().to_string().contains("may mean train/a/0.png or val/a/0.png\nhint: ")
        );
    }
}
