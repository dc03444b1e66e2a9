//! Which dates are wanted of a place: a comb of twelve-week steps, shifted back by the place's own number of days.

use chrono::{DateTime, Duration, NaiveDate, NaiveTime, Utc};
use serde::{Deserialize, Serialize};

/// The comb's shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comb {
    /// The newest date of a place that is not shifted.
    pub reference: NaiveDate,
    /// Number of dates.
    pub dates: usize,
    /// Weeks between dates.
    pub step_weeks: u16,
    /// Days allowed to either side of a date.
    pub half_window_days: f64,
}

/// A span of time in which one image is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its beginning.
    pub from: DateTime<Utc>,
    /// Its end.
    pub to: DateTime<Utc>,
}

impl Comb {
    /// SeCo's: five dates, twelve weeks apart, 7.5 days to either side.
    #[must_use]
    pub fn seco(reference: NaiveDate) -> Self {
        Self { reference, dates: 5, step_weeks: 12, half_window_days: 7.5 }
    }

    /// The windows of a place, newest first.
    #[must_use]
    pub fn windows(&self, shift_days: u16) -> Vec<Window> {
        let half = Duration::seconds((self.half_window_days * 86_400.0).round() as i64);
        (0..self.dates)
            .map(|tooth| {
                let back = i64::from(shift_days) + 7 * i64::from(self.step_weeks) * tooth as i64;
                let centre = self.reference.and_time(NaiveTime::MIN).and_utc() - Duration::days(back);
                Window { from: centre - half, to: centre + half }
            })
            .collect()
    }
}

impl Window {
    /// Whether the moment lies inside.
    #[must_use]
    pub fn contains(self, moment: DateTime<Utc>) -> bool {
        self.from <= moment && moment <= self.to
    }

    /// As STAC writes an interval.
    #[must_use]
    pub fn interval(self) -> String {
        format!("{}/{}", self.from.format("%Y-%m-%dT%H:%M:%SZ"), self.to.format("%Y-%m-%dT%H:%M:%SZ"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_dates_twelve_weeks_apart() {
        let reference = NaiveDate::from_ymd_opt(2021, 6, 1).expect("a date");
        let windows = Comb::seco(reference).windows(31);
        assert_eq!(windows.len(), 5);
        assert_eq!(windows[0].interval(), "2021-04-23T12:00:00Z/2021-05-08T12:00:00Z");
        assert_eq!(windows[4].interval(), "2020-05-22T12:00:00Z/2020-06-06T12:00:00Z");
        assert!(windows.windows(2).all(|pair| pair[0].from - pair[1].from == Duration::days(84)));
    }
}
