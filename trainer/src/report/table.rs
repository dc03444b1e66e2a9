//! Tables: aligned with blanks for the terminal, or as Markdown for a report.

use std::fmt::{self, Display, Formatter};

/// A table of text cells. The first column is set flush left, the others flush right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these column names.
    pub fn new<S: Into<String>>(head: impl IntoIterator<Item = S>) -> Self {
        Self { head: head.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row; missing cells stay empty and surplus ones are dropped.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        let mut row: Vec<String> = cells.into_iter().map(Into::into).collect();
        row.resize(self.head.len(), String::new());
        self.rows.push(row);
    }

    /// The same table as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let widths = self.widths();
        let line = |cells: &[String]| {
            let padded: Vec<String> =
                cells.iter().zip(&widths).enumerate().map(|(at, (cell, &width))| pad(cell, width, at)).collect();
            format!("| {} |\n", padded.join(" | "))
        };
        let rule: Vec<String> = widths
            .iter()
            .enumerate()
            .map(|(at, &width)| if at == 0 { "-".repeat(width.max(3)) } else { "-".repeat(width.max(3) - 1) + ":" })
            .collect();
        let body: String = self.rows.iter().map(|row| line(row)).collect();
        format!("{}| {} |\n{body}", line(&self.head), rule.join(" | "))
    }

    fn widths(&self) -> Vec<usize> {
        (0..self.head.len())
            .map(|column| {
                let cells = self.rows.iter().map(|row| row[column].chars().count());
                cells.chain([self.head[column].chars().count()]).max().unwrap_or(0)
            })
            .collect()
    }
}

impl Display for Table {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        for row in std::iter::once(&self.head).chain(&self.rows) {
            let cells: Vec<String> =
                row.iter().zip(&widths).enumerate().map(|(at, (cell, &width))| pad(cell, width, at)).collect();
            writeln!(formatter, "{}", cells.join("  ").trim_end())?;
        }
        Ok(())
    }
}

/// Pads by characters: the first column on the right, the others on the left.
fn pad(cell: &str, width: usize, column: usize) -> String {
    if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["encoder", "k-NN 20"]);
        table.row(["trained", "90.1 %"]);
        table.row(["random weights", "60.0 %"]);
        table
    }

    #[test]
    fn columns_line_up() {
        let text = "encoder         k-NN 20\ntrained          90.1 %\nrandom weights   60.0 %\n";
        assert_eq!(table().to_string(), text);
    }

    #[test]
    fn markdown_has_a_rule_that_sets_the_side() {
        let text = "| encoder        | k-NN 20 |\n| -------------- | ------: |\n\
                    | trained        |  90.1 % |\n| random weights |  60.0 % |\n";
        assert_eq!(table().markdown(), text);
    }
}
