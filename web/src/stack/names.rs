//! What the name of a band file says: which band of which scene.

/// Landsat's bands by number: of the Thematic Mapper (Landsat 4, 5 and 7), and of the Operational Land Imager (8 and 9).
const TM: [Option<&str>; 8] =
    [None, Some("Blue"), Some("Green"), Some("Red"), Some("NIR"), Some("SWIR 1"), None, Some("SWIR 2")];
const OLI: [Option<&str>; 8] =
    [None, Some("Coastal"), Some("Blue"), Some("Green"), Some("Red"), Some("NIR"), Some("SWIR 1"), Some("SWIR 2")];
const COLOURS: [&str; 4] = ["Red", "Green", "Blue", "NIR"];

/// What a name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BandFile {
    /// What the names of all bands of its scene have in common.
    pub scene: String,
    /// `B04`, or, where numbers mean something else, `Red`.
    pub band: String,
    /// What the name says of all values, as GDAL's items (`{band}` for the band's place), to go beside the pixels.
    pub items: &'static str,
}

/// Reads a path; `None` for a name without a band, and for what is no TIFF.
#[must_use]
pub fn band_file(path: &str) -> Option<BandFile> {
    let (stem, ending) = path.rsplit_once('.')?;
    if !matches!(ending.to_lowercase().as_str(), "tif" | "tiff") {
        return None;
    }
    let (folder, name) = stem.rsplit_once('/').unwrap_or(("", stem));
    let words: Vec<&str> = name.split(['_', '-', '.', ' ']).filter(|word| !word.is_empty()).collect();
    let is_landsat = words.iter().find_map(|word| landsat(word));
    let (at, band) = words.iter().enumerate().rev().find_map(|(at, word)| Some((at, band(word, is_landsat)?)))?;
    let mut own = String::new();
    for (other, word) in words.iter().enumerate().filter(|(other, word)| *other != at && !is_resolution(word)) {
        // As it stands in the name, with what stands before it.
        let start = word.as_ptr() as usize - name.as_ptr() as usize;
        let before = if own.is_empty() || other == 0 { start } else { start - 1 };
        own.push_str(&name[before..start + word.len()]);
    }
    let folders = folder.split('/').filter(|folder| !folder.is_empty() && !is_resolution(folder));
    let scene = folders.chain(std::iter::once(own.as_str())).collect::<Vec<_>>().join("/");
    let is_word = |wanted: &str| words.contains(&wanted);
    let items = if is_landsat.is_some() && is_word("L2SP") && is_word("02") && is_word("SR") {
        // Collection 2, surface reflectance.
        "<Item name=\"SCALE\" sample=\"{band}\" role=\"scale\">0.0000275</Item>\
         <Item name=\"OFFSET\" sample=\"{band}\" role=\"offset\">-0.2</Item>"
    } else {
        ""
    };
    Some(BandFile { scene, band, items })
}

/// Whether two names are those of one band: `B04` and `Red` are.
#[must_use]
pub fn is_same(one: &str, other: &str) -> bool {
    let number = |name: &str| raster::sentinel_2_name(name);
    one == other || number(one).is_some_and(|name| Some(name) == number(other))
}

/// The bands of a Landsat, when a word is the beginning of its scenes' names: `LC08`, `LE07`, `LT05`.
fn landsat(word: &str) -> Option<&'static [Option<&'static str>; 8]> {
    match word.to_uppercase().as_bytes() {
        [b'L', b'C' | b'O', b'0', b'8' | b'9'] => Some(&OLI),
        [b'L', b'T', b'0', b'4' | b'5'] | [b'L', b'E', b'0', b'7'] => Some(&TM),
        _ => None,
    }
}

fn band(word: &str, landsat: Option<&[Option<&'static str>; 8]>) -> Option<String> {
    let upper = word.to_uppercase();
    if let Some(colour) = COLOURS.iter().find(|colour| colour.to_uppercase() == upper) {
        return Some((*colour).to_owned());
    }
    let number = upper.strip_prefix('B')?;
    if let Some(names) = landsat {
        let number: usize = number.parse().ok()?;
        let name = names.get(number).copied().flatten().map(str::to_owned);
        return Some(name.unwrap_or_else(|| format!("Landsat band {number}")));
    }
    if matches!(number, "8A" | "08A") {
        return Some("B8A".to_owned());
    }
    let is_number = number.len() <= 2 && number.bytes().all(|byte| byte.is_ascii_digit());
    let number: u8 = number.parse().ok().filter(|number| is_number && (1..=12).contains(number))?;
    Some(format!("B{number:02}"))
}

/// `10m`, `R10m`.
fn is_resolution(word: &str) -> bool {
    let digits = word.strip_suffix('m').map(|word| word.strip_prefix('R').unwrap_or(word));
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}
