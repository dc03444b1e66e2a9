//! The files of a run folder: `events.jsonl` (everything, the source of the next two), `metrics.csv`, `curves.svg`, and
//! TensorBoard's event files.
//!
//! Lines are appended as events come. When a run is resumed, what had been written after the checkpoint is cut off, so
//! that no step occurs twice.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::curves::curves_svg;
use super::history::History;
use super::tensorboard::EventFile;
use crate::engine::event::Event;

/// Curves are redrawn at most this often while a run goes on.
const REDRAW_PACE: Duration = Duration::from_secs(20);

/// Writes a run's events, numbers and curves.
pub struct RunLog {
    folder: PathBuf,
    events: File,
    metrics: Option<File>,
    tensorboard: Option<EventFile>,
    history: History,
    /// Rows of `history.steps` that are in the CSV file. The newest waits for a k-NN accuracy that may follow it.
    rows_written: usize,
    /// Held back until it is known whether the run is resumed.
    opening: Option<Event>,
    last_drawn: Option<Instant>,
    is_broken: bool,
}

impl RunLog {
    /// Opens the log of a run folder, which is made when it is missing. An incomplete last line (a killed run) is cut.
    ///
    /// # Errors
    /// With a sentence for the user when the folder cannot be written or its log not be read.
    pub fn open(folder: &Path) -> Result<Self, String> {
        let path = folder.join("events.jsonl");
        let blame =
            |error: io::Error| format!("cannot open {}: {error}; the run goes on without a log", path.display());
        fs::create_dir_all(folder).map_err(blame)?;
        let events = OpenOptions::new().create(true).append(true).read(true).open(&path).map_err(blame)?;
        let mut log = Self {
            folder: folder.to_owned(),
            events,
            metrics: None,
            tensorboard: None,
            history: History::default(),
            rows_written: 0,
            opening: None,
            last_drawn: None,
            is_broken: false,
        };
        let lines = log.lines().map_err(blame)?;
        log.keep(&lines).map_err(blame)?;
        Ok(log)
    }

    /// The run so far.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Writes one event down. Returns a sentence to warn the user with, once, when a file cannot be written.
    pub fn record(&mut self, event: &Event) -> Option<String> {
        if self.is_broken {
            self.history.add(event);
            return None;
        }
        let outcome = self.try_record(event);
        outcome.err().map(|error| {
            self.is_broken = true;
            format!("the log in {} stays incomplete: {error}", self.folder.display())
        })
    }

    fn try_record(&mut self, event: &Event) -> anyhow::Result<()> {
        if matches!(event, Event::RunStarted { .. }) {
            self.opening = Some(event.clone());
            return Ok(());
        }
        if let Event::Progress { .. } = event {
            return Ok(());
        }
        if let Event::Clustered { epoch, .. } = event
            && self.history.steps.last().is_some_and(|point| point.epoch >= *epoch)
        {
            // Its epoch is under way already.
            return Ok(());
        }
        if let Event::Resumed { step } = event {
            let lines = self.lines()?;
            let kept = resumable(&lines, *step);
            self.keep(&lines[..kept])?;
            self.rewrite_metrics()?;
            self.tensorboard = Some(EventFile::create(&self.folder, Some(step + 1))?);
        }
        if let Event::EpochEnded { epoch, .. } | Event::Generated { epoch, .. } = event
            && self.history.epochs.iter().any(|point| point.epoch == *epoch)
        {
            // Ended before the checkpoint that was resumed from, and ended once more.
            return Ok(());
        }
        if let Some(opening) = self.opening.take() {
            self.append(&opening)?;
        }
        self.append(event)?;
        match event {
            Event::EpochEnded { .. } => {
                self.append_metrics(self.history.steps.len())?;
                if self.last_drawn.is_none_or(|drawn| drawn.elapsed() >= REDRAW_PACE) {
                    self.draw()?;
                }
            }
            Event::Finished { .. } | Event::Interrupted { .. } => {
                self.append_metrics(self.history.steps.len())?;
                self.draw()?;
            }
            _ => self.append_metrics(self.history.steps.len().saturating_sub(1))?,
        }
        Ok(())
    }

