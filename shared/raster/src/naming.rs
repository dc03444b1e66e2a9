//! Sentinel-2's bands by the words that files have for them. Other satellites number theirs otherwise.

/// Words of satellites whose band 4 is another one.
const OTHERS: [&str; 10] = ["SR", "ST", "TOA", "LANDSAT", "TM", "ETM", "OLI", "TIRS", "MODIS", "VIIRS"];

/// What each band is called by Sentinel-2's numbering, where its description says it; nothing where the descriptions are
/// those of another satellite.
///
/// Landsat 5 and 7 have bands 1 to 5 and 7, Landsat 8 and 9 1 to 7 first: six or seven bands that are numbered so, without
/// a leading zero and without any that only Sentinel-2 has, are not taken for its own.
#[must_use]
pub fn sentinel_2_names<'a>(descriptions: impl Iterator<Item = Option<&'a str>> + Clone) -> Vec<Option<String>> {
    let numbers: Vec<&str> = descriptions.clone().flatten().filter_map(plain_number).collect();
    let is_landsat =
        numbers.len() >= 6 && numbers.iter().all(|number| matches!(*number, "1" | "2" | "3" | "4" | "5" | "6" | "7"));
    descriptions.map(|description| sentinel_2_name(description?).filter(|_| !is_landsat)).collect()
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

/// `4` of `B4`, which stands alone or first.
fn plain_number(description: &str) -> Option<&str> {
    let word = description.trim().split(|letter: char| !letter.is_ascii_alphanumeric()).next()?;
    word.strip_prefix(['B', 'b']).filter(|number| number.len() == 1 && number.as_bytes()[0].is_ascii_digit())
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
        assert!(names(&["B1", "B2", "B3", "B4", "B5", "B7"]).iter().all(Option::is_none));
        assert!(names(&["B01", "B02", "B03", "B04", "B05", "B07"]).iter().all(Option::is_some));
        assert_eq!(names(&["B2", "B3", "B4", "B8"])[3].as_deref(), Some("B08"));
    }
}
