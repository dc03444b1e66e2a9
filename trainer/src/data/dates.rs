//! Dates in the names of files and folders.
//!
//! A whole date goes before a day of the year, and that before a month, wherever they stand in a name; of several of one
//! kind the first counts, which in products' names is the day on which the picture was taken.

/// A date as far as a name tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NamedDate {
    pub(super) year: u16,
    pub(super) month: u8,
    pub(super) day: Option<u8>,
}

/// A date and the bytes of the name that say it, a time of day included.
pub(super) struct Found {
    pub(super) date: NamedDate,
    pub(super) span: std::ops::Range<usize>,
}

/// A stretch of digits.
#[derive(Clone, Copy)]
struct Run<'a> {
    start: usize,
    digits: &'a str,
}

impl Run<'_> {
    fn end(self) -> usize {
        self.start + self.digits.len()
    }

    fn number(self, from: usize, len: usize) -> u16 {
        self.digits.get(from..from + len).and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }
}

/// The date in a name: `2004-07-13`, `20190228T101021`, `A2019105`, `LC80440342014077LGN00`, `2018_05`, `200407`.
pub(super) fn date_in(name: &str) -> Option<NamedDate> {
    find_date(name).map(|found| found.date)
}

/// As [`date_in`], with its place.
pub(super) fn find_date(name: &str) -> Option<Found> {
    let runs = runs(name);
    let first = |test: &dyn Fn(usize) -> Option<Found>| (0..runs.len()).find_map(test);
    first(&|at| whole_date(name, &runs, at))
        .or_else(|| first(&|at| old_landsat(name, runs[at])))
        .or_else(|| first(&|at| day_of_year(name, &runs, at)))
        .or_else(|| first(&|at| month(name, &runs, at)))
}

/// A name without its date and time of day: what pictures of one place have in common.
pub(super) fn without_date(name: &str) -> String {
    match find_date(name) {
        Some(Found { span, .. }) => format!("{}{}", &name[..span.start], &name[span.end..]),
        None => name.to_owned(),
    }
}

fn runs(name: &str) -> Vec<Run<'_>> {
    let bytes = name.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let starts = (0..bytes.len()).filter(|at| is_digit(*at) && (*at == 0 || !is_digit(at - 1)));
    starts
        .map(|start| {
            let end = (start..).find(|at| !is_digit(*at)).unwrap_or(bytes.len());
            Run { start, digits: &name[start..end] }
        })
        .collect()
}

/// The run after one separator, if there is one.
fn next<'a>(name: &str, runs: &[Run<'a>], at: usize) -> Option<Run<'a>> {
    let (run, next) = (runs[at], runs.get(at + 1)?);
    let between = name.get(run.end()..next.start)?;
    matches!(between, "-" | "_" | "." | "/").then_some(*next)
}

