//! The user's own series: files into dates, and words for those that have none.

use super::date::Date;
use crate::order;
use crate::problem::Problem;

/// More dates than this make a matrix that nobody can read.
pub const MAX_DATES: usize = 48;
/// File names that a message lists.
const NAMED: usize = 4;

/// Files by date, in the order of time.
pub struct Sorted {
    /// One file a date; none when there are fewer than two.
    pub dated: Vec<(Date, String)>,
    /// What was left out, and why.
    pub problems: Vec<Problem>,
}

/// Reads the dates out of file names.
#[must_use]
pub fn sort(names: &[String]) -> Sorted {
    let (mut dated, mut undated, mut doubled): (Vec<(Date, String)>, Vec<&str>, Vec<&str>) = Default::default();
    for name in names {
        match Date::in_name(name) {
            None => undated.push(name),
            Some(date) if dated.iter().any(|(other, _)| *other == date) => doubled.push(name),
            Some(date) => dated.push((date, name.clone())),
        }
    }
    order::sort_by_key(&mut dated, |(date, _)| *date);
    let surplus: Vec<String> = dated.drain(dated.len().min(MAX_DATES)..).map(|(_, name)| name).collect();
    let surplus: Vec<&str> = surplus.iter().map(String::as_str).collect();
    let mut problems = Vec::new();
    let mut say = |left_out: &[&str], why: &str, remedy: &str| {
        if !left_out.is_empty() {
            problems.push(Problem::new(format!("{why}: {}", listed(left_out)), "Left out of the series.", remedy));
        }
    };
    let spelling =
        "Write the date into the file's name, for example field_2021-03-15.jpg, 20210315.tif or 2021_03.png.";
    say(&undated, "No date in the name", spelling);
    say(
        &doubled,
        "A date that another picture has already",
        "Give one picture a date; other places make a series of their own.",
    );
    say(&surplus, &format!("More than {MAX_DATES} dates"), "Choose fewer.");
    if dated.len() < 2 {
        dated.clear();
        let why = format!("Of {} given, too few have a date of their own in their name.", files(names.len()));
        problems.insert(0, Problem::new("A series needs pictures of at least two dates", why, spelling));
    }
    Sorted { dated, problems }
}

fn files(count: usize) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{count} files") }
}

/// The first few names, and how many more.
fn listed(names: &[&str]) -> String {
    let shown = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    if names.len() > NAMED { format!("{shown} and {} more", names.len() - NAMED) } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(names: &[&str]) -> (Vec<String>, Vec<String>) {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let Sorted { dated, problems } = sort(&names);
        (dated.into_iter().map(|(_, name)| name).collect(), problems.into_iter().map(|problem| problem.what).collect())
    }

    #[test]
    fn files_come_in_the_order_of_time_and_the_rest_is_named() {
        let (dated, problems) = sorted(&["b_2021-09.png", "a 20210315.jpg", "lake.jpg", "c_2021_03_15.tif", "x.tif"]);
        assert_eq!(dated, ["a 20210315.jpg", "b_2021-09.png"]);
        let expected =
            ["No date in the name: lake.jpg, x.tif", "A date that another picture has already: c_2021_03_15.tif"];
        assert_eq!(problems, expected);
    }

    #[test]
    fn one_date_is_no_series() {
        let (dated, problems) = sorted(&["2021-03-15.jpg", "1.jpg", "2.jpg", "3.jpg", "4.jpg", "5.jpg"]);
        assert!(dated.is_empty());
        let expected = [
            "A series needs pictures of at least two dates",
            "No date in the name: 1.jpg, 2.jpg, 3.jpg, 4.jpg and 1 more",
        ];
        assert_eq!(problems, expected);
    }

    #[test]
    fn a_long_series_is_cut_at_its_end() {
        let names: Vec<String> =
            (0..60).map(|month| format!("{}-{:02}.jpg", 2000 + month / 12, 1 + month % 12)).collect();
        let Sorted { dated, problems } = sort(&names);
        assert_eq!((dated.len(), problems.len()), (MAX_DATES, 1));
        assert_eq!(dated.last().map(|(date, _)| date.key()).as_deref(), Some("2003-12"));
    }
}
