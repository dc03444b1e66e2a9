//! The report card: what was measured beside what others published, as Markdown and JSON.

use serde::Serialize;

use super::row::{Measure, ROW_VERSION, Row};
use super::run::Findings;
use super::task::{Published, Task};
use crate::report::{StudyPoint, Table};

/// The whole report, as `report.json` has it.
#[derive(Serialize)]
pub struct Card<'a> {
    version: u32,
    rows: &'a [Row],
    tasks: Vec<&'a Task>,
    absent: &'a [String],
    left_out: &'a [String],
    failed: &'a [String],
}

impl<'a> Card<'a> {
    /// Puts findings and the tasks they are of together.
    #[must_use]
    pub fn new(findings: &'a Findings, tasks: &'a [Task]) -> Self {
        let is_measured = |task: &&Task| findings.rows.iter().any(|row| row.task == task.name);
        Self {
            version: ROW_VERSION,
            rows: &findings.rows,
            tasks: tasks.iter().filter(is_measured).collect(),
            absent: &findings.absent,
            left_out: &findings.left_out,
            failed: &findings.failed,
        }
    }

    /// The report as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text =
            "# Benchmark\n\nA score is a percentage of the test part. `a (b–c)`: c and b bound 95 % of 1000 bootstrap \
                        samples; `a ± d`: mean and standard deviation over draws.\n"
                .to_owned();
        for task in &self.tasks {
            text.push_str(&self.section(task));
        }
        for (heading, lines) in
            [("Broken off", self.failed), ("Left out", self.left_out), ("Not on this disk", self.absent)]
        {
            if !lines.is_empty() {
                text.push_str(&format!("\n## {heading}\n\n"));
                text.extend(lines.iter().map(|line| format!("- {}\n", in_a_line(line))));
            }
        }
        text
    }

    fn section(&self, task: &Task) -> String {
        let own = || self.rows.iter().filter(|row| row.task == task.name);
        let mut text = format!(
            "\n## {}\n\n{}. Licence: {}. Cite: {}. {}\n\n",
            task.title, task.imagery, task.licence, task.citation, task.homepage
        );
        text.push_str(&table(task, own()).markdown());
        let mut procedures: Vec<(&str, &str, String)> = Vec::new();
        for row in own() {
            let entry = (row.protocol.as_str(), row.encoder.as_str(), row.procedure.clone());
            if !procedures.iter().any(|known| known.0 == entry.0 && known.2 == entry.2) {
                procedures.push(entry);
            }
        }
        text.push('\n');
        for (protocol, encoder, procedure) in procedures {
            text.push_str(&format!("- **{protocol}** ({encoder}): {procedure}\n"));
        }
        for split in &task.splits {
            if !split.note.is_empty() && own().any(|row| row.split == split.name) {
                text.push_str(&format!("- split **{}**: {}\n", split.name, split.note));
            }
        }
        let mut notes: Vec<(String, &str)> = Vec::new();
        for row in own() {
            for note in &row.notes {
                let of = format!("{}, {}", row.encoder, row.split);
                if !notes.iter().any(|known| known.0 == of && known.1 == note) {
                    notes.push((of, note));
                }
            }
        }
        text.extend(notes.into_iter().map(|(of, note)| format!("- {of}: {}\n", in_a_line(note))));
        let beside: Vec<&Published> = task.published.iter().collect();
        if !beside.is_empty() {
            text.push_str("\nPublished:\n\n");
            let mut table = Table::new(["model", "protocol", "measure", "split", "value", "source", "note"]);
            for figure in beside {
                table.row([
                    figure.model.clone(),
                    figure.protocol.clone(),
                    figure.measure.clone(),
                    figure.split.clone().unwrap_or_default(),
                    format!("{} %", figure.value),
                    figure.source.clone(),
                    figure.note.clone(),
                ]);
            }
            text.push_str(&table.markdown());
        }
        text
    }
}

/// One line a measure: what it is of, and the published figure that stands beside it.
#[must_use]
pub fn table<'a>(task: &Task, rows: impl Iterator<Item = &'a Row>) -> Table {
    let mut table = Table::new(["encoder", "split", "protocol", "measure", "score", "px", "pictures", "published"]);
    for row in rows {
        for measure in &row.measures {
            table.row([
                row.encoder.clone(),
                row.split.clone(),
                row.protocol.clone(),
                measure.name.clone(),
                measure.text(),
                row.input_px.to_string(),
                row.pictures.map(|count| count.to_string()).join("/"),
                beside(task, row, measure),
            ]);
        }
    }
    table
}

/// The best published figure of the same protocol, measure and split.
fn beside(task: &Task, row: &Row, measure: &Measure) -> String {
    let is_same = |figure: &&Published| {
        figure.protocol == row.protocol
            && figure.measure == measure.name
            && figure.split.as_ref().is_none_or(|split| *split == row.split)
    };
    let best = task.published.iter().filter(is_same).max_by(|a, b| a.value.total_cmp(&b.value));
    best.map(|figure| format!("{} ({})", figure.value, figure.model)).unwrap_or_default()
}

/// Every task's first measure of every protocol as a point: columns are protocols of tasks, colours are encoders.
#[must_use]
pub fn points(rows: &[Row]) -> (Vec<String>, Vec<StudyPoint>) {
    let mut columns: Vec<String> = Vec::new();
    let mut points = Vec::new();
    for row in rows {
        let Some(value) = row.measures.first().and_then(|measure| measure.value) else { continue };
        let name = format!("{} {}", row.task, row.protocol);
        let column = columns.iter().position(|known| *known == name).unwrap_or_else(|| {
            columns.push(name);
            columns.len() - 1
        });
        points.push(StudyPoint { column, series: row.encoder.clone(), values: vec![value] });
    }
    (columns, points)
}

fn in_a_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
