//! The commands of a guide, and what they are said to show.
//!
//! In the Markdown, a fence of `sh` is a block of commands. A fence of `text` right after it is what they
//! show, among other things: these lines in this order, where `…` stands for anything.

/// Commands, and what they show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What a reader pastes into a shell.
    pub commands: String,
    /// The lines that are then to be seen.
    pub shows: Vec<String>,
}

/// The blocks of a guide, in their order.
///
/// # Panics
/// When a fence is not closed.
#[must_use]
pub fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut lines = markdown.lines();
    // Whether what comes next may still belong to the last block.
    let mut fresh = false;
    while let Some(line) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else {
            fresh &= line.is_empty();
            continue;
        };
        let mut inside: Vec<&str> = Vec::new();
        loop {
            match lines.next() {
                Some("```") => break,
                Some(line) => inside.push(line),
                None => panic!("a fence of {kind:?} is not closed"),
            }
        }
        match (kind, blocks.last_mut()) {
            ("sh", _) => blocks.push(Block {
                commands: inside.join("\n") + "\n",
                shows: Vec::new(),
            }),
            ("text", Some(block)) if fresh => {
                block.shows = inside.iter().map(|line| (*line).to_owned()).collect();
            }
            _ => {}
        }
        fresh = kind == "sh";
    }
    blocks
}

impl Block {
    /// The first line that is to be seen and is not, if there is one.
    #[must_use]
    pub fn missing(&self, output: &str) -> Option<&str> {
        let mut lines = output.lines();
        self.shows
            .iter()
            .map(String::as_str)
            .find(|wanted| !lines.any(|line| looks_like(line, wanted)))
    }
}

/// Whether the line is the wanted one, `…` being anything.
fn looks_like(line: &str, wanted: &str) -> bool {
    let mut parts = wanted.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
        last = Some(part);
    }
    match last {
        None => rest.is_empty(),
        Some(last) => last.is_empty() || line.ends_with(last),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUIDE: &str = "\
Words.

```text
a picture
```
```sh
echo a
echo b
```

```text
a
…
```
More words.
```sh
true
```
Words in between.
```text
no output of it
```
";

    #[test]
    fn commands_have_what_they_show_right_after_them() {
        let blocks = blocks(GUIDE);
        assert_eq!(blocks.len(), 2);
        assert_eq!(blocks[0].commands, "echo a\necho b\n");
        assert_eq!(blocks[0].shows, ["a", "…"]);
        assert_eq!(blocks[1].commands, "true\n");
        assert!(blocks[1].shows.is_empty());
    }

    #[test]
    fn what_is_shown_comes_in_order_among_other_things() {
        let block = |shows: &[&str]| Block {
            commands: String::new(),
            shows: shows.iter().map(|line| (*line).to_owned()).collect(),
        };
        let output = "HTTP/1.1 503 Away\nx: y\nRetry-After: 1\n\n{\"a\":1,\"b\":2}";
        let shown = |shows: &[&str]| block(shows).missing(output).is_none();
        assert!(shown(&["HTTP/1.1 503 …", "Retry-After: 1"]));
        assert!(shown(&["{…\"b\":…}"]));
        assert!(shown(&["…"]));
        assert!(shown(&[]));
        assert!(!shown(&["Retry-After: 1", "HTTP/1.1 503 …"]), "in order");
        assert!(!shown(&["Retry-After: "]), "the whole line");
        assert!(!shown(&["{…\"b\":…]"]), "to its end");
        assert!(!shown(&["{\"b\":…}"]), "from its start");
        assert_eq!(block(&["x: y", "x: y"]).missing(output), Some("x: y"));
    }

    #[test]
    #[should_panic(expected = "is not closed")]
    fn a_fence_has_an_end() {
        let _unreachable = blocks("```sh\ntrue");
    }
}
