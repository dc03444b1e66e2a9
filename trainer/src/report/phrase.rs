//! How numbers are put into words: durations, shares, large counts and the collapse indicator.

/// `h:mm:ss`, rounded to whole seconds; `?` when the time is unknown.
#[must_use]
pub fn duration(secs: f64) -> String {
    if !secs.is_finite() || secs < 0.0 {
        return "?".to_owned();
    }
    let whole = secs.round() as u64;
    format!("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60)
}

/// A share in 0..=1 as a percentage with one decimal.
#[must_use]
pub fn percent(share: f64) -> String {
    if share.is_finite() { format!("{:.1} %", share * 100.0) } else { "n/a".to_owned() }
}

/// Thousands set apart by thin gaps that every terminal has: `16 200`.
#[must_use]
pub fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// What the spread of the embeddings means. It is the mean standard deviation of the L2-normalised embedding times the
/// square root of its width: 1 when embeddings fill the sphere, 0 when all of them are the same.
#[must_use]
pub fn collapse_word(spread: f64) -> &'static str {
    match spread {
        spread if spread.is_nan() => "unknown",
        spread if spread < 0.1 => "collapsed",
        spread if spread < 0.4 => "narrow",
        _ => "healthy",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_hours_minutes_seconds() {
        assert_eq!(duration(0.4), "0:00:00");
        assert_eq!(duration(59.6), "0:01:00");
        assert_eq!(duration(3_725.0), "1:02:05");
        assert_eq!(duration(360_000.0), "100:00:00");
        assert_eq!(duration(f64::INFINITY), "?");
    }

    #[test]
    fn counts_are_grouped_from_the_right() {
        let shown = [(0, "0"), (999, "999"), (1_000, "1 000"), (16_200, "16 200"), (1_234_567, "1 234 567")];
        for (count, text) in shown {
            assert_eq!(grouped(count), text);
        }
    }

    #[test]
    fn the_collapse_word_follows_the_spread() {
        let words = [0.0, 0.2, 0.9, f64::NAN].map(collapse_word);
        assert_eq!(words, ["collapsed", "narrow", "healthy", "unknown"]);
    }
}
