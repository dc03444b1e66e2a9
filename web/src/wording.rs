//! Names and numbers as people read them.

/// `AnnualCrop` → `Annual crop`; names that already have spaces stay.
#[must_use]
pub fn class_label(name: &str) -> String {
    let mut label = String::with_capacity(name.len() + 4);
    let mut before = ' ';
    for letter in name.chars() {
        if letter.is_uppercase() && before.is_lowercase() {
            label.push(' ');
            label.extend(letter.to_lowercase());
        } else if letter == '_' {
            label.push(' ');
        } else {
            label.push(letter);
        }
        before = letter;
    }
    label
}

/// `1234567` → `1.2 MB`.
#[must_use]
pub fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{:.0} kB", count as f64 / 1e3),
        _ => format!("{:.1} MB", count as f64 / 1e6),
    }
}

/// `2 workers`; nothing of a single one.
#[must_use]
pub fn workers(count: usize) -> Option<String> {
    (count > 1).then(|| format!("{count} workers"))
}

/// `0.9349` → `93.5 %`; never claims certainty.
#[must_use]
pub fn percent(share: f64) -> String {
    if share > 0.999 && share < 1.0 + 1e-9 {
        return "> 99.9 %".to_owned();
    }
    if share < 0.001 { "< 0.1 %".to_owned() } else { format!("{:.1} %", share * 100.0) }
}

/// `37` of `49` → `75.5 %`; all of them are `100 %`: what was counted is certain.
#[must_use]
pub fn part(count: usize, whole: usize) -> String {
    if count > 0 && count == whole { "100 %".to_owned() } else { percent(count as f64 / whole.max(1) as f64) }
}

/// `0.42` → `0.4 ms`, `1234.0` → `1.23 s`.
#[must_use]
pub fn milliseconds(ms: f64) -> String {
    match ms {
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms if ms < 1000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.2} s", ms / 1000.0),
    }
}

/// `1234567` → `1 234 567`, with thin spaces.
#[must_use]
pub fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 * 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{2009}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_read_well() {
        assert_eq!(class_label("HerbaceousVegetation"), "Herbaceous vegetation");
        assert_eq!(class_label("sea_lake"), "sea lake");
        assert_eq!(bytes(2_431_088), "2.4 MB");
        assert_eq!(percent(0.9349), "93.5 %");
        assert_eq!(percent(0.9999), "> 99.9 %");
        assert_eq!(percent(0.0), "< 0.1 %");
        assert_eq!((part(49, 49), part(37, 49)), ("100 %".to_owned(), "75.5 %".to_owned()));
        assert_eq!((part(9999, 10_000), part(0, 0)), ("> 99.9 %".to_owned(), "< 0.1 %".to_owned()));
        assert_eq!(milliseconds(7.94), "7.9 ms");
        assert_eq!(milliseconds(1234.0), "1.23 s");
        assert_eq!(grouped(1_207_840), "1\u{2009}207\u{2009}840");
    }
}
