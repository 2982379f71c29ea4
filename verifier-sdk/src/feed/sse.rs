//! Server-sent events, as far as pages need them (WHATWG HTML, section 9.2.6).
//!
//! Pure: bytes go in, the `data` of each event comes out. The names and ids of events mean nothing
//! here: a page says itself where it belongs.

/// The longest line, and the longest event, that is read. A page is half of that at most.
pub(crate) const MAX_LEN: usize = 1024 * 1024;

/// A line or an event is longer than [`MAX_LEN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Takes a stream of events apart.
#[derive(Debug, Default)]
pub(crate) struct Events {
    line: Vec<u8>,
    data: Option<Vec<u8>>,
    after_cr: bool,
    after_first_line: bool,
}

impl Events {
    /// Takes the next bytes, however they were cut, and gives the events that end in them.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<String>, TooLong> {
        let mut events = Vec::new();
        let mut rest = bytes;
        while let Some(&first) = rest.first() {
            let after_cr = std::mem::take(&mut self.after_cr);
            if after_cr && first == b'\n' {
                // The second half of a line end that was seen already.
                rest = &rest[1..];
                continue;
            }
            let end = memchr::memchr2(b'\n', b'\r', rest);
            self.add_to_line(&rest[..end.unwrap_or(rest.len())])?;
            let Some(end) = end else { break };
            events.extend(self.end_line()?);
            self.after_cr = rest[end] == b'\r';
            rest = &rest[end + 1..];
        }
        Ok(events)
    }

    fn add_to_line(&mut self, piece: &[u8]) -> Result<(), TooLong> {
        if piece.len() > MAX_LEN - self.line.len() {
            return Err(TooLong);
        }
        self.line.extend_from_slice(piece);
        Ok(())
    }

    fn end_line(&mut self) -> Result<Option<String>, TooLong> {
        let line = std::mem::take(&mut self.line);
        let mut line = line.as_slice();
        if !std::mem::replace(&mut self.after_first_line, true) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        if line.is_empty() {
            // What is not UTF-8 is no page; it is refused where pages are read.
            return Ok(self
                .data
                .take()
                .map(|data| String::from_utf8_lossy(&data).into_owned()));
        }
        let colon = line
            .iter()
            .position(|byte| *byte == b':')
            .unwrap_or(line.len());
        let (field, value) = line.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        if field == b"data" {
            self.add_data(value)?;
        }
        Ok(None)
    }

    fn add_data(&mut self, value: &[u8]) -> Result<(), TooLong> {
        match &mut self.data {
            Some(data) if data.len() + value.len() >= MAX_LEN => return Err(TooLong),
            Some(data) => {
                data.push(b'\n');
                data.extend_from_slice(value);
            }
            None => self.data = Some(value.to_vec()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> Vec<String> {
        Events::default().push(text.as_bytes()).unwrap()
    }

    #[test]
    fn events_come_out_however_the_bytes_are_cut() {
        let text = "\u{feff}id: 7\ndata: one\n\n: a comment\r\ndata:two\r\ndata\r\ndata:  x\r\n\r\nevent: y\rdata: three\r\r";
        let wanted = ["one", "two\n\n x", "three"];
        assert_eq!(whole(text), wanted);
        for size in 1..text.len() {
            let mut events = Events::default();
            let got: Vec<_> = text
                .as_bytes()
                .chunks(size)
                .flat_map(|cut| events.push(cut).unwrap())
                .collect();
            assert_eq!(got, wanted, "in pieces of {size}");
        }
    }

    #[test]
    fn what_is_no_data_is_no_event() {
        assert!(whole("\n\n:\n\nid: 1\n\ndatax: 1\n\n data: 1\n\nretry: 5\n\n").is_empty());
        assert!(whole("data: unfinished\n").is_empty());
        assert_eq!(whole("data\n\n"), [""]);
    }

    #[test]
    fn bytes_that_are_no_text_do_no_harm() {
        let mut events = Events::default();
        assert_eq!(events.push(b"data: \xff\n\n").unwrap(), ["\u{fffd}"]);
    }

    #[test]
    fn lines_and_events_are_bounded() {
        let mut events = Events::default();
        assert!(events.push(&vec![b'x'; MAX_LEN]).is_ok());
        assert_eq!(events.push(b"x"), Err(TooLong));

        for end in ["", "\n"] {
            let long = format!("{}{end}", "x".repeat(MAX_LEN + 1));
            assert_eq!(Events::default().push(long.as_bytes()), Err(TooLong));
        }
        let mut events = Events::default();
        assert!(events.push(&vec![b'x'; MAX_LEN - 1]).is_ok());
        assert_eq!(events.push(b"xx\n"), Err(TooLong));

        let mut events = Events::default();
        let line = format!("data:{}\n", "x".repeat(MAX_LEN / 2));
        assert!(events.push(line.as_bytes()).is_ok());
        assert_eq!(events.push(line.as_bytes()), Err(TooLong));
    }
}
