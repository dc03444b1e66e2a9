//! The directory in front of several files, which makes them the bands of one picture.

use super::Part;
use super::directory::{BITS, Directory, HEIGHT, ITEMS, NO_DATA, SAMPLE_FORMAT, SAMPLES, STRIPS, TILES, Tag, WIDTH};
use crate::order;
use crate::wording::grouped;

/// Where a picture lies on the ground.
const PLACE: [u16; 6] = [33_550, 33_922, 34_264, 34_735, 34_736, 34_737];
/// How blocks are stored: compression, sense of grey, order of bits, rows of a strip, predictor, sides of a tile, JPEG's tables, LERC's
/// parameters; and the mark for nothing.
const STORED: [u16; 9] = [259, 262, 266, 278, 317, 322, 323, 347, 50_674];

/// Why a file is no band of the same picture, in words; `None` when it is one.
#[must_use]
pub fn misfit(picture: &Directory, file: &Directory) -> Option<String> {
    let size = |of: &Directory| Some((of.number(WIDTH)?, of.number(HEIGHT)?));
    let of = |size: Option<(u64, u64)>| {
        size.map_or_else(String::new, |(w, h)| format!("{} × {}", grouped(w as usize), grouped(h as usize)))
    };
    let is_other = |tags: &[u16]| tags.iter().any(|tag| value(picture, *tag) != value(file, *tag));
    let bits = |of: &Directory| of.number(BITS).unwrap_or(1);
    if size(picture) != size(file) {
        return Some(format!("it has {} pixels, not {}", of(size(file)), of(size(picture))));
    }
    if is_other(&PLACE) {
        return Some("it lies in another place".to_owned());
    }
    if bits(picture) != bits(file) {
        return Some(format!("its values have {} bits, not {}", bits(file), bits(picture)));
    }
    let is_stored_otherwise = picture.is_little != file.is_little
        || is_other(&STORED)
        || is_other(&[SAMPLE_FORMAT, NO_DATA])
        || blocks(picture).map(|(tags, ..)| tags) != blocks(file).map(|(tags, ..)| tags);
    is_stored_otherwise.then(|| "it is stored in another way".to_owned())
}

/// Whether a file can be one band of a picture.
#[must_use]
pub fn is_band(file: &Directory) -> bool {
    file.number(SAMPLES).unwrap_or(1) == 1 && file.number(262).is_none_or(|sense| sense <= 1) && blocks(file).is_some()
}

/// What goes in front of the files of `bands`, in their order; all of them [`is_band`] and fit together.
#[must_use]
pub fn head(bands: &[&Part]) -> Vec<u8> {
    let Some(first) = bands.first().map(|part| &part.directory) else { return Vec::new() };
    let order = Order { is_little: first.is_little };
    let count = bands.len();
    let mut tags: Vec<Tag> =
        [WIDTH, HEIGHT].iter().chain(&STORED).chain(&PLACE).filter_map(|tag| first.tag(*tag)).cloned().collect();
    tags.retain(|tag| tag.number != 262 || tag.bytes != order.short(1));
    let each = |number: u16, value: u64| order.shorts(number, &vec![value; count]);
    if first.tag(262).is_none_or(|tag| tag.bytes == order.short(1)) {
        tags.push(order.shorts(262, &[1]));
    }
    tags.push(each(BITS, first.number(BITS).unwrap_or(1)));
    tags.push(each(SAMPLE_FORMAT, first.number(SAMPLE_FORMAT).unwrap_or(1)));
    tags.push(order.shorts(SAMPLES, &[count as u64]));
    // A band after the other.
    tags.push(order.shorts(284, &[2]));
    tags.push(order.shorts(338, &vec![0; count - 1]));
    tags.extend(first.tag(NO_DATA).cloned());
    let mut text = items(bands).into_bytes();
    text.push(0);
    tags.push(Tag { number: ITEMS, kind: 2, count: text.len() as u64, bytes: text });
    let ([places_tag, lengths_tag], mut places, mut lengths) = (STRIPS, Vec::new(), Vec::new());
    let mut block_tags = [places_tag, lengths_tag];
    for part in bands {
        let Some((tags, own_places, own_lengths)) = blocks(&part.directory) else { continue };
        block_tags = tags;
        places.push(own_places);
        lengths.extend(own_lengths);
    }
    tags.push(order.longs(block_tags[1], &lengths));
    // Places as long as the real ones, until it is known how long the head is.
    tags.push(order.longs(block_tags[0], &vec![0; lengths.len()]));
    order::sort_by_key(&mut tags, |tag| tag.number);
    let mut start = head_bytes(&tags);
    let mut moved = Vec::with_capacity(lengths.len());
    for (part, places) in bands.iter().zip(places) {
        // What was left out stays so.
        moved.extend(places.into_iter().map(|place| if place == 0 { 0 } else { place + start }));
        start += part.directory.file_bytes;
    }
    if let Some(tag) = tags.iter_mut().find(|tag| tag.number == block_tags[0]) {
        *tag = order.longs(block_tags[0], &moved);
    }
    written(order, &tags)
}

