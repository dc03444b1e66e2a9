//! When a tile was taken, as far as its name says: `place/2019-07-03.jpg`, `S2A_20190703T10.tif`.

/// A quarter of the year. Months, not names of seasons: those are opposite south of the equator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Season {
    /// December to February.
    DecToFeb,
    /// March to May.
    MarToMay,
    /// June to August.
    JunToAug,
    /// September to November.
    SepToNov,
}

impl Season {
    /// In the order of the year.
    pub const ALL: [Self; 4] = [Self::DecToFeb, Self::MarToMay, Self::JunToAug, Self::SepToNov];

    /// For the legend.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::DecToFeb => "December to February",
            Self::MarToMay => "March to May",
            Self::JunToAug => "June to August",
            Self::SepToNov => "September to November",
        }
    }

    /// The season in a name; `None` without a date.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        let bytes = name.as_bytes();
        let month = (0..bytes.len()).find_map(|start| month_at(bytes, start))?;
        Some(Self::ALL[(month % 12 / 3) as usize])
    }

    /// The seasons of a whole gallery; empty when fewer than half of the names hold a date.
    #[must_use]
    pub fn of_all(names: &[String]) -> Vec<Option<Self>> {
        let seasons: Vec<Option<Self>> = names.iter().map(|name| Self::of(name)).collect();
        let dated = seasons.iter().flatten().count();
        if dated > 0 && dated * 2 >= names.len() { seasons } else { Vec::new() }
    }
}

/// The month of a date that begins at `start`: 2019-07-03, 2019_07_03 or 20190703, not inside a longer number.
fn month_at(bytes: &[u8], start: usize) -> Option<u32> {
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    if start > 0 && is_digit(start - 1) {
        return None;
    }
    let number = |at: usize, digits: usize| {
        (at..at + digits).try_fold(0, |value, at| is_digit(at).then(|| value * 10 + u32::from(bytes[at] - b'0')))
    };
    let year = number(start, 4)?;
    let separator = bytes.get(start + 4).filter(|byte| matches!(byte, b'-' | b'_'));
    let gap = usize::from(separator.is_some());
    let month = number(start + 4 + gap, 2)?;
    if separator.is_some() && bytes.get(start + 7) != separator {
        return None;
    }
    let day_at = start + 6 + 2 * gap;
    let day = number(day_at, 2)?;
    let is_date = (1970..2100).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    (is_date && !is_digit(day_at + 2)).then_some(month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_found_and_other_numbers_are_not() {
        for (name, season) in [
            ("place/2019-07-03.jpg", Some(Season::JunToAug)),
            ("S2A_20191231T101.tif", Some(Season::DecToFeb)),
            ("a_2020_03_01_b", Some(Season::MarToMay)),
            ("2018-01-15/B04.tif", Some(Season::DecToFeb)),
            ("2018-11-30", Some(Season::SepToNov)),
            ("River_1249.jpg", None),
            ("120190703", None),
            ("2019-13-01", None),
            ("2019-07_03", None),
            ("201907031", None),
            ("", None),
        ] {
            assert_eq!(Season::of(name), season, "{name}");
        }
    }

    #[test]
    fn seasons_are_offered_when_most_names_have_one() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(Season::of_all(&names(&["2019-07-03", "x"])).len(), 2);
        assert!(Season::of_all(&names(&["2019-07-03", "x", "y"])).is_empty());
        assert!(Season::of_all(&[]).is_empty());
    }
}
