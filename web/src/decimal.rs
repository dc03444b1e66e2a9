//! Numbers out of what people type and addresses hold. (The standard library's reader brings ten kilobytes of powers of ten, which
//! only longer numbers need, and everyone downloads the page.)

/// Digits that a number keeps; more would not change it by a billionth.
const DIGITS: usize = 18;

/// Reads `-12.5`, `3`, `1e-3`; exact for numbers of up to fifteen digits. `None` for anything else, infinity too.
#[must_use]
pub fn decimal(text: &str) -> Option<f64> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(text) => (-1.0, text),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok().filter(|power| power.abs() < 400)?),
        None => (text, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = || whole.bytes().chain(fraction.bytes());
    if all().next().is_none() || !all().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let significant = all().skip_while(|byte| *byte == b'0').collect::<Vec<_>>();
    let kept = &significant[..significant.len().min(DIGITS)];
    let mantissa = kept.iter().fold(0_u64, |sum, byte| sum * 10 + u64::from(byte - b'0'));
    let power = exponent - fraction.len() as i32 + (significant.len() - kept.len()) as i32;
    // Powers of ten up to the 22nd are exact.
    let value = if power < 0 { mantissa as f64 / 10_f64.powi(-power) } else { mantissa as f64 * 10_f64.powi(power) };
    value.is_finite().then_some(sign * value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_standard_library() {
        for text in [
            "0",
            "-0.5",
            "3",
            "1e-3",
            "12.75",
            "+7",
            ".5",
            "5.",
            "0.1",
            "0.0001234",
            "-179.99999999999",
            "1E6",
            "00012",
        ] {
            assert_eq!(decimal(text), text.parse().ok(), "{text}");
        }
        for at in 0..2000_i32 {
            let text = format!("{:.7}", f64::from(at - 1000) * 0.123_456_7);
            assert_eq!(decimal(&text), text.parse().ok(), "{text}");
        }
        let long = decimal("3.14159265358979323846264338327950288").unwrap_or_default();
        assert!((long - std::f64::consts::PI).abs() < 1e-15, "{long}");
    }

    #[test]
    fn nothing_else_is_a_number() {
        for text in ["", ".", "-", "e3", "1e", "1e999", "inf", "NaN", "1,5", " 1", "1 ", "0x10", "--1", "1e1.5", "١"] {
            assert_eq!(decimal(text), None, "{text}");
        }
    }
}
