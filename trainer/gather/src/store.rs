//! What is written: places as folders or in tars, whole or not at all.
//!
//! Folders are SeCo's, `<place>/<date>/<band>.tif` with `metadata.json` beside. Tars are WebDataset's,
//! `<place>/<date>.<band>.tif` with `<date>.json`. Everything is written under a hidden name and then renamed.

use std::fs::{self, File};
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use atomic_file::sync_folder;
use sha2::{Digest, Sha256};
use tar::{Archive, Builder, Header};
use tiff::encoder::colortype::Gray16;
use tiff::encoder::{Compression, DeflateLevel, Predictor, TiffEncoder};
use tiff::tags::Tag;

use crate::cog::Square;
use crate::patch::{Patch, Record};

/// Where unfinished work lies; hidden, so that nobody takes it for data.
const WORK: &str = ".work";
/// What is known of a picture, beside its bands.
const METADATA: &str = "metadata.json";

/// A folder that a set is written to.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
    /// Places in a tar; folders when absent.
    per_tar: Option<usize>,
}

impl Store {
    /// Opens a folder, making it if it is not there, and clears what was left half done.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn open(root: &Path, per_tar: Option<usize>) -> Result<Self> {
        let store = Self { root: root.to_owned(), per_tar };
        let hint = "hint: check the disk's space and permissions";
        let broken = || format!("cannot write to {}\n{hint}", root.display());
        fs::create_dir_all(store.work()).with_context(broken)?;
        fs::create_dir_all(store.staging()).with_context(broken)?;
        for entry in fs::read_dir(store.work()).with_context(broken)? {
            let entry = entry.with_context(broken)?;
            if entry.file_name().to_string_lossy().starts_with("half-") {
                fs::remove_dir_all(entry.path()).with_context(broken)?;
            }
        }
        atomic_file::clear(root).with_context(broken)?;
        Ok(store)
    }

    /// A folder with a set, to be read.
    #[must_use]
    pub fn existing(root: &Path, per_tar: Option<usize>) -> Self {
        Self { root: root.to_owned(), per_tar }
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where unfinished work lies.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.root.join(WORK)
    }

    /// Where whole places lie: among the data, or until their tar is written.
    fn staging(&self) -> PathBuf {
        if self.per_tar.is_some() { self.work().join("places") } else { self.root.clone() }
    }

    fn place(&self, place: usize) -> PathBuf {
        self.staging().join(place_name(place))
    }

    /// The tar that holds a place.
    #[must_use]
    pub fn tar_of(&self, place: usize) -> Option<PathBuf> {
        self.per_tar.map(|per_tar| self.tar(place / per_tar.max(1)))
    }

    fn tar(&self, group: usize) -> PathBuf {
        self.root.join(format!("places-{group:06}.tar"))
    }

    /// Whether a place is there, whole. A folder whose files do not have their sizes, as after a power cut, is removed.
    ///
    /// # Errors
    /// When the folder cannot be read or removed.
    pub fn has(&self, place: usize) -> Result<bool> {
        if self.tar_of(place).is_some_and(|tar| tar.exists()) {
            return Ok(true);
        }
        let folder = self.place(place);
        if !folder.exists() {
            return Ok(false);
        }
        let sizes_agree = |record: &Record| {
            record.bands.iter().all(|(band, about)| {
                let file = folder.join(record.date_name()).join(format!("{band}.tif"));
                fs::metadata(file).is_ok_and(|there| there.len() == about.bytes)
            })
        };
        match folder_records(&folder) {
            Ok(records) if !records.is_empty() && records.iter().all(sizes_agree) => Ok(true),
            _ => {
                fs::remove_dir_all(&folder)
                    .with_context(|| format!("cannot remove the damaged place {}", folder.display()))?;
                Ok(false)
            }
        }
    }

    /// Writes a place: all of it appears at once.
    ///
    /// # Errors
    /// When the disk is full or the folder cannot be written to.
    pub fn write(&self, place: usize, patches: &[Patch]) -> Result<()> {
        let half = self.work().join(format!("half-{}", place_name(place)));
        let write = || -> Result<()> {
            let (mut written, mut folders) = (Vec::new(), Vec::new());
            for patch in patches {
                let folder = half.join(patch.record.date_name());
                fs::create_dir_all(&folder)?;
                for (band, bytes) in &patch.files {
                    written.push(write_new(&folder.join(format!("{band}.tif")), bytes)?);
                }
                written.push(write_new(&folder.join(METADATA), &metadata(&patch.record)?)?);
                folders.push(folder);
            }
            // On the disk before it has its name, so that a power cut leaves no place half written.
            written.iter().try_for_each(File::sync_all)?;
            folders.iter().try_for_each(|folder| sync_folder(folder))?;
            sync_folder(&half)?;
            fs::rename(&half, self.place(place))?;
            sync_folder(&self.staging())?;
            Ok(())
        };
        write().with_context(|| {
            format!(
                "cannot write place {place} to {}\nhint: check the disk's space and permissions",
                self.root.display()
            )
        })
    }

    /// Packs the places of a tar when all of them are there, and says whether it did.
    ///
    /// # Errors
    /// When the tar cannot be written.
    pub fn pack(&self, group: usize, places: &[usize]) -> Result<bool> {
        let path = self.tar(group);
        let broken = || format!("cannot write {}\nhint: check the disk's space and permissions", path.display());
        if !path.exists() {
            if !places.iter().all(|place| self.place(*place).exists()) {
                return Ok(false);
            }
            atomic_file::write_with(&path, |file| {
                let mut builder = Builder::new(file);
                places.iter().try_for_each(|place| self.append(&mut builder, *place)).map_err(std::io::Error::other)?;
                builder.finish()
            })?;
        }
        for place in places {
            let folder = self.place(*place);
            if folder.exists() {
                fs::remove_dir_all(folder).with_context(broken)?;
            }
        }
        Ok(true)
    }

    fn append(&self, builder: &mut Builder<impl Write>, place: usize) -> Result<()> {
        let folder = self.place(place);
        for record in folder_records(&folder)? {
            let date = record.date_name();
            let stem = format!("{}/{date}", place_name(place));
            append(builder, &format!("{stem}.json"), &fs::read(folder.join(&date).join(METADATA))?)?;
            for band in record.bands.keys() {
                let bytes = fs::read(folder.join(&date).join(format!("{band}.tif")))?;
                append(builder, &format!("{stem}.{band}.tif"), &bytes)?;
            }
        }
        Ok(())
    }

    /// What is known of every picture of `places` that are there, by place and date.
    ///
    /// # Errors
    /// When something cannot be read.
    pub fn records(&self, places: &[usize]) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        let mut last_tar = None;
        for &place in places {
            let tar = self.tar_of(place).filter(|tar| tar.exists());
            if tar.is_none() && self.place(place).exists() {
                records.extend(folder_records(&self.place(place))?);
            }
            if let Some(tar) = tar.filter(|tar| last_tar.as_ref() != Some(tar)) {
                records.extend(tar_records(&tar)?);
                last_tar = Some(tar);
            }
        }
        Ok(records)
    }

    /// Reads every file of a picture's place again and compares it with its checksum.
    ///
    /// # Errors
    /// When a file is missing or differs.
    pub fn verify(&self, places: &[usize]) -> Result<()> {
        let mut last_tar = None;
        for &place in places {
            match self.tar_of(place) {
                Some(tar) if last_tar.as_ref() == Some(&tar) => {}
                Some(tar) => {
                    verify_tar(&tar)?;
                    last_tar = Some(tar);
                }
                None => verify_folder(&self.place(place))?,
            }
        }
        Ok(())
    }

    /// Takes over a place, or the tar that holds it, from another folder of the same file system or any other.
    ///
    /// # Errors
    /// When it cannot be moved.
    pub fn adopt(&self, from: &Self, place: usize) -> Result<()> {
        let (source, target) = match (from.tar_of(place), self.tar_of(place)) {
            (Some(source), Some(target)) => (source, target),
            _ => (from.place(place), self.place(place)),
        };
        if target.exists() || !source.exists() {
            return Ok(());
        }
        fs::rename(&source, &target).with_context(|| {
            format!(
                "cannot move {} to {}\nhint: join the parts into a folder on the same disk",
                source.display(),
                target.display()
            )
        })
    }
}