fn whole_date(name: &str, runs: &[Run<'_>], at: usize) -> Option<Found> {
    let run = runs[at];
    if matches!(run.digits.len(), 8 | 12 | 14) {
        let date = checked(run.number(0, 4), run.number(4, 2), run.number(6, 2))?;
        return Some(Found { date, span: run.start..after_time(name, runs, at) });
    }
    let (middle, last) = (next(name, runs, at)?, next(name, runs, at + 1)?);
    if (run.digits.len(), middle.digits.len(), last.digits.len()) != (4, 2, 2) {
        return None;
    }
    let date = checked(run.number(0, 4), middle.number(0, 2), last.number(0, 2))?;
    Some(Found { date, span: run.start..after_time(name, runs, at + 2) })
}

/// Where a time of day ends that follows a date: `T101021`, `_180840`.
fn after_time(name: &str, runs: &[Run<'_>], at: usize) -> usize {
    let end = runs[at].end();
    let Some(time) = runs.get(at + 1).filter(|time| matches!(time.digits.len(), 4 | 6)) else { return end };
    let is_time = time.number(0, 2) < 24 && time.number(2, 2) < 60 && time.number(4, 2) < 60;
    if is_time && matches!(name.get(end..time.start), Some("T" | "t" | "_" | "-" | " ")) { time.end() } else { end }
}

/// `2019105`, `2019_105`: the 105th day of 2019.
fn day_of_year(name: &str, runs: &[Run<'_>], at: usize) -> Option<Found> {
    let run = runs[at];
    if run.digits.len() == 7 {
        return Some(Found { date: of_year_day(run.number(0, 4), run.number(4, 3))?, span: run.start..run.end() });
    }
    let day = next(name, runs, at)?;
    if (run.digits.len(), day.digits.len()) != (4, 3) {
        return None;
    }
    Some(Found { date: of_year_day(run.number(0, 4), day.number(0, 3))?, span: run.start..day.end() })
}

/// Landsat's old names: `LC8`, path, row, year and day of the year, `LGN00`.
fn old_landsat(name: &str, run: Run<'_>) -> Option<Found> {
    let sensor = name.get(run.start.checked_sub(2)?..run.start)?;
    if run.digits.len() != 14 || !is_landsat_sensor(sensor) {
        return None;
    }
    let date = of_year_day(run.number(7, 4), run.number(11, 3))?;
    Some(Found { date, span: run.start + 7..run.end() })
}

/// `200407`, `2018_05`. Six digits after the name of a Landsat are its path and row.
fn month(name: &str, runs: &[Run<'_>], at: usize) -> Option<Found> {
    let run = runs[at];
    if run.digits.len() == 6 {
        let is_path_and_row = landsat(name).is_some();
        let date = checked_month(run.number(0, 4), run.number(4, 2)).filter(|_| !is_path_and_row)?;
        return Some(Found { date, span: run.start..run.end() });
    }
    let second = next(name, runs, at)?;
    if (run.digits.len(), second.digits.len()) != (4, 2) {
        return None;
    }
    Some(Found { date: checked_month(run.number(0, 4), second.number(0, 2))?, span: run.start..second.end() })
}

/// Which Landsat a name says its picture is of: `LC08_L1TP_195025_…`, `LE7…`, `LT05_…`.
pub(super) fn landsat(name: &str) -> Option<u8> {
    name.split('/').find_map(|part| {
        let number = part.get(2..).filter(|_| is_landsat_sensor(&part[..2]))?;
        let number = number.strip_prefix('0').unwrap_or(number);
        number.chars().next()?.to_digit(10).filter(|number| (4..=9).contains(number)).map(|number| number as u8)
    })
}

fn is_landsat_sensor(letters: &str) -> bool {
    matches!(letters, "LC" | "LE" | "LT" | "LO")
}

fn checked_month(year: u16, month: u16) -> Option<NamedDate> {
    ((1970..2100).contains(&year) && (1..=12).contains(&month)).then_some(NamedDate {
        year,
        month: month as u8,
        day: None,
    })
}

fn checked(year: u16, month: u16, day: u16) -> Option<NamedDate> {
    let date = checked_month(year, month)?;
    chrono::NaiveDate::from_ymd_opt(i32::from(year), u32::from(month), u32::from(day))?;
    Some(NamedDate { day: Some(day as u8), ..date })
}

fn of_year_day(year: u16, day: u16) -> Option<NamedDate> {
    use chrono::Datelike;
    let date = chrono::NaiveDate::from_yo_opt(i32::from(year), u32::from(day))?;
    (1970..2100).contains(&year).then_some(NamedDate { year, month: date.month() as u8, day: Some(date.day() as u8) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> Option<(u16, u8, Option<u8>)> {
        date_in(name).map(|date| (date.year, date.month, date.day))
    }

    #[test]
    fn dates_are_found_in_names() {
        for (name, date) in [
            ("world.200407.3x5400x2700", (2004, 7, None)),
            ("2017-11-05", (2017, 11, Some(5))),
            ("20190228T101021_20190228T101019_T33TUM", (2019, 2, Some(28))),
            ("T31UDQ_20161130", (2016, 11, Some(30))),
            ("global_monthly_2018_05_mosaic_L15-0331E-1257N_1327_3160_13", (2018, 5, None)),
            ("MOD09A1.A2019105", (2019, 4, Some(15))),
            ("MOD13Q1.A2020366.h18v04.061.2021012034455", (2020, 12, Some(31))),
            ("scene_2019_105", (2019, 4, Some(15))),
            ("LC80440342014077LGN00", (2014, 3, Some(18))),
            ("LC08_L1TP_201003_20190512_20190521_01_T1_B4", (2019, 5, Some(12))),
            ("0__20170710_180840_103a__-122.0_37.76", (2017, 7, Some(10))),
            ("20180705102030", (2018, 7, Some(5))),
        ] {
            assert_eq!(of(name), Some(date), "{name}");
        }
    }

    #[test]
    fn other_numbers_are_no_dates() {
        for name in ["Forest_2015", "img1", "Forest_12004", "LC08_201003_B4", "A2019400", "20191340", "0001", "T33TUM"]
        {
            assert_eq!(of(name), None, "{name}");
        }
    }

    #[test]
    fn what_is_left_of_a_name_is_the_place() {
        assert_eq!(without_date("0__20170710_180840_103a__-122.0_37.76"), "0___103a__-122.0_37.76");
        assert_eq!(without_date("siteA_2019-04-15T10:00"), "siteA_T10:00");
        assert_eq!(without_date("S2A_MSIL2A_20170610T101031_0_45"), "S2A_MSIL2A__0_45");
        assert_eq!(without_date("img1"), "img1");
    }
}
