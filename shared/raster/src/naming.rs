//! Sentinel-2's bands by the words that files have for them. Other satellites number theirs otherwise.

/// Words of satellites whose band 4 is another one.
const OTHERS: [&str; 10] = ["SR", "ST", "TOA", "LANDSAT", "TM", "ETM", "OLI", "TIRS", "MODIS", "VIIRS"];

/// Landsat's bands 1 to 7 by Sentinel-2's numbering: of the Thematic Mapper (Landsat 4, 5 and 7; 6 is thermal), and of the Operational
/// Land Imager (8 and 9).
const TM: [Option<&str>; 7] = [Some("B02"), Some("B03"), Some("B04"), Some("B08"), Some("B11"), None, Some("B12")];
const OLI: [Option<&str>; 7] =
    [Some("B01"), Some("B02"), Some("B03"), Some("B04"), Some("B08"), Some("B11"), Some("B12")];

/// By which numbers bands are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbering {
    /// Sentinel-2's.
    Sentinel2,
    /// Landsat 4's, 5's and 7's.
    LandsatTm,
    /// Landsat 8's and 9's.
    LandsatOli,
    /// Some Landsat's, but which of both cannot be told.
    Unclear,
}

/// By which numbers the bands of a file are called.
///
/// Landsat 4, 5 and 7 have bands 1 to 5 and 7 beside a thermal one, Landsat 8 and 9 bands 1 to 7 first: six or seven bands that are
/// numbered so, without a leading zero and without any that only Sentinel-2 has, are not Sentinel-2's. A sixth band of surface
/// reflectance is Landsat 8's and 9's alone.
#[must_use]
pub fn numbering<'a>(descriptions: impl Iterator<Item = Option<&'a str>>) -> Numbering {
    let found: Vec<(bool, &str)> = descriptions.flatten().filter_map(plain_number).collect();
    let mut numbers: Vec<&str> = found.iter().map(|(_, number)| *number).collect();
    numbers.sort_unstable();
    match numbers[..] {
        ["1", "2", "3", "4", "5", "7"] => Numbering::LandsatTm,
        ["1", "2", "3", "4", "5", "6", "7"] if found.iter().all(|(is_surface, _)| *is_surface) => Numbering::LandsatOli,
        [..] if numbers.len() >= 6 && numbers.iter().all(|number| ("1"..="7").contains(number)) => Numbering::Unclear,
        _ => Numbering::Sentinel2,
    }
}

/// What each band is called by Sentinel-2's numbering, where its description says it; nothing where it cannot be told of which
/// satellite a number is.
#[must_use]
pub fn sentinel_2_names<'a>(descriptions: impl Iterator<Item = Option<&'a str>> + Clone) -> Vec<Option<String>> {
    let table = match numbering(descriptions.clone()) {
        Numbering::Sentinel2 => return descriptions.map(|description| sentinel_2_name(description?)).collect(),
        Numbering::LandsatTm => TM,
        Numbering::LandsatOli => OLI,
        Numbering::Unclear => [None; 7],
    };
    let name = |description: &str| match plain_number(description) {
        Some((_, number)) => table[number.parse::<usize>().ok()? - 1].map(str::to_owned),
        None => sentinel_2_name(description),
    };
    descriptions.map(|description| name(description?)).collect()
}

/// `B4, central wavelength 665 nm`, `b04`, `Red` → `B04`.
#[must_use]
pub fn sentinel_2_name(description: &str) -> Option<String> {
    let upper = description.to_uppercase();
    let words: Vec<&str> =
        upper.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let is_other = words.iter().any(|word| OTHERS.contains(word));
    words.iter().find_map(|word| {
        let plain = match *word {
            "RED" => "B04",
            "GREEN" => "B03",
            "BLUE" => "B02",
            "NIR" => "B08",
            "B8A" | "B08A" if !is_other => "B8A",
            _ => {
                let number: u8 = word.strip_prefix('B')?.parse().ok()?;
                return (!is_other && (1..=12).contains(&number)).then(|| format!("B{number:02}"));
            }
        };
        Some(plain.to_owned())
    })
}

/// `4` of `B4` or `SR_B4`, which stands alone or first, and whether it says that it is surface reflectance.
fn plain_number(description: &str) -> Option<(bool, &str)> {
    let text = description.trim();
    let own = text.strip_prefix("SR_").unwrap_or(text);
    let word = own.split(|letter: char| !letter.is_ascii_alphanumeric()).next()?;
    let number = word.strip_prefix(['B', 'b'])?;
    matches!(number.as_bytes(), [b'1'..=b'9']).then_some((own.len() < text.len(), number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_a_band_are_one_band() {
        for name in ["B4", "b04", "B4 - 665 nm", "Band: red", "Red"] {
            assert_eq!(sentinel_2_name(name).as_deref(), Some("B04"), "{name}");
        }
        assert_eq!(sentinel_2_name("B8A").as_deref(), Some("B8A"));
        for name in ["B13", "band 3", "SCL", "SR_B4", "Landsat 7 B4", ""] {
            assert_eq!(sentinel_2_name(name), None, "{name}");
        }
        assert_eq!(sentinel_2_name("Landsat red (B3)").as_deref(), Some("B04"));
    }

    #[test]
    fn landsats_numbers_are_not_sentinels() {
        let names = |all: &[&'static str]| {
            let all: Vec<Option<&str>> = all.iter().map(|name| Some(*name)).collect();
            sentinel_2_names(all.into_iter())
        };
        let found = |all: &[&'static str]| names(all).into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>();
        let thematic = ["B02", "B03", "B04", "B08", "B11", "B12"];
        assert_eq!(found(&["B1", "B2", "B3", "B4", "B5", "B7"]), thematic);
        assert_eq!(found(&["SR_B1", "SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B7", "ST_B6"])[..6], thematic);
        let operational = ["B01", "B02", "B03", "B04", "B08", "B11", "B12"];
        assert_eq!(found(&["SR_B1", "SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B6", "SR_B7"]), operational);
        assert!(names(&["B1", "B2", "B3", "B4", "B5", "B6", "B7"]).iter().all(Option::is_none), "of either");
        assert!(names(&["SR_B4", "SR_B3", "SR_B2"]).iter().all(Option::is_none), "of either");
        assert!(names(&["B01", "B02", "B03", "B04", "B05", "B07"]).iter().all(Option::is_some));
        assert_eq!(names(&["B2", "B3", "B4", "B8"])[3].as_deref(), Some("B08"));
    }
}