    fn append(&mut self, event: &Event) -> anyhow::Result<()> {
        let mut line = serde_json::to_string(event)?;
        line.push('\n');
        // One write a line: a kill leaves at most one incomplete line.
        self.events.write_all(line.as_bytes())?;
        self.history.add(event);
        if self.tensorboard.is_none() {
            self.tensorboard = Some(EventFile::create(&self.folder, None)?);
        }
        let last_step = self.history.steps.last().map_or(0, |point| point.step);
        self.tensorboard.as_mut().map_or(Ok(()), |file| file.record(event, last_step))?;
        Ok(())
    }

    /// Brings the CSV file up to the first `rows` steps.
    fn append_metrics(&mut self, rows: usize) -> io::Result<()> {
        if rows <= self.rows_written {
            return Ok(());
        }
        let mut text = String::new();
        if self.metrics.is_none() {
            let path = self.folder.join("metrics.csv");
            let file = OpenOptions::new().create(true).append(true).open(path)?;
            if file.metadata()?.len() == 0 {
                text.push_str(&self.history.csv_head());
            }
            self.metrics = Some(file);
        }
        text.extend(self.history.steps[self.rows_written..rows].iter().map(super::StepPoint::csv_row));
        self.rows_written = rows;
        self.metrics.as_mut().map_or(Ok(()), |file| file.write_all(text.as_bytes()))
    }

    fn rewrite_metrics(&mut self) -> anyhow::Result<()> {
        let steps = &self.history.steps;
        let mut text = if steps.is_empty() { String::new() } else { self.history.csv_head() };
        text.extend(steps.iter().map(super::StepPoint::csv_row));
        self.rows_written = steps.len();
        self.metrics = None;
        atomic_file::write(&self.folder.join("metrics.csv"), text.as_bytes())
    }

    fn draw(&mut self) -> anyhow::Result<()> {
        self.last_drawn = Some(Instant::now());
        if self.history.steps.is_empty() {
            return Ok(());
        }
        let svg = curves_svg(&self.history)?;
        atomic_file::write(&self.folder.join("curves.svg"), svg.as_bytes())
    }

    /// The complete lines of the log.
    fn lines(&self) -> io::Result<Vec<Line>> {
        let text = fs::read(self.folder.join("events.jsonl"))?;
        let mut end = 0;
        let mut lines = Vec::new();
        for line in text.split_inclusive(|&byte| byte == b'\n') {
            end += line.len() as u64;
            match serde_json::from_slice(line) {
                Ok(StepOf { step }) if line.ends_with(b"\n") => {
                    lines.push(Line { end, step, event: serde_json::from_slice(line).ok() });
                }
                _ => break,
            }
        }
        Ok(lines)
    }

    /// Cuts the log after `lines` and takes the history from them.
    fn keep(&mut self, lines: &[Line]) -> io::Result<()> {
        self.events.set_len(lines.last().map_or(0, |line| line.end))?;
        self.history = History::default();
        lines.iter().filter_map(|line| line.event.as_ref()).for_each(|event| self.history.add(event));
        self.rows_written = self.history.steps.len();
        Ok(())
    }
}

/// A line of `events.jsonl`.
struct Line {
    /// Bytes up to here, this line included.
    end: u64,
    step: Option<usize>,
    /// Missing for a step whose loss was not a number, which JSON writes as `null`.
    event: Option<Event>,
}

/// What tells where in the run a line belongs.
#[derive(serde::Deserialize)]
struct StepOf {
    step: Option<usize>,
}

