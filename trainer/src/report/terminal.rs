//! Two streams: results on one, notes and one live progress line on the other. A reader that went away (a closed pipe)
//! is no error: printing simply stops.

use std::io::Write;
use std::time::{Duration, Instant};

use super::phrase::{duration, grouped};

/// Progress on a terminal, where it overwrites itself.
const TERMINAL_PACE: Duration = Duration::from_millis(100);
/// Progress in a log file, where every line stays.
const LOG_PACE: Duration = Duration::from_secs(10);
/// Between two parts of a progress line.
const GAP: &str = "  ";

pub(super) struct Terminal<'a> {
    out: Stream<'a>,
    err: Stream<'a>,
    is_terminal: bool,
    is_live_line_shown: bool,
    pace: Duration,
    last_shown: Option<Instant>,
    /// The piece of work that [`Self::progress`] counts, and when it began.
    work: Option<(String, Instant)>,
}

/// A writer that falls silent after its first error.
struct Stream<'a> {
    writer: &'a mut dyn Write,
    is_broken: bool,
}

impl Stream<'_> {
    fn write(&mut self, text: &str) {
        if !self.is_broken {
            self.is_broken = self.writer.write_all(text.as_bytes()).and_then(|()| self.writer.flush()).is_err();
        }
    }
}

impl<'a> Terminal<'a> {
    pub(super) fn new(out: &'a mut dyn Write, err: &'a mut dyn Write, is_terminal: bool) -> Self {
        Self {
            out: Stream { writer: out, is_broken: false },
            err: Stream { writer: err, is_broken: false },
            is_terminal,
            is_live_line_shown: false,
            pace: if is_terminal { TERMINAL_PACE } else { LOG_PACE },
            last_shown: None,
            work: None,
        }
    }

    pub(super) fn set_pace(&mut self, pace: Duration) {
        self.pace = pace;
    }

    pub(super) fn out(&mut self, text: &str) {
        self.clear_live_line();
        self.out.write(&format!("{text}\n"));
    }

    pub(super) fn err(&mut self, text: &str) {
        self.clear_live_line();
        self.err.write(&format!("{text}\n"));
    }

    /// Lets the next live line wait for a full interval in a log, and come at once on a terminal.
    pub(super) fn start_clock(&mut self) {
        self.last_shown = if self.is_terminal { None } else { Some(Instant::now()) };
    }

    /// The live line, most important part first: parts that do not fit the terminal's width are left out.
    pub(super) fn live(&mut self, parts: &[String]) {
        if self.last_shown.is_some_and(|shown| shown.elapsed() < self.pace) {
            return;
        }
        self.last_shown = Some(Instant::now());
        if self.is_terminal {
            let columns = terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0));
            let line = fitting(parts, columns.saturating_sub(1));
            self.err.write(&format!("\r{line}\x1b[K"));
            self.is_live_line_shown = true;
        } else {
            self.err.write(&format!("{}\n", parts.join(GAP)));
        }
    }

    pub(super) fn progress(&mut self, what: &str, done: usize, total: usize) {
        if self.work.as_ref().is_none_or(|(work, _)| work != what) {
            self.work = Some((what.to_owned(), Instant::now()));
            self.start_clock();
        }
        if done >= total {
            self.work = None;
            self.clear_live_line();
            return;
        }
        let mut parts = vec![format!("{what} {}/{}", grouped(done), grouped(total))];
        if let Some((_, began)) = &self.work
            && done > 0
        {
            let left = began.elapsed().as_secs_f64() / done as f64 * (total - done) as f64;
            parts.push(format!("{} left", duration(left)));
        }
        self.live(&parts);
    }

    fn clear_live_line(&mut self) {
        if self.is_live_line_shown {
            self.err.write("\r\x1b[K");
            self.is_live_line_shown = false;
        }
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        self.clear_live_line();
    }
}

/// As many leading parts as fit into `columns`.
fn fitting(parts: &[String], columns: usize) -> String {
    let mut line = String::new();
    for part in parts {
        let gap = if line.is_empty() { "" } else { GAP };
        if line.chars().count() + gap.len() + part.chars().count() > columns {
            break;
        }
        line.push_str(gap);
        line.push_str(part);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_terminal_keeps_the_leading_parts() {
        let parts = ["epoch 1/2", "loss 4.000", "tiles"].map(String::from);
        assert_eq!(fitting(&parts, 21), "epoch 1/2  loss 4.000");
        assert_eq!(fitting(&parts, 20), "epoch 1/2");
        assert_eq!(fitting(&parts, 3), "");
    }

    #[test]
    fn a_live_line_is_cleared_before_the_next_plain_one() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut terminal = Terminal::new(&mut out, &mut err, true);
        terminal.live(&["working".to_owned()]);
        terminal.err("done");
        drop(terminal);
        assert_eq!(String::from_utf8_lossy(&err), "\rworking\x1b[K\r\x1b[Kdone\n");
    }

    #[test]
    fn a_closed_pipe_silences_the_stream() {
        struct Closed(usize);
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                self.0 += 1;
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let (mut out, mut err) = (Closed(0), Vec::new());
        let mut terminal = Terminal::new(&mut out, &mut err, false);
        terminal.out("first");
        terminal.out("second");
        drop(terminal);
        assert_eq!(out.0, 1, "the second line was not even tried");
    }
}
