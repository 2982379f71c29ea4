//! What a command was asked for, on stdout.

use super::{Failure, Outcome};
use std::fmt::Display;
use std::io::{self, ErrorKind, Write as _};

/// Prints a line. Where nobody reads on (`… | head -1`) what is left is not missed; a line that could not
/// be written, to a full disk for example, is a failure of the command.
pub(super) fn line(text: impl Display) -> Outcome {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(lost(&error)),
        _ => Ok(()),
    }
}

/// What was asked for could not be written.
pub(super) fn lost(error: &io::Error) -> Failure {
    Failure::failed(format!("stdout cannot be written: {error}"))
}
