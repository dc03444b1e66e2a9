//! What users drop, paste or choose, as files: folders are walked, archives (zip, tar, tar.gz) looked into, as they are.

use futures_channel::oneshot;
use js_sys::{Array, Reflect};
use leptos::task::spawn_local;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, DataTransfer, File, FileList, FileSystemDirectoryEntry, FileSystemEntry, FileSystemFileEntry};

use crate::archive::{is_wanted, tar, without_common_folder, zip};
use crate::compress::unpacked;
use crate::order;

/// Files that are taken out of folders and archives at most.
const MAX_FILES: usize = 50_000;
/// Headers of a tar that are read at a time.
const READ_AHEAD: u64 = 1 << 20;

/// What came, and what did not.
#[derive(Default)]
pub struct Incoming {
    /// Files with their names; those out of folders and archives with the folders that tell them apart.
    pub files: Vec<(String, Blob)>,
    /// How many were no pictures.
    pub left_out: usize,
    /// Archives that cannot be read, or not whole.
    pub broken: Vec<String>,
}

impl Incoming {
    /// In a sentence, when there is something to say.
    #[must_use]
    pub fn said(&self) -> String {
        let mut said = Vec::new();
        if self.left_out > 0 {
            let left_out = self.left_out;
            said.push(format!(
                "{left_out} {} no picture and left out.",
                if left_out == 1 { "file is" } else { "files are" }
            ));
        }
        said.extend(
            self.broken
                .iter()
                .map(|name| format!("{name} cannot be read whole: it is damaged, or packed in another way.")),
        );
        said.join(" ")
    }
}

/// Hands over what a drop or a paste brings: at once when it is files alone, else as soon as it has been looked into.
pub fn from_transfer(data: Option<&DataTransfer>, on_come: impl Fn(Incoming) + 'static) {
    let Some(data) = data else { return };
    let files = data.files().as_ref().map(files_of).unwrap_or_default();
    let items = data.items();
    // Only while the event lasts can the items be asked.
    let entries = (0..items.length()).filter_map(|at| items.get(at)?.webkit_get_as_entry().ok()?);
    let folders: Vec<FileSystemEntry> = entries.filter(FileSystemEntry::is_directory).collect();
    // A folder also stands among the files, as an empty one.
    let names: Vec<String> = folders.iter().map(FileSystemEntry::name).collect();
    let files = files.into_iter().filter(|(name, file)| file.size() > 0.0 || !names.contains(name)).collect();
    hand_over(files, folders, on_come);
}

/// Hands over the files of a file field.
pub fn from_list(list: Option<&FileList>, on_come: impl Fn(Incoming) + 'static) {
    hand_over(list.map(files_of).unwrap_or_default(), Vec::new(), on_come);
}

fn hand_over(files: Vec<(String, Blob)>, folders: Vec<FileSystemEntry>, on_come: impl Fn(Incoming) + 'static) {
    let is_in_folder = |name: &str| name.contains('/');
    let is_plain = folders.is_empty() && !files.iter().any(|(name, _)| is_archive(name) || is_in_folder(name));
    if is_plain {
        return on_come(Incoming { files, ..Incoming::default() });
    }
    spawn_local(async move {
        let (mut plain, mut inner, mut incoming) = (Vec::new(), Vec::new(), Incoming::default());
        for (name, file) in files {
            if is_archive(&name) {
                let Some(found) = look_into(&name, file).await else {
                    incoming.broken.push(name);
                    continue;
                };
                if !found.is_whole {
                    incoming.broken.push(name);
                }
                inner.extend(found.files);
            } else if is_in_folder(&name) {
                inner.push((name, file));
            } else {
                plain.push((name, file));
            }
        }
        for folder in folders {
            walk(folder, &mut inner).await;
        }
        let all = inner.len();
        inner.retain(|(path, _)| is_wanted(path));
        incoming.left_out = all - inner.len();
        inner.truncate(MAX_FILES);
        let (paths, blobs): (Vec<_>, Vec<_>) = inner.into_iter().unzip();
        incoming.files = plain.into_iter().chain(without_common_folder(paths).into_iter().zip(blobs)).collect();
        on_come(incoming);
    });
}

fn is_archive(name: &str) -> bool {
    let lower = name.to_lowercase();
    [".zip", ".tar", ".tar.gz", ".tgz"].iter().any(|kind| lower.ends_with(kind))
}

/// Files with their names; those of a chosen folder with their paths in it.
fn files_of(list: &FileList) -> Vec<(String, Blob)> {
    let name = |file: &File| {
        let path = Reflect::get(file, &"webkitRelativePath".into()).ok().and_then(|path| path.as_string());
        path.filter(|path| !path.is_empty()).unwrap_or_else(|| file.name())
    };
    (0..list.length()).filter_map(|at| list.get(at)).map(|file| (name(&file), file.into())).collect()
}

