//! Opening a source: which files make which place, what bands they have, whether anything can be read at all.

use std::path::Path;

use anyhow::{Result, anyhow, bail};
use shared::bands::Bands;
use shared::preprocess::{SECO_STRETCH_HIGH, SECO_STRETCH_LOW};

use super::detect::{detect, leave_out_arrays, leave_out_masks, not_pictures};
use super::frames::{Frames, default_bands};
use super::layout::{Layout, band_files, class_folders, dated_places};
use super::mosaic::cut_windows;
use super::selection::Selection;
use super::series::read_series;
use super::source::{TileSource, Values};
use super::spec::{SourceKind, SourceSpec, Stretch};
use super::store::Store;
use super::{Source, Warning};
use crate::error::UsageError;

impl SourceSpec {
    /// Opens the source; relative paths start at `base`.
    ///
    /// # Errors
    /// When it is missing or empty, no picture can be read, or its bands are not the wanted ones.
    pub fn open(&self, base: &Path, warnings: &mut Vec<Warning>) -> Result<Box<dyn Source>> {
        Ok(Box::new(self.open_tiles(base, warnings)?))
    }

    /// As [`open`](Self::open), with everything that can be asked of the opened source.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_tiles(&self, base: &Path, warnings: &mut Vec<Warning>) -> Result<TileSource> {
        self.check()?;
        let root = base.join(&self.path);
        let mut store = Store::open(&root)?;
        let shown = root.display().to_string();
        if let Some(part) = &self.include {
            store.retain(|name| name.contains(part.as_str()) || name == "index.json");
        } else {
            leave_out_masks(&mut store, warnings);
        }
        leave_out_arrays(&mut store, self.kind);
        let name = self.name.clone().unwrap_or_else(|| {
            let last = root.file_stem().unwrap_or(root.as_os_str());
            last.to_string_lossy().into_owned()
        });
        let kind = self.kind.unwrap_or_else(|| {
            let guess = detect(&store, |index| {
                let bytes = store.bytes(index).ok()?;
                if raster::is_tiff(&bytes) {
                    let reader = raster::Reader::open(raster::Memory(bytes)).ok()?;
                    return Some(reader.header().width.min(reader.header().height));
                }
                let (width, height) = image::ImageReader::new(std::io::Cursor::new(bytes))
                    .with_guessed_format()
                    .ok()?
                    .into_dimensions()
                    .ok()?;
                Some(width.min(height) as usize)
            });
            if let Some(doubt) = guess.doubt {
                warnings.push(Warning::once(format!(
                    "{shown}: a guess: {doubt}; name the layout with --kind, or kind = \"…\" in a [[data]] table"
                )));
            }
            guess.kind
        });
        let (layout, fixed_bands) = self.lay_out(kind, &store, base, warnings)?;
        if layout.frames.is_empty() {
            let (what, hint) = not_pictures(&store);
            bail!("no pictures in {shown}{what}\nhint: {hint}");
        }
        let selection = Selection { keep: &self.keep_places, skip: &self.skip_places };
        let Layout { frames, places, classes } = selection.apply(layout, &shown, warnings)?;
        let mut frames = Frames::new(Some(store), frames, self.cache_mib << 20);
        let bands = self.settle_bands(&mut frames, fixed_bands, &shown, warnings)?;
        let values = Values { dn_offset: self.dn_offset, stretch: self.stretch_bounds(&bands)? };
        let mut source = TileSource { name, kind, bands, frames, places, windows: None, values, classes };
        let window_px = self.window_px.or((kind == SourceKind::Mosaic).then_some(64));
        if let Some(px) = window_px {
            cut_windows(self, &mut source, px, &shown, warnings)?;
        }
        Ok(source)
    }

    fn check(&self) -> Result<()> {
        let [west, east] = self.extent_longitude;
        let ascending = |range: &[f64; 2]| range[0] < range[1];
        if west >= east || !self.keep_longitude.iter().chain(&self.skip_longitude).all(ascending) {
            bail!(
                "{}: a range of longitudes must be [west, east] with west below east\nhint: split a range that crosses the date line",
                self.path.display()
            );
        }
        if self.window_px == Some(0) || !(0.0..=1.0).contains(&self.min_share) || self.min_date_std.is_nan() {
            bail!(
                "{}: window_px must be above 0 and min_share lie in 0 to 1\nhint: 64 and 0.5 are good starts",
                self.path.display()
            );
        }
        if self.split.is_some() && self.kind.is_some_and(|kind| kind != SourceKind::Folder) {
            bail!("{}: a split list needs kind = \"folder\"\nhint: leave out split or kind", self.path.display());
        }
        Ok(())
    }

    /// The frames, and their bands where the layout decides them.
    fn lay_out(
        &self,
        kind: SourceKind,
        store: &Store,
        base: &Path,
        warnings: &mut Vec<Warning>,
    ) -> Result<(Layout, Option<Bands>)> {
        Ok(match kind {
            SourceKind::Folder => {
                let split = self.split.as_ref().map(|split| base.join(split));
                (class_folders(store, split.as_deref(), warnings)?, None)
            }
            SourceKind::Places | SourceKind::Mosaic => (dated_places(store), None),
            SourceKind::Seco => {
                let wanted = self.bands.clone().unwrap_or_else(Bands::rgb);
                (band_files(store, &wanted, warnings)?, Some(wanted))
            }
            SourceKind::Series => {
                let (layout, bands) = read_series(store, self.bands.as_ref(), self.clear_only, warnings)?;
                (layout, Some(bands))
            }
        })
    }

    /// Finds the first readable picture and decides from it what all must be.
    fn settle_bands(
        &self,
        frames: &mut Frames,
        fixed: Option<Bands>,
        shown: &str,
        warnings: &mut Vec<Warning>,
    ) -> Result<Bands> {
        let mut first_error = None;
        let readable = (0..frames.len())
            .find_map(|index| frames.decode_raw(index).map_err(|error| first_error.get_or_insert(error).clone()).ok());
        let Some(decoded) = readable else {
            let hint = first_error.as_ref().map(|error| error.hint).filter(|hint| !hint.is_empty());
            let hint = hint.unwrap_or("are the files complete? JPEG, PNG, WebP, TIFF and NumPy arrays are read");
            let first = first_error.map(|error| error.to_string()).unwrap_or_default();
            bail!("none of the {} pictures in {shown} can be read; {first}\nhint: {hint}", frames.len());
        };
        if let Some(offset) = decoded.dn_offset.filter(|offset| *offset != 0 && self.dn_offset == 0) {
            warnings.push(Warning::once(format!(
                "the files in {shown} say that {offset} is to be added to their digital numbers; dn_offset={offset} does"
            )));
        }
        if let Some(bands) = fixed {
            frames.expect(bands.clone(), None, decoded.picture.kind());
            return Ok(bands);
        }
        let kind = decoded.picture.kind();
        let named = match (&self.file_bands, &decoded.names) {
            (Some(bands), _) => bands.clone(),
            (None, Some(names)) => names.clone(),
            (None, None) => self.assumed(decoded.bands(), shown, warnings)?,
        };
        if named.len() != decoded.bands() && named.len() != decoded.picture.bands {
            let alpha = if decoded.alpha.is_some() { " and one marked alpha" } else { "" };
            bail!(
                "the pictures in {shown} have {} bands{alpha}, but file_bands names {}\nhint: name every band of a file in order",
                decoded.bands(),
                named.len()
            );
        }
        if named.len() == decoded.bands() && decoded.alpha_is_measured() {
            warnings.push(Warning::once(format!(
                "in {shown} the last band is marked alpha but looks measured; it is left out unless file_bands names it too (--file-bands {},B08)",
                named.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
            )));
        }
        let Some(wanted) = &self.bands else {
            frames.expect(named.clone(), None, kind);
            return Ok(named);
        };
        let selection = named.positions(wanted).ok_or_else(|| {
            let list = |bands: &Bands| bands.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            UsageError::new(format!(
                "the pictures in {shown} have {} bands ({}), but {} are wanted\nhint: name the file's bands with file_bands = [\"B02\", …], or change bands",
                named.len(),
                list(&named),
                list(wanted)
            ))
        })?;
        let is_all = selection.iter().copied().eq(0..named.len());
        frames.expect(named, (!is_all).then_some(selection), kind);
        Ok(wanted.clone())
    }

    /// What planes without names are taken for: red, green, blue of three; the wanted bands where there are as many.
    fn assumed(&self, count: usize, shown: &str, warnings: &mut Vec<Warning>) -> Result<Bands> {
        let usual = default_bands(count).map_err(|error| anyhow!("{shown}: {error}"))?;
        let Some(wanted) = self.bands.as_ref().filter(|wanted| wanted.len() == count) else { return Ok(usual) };
        if usual.positions(wanted).is_some() {
            return Ok(usual);
        }
        let what = format!(
            "the files in {shown} do not name their {count} bands: taken as {wanted}, in this order; file_bands=[…] names them"
        );
        if !warnings.iter().any(|warning| warning.what == what) {
            warnings.push(Warning::once(what));
        }
        Ok(wanted.clone())
    }

    fn stretch_bounds(&self, bands: &Bands) -> Result<Option<(Vec<f32>, Vec<f32>)>> {
        let (low, high) = match &self.stretch {
            None => return Ok(None),
            Some(Stretch::Named(name)) if name == "seco" => {
                if !bands.is_rgb() {
                    bail!(
                        "{}: the stretch \"seco\" is for red, green, blue\nhint: bands = [\"B04\", \"B03\", \"B02\"]",
                        self.path.display()
                    );
                }
                (SECO_STRETCH_LOW.to_vec(), SECO_STRETCH_HIGH.to_vec())
            }
            Some(Stretch::Named(name)) => {
                bail!(
                    "{}: no stretch is called {name:?}\nhint: \"seco\", or {{ low = […], high = […] }}",
                    self.path.display()
                )
            }
            Some(Stretch::Bounds { low, high }) => (low.clone(), high.clone()),
        };
        let fine = low.len() == bands.len()
            && high.len() == bands.len()
            && low.iter().zip(&high).all(|(low, high)| low < high);
        if !fine {
            bail!(
                "{}: a stretch needs one low and one higher high for each of the {} bands\nhint: values are on the unit scale (reflectance, or 8-bit value / 255)",
                self.path.display(),
                bands.len()
            );
        }
        Ok(Some((low, high)))
    }
}
