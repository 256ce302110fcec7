//! The program, as tests run it.
#![allow(dead_code)] // not every test uses everything

use std::{
    ffi::OsStr,
    process::{Command, Output},
};

/// A command of the program on the device that the tests name, if they name one.
pub fn command<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stemwise"));
    command.args(arguments).env_remove("STEMWISE_DEVICE");
    command
}

/// What the program says.
pub fn stemwise(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The program succeeded; what it printed.
#[track_caller]
pub fn done(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// The program failed with a code, said why in these words, and did not panic.
#[track_caller]
pub fn refused(output: &Output, code: i32, words: &[&str]) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains("error:") && !said.contains("panicked"), "{said}");
    for word in words {
        assert!(said.contains(word), "no '{word}' in: {said}");
    }
}