/// Everything in a folder and the folders in it, by path.
async fn walk(folder: FileSystemEntry, files: &mut Vec<(String, Blob)>) {
    let mut waiting = vec![folder];
    while let Some(entry) = waiting.pop() {
        if files.len() >= MAX_FILES {
            return;
        }
        let path = entry.full_path().trim_start_matches('/').to_owned();
        if entry.is_directory() {
            let reader = entry.unchecked_into::<FileSystemDirectoryEntry>().create_reader();
            // Some at a time, until there are none.
            while let Some(found) = asked(|done, _| reader.read_entries_with_callback(done).ok()).await
                && let Ok(found) = found.dyn_into::<Array>()
                && found.length() > 0
            {
                waiting.extend(found.iter().map(JsCast::unchecked_into::<FileSystemEntry>));
            }
        } else {
            let entry: FileSystemFileEntry = entry.unchecked_into();
            let file = asked(|done, failed| {
                entry.file_with_callback_and_callback(done, failed);
                Some(())
            });
            if let Some(Ok(file)) = file.await.map(JsCast::dyn_into::<File>) {
                files.push((path, file.into()));
            }
        }
    }
    order::sort_by(files, |a, b| a.0.cmp(&b.0));
}

/// Waits for one of two callbacks; `None` for the second, and when nothing could be asked.
async fn asked(ask: impl FnOnce(&js_sys::Function, &js_sys::Function) -> Option<()>) -> Option<JsValue> {
    let (sender, answer) = oneshot::channel();
    let sender = std::rc::Rc::new(std::cell::Cell::new(Some(sender)));
    let other = std::rc::Rc::clone(&sender);
    let done = Closure::<dyn FnMut(JsValue)>::new(move |value| {
        if let Some(sender) = sender.take() {
            // Nobody waits any more.
            let _ = sender.send(Some(value));
        }
    });
    let failed = Closure::<dyn FnMut(JsValue)>::new(move |_| {
        if let Some(sender) = other.take() {
            // Nobody waits any more.
            let _ = sender.send(None);
        }
    });
    ask(done.as_ref().unchecked_ref(), failed.as_ref().unchecked_ref())?;
    answer.await.ok().flatten()
}

/// The files of an archive.
struct Content {
    files: Vec<(String, Blob)>,
    /// False when something in it cannot be read.
    is_whole: bool,
}

async fn look_into(name: &str, archive: Blob) -> Option<Content> {
    let lower = name.to_lowercase();
    if lower.ends_with(".zip") {
        return look_into_zip(&archive).await;
    }
    let archive = if lower.ends_with(".tar") { archive } else { unpacked(&archive, "gzip").await? };
    look_into_tar(&archive).await
}

async fn look_into_zip(archive: &Blob) -> Option<Content> {
    let size = archive.size() as u64;
    let tail = read(archive, size.saturating_sub(zip::TAIL_BYTES), size).await?;
    let (from, bytes) = zip::list_at(&tail)?;
    let list = zip::entries(&read(archive, from, from + bytes).await?);
    let (mut files, mut is_whole) = (Vec::with_capacity(list.len()), true);
    for entry in list.into_iter().take(MAX_FILES) {
        if !is_wanted(&entry.path) {
            files.push((entry.path, Blob::new().ok()?));
            continue;
        }
        let header = read(archive, entry.header_at, entry.header_at + zip::LOCAL_HEADER).await?;
        let part = zip::content_at(&header, entry.header_at).and_then(|at| slice(archive, at, at + entry.packed_bytes));
        let file = match (part, entry.packed) {
            (Some(part), zip::Packed::Stored) => Some(part),
            (Some(part), zip::Packed::Deflated) => unpacked(&part, "deflate-raw").await,
            _ => None,
        };
        match file {
            Some(file) => files.push((entry.path, file)),
            None => is_whole = false,
        }
    }
    Some(Content { files, is_whole })
}

async fn look_into_tar(archive: &Blob) -> Option<Content> {
    let size = archive.size() as u64;
    let (mut files, mut at, mut name) = (Vec::new(), 0, None::<String>);
    let (mut ahead, mut ahead_at) = (Vec::new(), 0);
    while at + tar::BLOCK <= size && files.len() < MAX_FILES {
        let is_here = at >= ahead_at && at + tar::BLOCK <= ahead_at + ahead.len() as u64;
        if !is_here {
            (ahead, ahead_at) = (read(archive, at, (at + READ_AHEAD).min(size)).await?, at);
        }
        let block = ahead.get((at - ahead_at) as usize..)?;
        let header = tar::header(block);
        at += tar::BLOCK;
        let bytes = match header {
            tar::Header::End => return Some(Content { files, is_whole: true }),
            tar::Header::Broken if files.is_empty() => return None,
            tar::Header::Broken => return Some(Content { files, is_whole: false }),
            tar::Header::File(own, bytes) => {
                let path = name.take().unwrap_or(own);
                if at + bytes > size {
                    return Some(Content { files, is_whole: false });
                }
                files.push((path.trim_start_matches("./").to_owned(), slice(archive, at, at + bytes)?));
                bytes
            }
            tar::Header::LongName(bytes) => {
                name = Some(tar::text(&read(archive, at, at + bytes).await?));
                bytes
            }
            tar::Header::Attributes(bytes) => {
                name = tar::path_attribute(&read(archive, at, at + bytes).await?).or(name);
                bytes
            }
            tar::Header::Other(bytes) => bytes,
        };
        at += tar::padded(bytes);
    }
    Some(Content { files, is_whole: true })
}

fn slice(blob: &Blob, from: u64, to: u64) -> Option<Blob> {
    blob.slice_with_f64_and_f64(from as f64, to as f64).ok()
}

async fn read(blob: &Blob, from: u64, to: u64) -> Option<Vec<u8>> {
    let bytes = JsFuture::from(slice(blob, from, to)?.array_buffer()).await.ok()?;
    Some(js_sys::Uint8Array::new(&bytes).to_vec())
}
