//! How fast it goes, and how long it will take.

/// Work that is counted: what was done when.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pace {
    /// Done so far.
    pub done: usize,
    /// To do in all.
    pub total: usize,
    /// Milliseconds that took.
    pub elapsed_ms: f64,
}

impl Pace {
    /// So many a second; 0 before there is anything to tell from.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        if self.elapsed_ms > 0.0 { self.done as f64 / self.elapsed_ms * 1000.0 } else { 0.0 }
    }

    /// Milliseconds to go at this pace; `None` before there is anything to tell from.
    #[must_use]
    pub fn left_ms(&self) -> Option<f64> {
        let rest = self.total.saturating_sub(self.done) as f64;
        (self.done > 0).then(|| rest * self.elapsed_ms / self.done as f64)
    }

    /// `1 024 of 29 412 · 125 a second · 3 min 47 s left`.
    #[must_use]
    pub fn line(&self) -> String {
        let counted = format!("{} of {}", crate::wording::grouped(self.done), crate::wording::grouped(self.total));
        match self.left_ms() {
            Some(left) => format!("{counted} · {:.0} a second · {} left", self.per_second(), duration(left)),
            None => counted,
        }
    }
}

/// `0.4 s`, `47 s`, `3 min 47 s`, `2 h 5 min`.
#[must_use]
pub fn duration(ms: f64) -> String {
    let seconds = (ms / 1000.0).round() as u64;
    match seconds {
        0..10 => format!("{:.1} s", ms / 1000.0),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_takes_as_long_as_what_was_done() {
        let pace = Pace { done: 250, total: 1000, elapsed_ms: 2000.0 };
        assert!((pace.per_second() - 125.0).abs() < 1e-9);
        assert_eq!(pace.left_ms(), Some(6000.0));
        assert_eq!(pace.line(), "250 of 1\u{2009}000 · 125 a second · 6.0 s left");
        assert_eq!(Pace { total: 5, ..Pace::default() }.line(), "0 of 5");
    }

    #[test]
    fn times_read_well() {
        assert_eq!(duration(400.0), "0.4 s");
        assert_eq!(duration(47_000.0), "47 s");
        assert_eq!(duration(227_000.0), "3 min 47 s");
        assert_eq!(duration(7_500_000.0), "2 h 5 min");
    }
}
