//! A survey in words and tables.

use crate::data::{BandSurvey, Survey};
use crate::report::{Reporter, Table, grouped};
use crate::seen::Seen;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// Characters of the longest bar.
const LONGEST_BAR: usize = 40;

/// A line for each month, with a bar as long as its share of the largest.
fn histogram(months: &[usize; 12]) -> Vec<String> {
    let largest = months.iter().copied().max().unwrap_or(0).max(1);
    let line = |(name, &count): (&&str, &usize)| {
        let bar = "█".repeat((count * LONGEST_BAR).div_ceil(largest));
        let space = if bar.is_empty() { "" } else { " " };
        format!("  {name}  {bar}{space}{count}")
    };
    MONTHS.iter().zip(months).map(line).collect()
}

/// Prints a survey.
pub(super) fn survey(survey: &Survey, reporter: &mut Reporter<'_>) {
    let sizes: Vec<String> =
        survey.sizes.iter().take(6).map(|((height, width), count)| format!("{height} x {width} ({count})")).collect();
    let more = if survey.sizes.len() > 6 { format!(", and {} more", survey.sizes.len() - 6) } else { String::new() };
    reporter.line(&format!("pictures: {}; tiles of {}{more}", survey.pictures, sizes.join(", ")));
    if let Some((name, share)) = survey.holes.first() {
        let tiles = if survey.holes.len() == 1 { "tile is" } else { "tiles are" };
        reporter.line(&format!(
            "no data: {} {tiles} partly missing, most of all {name} ({:.1} %); statistics leave it out",
            survey.holes.len(),
            100.0 * share
        ));
    }
    let dates: Vec<String> =
        survey.dates_of_places.iter().take(8).map(|(dates, places)| format!("{places} with {dates}")).collect();
    reporter.line(&format!("places by number of dates: {}", dates.join(", ")));
    if let Some((first, last)) = survey.span {
        let month = |(year, month): (u16, u8)| format!("{year}-{month:02}");
        reporter.line(&format!("dates: {} to {}; pictures by month:", month(first), month(last)));
        histogram(&survey.months).iter().for_each(|line| reporter.line(line));
    }
    if survey.span.is_some() && survey.undated > 0 {
        reporter.line(&format!("without a date in their names: {} pictures", survey.undated));
    }
    if !survey.classes.is_empty() {
        let mut table = Table::new(["class", "pictures"]);
        survey.classes.iter().for_each(|(class, count)| table.row([class.clone(), count.to_string()]));
        reporter.table(&table);
    }
    let mut table = Table::new(["band", "mean", "std", "min", "max"]);
    for band in &survey.bands {
        let numbers =
            [band.mean, band.std, f64::from(band.min), f64::from(band.max)].map(|value| format!("{value:.4}"));
        table.row(std::iter::once(band.band.to_string()).chain(numbers));
    }
    reporter.table(&table);
    let list = |value: fn(&BandSurvey) -> f64| {
        survey.bands.iter().map(|band| format!("{:.4}", value(band))).collect::<Vec<_>>().join(", ")
    };
    reporter.line(&format!(
        "for a configuration: mean = [{}], std = [{}]",
        list(|band| band.mean),
        list(|band| band.std)
    ));
    for error in survey.damaged.iter().take(100) {
        reporter.warning(&error.in_full());
    }
    if !survey.damaged.is_empty() {
        reporter.warning(&format!(
            "{} of {} pictures cannot be read; training leaves them out",
            survey.damaged.len(),
            survey.pictures
        ));
    }
}

/// Prints how many of the pictures with these fingerprints the training of `encoder` has seen.
pub(super) fn seen(record: &Seen, encoder: &str, fingerprints: &[u64], reporter: &mut Reporter<'_>) {
    let seen = fingerprints.iter().filter(|&&fingerprint| record.contains(fingerprint)).count();
    let more = if record.is_incomplete() { " or more, since its record is incomplete" } else { "" };
    reporter.line(&format!(
        "seen by {encoder}: {} of {} pictures{more} (by content, of {} on record)",
        grouped(seen),
        grouped(fingerprints.len()),
        grouped(record.len())
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_share_of_the_largest() {
        let mut months = [0; 12];
        (months[0], months[6], months[11]) = (200, 50, 1);
        let lines = histogram(&months);
        assert_eq!(lines[0], format!("  Jan  {} 200", "█".repeat(40)));
        assert_eq!(lines[1], "  Feb  0");
        assert_eq!(lines[6], format!("  Jul  {} 50", "█".repeat(10)));
        assert_eq!(lines[11], "  Dec  █ 1", "what is there is seen");
    }
}
