//! Dates as file names carry them: `field_2021-03-15.jpg`, `S2A_MSIL2A_20210315T103021.tif`, `2021_03.png`.

/// A day, or a whole month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    year: u16,
    month: u8,
    day: Option<u8>,
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl Date {
    fn new(year: u16, month: u8, day: Option<u8>) -> Option<Self> {
        let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            2 if is_leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let is_real = (1900..2100).contains(&year)
            && (1..=12).contains(&month)
            && day.is_none_or(|day| (1..=days).contains(&day));
        is_real.then_some(Self { year, month, day })
    }

    /// The first date in a file name; a day is preferred to a month, wherever it stands. The ending does not count.
    #[must_use]
    pub fn in_name(name: &str) -> Option<Self> {
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        let runs = runs(stem);
        let day = |(index, run): (usize, &Run)| {
            let compact = || Self::new(run.number(0, 4)?, run.short(4)?, Some(run.short(6)?));
            let separated = || {
                let (month, day) = (runs.get(index + 1)?, runs.get(index + 2)?);
                let is_date = run.len() == 4 && month.follows(run) && day.follows(month) && day.len() == 2;
                (is_date && month.len() == 2).then_some(())?;
                Self::new(run.number(0, 4)?, month.short(0)?, Some(day.short(0)?))
            };
            // 8 digits are a day, 14 a day with its time.
            if matches!(run.len(), 8 | 14) { compact() } else { separated() }
        };
        let month = |(index, run): (usize, &Run)| {
            if run.len() == 6 {
                return Self::new(run.number(0, 4)?, run.short(4)?, None);
            }
            let month = runs.get(index + 1).filter(|month| run.len() == 4 && month.follows(run) && month.len() == 2)?;
            // With a day behind it, it would have been a day; one that does not exist is a mistake, not a month.
            let has_day = runs.get(index + 2).is_some_and(|day| day.follows(month) && day.len() == 2);
            if has_day { None } else { Self::new(run.number(0, 4)?, month.short(0)?, None) }
        };
        runs.iter().enumerate().find_map(day).or_else(|| runs.iter().enumerate().find_map(month))
    }

    /// `2021-03-15` or `2021-03`: the spelling of addresses and of [`Date::in_name`].
    #[must_use]
    pub fn key(self) -> String {
        let Self { year, month, day } = self;
        day.map_or_else(|| format!("{year}-{month:02}"), |day| format!("{year}-{month:02}-{day:02}"))
    }

    /// `15 Mar 2021` or `Mar 2021`.
    #[must_use]
    pub fn label(self) -> String {
        format!("{} {}", self.short(), self.year)
    }

    /// `15 Mar` or `Mar`.
    #[must_use]
    pub fn short(self) -> String {
        let month = MONTHS[usize::from(self.month - 1)];
        self.day.map_or_else(|| month.to_owned(), |day| format!("{day} {month}"))
    }

    /// The year.
    #[must_use]
    pub const fn year(self) -> u16 {
        self.year
    }
}

/// Digits in a row.
struct Run<'a> {
    start: usize,
    digits: &'a str,
    text: &'a str,
}

impl Run<'_> {
    fn len(&self) -> usize {
        self.digits.len()
    }

    fn number(&self, at: usize, len: usize) -> Option<u16> {
        self.digits.get(at..at + len)?.parse().ok()
    }

    fn short(&self, at: usize) -> Option<u8> {
        self.digits.get(at..at + 2)?.parse().ok()
    }

    /// True when there is one `-`, `_`, `.` or space between the two.
    fn follows(&self, before: &Self) -> bool {
        let between = self.text.get(before.start + before.len()..self.start);
        between.is_some_and(|between| matches!(between, "-" | "_" | "." | " "))
    }
}

fn runs(text: &str) -> Vec<Run<'_>> {
    let mut runs = Vec::new();
    let mut rest = 0;
    while let Some(at) = text[rest..].find(|c: char| c.is_ascii_digit()) {
        let start = rest + at;
        let len = text[start..].bytes().take_while(u8::is_ascii_digit).count();
        runs.push(Run { start, digits: &text[start..start + len], text });
        rest = start + len;
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Option<String> {
        Date::in_name(name).map(Date::key)
    }

    #[test]
    fn days_and_months_are_found_in_the_usual_spellings() {
        for name in [
            "2021-03-15.jpg",
            "field_2021_03_15.png",
            "farm 2021.03.15.tif",
            "20210315.jpg",
            "S2A_MSIL2A_20210315T103021_N0214_R108_T32TQM_20210316T120000.tif",
            "20210315103021.webp",
            "LC08_L2SP_193027_20210315_20210322_02_T1.tif",
        ] {
            assert_eq!(key(name).as_deref(), Some("2021-03-15"), "{name}");
        }
        for name in ["2021_03.jpg", "2021-03.tif", "202103.png", "lake 2021-03 b.jpg", "r12_2021.03.jpg"] {
            assert_eq!(key(name).as_deref(), Some("2021-03"), "{name}");
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for name in ["", "field.jpg", "2021.jpg", "IMG_1234.jpg", "2021-13-01.jpg", "2021-02-29.jpg", "20210230.jpg"] {
            assert_eq!(key(name), None, "{name}");
        }
        // A day that does not exist is not taken for its month, nor a longer number for a date.
        for name in ["1234567890.jpg", "20210315123.jpg", "path-193027.jpg", "12021-03-15.jpg", "2021--03.jpg"] {
            assert_eq!(key(name), None, "{name}");
        }
        assert_eq!(key("2024-02-29.jpg").as_deref(), Some("2024-02-29"));
    }

    #[test]
    fn dates_are_in_the_order_of_time_and_read_well() {
        let mut dates: Vec<Date> =
            ["2021-03-15", "2020-12", "2021-03", "2021-03-02"].map(Date::in_name).into_iter().flatten().collect();
        dates.sort();
        assert_eq!(
            dates.iter().map(|date| date.key()).collect::<Vec<_>>(),
            ["2020-12", "2021-03", "2021-03-02", "2021-03-15"]
        );
        assert_eq!((dates[0].label().as_str(), dates[3].label().as_str()), ("Dec 2020", "15 Mar 2021"));
    }
}
