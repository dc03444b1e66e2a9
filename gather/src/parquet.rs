//! Writing Parquet: flat tables, one page a column and row group, compressed with gzip.
//!
//! A writer for just that, in the format's plain encoding. (The `parquet` crate changes the features of crates that Burn is
//! built on, and so would build all of Burn anew.)

use std::io::Write;

use anyhow::Result;
use flate2::Compression;
use flate2::write::GzEncoder;

/// Rows that share one page a column.
const GROUP_ROWS: usize = 100_000;
const MAGIC: &[u8] = b"PAR1";
/// Codes of the format.
const GZIP: i64 = 2;
const RLE: i64 = 3;
const UTF8: i64 = 0;
const TIMESTAMP_MICROS: i64 = 10;

/// A column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its values.
    pub values: Values,
}

/// The values of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Whole numbers.
    Integers(Vec<i64>),
    /// Microseconds since 1970, UTC.
    Moments(Vec<i64>),
    /// Numbers, some missing.
    Numbers(Vec<Option<f64>>),
    /// Text, some missing.
    Texts(Vec<Option<String>>),
    /// Anything else.
    Bytes(Vec<Vec<u8>>),
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::Integers(values) | Self::Moments(values) => values.len(),
            Self::Numbers(values) => values.len(),
            Self::Texts(values) => values.len(),
            Self::Bytes(values) => values.len(),
        }
    }

    fn physical(&self) -> i64 {
        match self {
            Self::Integers(_) | Self::Moments(_) => 2,
            Self::Numbers(_) => 5,
            Self::Texts(_) | Self::Bytes(_) => 6,
        }
    }

    fn is_optional(&self) -> bool {
        matches!(self, Self::Numbers(_) | Self::Texts(_))
    }

    /// The page of some rows: which are there, where some may not be, then the values that are.
    fn page(&self, rows: std::ops::Range<usize>) -> Vec<u8> {
        let mut page = Vec::new();
        let text = |page: &mut Vec<u8>, bytes: &[u8]| {
            page.extend((bytes.len() as u32).to_le_bytes());
            page.extend(bytes);
        };
        match self {
            Self::Integers(values) | Self::Moments(values) => {
                values[rows].iter().for_each(|value| page.extend(value.to_le_bytes()));
            }
            Self::Numbers(values) => {
                let values = &values[rows];
                page.extend(levels(values.iter().map(Option::is_some)));
                values.iter().flatten().for_each(|value| page.extend(value.to_le_bytes()));
            }
            Self::Texts(values) => {
                let values = &values[rows];
                page.extend(levels(values.iter().map(Option::is_some)));
                values.iter().flatten().for_each(|value| text(&mut page, value.as_bytes()));
            }
            Self::Bytes(values) => values[rows].iter().for_each(|value| text(&mut page, value)),
        }
        page
    }
}

/// Definition levels of 0 and 1 as runs, after their length.
fn levels(present: impl Iterator<Item = bool>) -> Vec<u8> {
    let mut runs: Vec<(bool, u64)> = Vec::new();
    for is_present in present {
        match runs.last_mut() {
            Some((last, count)) if *last == is_present => *count += 1,
            _ => runs.push((is_present, 1)),
        }
    }
    let mut body = Vec::new();
    for (is_present, count) in runs {
        varint(&mut body, count << 1);
        body.push(u8::from(is_present));
    }
    let mut whole = (body.len() as u32).to_le_bytes().to_vec();
    whole.append(&mut body);
    whole
}

/// The bytes of a Parquet file with these columns, all of one length, and key-value metadata.
///
/// # Errors
/// When the compressor fails, which it does only without memory.
pub fn table(columns: &[Column], metadata: &[(&str, String)]) -> Result<Vec<u8>> {
    let rows = columns.first().map_or(0, |column| column.values.len());
    let mut file = MAGIC.to_vec();
    let mut groups = Vec::new();
    for start in (0..rows).step_by(GROUP_ROWS) {
        let group = start..rows.min(start + GROUP_ROWS);
        let mut chunks = Vec::new();
        let mut total = 0;
        for column in columns {
            let page = column.values.page(group.clone());
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(&page)?;
            let packed = encoder.finish()?;
            let mut header = Struct::default();
            header.int(1, 0); // a data page
            header.int(2, page.len() as i64);
            header.int(3, packed.len() as i64);
            let mut data = Struct::default();
            data.int(1, group.len() as i64);
            data.int(2, 0); // plain
            data.int(3, RLE);
            data.int(4, RLE);
            header.structure(5, data);
            let header = header.finish();
            let offset = file.len() as i64;
            let raw = (header.len() + page.len()) as i64;
            let stored = (header.len() + packed.len()) as i64;
            file.extend(header);
            file.extend(packed);
            total += raw;
            chunks.push((offset, raw, stored, column));
        }
        groups.push((chunks, total, group.len() as i64));
    }
    let footer = footer(columns, rows, &groups, metadata);
    let len = footer.len() as u32;
    file.extend(footer);
    file.extend(len.to_le_bytes());
    file.extend(MAGIC);
    Ok(file)
}

