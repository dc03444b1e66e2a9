//! Files against what GDAL and tifffile read of them (tests/reference/tiff_matrix.py).

use std::collections::HashMap;

use raster::{Memory, Reader, Role, Rows};
use serde::Deserialize;

/// What one file must read as.
#[derive(Deserialize)]
pub struct Case {
    /// The file.
    pub name: String,
    /// Bands, height, width.
    #[serde(default)]
    pub shape: Vec<usize>,
    #[serde(default)]
    tolerance: f32,
    /// The file that holds its values.
    #[serde(default)]
    values: String,
    /// The file that says which are missing.
    missing: Option<String>,
    /// A word of the refusal, for files that are not read.
    pub refused: Option<String>,
    /// Which bands are alpha.
    alpha: Option<Vec<usize>>,
    descriptions: Option<Vec<String>>,
    scale: Option<f64>,
    offset: Option<f64>,
}

/// The files of a matrix, by name.
pub type Files = HashMap<String, Vec<u8>>;

/// What is wrong with each file that is not read as it must be, by the file's name.
pub fn compare(files: &Files) -> (Vec<Case>, Vec<(String, String)>) {
    let cases: Vec<Case> = serde_json::from_slice(&files["manifest.json"]).expect("a manifest");
    let wrong = cases.iter().filter_map(|case| Some((case.name.clone(), check(case, files).err()?))).collect();
    (cases, wrong)
}

fn check(case: &Case, files: &Files) -> Result<(), String> {
    let mut reader = match Reader::open(Memory(&files[&case.name])) {
        Ok(reader) => reader,
        Err(error) => {
            let said = error.to_string();
            let named = case.refused.as_ref().is_some_and(|word| said.contains(word.as_str()));
            return if named && error.hint().contains(' ') { Ok(()) } else { Err(format!("not opened: {said}")) };
        }
    };
    if let Some(word) = &case.refused {
        return Err(format!("read, but it should be refused as {word}"));
    }
    let header = reader.header().clone();
    let own = [header.bands.len(), header.height, header.width];
    if own[..] != case.shape[..] {
        return Err(format!("{own:?} instead of {:?}", case.shape));
    }
    let bands: Vec<usize> = (0..own[0]).collect();
    let whole = reader.read(&bands, 0..header.height).map_err(|error| error.to_string())?;
    in_steps(&mut reader, &bands, &whole)?;
    let values =
        files[&case.values].chunks_exact(4).map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
    let missing: Vec<bool> = match &case.missing {
        Some(name) => files[name].iter().map(|byte| *byte != 0).collect(),
        None => vec![false; own.iter().product()],
    };
    let mut seen_missing: Vec<bool> = whole.missing.concat();
    seen_missing.resize(missing.len(), false);
    if let Some(at) = (0..missing.len()).find(|at| missing[*at] != seen_missing[*at]) {
        return Err(format!("sample {at} is {}missing", if missing[at] { "not told to be " } else { "called " }));
    }
    let found = whole.bands.iter().flatten();
    for (at, (found, expected)) in found.zip(values).enumerate() {
        let is_close =
            *found == expected || (found - expected).abs() <= case.tolerance || found.is_nan() && expected.is_nan();
        if !is_close {
            return Err(format!("sample {at} is {found}, not {expected}"));
        }
    }
    let alpha: Vec<usize> = bands.iter().copied().filter(|band| header.bands[*band].role == Role::Alpha).collect();
    if case.alpha.as_ref().is_some_and(|expected| *expected != alpha) {
        return Err(format!("alpha at {alpha:?}"));
    }
    let described = header.bands.iter().map(|band| band.description.clone().unwrap_or_default());
    if case.descriptions.as_ref().is_some_and(|expected| *expected != described.collect::<Vec<_>>()) {
        return Err("other descriptions".to_owned());
    }
    let is_scaled = |band: &raster::Band| {
        case.scale.is_none_or(|scale| (scale - band.scale).abs() < 1e-9)
            && case.offset.is_none_or(|offset| (offset - band.offset).abs() < 1e-9)
    };
    if header.bands.iter().all(is_scaled) { Ok(()) } else { Err("another scale or offset".to_owned()) }
}

/// Reads the last band alone, a few rows at a time, from the top and then from the bottom: the same samples.
fn in_steps<T: AsRef<[u8]>>(reader: &mut Reader<Memory<T>>, bands: &[usize], whole: &Rows) -> Result<(), String> {
    let (width, height) = (reader.header().width, reader.header().height);
    let last = bands.len() - 1;
    let starts: Vec<usize> = (0..height).step_by(5).collect();
    for &start in starts.iter().chain(starts.iter().rev()) {
        let rows = start..(start + 5).min(height);
        let part = reader.read(&[last], rows.clone()).map_err(|error| error.to_string())?;
        let expected = &whole.bands[last][rows.start * width..rows.end * width];
        let same = |(a, b): (&f32, &f32)| a == b || a.is_nan() && b.is_nan();
        if !part.bands[0].iter().zip(expected).all(same) {
            return Err(format!("rows {rows:?} alone are others than in the whole picture"));
        }
    }
    Ok(())
}