/// Writes a file, and hands it back to be made to last.
fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<File> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    Ok(file)
}

/// The folder of a place.
#[must_use]
pub fn place_name(place: usize) -> String {
    format!("{place:06}")
}

/// SHA-256 in hexadecimal digits.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A lossless GeoTIFF of 16-bit numbers.
///
/// # Errors
/// When it cannot be encoded.
pub fn geotiff(values: &[u16], px: usize, epsg: u32, square: Square) -> Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    let encoder = TiffEncoder::new(&mut bytes)?;
    let mut encoder =
        encoder.with_compression(Compression::Deflate(DeflateLevel::Fast)).with_predictor(Predictor::Horizontal);
    let side = u32::try_from(px)?;
    let mut image = encoder.new_image::<Gray16>(side, side)?;
    let scale = square.side / px as f64;
    let tags = image.encoder();
    tags.write_tag(Tag::ModelPixelScaleTag, &[scale, scale, 0.0][..])?;
    tags.write_tag(Tag::ModelTiepointTag, &[0.0, 0.0, 0.0, square.west, square.north, 0.0][..])?;
    // A projected system (1024 = 1), pixels are areas (1025 = 1), and which system it is (3072).
    let system = u16::try_from(epsg)?;
    tags.write_tag(Tag::GeoKeyDirectoryTag, &[1u16, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, system][..])?;
    image.write_data(values)?;
    Ok(bytes.into_inner())
}

