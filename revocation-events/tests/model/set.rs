//! A set of small numbers: entries of the log by their indices, or keys.

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Set(u8);

impl Set {
    pub(crate) const EMPTY: Self = Self(0);

    pub(crate) const fn of(number: usize) -> Self {
        Self(1 << number)
    }

    pub(crate) const fn below(number: usize) -> Self {
        Self((1 << number) - 1)
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) const fn contains(self, number: usize) -> bool {
        self.0 & 1 << number != 0
    }

    pub(crate) const fn contains_all(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// In order.
    pub(crate) fn iter(self) -> impl Iterator<Item = usize> {
        (0..8).filter(move |number| self.contains(*number))
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(usize) -> bool) {
        *self = self.iter().filter(|number| keep(*number)).collect();
    }
}

impl FromIterator<usize> for Set {
    fn from_iter<I: IntoIterator<Item = usize>>(numbers: I) -> Self {
        Self(numbers.into_iter().fold(0, |set, number| set | 1 << number))
    }
}

impl std::fmt::Debug for Set {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
