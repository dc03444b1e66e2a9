//! Two models' answers to the same tiles: where they differ, how often they agree, what each costs.

use crate::order;
use crate::report::quoted;

/// What a model says of a tile.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// Its class; none for a model without classes.
    pub class: Option<String>,
    /// The class's probability.
    pub share: f32,
    /// Milliseconds in the encoder.
    pub ms: f64,
}

/// A tile, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Which tile on the page.
    pub index: usize,
    /// Its file name.
    pub name: String,
    /// What the model in use says; a problem in words; nothing yet.
    pub first: Option<Result<Said, String>>,
    /// What the other one says.
    pub second: Option<Result<Said, String>>,
}

impl Line {
    /// Both answers, once they are there.
    fn both(&self) -> Option<(&Said, &Said)> {
        Some((self.first.as_ref()?.as_ref().ok()?, self.second.as_ref()?.as_ref().ok()?))
    }

    /// Whether both name the same class; `None` while one is missing, or has no classes.
    #[must_use]
    pub fn is_alike(&self) -> Option<bool> {
        let (first, second) = self.both()?;
        Some(first.class.as_ref()? == second.class.as_ref()?)
    }

    /// How sure both are of different things.
    fn dispute(&self) -> f32 {
        self.both().filter(|_| self.is_alike() == Some(false)).map_or(0.0, |(first, second)| first.share * second.share)
    }
}

/// The sum of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// Tiles that both have given a class.
    pub compared: usize,
    /// Of those, with the same class.
    pub alike: usize,
    /// Median milliseconds a tile of the model in use.
    pub first_ms: Option<f64>,
    /// Of the other one.
    pub second_ms: Option<f64>,
}

/// Counts agreement and takes medians of the times.
#[must_use]
pub fn tally(lines: &[Line]) -> Tally {
    let verdicts: Vec<bool> = lines.iter().filter_map(Line::is_alike).collect();
    Tally {
        compared: verdicts.len(),
        alike: verdicts.iter().filter(|is_alike| **is_alike).count(),
        first_ms: median(lines.iter().filter_map(|line| Some(line.both()?.0.ms)).collect()),
        second_ms: median(lines.iter().filter_map(|line| Some(line.both()?.1.ms)).collect()),
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    order::sort_by(&mut values, f64::total_cmp);
    let (low, high) = (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some(f64::midpoint(*low, *high))
}

/// Differences first, those before all that both models are sure of; the rest as on the page.
pub fn sort(lines: &mut [Line]) {
    order::sort_by(lines, |a, b| b.dispute().total_cmp(&a.dispute()).then(a.index.cmp(&b.index)));
}

/// One line a tile, as they stand.
#[must_use]
pub fn csv(names: [&str; 2], lines: &[Line]) -> String {
    let mut text = String::from("file,agree");
    for name in names {
        for column in ["class", "probability", "encoder_ms", "error"] {
            text.push_str(&format!(",{}", quoted(&format!("{name}: {column}"))));
        }
    }
    text.push('\n');
    for line in lines {
        let agree = line.is_alike().map(|is_alike| is_alike.to_string()).unwrap_or_default();
        text.push_str(&format!("{},{agree}", quoted(&line.name)));
        for side in [&line.first, &line.second] {
            let fields = match side {
                Some(Ok(said)) => {
                    let class = quoted(said.class.as_deref().unwrap_or_default());
                    let share = said.class.as_ref().map(|_| format!("{:.4}", said.share)).unwrap_or_default();
                    format!("{class},{share},{:.2},", said.ms)
                }
                Some(Err(problem)) => format!(",,,{}", quoted(problem)),
                None => ",,,".to_owned(),
            };
            text.push_str(&format!(",{fields}"));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
#[expect(clippy::unnecessary_wraps, reason = "lines hold options")]
mod tests {
    use super::*;

    fn said(class: &str, share: f32, ms: f64) -> Option<Result<Said, String>> {
        Some(Ok(Said { class: Some(class.into()), share, ms }))
    }

    fn lines() -> Vec<Line> {
        let sides = [
            (said("River", 0.9, 4.0), said("River", 0.8, 1.0)),
            (said("River", 0.5, 6.0), said("Forest", 0.5, 3.0)),
            (said("River", 0.9, 8.0), Some(Err("cut, short".into()))),
            (said("Forest", 0.9, 5.0), said("River", 0.8, 2.0)),
            (said("Forest", 0.9, 5.0), None),
            (said("Forest", 0.9, 7.0), Some(Ok(Said { class: None, share: 0.0, ms: 9.0 }))),
        ];
        let line = |(index, (first, second))| Line { index, name: format!("{index}.png"), first, second };
        sides.into_iter().enumerate().map(line).collect()
    }

    #[test]
    fn only_tiles_that_both_have_classed_are_counted() {
        let tally = tally(&lines());
        assert_eq!((tally.compared, tally.alike), (3, 1));
        // Of 4, 6, 5 and 7; of 1, 3, 2 and 9.
        assert_eq!((tally.first_ms, tally.second_ms), (Some(5.5), Some(2.5)));
        assert_eq!(super::tally(&[]), Tally::default());
    }

    #[test]
    fn what_both_are_sure_of_and_differ_in_comes_first() {
        let mut lines = lines();
        sort(&mut lines);
        assert_eq!(lines.iter().map(|line| line.index).collect::<Vec<_>>(), [3, 1, 0, 2, 4, 5]);
    }

    #[test]
    fn as_a_file_every_line_has_every_column() {
        let text = csv(["a, b", "c"], &lines());
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("file,agree,\"a, b: class\""), "{}", lines[0]);
        assert_eq!(lines[1], "0.png,true,River,0.9000,4.00,,River,0.8000,1.00,");
        assert_eq!(lines[3], "2.png,,River,0.9000,8.00,,,,,\"cut, short\"");
        assert_eq!(lines[5], "4.png,,Forest,0.9000,5.00,,,,,");
        assert_eq!(lines[6], "5.png,,Forest,0.9000,7.00,,,,9.00,");
    }
}