type Group<'a> = (Vec<(i64, i64, i64, &'a Column)>, i64, i64);

fn footer(columns: &[Column], rows: usize, groups: &[Group<'_>], metadata: &[(&str, String)]) -> Vec<u8> {
    let mut schema = Vec::new();
    let mut root = Struct::default();
    root.text(4, "schema");
    root.int(5, columns.len() as i64);
    schema.push(root);
    for column in columns {
        let mut element = Struct::default();
        element.int(1, column.values.physical());
        element.int(3, i64::from(column.values.is_optional()));
        element.text(4, column.name);
        match column.values {
            Values::Texts(_) => element.int(6, UTF8),
            Values::Moments(_) => element.int(6, TIMESTAMP_MICROS),
            _ => {}
        }
        schema.push(element);
    }
    let group = |(chunks, total, rows): &Group<'_>| {
        let chunk = |&(offset, raw, stored, column): &(i64, i64, i64, &Column)| {
            let mut about = Struct::default();
            about.int(1, column.values.physical());
            about.ints(2, &[0, RLE]);
            about.texts(3, &[column.name]);
            about.int(4, GZIP);
            about.long(5, *rows);
            about.long(6, raw);
            about.long(7, stored);
            about.long(9, offset);
            let mut chunk = Struct::default();
            chunk.long(2, offset);
            chunk.structure(3, about);
            chunk
        };
        let mut group = Struct::default();
        group.structures(1, chunks.iter().map(chunk).collect());
        group.long(2, *total);
        group.long(3, *rows);
        group
    };
    let pair = |(key, value): &(&str, String)| {
        let mut pair = Struct::default();
        pair.text(1, key);
        pair.text(2, value);
        pair
    };
    let mut file = Struct::default();
    file.int(1, 1);
    file.structures(2, schema);
    file.long(3, rows as i64);
    file.structures(4, groups.iter().map(group).collect());
    file.structures(5, metadata.iter().map(pair).collect());
    file.text(6, "solstice");
    file.finish()
}

/// A structure in Thrift's compact protocol, fields in ascending order.
#[derive(Default)]
struct Struct {
    bytes: Vec<u8>,
    last: u8,
}

impl Struct {
    fn field(&mut self, id: u8, kind: u8) {
        self.bytes.push(((id - self.last) << 4) | kind);
        self.last = id;
    }

    fn int(&mut self, id: u8, value: i64) {
        self.field(id, 5);
        varint(&mut self.bytes, zigzag(value));
    }

    fn long(&mut self, id: u8, value: i64) {
        self.field(id, 6);
        varint(&mut self.bytes, zigzag(value));
    }

    fn text(&mut self, id: u8, value: &str) {
        self.field(id, 8);
        varint(&mut self.bytes, value.len() as u64);
        self.bytes.extend(value.as_bytes());
    }

    fn structure(&mut self, id: u8, value: Self) {
        self.field(id, 12);
        self.bytes.extend(value.finish());
    }

    fn list(&mut self, id: u8, kind: u8, len: usize) {
        self.field(id, 9);
        if len < 15 {
            self.bytes.push(((len as u8) << 4) | kind);
        } else {
            self.bytes.push(0xf0 | kind);
            varint(&mut self.bytes, len as u64);
        }
    }

    fn ints(&mut self, id: u8, values: &[i64]) {
        self.list(id, 5, values.len());
        values.iter().for_each(|value| varint(&mut self.bytes, zigzag(*value)));
    }

    fn texts(&mut self, id: u8, values: &[&str]) {
        self.list(id, 8, values.len());
        for value in values {
            varint(&mut self.bytes, value.len() as u64);
            self.bytes.extend(value.as_bytes());
        }
    }

    fn structures(&mut self, id: u8, values: Vec<Self>) {
        self.list(id, 12, values.len());
        values.into_iter().for_each(|value| self.bytes.extend(value.finish()));
    }

    fn finish(mut self) -> Vec<u8> {
        self.bytes.push(0);
        self.bytes
    }
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}