/// GDAL's items: those of the whole picture from the first file, those of each band from its own, and what each is called.
fn items(bands: &[&Part]) -> String {
    let mut items = String::from("<GDALMetadata>");
    for (at, part) in bands.iter().enumerate() {
        items += &format!("<Item name=\"DESCRIPTION\" sample=\"{at}\" role=\"description\">{}</Item>", part.named.band);
        let own = part.directory.text(ITEMS);
        let is_said = own.contains("role=\"scale\"") || own.contains("role=\"offset\"");
        if !is_said {
            items += &part.named.items.replace("{band}", &at.to_string());
        }
        for item in own.split("<Item ").skip(1).filter_map(|item| Some(item.split_once("</Item>")?.0)) {
            let head = item.split_once('>').map_or("", |(head, _)| head);
            let is_band = head.contains("sample=");
            if is_band && head.contains("role=\"description\"") || !is_band && at > 0 {
                continue;
            }
            items += &format!("<Item {}</Item>", item.replacen("sample=\"0\"", &format!("sample=\"{at}\""), 1));
        }
    }
    items + "</GDALMetadata>"
}

/// The tags of strips or tiles, where each is, and how long it is.
fn blocks(of: &Directory) -> Option<([u16; 2], Vec<u64>, Vec<u64>)> {
    let tags = if of.tag(TILES[0]).is_some() { TILES } else { STRIPS };
    let (places, lengths) = (of.numbers(tags[0])?, of.numbers(tags[1])?);
    (places.len() == lengths.len() && !places.is_empty()).then_some((tags, places, lengths))
}

/// A tag's value, whatever the width of its numbers.
fn value(of: &Directory, tag: u16) -> Option<Vec<u64>> {
    of.numbers(tag).or_else(|| Some(of.tag(tag)?.bytes.iter().map(|byte| u64::from(*byte)).collect()))
}

/// How numbers are written.
#[derive(Clone, Copy)]
struct Order {
    is_little: bool,
}

impl Order {
    fn bytes<const N: usize>(self, number: u64) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.copy_from_slice(&number.to_le_bytes()[..N]);
        if !self.is_little {
            bytes.reverse();
        }
        bytes
    }

    fn short(self, number: u64) -> [u8; 2] {
        self.bytes(number)
    }

    fn shorts(self, tag: u16, values: &[u64]) -> Tag {
        let bytes = values.iter().flat_map(|value| self.short(*value)).collect();
        Tag { number: tag, kind: 3, count: values.len() as u64, bytes }
    }

    fn longs(self, tag: u16, values: &[u64]) -> Tag {
        let bytes = values.iter().flat_map(|value| self.bytes::<8>(*value)).collect();
        Tag { number: tag, kind: 16, count: values.len() as u64, bytes }
    }
}

/// Header, directory, and the values that do not fit into it, each of them at a multiple of eight.
fn head_bytes(tags: &[Tag]) -> u64 {
    let beside =
        tags.iter().map(|tag| tag.bytes.len()).filter(|bytes| *bytes > 8).map(|bytes| bytes.next_multiple_of(8));
    (directory_end(tags) + beside.sum::<usize>()) as u64
}

fn directory_end(tags: &[Tag]) -> usize {
    (16 + 8 + tags.len() * 20 + 8).next_multiple_of(8)
}

fn written(order: Order, tags: &[Tag]) -> Vec<u8> {
    let mut file = Vec::with_capacity(head_bytes(tags) as usize);
    file.extend(if order.is_little { b"II" } else { b"MM" });
    file.extend([43, 8, 0].iter().flat_map(|number| order.short(*number)));
    file.extend(order.bytes::<8>(16));
    file.extend(order.bytes::<8>(tags.len() as u64));
    let (mut beside, start) = (Vec::new(), directory_end(tags));
    for tag in tags {
        file.extend(order.short(u64::from(tag.number)));
        file.extend(order.short(u64::from(tag.kind)));
        file.extend(order.bytes::<8>(tag.count));
        if tag.bytes.len() <= 8 {
            let mut field = tag.bytes.clone();
            field.resize(8, 0);
            file.extend(field);
        } else {
            file.extend(order.bytes::<8>((start + beside.len()) as u64));
            beside.extend(&tag.bytes);
            beside.resize(beside.len().next_multiple_of(8), 0);
        }
    }
    file.resize(start, 0);
    file.extend(beside);
    file
}
