//! A password from stdin.

use crate::cli::Failure;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use std::io::{self, BufRead as _, IsTerminal as _, Stdin};
use zeroize::Zeroizing;

/// What a terminal sends for Ctrl-C.
const CTRL_C: u8 = 0x03;

/// The password of a user: one line. At a terminal it is asked for, and not shown.
pub(super) fn read(name: &str) -> Result<Zeroizing<String>, Failure> {
    let stdin = io::stdin();
    let mut line = Zeroizing::new(String::new());
    if stdin.is_terminal() {
        let _hidden = Hidden::begin(&stdin)?;
        eprint!("Password for {name}: ");
        // One look: a line, or what there is of it at Ctrl-C.
        let mut typed = stdin.lock();
        let bytes = typed.fill_buf()?;
        if bytes.contains(&CTRL_C) {
            return Err(Failure::failed("given up; nothing was done"));
        }
        line.push_str(str::from_utf8(bytes)?);
        let length = bytes.len();
        typed.consume(length);
    } else {
        stdin.read_line(&mut line)?;
    }
    let password = Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned());
    if password.is_empty() {
        return Err(Failure::setting(
            "no password came on stdin; try: printf '%s\\n' \"$PASSWORD\" | session-api user add NAME",
        ));
    }
    Ok(password)
}

/// A terminal that shows nothing of what is typed, until this is dropped. Ctrl-C ends the line instead of
/// the program, which would leave the terminal like that.
struct Hidden<'a> {
    terminal: &'a Stdin,
    before: Termios,
}

impl<'a> Hidden<'a> {
    fn begin(terminal: &'a Stdin) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut hidden = before.clone();
        hidden.local_modes -= LocalModes::ECHO | LocalModes::ISIG;
        hidden.special_codes[SpecialCodeIndex::VEOL] = CTRL_C;
        tcsetattr(terminal, OptionalActions::Flush, &hidden)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
        // The line's end was not shown either.
        eprintln!();
    }
}
