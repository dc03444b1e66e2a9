//! TensorBoard's event files, `events.out.tfevents.<seconds>.solstice` in the run folder: the numbers of `metrics.csv` for
//! those who watch them there, or in a program that reads the same files.
//!
//! Each start of a run has a file of its own. That of a resumed run says with which step it goes on, so that what had been
//! written after the checkpoint is not shown twice.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;

use crate::engine::event::Event;

/// The version of the format, as readers look for it.
const FILE_VERSION: &str = "brain.Event:2";
/// `SessionLog.SessionStatus.START`
const SESSION_START: i32 = 1;

/// A file that scalars are appended to.
pub struct EventFile {
    file: File,
}

impl EventFile {
    /// Opens the file of a start of the run. `next_step` is the first that a resumed run will take.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn create(folder: &Path, next_step: Option<usize>) -> io::Result<Self> {
        let secs = now().trunc();
        let open = |again: usize| {
            let suffix = if again == 0 { String::new() } else { format!(".{again}") };
            let path = folder.join(format!("events.out.tfevents.{secs}.solstice{suffix}"));
            OpenOptions::new().create_new(true).append(true).open(path)
        };
        // Two starts within a second.
        let mut again = 0;
        let file = loop {
            match open(again) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => again += 1,
                outcome => break outcome?,
            }
        };
        let mut events = Self { file };
        events.append(Record { file_version: Some(FILE_VERSION.to_owned()), ..Record::at(0) })?;
        if let Some(step) = next_step {
            let session_log = Some(SessionLog { status: SESSION_START });
            events.append(Record { session_log, ..Record::at(step) })?;
        }
        Ok(events)
    }

    /// Appends the numbers of an event, if it has any; `last_step` is where a run stands between steps.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn record(&mut self, event: &Event, last_step: usize) -> io::Result<()> {
        let (step, values) = match event {
            Event::Step { step, loss, parts, lr, tiles_per_sec, spread, contrastive_accuracy, .. } => {
                let mut values = vec![
                    ("loss".to_owned(), *loss),
                    ("learning_rate".to_owned(), *lr),
                    ("tiles_per_sec".to_owned(), *tiles_per_sec),
                    ("spread".to_owned(), *spread),
                    ("contrastive_accuracy".to_owned(), *contrastive_accuracy),
                ];
                values.extend(parts.iter().map(|(name, value)| (format!("parts/{name}"), *value)));
                (*step, values)
            }
            Event::EpochEnded { epoch, loss, knn_accuracy, secs } => {
                let mut values = vec![
                    ("epoch/number".to_owned(), (epoch + 1) as f64),
                    ("epoch/mean_loss".to_owned(), *loss),
                    ("epoch/secs".to_owned(), *secs),
                ];
                values.extend(knn_accuracy.map(|accuracy| ("epoch/knn_accuracy".to_owned(), accuracy)));
                (last_step, values)
            }
            Event::Clustered { empty, reseeded, stability, .. } => {
                let mut values = vec![
                    ("clusters/empty".to_owned(), *empty as f64),
                    ("clusters/reseeded".to_owned(), *reseeded as f64),
                ];
                values.extend(stability.map(|share| ("clusters/stability".to_owned(), share)));
                (last_step, values)
            }
            Event::Generated { spread, .. } => (last_step, vec![("generated/spread".to_owned(), *spread)]),
            Event::RunStarted { .. }
            | Event::Resumed { .. }
            | Event::Progress { .. }
            | Event::Checkpoint { .. }
            | Event::Warning { .. }
            | Event::Interrupted { .. }
            | Event::Finished { .. } => return Ok(()),
        };
        let value = values.into_iter().map(|(tag, value)| Scalar { tag, simple_value: Some(value as f32) }).collect();
        self.append(Record { summary: Some(Summary { value }), ..Record::at(step) })
    }

    /// A record of the TFRecord format: length, its checksum, the message, its checksum; one write, so that a kill leaves at
    /// most one incomplete record, at which readers stop.
    fn append(&mut self, record: Record) -> io::Result<()> {
        let message = record.encode_to_vec();
        let length = (message.len() as u64).to_le_bytes();
        let bytes =
            [&length[..], &masked(&length).to_le_bytes(), &message, &masked(&message).to_le_bytes()[..]].concat();
        self.file.write_all(&bytes)
    }
}

/// The checksum as the format has it: CRC-32C, turned and moved, since sums of sums are weak.
fn masked(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// What is used of TensorFlow's `event.proto`.
#[derive(Clone, PartialEq, Message)]
struct Record {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
    #[prost(message, optional, tag = "7")]
    session_log: Option<SessionLog>,
}

impl Record {
    fn at(step: usize) -> Self {
        Self { wall_time: now(), step: i64::try_from(step).unwrap_or(i64::MAX), ..Self::default() }
    }
}

#[derive(Clone, PartialEq, Message)]
struct SessionLog {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// What is used of `summary.proto`.
#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Scalar>,
}

#[derive(Clone, PartialEq, Message)]
struct Scalar {
    #[prost(string, tag = "1")]
    tag: String,
    /// Optional, so that a zero is written too.
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;
    use std::fs;

    /// CRC-32C bit by bit, from its polynomial.
    fn slow_crc(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0_u32, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 })
        })
    }

    /// The messages of a file, every checksum looked at.
    fn messages(mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
            let message = &bytes[12..12 + length];
            for (content, at) in [(&bytes[..8], 8), (message, 12 + length)] {
                let sum = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
                // Turned right by 15 bits: the low half of what lies 15 bits into two copies.
                let crc = u64::from(slow_crc(content));
                let turned = ((crc << 32 | crc) >> 15) as u32;
                assert_eq!(sum, turned.wrapping_add(0xa282_ead8));
            }
            found.push(message.to_vec());
            bytes = &bytes[16 + length..];
        }
        found
    }

    #[test]
    fn the_slow_checksum_gives_the_standard_s_check_value() {
        assert_eq!(slow_crc(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn records_are_what_the_format_says() {
        let folder = tempfile::tempdir().unwrap();
        let mut events = EventFile::create(folder.path(), Some(8)).unwrap();
        events.record(&Event::Generated { epoch: 0, path: "a.png".into(), spread: 0.5 }, 7).unwrap();
        EventFile::create(folder.path(), None).unwrap();
        let mut files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert_eq!(files.len(), 2, "a start within the same second has a file of its own");
        let found = messages(&fs::read(&files[0]).unwrap());
        // After the time (tag 1, eight bytes): the version; step 8 and the start of a session; step 7 and a value.
        assert_eq!(found[0][9..], *b"\x1a\x0dbrain.Event:2");
        assert_eq!(found[1][9..], *b"\x10\x08\x3a\x02\x08\x01");
        let value = [&b"\x10\x07\x2a\x19\x0a\x17\x0a\x10generated/spread\x15"[..], &0.5_f32.to_le_bytes()].concat();
        assert_eq!(found[2][9..], value);
        assert_eq!(found.len(), 3);
    }
}