fn metadata(record: &Record) -> Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(record)?;
    text.push(b'\n');
    Ok(text)
}

fn append(builder: &mut Builder<impl Write>, name: &str, bytes: &[u8]) -> Result<()> {
    let mut header = Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(0);
    Ok(builder.append_data(&mut header, name, bytes)?)
}

/// Records of a place's folder, oldest first.
fn folder_records(folder: &Path) -> Result<Vec<Record>> {
    let broken = || {
        format!("cannot read {}\nhint: gather it again: remove this folder and repeat the command", folder.display())
    };
    let mut records: Vec<Record> = Vec::new();
    for entry in fs::read_dir(folder).with_context(broken)? {
        let bytes = fs::read(entry.with_context(broken)?.path().join(METADATA)).with_context(broken)?;
        records.push(serde_json::from_slice(&bytes).with_context(broken)?);
    }
    records.sort_by_key(|record| record.datetime);
    Ok(records)
}

/// Records of a tar, in its order.
fn tar_records(path: &Path) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    each_entry(path, |name, read| {
        if name.ends_with(".json") {
            records.push(serde_json::from_slice(&read()?)?);
        }
        Ok(())
    })?;
    Ok(records)
}

/// Calls back for every file of a tar with its name and a way to read it.
fn each_entry(
    path: &Path,
    mut visit: impl FnMut(&str, &mut dyn FnMut() -> Result<Vec<u8>>) -> Result<()>,
) -> Result<()> {
    let broken =
        || format!("cannot read {}\nhint: gather it again: remove this file and repeat the command", path.display());
    let mut archive = Archive::new(File::open(path).with_context(broken)?);
    for entry in archive.entries_with_seek().with_context(broken)? {
        let mut entry = entry.with_context(broken)?;
        let name = entry.path().with_context(broken)?.to_string_lossy().into_owned();
        let mut read = || {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        visit(&name, &mut read).with_context(broken)?;
    }
    Ok(())
}

fn verify_tar(path: &Path) -> Result<()> {
    let mut record: Option<Record> = None;
    each_entry(path, |name, read| {
        let bytes = read()?;
        if name.ends_with(".json") {
            record = Some(serde_json::from_slice(&bytes)?);
            return Ok(());
        }
        let band = name.rsplit('.').nth(1).unwrap_or_default();
        let due = record.as_ref().and_then(|record| record.bands.get(band));
        if due.is_none_or(|due| due.sha256 != digest(&bytes)) {
            bail!("{name} does not have its checksum");
        }
        Ok(())
    })
}

fn verify_folder(folder: &Path) -> Result<()> {
    for record in folder_records(folder)? {
        for (band, due) in &record.bands {
            let path = folder.join(record.date_name()).join(format!("{band}.tif"));
            let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            if due.sha256 != digest(&bytes) {
                bail!(
                    "{} does not have its checksum\nhint: gather it again: remove its place's folder and repeat the command",
                    path.display()
                );
            }
        }
    }
    Ok(())
}
