//! Answers as files: CSV for a spreadsheet, JSON with everything (embeddings included), and pictures from raw pixels.

use leptos::prelude::*;
use serde_json::{Value, json};
use wasm_bindgen::prelude::*;
use web_sys::{Blob, BlobPropertyBag, HtmlAnchorElement, Url};

use crate::engine::protocol::ModelCard;
use crate::state::{Outcome, TileEntry};

/// One line a tile: name, class, probability, nearest tile, milliseconds, error.
#[must_use]
pub fn csv(card: &ModelCard, tiles: &[TileEntry]) -> String {
    let mut text =
        String::from("file,class,probability,best_similarity,nearest_tile,unlike_gallery,device,encoder_ms,error\n");
    for tile in tiles {
        let fields = match &tile.outcome {
            Outcome::Answered(answer, bundle) => {
                let top = answer.ranking().first().copied();
                let nearest = answer.neighbours.first();
                [
                    top.and_then(|class| card.classes.get(class)).cloned().unwrap_or_default(),
                    top.map(|class| format!("{:.4}", answer.probabilities[class])).unwrap_or_default(),
                    nearest.map(|nearest| format!("{:.4}", nearest.similarity)).unwrap_or_default(),
                    nearest.map(|nearest| nearest.name.clone()).unwrap_or_default(),
                    answer.unlike_gallery.map(|unlike| unlike.to_string()).unwrap_or_default(),
                    bundle.label().to_owned(),
                    format!("{:.2}", answer.encoder_ms),
                    String::new(),
                ]
            }
            Outcome::Undecodable(problem) => {
                let mut fields: [String; 8] = Default::default();
                fields[7] = format!("{}: {}", problem.what, problem.why);
                fields
            }
            Outcome::Waiting => Default::default(),
        };
        let line: Vec<String> = std::iter::once(&tile.name).chain(&fields).map(|field| quoted(field)).collect();
        text.push_str(&line.join(","));
        text.push('\n');
    }
    text
}

/// A field as RFC 4180 wants it; a leading sign that a spreadsheet would run as a formula is defused.
fn quoted(field: &str) -> String {
    let is_formula = field.starts_with(['=', '+', '@']) || (field.starts_with('-') && field.parse::<f64>().is_err());
    let field = if is_formula { format!("'{field}") } else { field.to_owned() };
    if field.contains([',', '"', '\n', '\r']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field }
}

/// Everything that is known of each tile, embeddings included.
#[must_use]
pub fn json(card: &ModelCard, tiles: &[TileEntry]) -> String {
    let entries: Vec<Value> = tiles
        .iter()
        .map(|tile| match &tile.outcome {
            Outcome::Answered(answer, bundle) => json!({
                "file": tile.name,
                "class": answer.ranking().first().and_then(|&class| card.classes.get(class)),
                "probabilities": answer.probabilities,
                "embedding": answer.embedding,
                "neighbours": answer.neighbours,
                "unlike_gallery": answer.unlike_gallery,
                "width": answer.width,
                "height": answer.height,
                "format": answer.format,
                "device": bundle.label(),
                "encoder_ms": answer.encoder_ms,
                "decode_ms": answer.decode_ms,
            }),
            Outcome::Undecodable(problem) => json!({ "file": tile.name, "error": problem }),
            Outcome::Waiting => json!({ "file": tile.name }),
        })
        .collect();
    let document = json!({
        "format_version": 1,
        "model": card.name,
        "classes": card.classes,
        "embedding_width": card.embedding_width,
        "tiles": entries,
    });
    format!("{document:#}\n")
}

/// Hands a text to the browser's download.
pub fn save(name: &str, media_type: &str, text: &str) {
    let Some(address) = blob_address(&JsValue::from_str(text), media_type) else { return };
    let link = document().create_element("a").ok().and_then(|link| link.dyn_into::<HtmlAnchorElement>().ok());
    if let Some(link) = link {
        link.set_href(&address);
        link.set_download(name);
        link.click();
    }
    // The download has taken its own reference by now.
    let _ = Url::revoke_object_url(&address);
}

/// An address for RGBA pixels, by way of a BMP: every browser shows those, and writing one needs no codec.
#[must_use]
pub fn bitmap_address(width: usize, rgba: &[u8]) -> Option<String> {
    let height = rgba.len().checked_div(width * 4)?;
    let mut file = Vec::with_capacity(54 + rgba.len());
    let word = |value: usize| u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes();
    file.extend_from_slice(b"BM");
    for value in [54 + rgba.len(), 0, 54, 40, width] {
        file.extend_from_slice(&word(value));
    }
    // A negative height puts the first row on top.
    file.extend_from_slice(&(-i32::try_from(height).ok()?).to_le_bytes());
    file.extend_from_slice(&[1, 0, 32, 0]);
    file.extend_from_slice(&[0; 24]);
    file.extend(rgba.chunks_exact(4).flat_map(|pixel| [pixel[2], pixel[1], pixel[0], pixel[3]]));
    blob_address(&js_sys::Uint8Array::from(file.as_slice()), "image/bmp")
}

fn blob_address(part: &JsValue, media_type: &str) -> Option<String> {
    let options = BlobPropertyBag::new();
    options.set_type(media_type);
    let blob = Blob::new_with_blob_sequence_and_options(&js_sys::Array::of1(part), &options).ok()?;
    Url::create_object_url_with_blob(&blob).ok()
}
