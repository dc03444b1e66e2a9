//! Everything that is printed or written about a run: the terminal, JSON lines, CSV, tables and pictures.
//!
//! The training loop only emits [`Event`]s; this module turns them into what a person or a program reads. Nothing else
//! under `trainer/src` prints.

mod confusion;
mod curves;
mod history;
mod phrase;
mod run_log;
mod scores;
mod study;
mod table;
mod tensorboard;
mod terminal;
mod tile_grid;

pub use confusion::confusion_svg;
pub use curves::curves_svg;
pub use history::{EpochPoint, History, StepPoint};
pub use phrase::{collapse_word, duration, grouped, percent};
pub use run_log::RunLog;
pub use scores::{class_table, score_table, write_results};
pub use study::{StudyPoint, study_svg};
pub use table::Table;
pub use tile_grid::tile_grid_png;

use std::io::Write;
use std::time::Duration;

use crate::data::Warning;
use crate::engine::event::Event;
use terminal::Terminal;

/// Turns events into terminal lines and into the files of a run folder.
///
/// Results go to `out`; progress, notes and warnings go to `err`, so that a redirected result stays clean.
pub struct Reporter<'a> {
    terminal: Terminal<'a>,
    run_log: Option<RunLog>,
    epochs: usize,
    steps: usize,
}

impl<'a> Reporter<'a> {
    /// `is_terminal` says whether `err` is a terminal: then progress is one line that overwrites itself, otherwise a
    /// plain line now and then.
    pub fn new(out: &'a mut dyn Write, err: &'a mut dyn Write, is_terminal: bool) -> Self {
        Self { terminal: Terminal::new(out, err, is_terminal), run_log: None, epochs: 0, steps: 0 }
    }

    /// Sets how often progress is shown, instead of ten times a second on a terminal and every ten seconds elsewhere.
    #[must_use]
    pub fn every(mut self, pace: Duration) -> Self {
        self.terminal.set_pace(pace);
        self
    }

    /// One line of result.
    pub fn line(&mut self, text: &str) {
        self.terminal.out(text);
    }

    /// One line about what is being done, apart from results.
    pub fn note(&mut self, text: &str) {
        self.terminal.err(text);
    }

    /// Something that went wrong without ending the command.
    pub fn warning(&mut self, text: &str) {
        self.terminal.err(&format!("warning: {text}"));
    }

    /// Warnings about data, with their counts.
    pub fn data_warnings(&mut self, warnings: &[Warning]) {
        for warning in warnings {
            match warning.count {
                0 | 1 => self.warning(&warning.what),
                count => self.warning(&format!("{} ({count} times)", warning.what)),
            }
        }
    }

    /// An aligned table on the result stream.
    pub fn table(&mut self, table: &Table) {
        self.terminal.out(table.to_string().trim_end());
    }

    /// How far a long piece of work is: `done` of `total`, with the time left as soon as it can be guessed.
    pub fn progress(&mut self, what: &str, done: usize, total: usize) {
        self.terminal.progress(what, done, total);
    }

    /// The live line of a long piece of work that counts for itself, most important part first.
    pub fn live(&mut self, parts: &[String]) {
        self.terminal.live(parts);
    }

    /// Takes in one event of a run. A file that cannot be written is warned of once and never ends the run.
    pub fn event(&mut self, event: &Event) {
        if let Event::RunStarted { run_dir, .. } = event {
            match RunLog::open(run_dir) {
                Ok(log) => self.run_log = Some(log),
                Err(problem) => self.warning(&problem),
            }
        }
        if let Some(problem) = self.run_log.as_mut().and_then(|log| log.record(event)) {
            self.warning(&problem);
        }
        self.show(event);
    }

    /// The terminal's side of an event.
    fn show(&mut self, event: &Event) {
        match event {
            Event::RunStarted { run_dir, method, device, parameters, steps_per_epoch, epochs, .. } => {
                self.epochs = *epochs;
                self.steps = steps_per_epoch * epochs;
                self.terminal.start_clock();
                self.terminal.err(&format!(
                    "{method} on {device}: {} parameters, {epochs} epochs of {} steps → {}",
                    grouped(*parameters),
                    grouped(*steps_per_epoch),
                    run_dir.display()
                ));
            }
            Event::Step { step, epoch, loss, tiles_per_sec, eta_secs, spread, .. } => {
                let knn = self.run_log.as_ref().and_then(|log| log.history().last_knn());
                let mut parts = vec![
                    format!("epoch {}/{}", (epoch + 1).min(self.epochs.max(1)), self.epochs.max(1)),
                    format!("loss {loss:.3}"),
                    format!("{} left", duration(*eta_secs)),
                    format!("{tiles_per_sec:.0} tiles/s"),
                    format!("spread {spread:.2} {}", collapse_word(*spread)),
                    format!("step {}/{}", grouped(*step), grouped(self.steps)),
                ];
                if let Some(knn) = knn {
                    parts.insert(2, format!("k-NN {}", percent(knn)));
                }
                self.terminal.live(&parts);
            }
            Event::Progress { what, done, total } => self.terminal.progress(what, *done, *total),
            Event::Clustered { clusters, empty, smallest, largest, reseeded, stability, secs, .. } => {
                let kept = stability.map(|share| format!(", {share:.2} in common with those before"));
                self.terminal.err(&format!(
                    "{} clusters of {} to {} tiles, {empty} empty, {reseeded} re-seeded{}, in {}",
                    grouped(*clusters),
                    grouped(*smallest),
                    grouped(*largest),
                    kept.unwrap_or_default(),
                    duration(*secs)
                ));
            }
            Event::Generated { path, spread, .. } => self.terminal.err(&format!(
                "generated tiles: {}, {} of the real tiles' spread",
                path.display(),
                percent(*spread)
            )),
            Event::EpochEnded { epoch, loss, knn_accuracy, secs, .. } => {
                let knn = knn_accuracy.map(|value| format!("  k-NN {}", percent(value))).unwrap_or_default();
                self.terminal.err(&format!(
                    "epoch {}/{} done  mean loss {loss:.3}{knn}  in {}",
                    epoch + 1,
                    self.epochs.max(epoch + 1),
                    duration(*secs)
                ));
            }
            Event::Checkpoint { .. } => {}
            Event::Resumed { step } => self.terminal.err(&format!("resumed after step {}", grouped(*step))),
            Event::Warning { what, count } if *count > 1 => {
                self.terminal.err(&format!("warning: {what} ({} times)", grouped(*count)));
            }
            Event::Warning { what, .. } => self.terminal.err(&format!("warning: {what}")),
            Event::Finished { steps, secs } => {
                self.terminal.err(&format!("finished {} steps in {}", grouped(*steps), duration(*secs)));
            }
            Event::Interrupted { step } => {
                self.terminal.err(&format!("stopped after step {}; everything up to here is saved", grouped(*step)));
            }
        }
    }
}