/// How many leading lines come before the first one beyond `step`. Steps ascend in a log, since every resumption cuts.
fn resumable(lines: &[Line], step: usize) -> usize {
    lines.iter().position(|line| line.step.is_some_and(|at| at > step)).unwrap_or(lines.len())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    fn started(folder: &Path) -> Event {
        Event::RunStarted {
            run_dir: folder.to_owned(),
            method: "seco".to_owned(),
            device: "cpu".to_owned(),
            parameters: 1_000,
            steps_per_epoch: 2,
            epochs: 3,
        }
    }

    fn step(step: usize, loss: f64) -> Event {
        Event::Step {
            step,
            epoch: (step - 1) / 2,
            loss,
            parts: vec![("z0".to_owned(), loss / 2.0), ("z1".to_owned(), loss / 2.0)],
            lr: 0.1,
            tiles_per_sec: 100.0,
            eta_secs: 1.0,
            spread: 0.9,
            contrastive_accuracy: 0.5,
        }
    }

    fn ended(epoch: usize) -> Event {
        Event::EpochEnded { epoch, loss: 1.0, knn_accuracy: Some(0.5), secs: 1.0 }
    }

    fn write(folder: &Path, events: &[Event]) {
        let mut log = RunLog::open(folder).unwrap();
        for event in events {
            assert_eq!(log.record(event), None);
        }
    }

    fn csv(folder: &Path) -> Vec<String> {
        fs::read_to_string(folder.join("metrics.csv")).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_resumed_run_reads_as_if_never_killed() {
        let whole = [step(1, 4.0), step(2, 3.0), ended(0), step(3, 2.0), step(4, 1.0), ended(1)];
        let smooth = tempfile::tempdir().unwrap();
        write(
            smooth.path(),
            &[&[started(smooth.path())], &whole[..], &[Event::Finished { steps: 4, secs: 1.0 }]].concat(),
        );

        let killed = tempfile::tempdir().unwrap();
        write(killed.path(), &[&[started(killed.path())], &whole[..5]].concat());
        // Killed in the middle of a line, after the checkpoint of step 2.
        OpenOptions::new()
            .append(true)
            .open(killed.path().join("events.jsonl"))
            .unwrap()
            .write_all(b"{\"event\":")
            .unwrap();
        let again = [&[started(killed.path()), Event::Resumed { step: 2 }], &whole[3..]].concat();
        write(killed.path(), &[&again[..], &[Event::Finished { steps: 4, secs: 1.0 }]].concat());

        assert_eq!(csv(killed.path()), csv(smooth.path()));
        assert_eq!(csv(killed.path()).len(), 1 + 4, "a head and a row a step");
        assert!(csv(killed.path())[0].ends_with("knn_accuracy,z0,z1"));
        assert_eq!(
            fs::read_to_string(killed.path().join("curves.svg")).unwrap(),
            fs::read_to_string(smooth.path().join("curves.svg")).unwrap()
        );
        let events = fs::read_to_string(killed.path().join("events.jsonl")).unwrap();
        assert_eq!(events.lines().filter(|line| line.contains("\"step\":3,")).count(), 1);
        assert!(events.lines().all(|line| serde_json::from_str::<Event>(line).is_ok()));
    }

    #[test]
    fn an_epoch_that_ends_twice_is_written_once() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &[started(folder.path()), step(1, 4.0), step(2, 3.0), ended(0)]);
        write(folder.path(), &[started(folder.path()), Event::Resumed { step: 2 }, ended(0), step(3, 2.0)]);
        let events = fs::read_to_string(folder.path().join("events.jsonl")).unwrap();
        assert_eq!(events.matches("epoch-ended").count(), 1);
    }

    #[test]
    fn a_loss_that_is_no_number_does_not_cut_the_log() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &[started(folder.path()), step(1, f64::NAN), step(2, 3.0)]);
        assert_eq!(RunLog::open(folder.path()).unwrap().history().steps.len(), 1);
        assert_eq!(fs::read_to_string(folder.path().join("events.jsonl")).unwrap().lines().count(), 3);
    }
}
