//! Band files among what was dropped: those of one scene become one file.

use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, BlobPropertyBag};

use crate::stack::directory::Directory;
use crate::stack::names::band_file;
use crate::stack::{Part, head, sort};

/// Files after band files were put together.
pub struct Together {
    /// The files, a scene in the place of its first band.
    pub files: Vec<(String, Blob)>,
    /// What was done, in sentences; empty when nothing was.
    pub said: String,
}

/// Puts the band files of each scene together; `wanted` are the model's bands.
pub async fn together(files: Vec<(String, Blob)>, wanted: &[String]) -> Together {
    let mut scenes: Vec<(String, Vec<usize>)> = Vec::new();
    for (at, (name, _)) in files.iter().enumerate() {
        let Some(named) = band_file(name) else { continue };
        match scenes.iter_mut().find(|(scene, _)| *scene == named.scene) {
            Some((_, members)) => members.push(at),
            None => scenes.push((named.scene, vec![at])),
        }
    }
    let mut slots: Vec<Option<(String, Blob)>> = files.into_iter().map(Some).collect();
    let mut said = Vec::new();
    for (scene, members) in scenes.into_iter().filter(|(_, members)| members.len() > 1) {
        if let Some(sentence) = put_together(&scene, &members, &mut slots, wanted).await {
            said.push(sentence);
        }
    }
    Together { files: slots.into_iter().flatten().collect(), said: said.join(" ") }
}

async fn put_together(
    scene: &str,
    members: &[usize],
    slots: &mut [Option<(String, Blob)>],
    wanted: &[String],
) -> Option<String> {
    let (mut parts, mut places) = (Vec::new(), Vec::new());
    for &at in members {
        let (name, file) = slots[at].clone()?;
        let (Some(named), Some(directory)) = (band_file(&name), directory(&file).await) else { continue };
        if head::is_band(&directory) {
            parts.push(Part { file: name, named, directory });
            places.push(at);
        }
    }
    let sorted = sort(&parts, wanted);
    if sorted.bands.len() < 2 {
        return None;
    }
    let bands: Vec<&Part> = sorted.bands.iter().map(|at| &parts[*at]).collect();
    let names: Vec<&str> = bands.iter().map(|part| part.named.band.as_str()).collect();
    let pieces = js_sys::Array::of1(&js_sys::Uint8Array::from(head::head(&bands).as_slice()));
    for at in &sorted.bands {
        pieces.push(&slots[places[*at]].as_ref()?.1);
    }
    let kind = BlobPropertyBag::new();
    kind.set_type("image/tiff");
    let file = Blob::new_with_blob_sequence_and_options(&pieces, &kind).ok()?;
    let title = scene.trim_end_matches('/');
    let name = if title.is_empty() { names.join(" ") } else { title.to_owned() };
    let mut said = format!("{} files became one scene, {name}: {}.", bands.len(), names.join(", "));
    if !sorted.left_out.is_empty() {
        let reasons = sorted.left_out.iter().map(|(at, reason)| format!("{} ({reason})", parts[*at].file));
        said += &format!(" Left out of it: {}.", reasons.collect::<Vec<_>>().join("; "));
    }
    let first = *places.iter().min()?;
    for at in places {
        slots[at] = None;
    }
    slots[first] = Some((format!("{name}.tif"), file));
    Some(said)
}

async fn directory(file: &Blob) -> Option<Directory> {
    let read = async |from: u64, to: u64| {
        let part = file.slice_with_f64_and_f64(from as f64, to as f64).ok()?;
        let bytes = JsFuture::from(part.array_buffer()).await.ok()?;
        Some(js_sys::Uint8Array::new(&bytes).to_vec())
    };
    Directory::read(file.size() as u64, read).await
}
