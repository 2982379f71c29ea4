//! How many tokens were tried where, and what went wrong.

use super::surface::{Outcome, Surface};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use tests::hostile::{Case, Class};

#[derive(Default)]
pub(super) struct Tally {
    sent: BTreeMap<(Class, Surface), usize>,
    wrong: Vec<String>,
}

impl Tally {
    pub(super) fn count(&mut self, surface: Surface, case: &Case, outcome: &Outcome, right: bool) {
        let sent = self.sent.entry((case.class, surface)).or_default();
        if *outcome != Outcome::Inexpressible {
            *sent += 1;
        }
        if !right {
            self.wrong.push(format!(
                "{surface:?}, {}, {}: {outcome:?}",
                case.class, case.what
            ));
        }
    }

    /// `at_least` so many tokens went to the decoder.
    #[track_caller]
    pub(super) fn must_be_right(&self, at_least: usize) {
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
        let decoded = self
            .sent
            .iter()
            .filter(|((_, s), _)| *s == Surface::Decoder);
        let decoded: usize = decoded.map(|(_, sent)| sent).sum();
        assert!(decoded >= at_least, "only {decoded} tokens");
    }

    fn total(&self, of: impl Fn(Surface) -> bool) -> usize {
        let sent = self.sent.iter().filter(|((_, surface), _)| of(*surface));
        sent.map(|(_, sent)| sent).sum()
    }
}

/// A row for each class, a column for each surface.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let classes: BTreeSet<_> = self.sent.keys().map(|(class, _)| *class).collect();
        let surfaces: BTreeSet<_> = self.sent.keys().map(|(_, surface)| *surface).collect();
        write!(f, "{:28}", "tokens sent")?;
        for surface in &surfaces {
            write!(f, "{:>16}", format!("{surface:?}"))?;
        }
        writeln!(f)?;
        for class in classes {
            write!(f, "{class:28}")?;
            for surface in &surfaces {
                let sent = self.sent.get(&(class, *surface)).copied();
                write!(f, "{:>16}", sent.map_or("-".to_owned(), |n| n.to_string()))?;
            }
            writeln!(f)?;
        }
        write!(f, "{:28}", "together")?;
        for surface in &surfaces {
            write!(f, "{:>16}", self.total(|other| other == *surface))?;
        }
        writeln!(f)?;
        write!(
            f,
            "{} answers, {} of them wrong",
            self.total(|_| true),
            self.wrong.len()
        )
    }
}
