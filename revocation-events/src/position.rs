//! The place of a revocation in the order of all revocations.

use serde::{Deserialize, Serialize};

/// The first integer that JSON numbers of other languages no longer hold exactly (2^53).
pub const LIMIT: u64 = 1 << 53;

/// The place of a revocation in the order of all revocations: an integer below 2^53.
///
/// A new position is `max(previous + 1, microseconds since 1970)`, so it is ordered by commit and
/// reads like a time, but only the order means anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Position(#[cfg_attr(feature = "schema", schemars(range(max = LIMIT - 1)))] u64);

/// The number is 2^53 or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a position is an integer below 2^53")]
pub struct OutOfRange;

impl Position {
    /// Before every revocation.
    pub const ZERO: Self = Self(0);

    /// Checks the range.
    ///
    /// # Errors
    /// [`OutOfRange`] from 2^53 on.
    pub const fn new(value: u64) -> Result<Self, OutOfRange> {
        if value < LIMIT {
            Ok(Self(value))
        } else {
            Err(OutOfRange)
        }
    }

    /// The number itself.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl TryFrom<i64> for Position {
    type Error = OutOfRange;

    fn try_from(value: i64) -> Result<Self, OutOfRange> {
        u64::try_from(value)
            .map_err(|_| OutOfRange)
            .and_then(Self::new)
    }
}

impl From<Position> for i64 {
    fn from(position: Position) -> Self {
        // Below 2^53 by construction, so the sign bit is never reached.
        position.0.cast_signed()
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for Position {
    type Err = OutOfRange;

    fn from_str(text: &str) -> Result<Self, OutOfRange> {
        // `u64::from_str` takes a leading `+`; a position has one spelling.
        if !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(OutOfRange);
        }
        text.parse().map_err(|_| OutOfRange).and_then(Self::new)
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::strict_json::Int53::deserialize(deserializer).map(|int| Self(int.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_ends_below_two_to_the_53rd() {
        assert_eq!(Position::new(LIMIT - 1).map(Position::get), Ok(LIMIT - 1));
        assert_eq!(Position::new(LIMIT), Err(OutOfRange));
        assert_eq!(Position::try_from(-1_i64), Err(OutOfRange));
    }

    #[test]
    fn only_plain_digits_are_read() {
        assert_eq!("17".parse::<Position>().map(Position::get), Ok(17));
        for bad in [
            "",
            "+1",
            "-1",
            " 1",
            "1.0",
            "9007199254740992",
            "99999999999999999999",
        ] {
            assert_eq!(bad.parse::<Position>(), Err(OutOfRange), "{bad:?}");
        }
    }
}
