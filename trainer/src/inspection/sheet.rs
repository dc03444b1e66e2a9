//! The contact sheet of a source.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::data::{ContactSheet, Source, Survey, TileSource};
use crate::views::{Palette, ViewSet, view_rng};

/// Columns of a sheet of dates or of single pictures.
const COLUMNS: usize = 12;
/// Side of a tile on the sheet.
const TILE_PX: usize = 96;

/// A contact sheet (PNG): a row a place, a column a date.
pub struct Sheet {
    /// Where it is written; that of a second source is `name-2.png`, and so on.
    pub path: PathBuf,
    /// Show the dates drawn and then these views of them.
    pub views: Option<ViewSet>,
    /// Rows.
    pub rows: usize,
    /// Side of the views.
    pub px: usize,
    /// Seed of what is shown.
    pub seed: u64,
}

impl Sheet {
    /// Saves the sheet of source `index`, of places evenly spread over it; its path, and what its columns are.
    ///
    /// # Errors
    /// When a view cannot be made, or the disk refuses.
    pub(super) fn save(&self, index: usize, source: &TileSource, survey: &Survey) -> Result<(PathBuf, String)> {
        let rows = self.rows.clamp(1, 200);
        let spread = |count: usize| {
            let count = count.min(source.len());
            (0..count).map(move |at| at * source.len() / count)
        };
        let mut sheet = ContactSheet::new(source.bands(), source.range(), TILE_PX);
        let most_dates = (0..source.len()).map(|place| source.dates(place)).max().unwrap_or(1);
        let columns = if let Some(set) = &self.views {
            let means = survey.bands.iter().map(|band| band.mean as f32).collect::<Vec<_>>();
            let palette = Palette::new(source.bands(), source.range(), &means);
            for (row, place) in spread(rows).enumerate() {
                let mut rng = view_rng(self.seed, 0, row as u64);
                let dates = set.dates(source.dates(place), &mut rng);
                let Ok(mut tiles) = source.read(place, &dates, &mut rng) else { continue };
                let views = set.make(&tiles, self.px, palette, &mut rng)?;
                tiles.extend(views);
                sheet.row(tiles.into_iter().map(Some).collect());
            }
            format!("{} dates as drawn, then {} views", set.slots, set.views.len())
        } else if most_dates == 1 {
            let places: Vec<usize> = spread(rows * COLUMNS).collect();
            places
                .chunks(COLUMNS)
                .for_each(|row| sheet.row(row.iter().map(|&place| source.read_fixed(place, 0).ok()).collect()));
            "a place each".to_owned()
        } else {
            for place in spread(rows) {
                let dates = source.dates(place);
                let shown = dates.min(COLUMNS);
                sheet.row((0..shown).map(|at| source.read_fixed(place, at * dates / shown).ok()).collect());
            }
            format!("a row a place, {} of its dates", most_dates.min(COLUMNS))
        };
        let path = numbered(&self.path, index);
        sheet.save(&path)?;
        Ok((path, columns))
    }
}

/// The path of the second sheet is `name-2.png`, and so on.
fn numbered(path: &Path, index: usize) -> PathBuf {
    if index == 0 {
        return path.to_owned();
    }
    let stem = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let extension =
        path.extension().map_or_else(|| "png".to_owned(), |extension| extension.to_string_lossy().into_owned());
    path.with_file_name(format!("{stem}-{}.{extension}", index + 1))
}
