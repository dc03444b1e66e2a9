//! A survey in words and tables.

use crate::data::{BandSurvey, Survey};
use crate::report::{Reporter, Table};

/// Prints a survey.
pub(super) fn survey(survey: &Survey, reporter: &mut Reporter<'_>) {
    let sizes: Vec<String> =
        survey.sizes.iter().take(6).map(|((height, width), count)| format!("{height} x {width} ({count})")).collect();
    let more = if survey.sizes.len() > 6 { format!(", and {} more", survey.sizes.len() - 6) } else { String::new() };
    reporter.line(&format!("pictures: {}; tiles of {}{more}", survey.pictures, sizes.join(", ")));
    let dates: Vec<String> =
        survey.dates_of_places.iter().take(8).map(|(dates, places)| format!("{places} with {dates}")).collect();
    reporter.line(&format!("places by number of dates: {}", dates.join(", ")));
    if let Some((first, last)) = survey.span {
        let month = |(year, month): (u16, u8)| format!("{year}-{month:02}");
        let months: Vec<String> = survey.months.iter().map(ToString::to_string).collect();
        reporter.line(&format!(
            "dates: {} to {}; pictures by month, January first: {}",
            month(first),
            month(last),
            months.join(" ")
        ));
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
        reporter.warning(&error.to_string());
    }
    if !survey.damaged.is_empty() {
        reporter.warning(&format!(
            "{} of {} pictures cannot be read; training leaves them out",
            survey.damaged.len(),
            survey.pictures
        ));
    }
}
