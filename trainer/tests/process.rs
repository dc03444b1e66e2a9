//! What only a real process shows: the exit code, and a reader that closes its pipe.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

fn trainer() -> Command {
    Command::new(env!("CARGO_BIN_EXE_trainer"))
}

#[test]
fn exit_codes_are_0_1_and_2() {
    let code = |args: &[&str]| trainer().args(args).output().unwrap().status.code().unwrap();
    assert_eq!(code(&["pretrain", "--preset", "seco", "--print-config"]), 0);
    assert_eq!(code(&["evaluate", "--encoder", "no/such/run", "--data", "."]), 1);
    assert_eq!(code(&["pretrain", "--preset", "nothing", "--print-config"]), 2);
    assert_eq!(code(&["no-such-command"]), 2);
}

#[test]
fn a_closed_pipe_is_no_panic() {
    let mut child = trainer()
        .args(["pretrain", "--preset", "seco", "--print-config"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    drop(reader);
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(!err.contains("panicked"), "{err}");
}
