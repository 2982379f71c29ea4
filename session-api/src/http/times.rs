//! Times as clients see them: RFC 3339, and seconds from now for clients whose clock is wrong.

use jiff::Timestamp;
use revocation_events::UnixMillis;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use tokio::time::Instant;

/// A time that is written `2026-11-23T14:00:00Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time(pub(super) UnixMillis);

impl JsonSchema for Time {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Past the year 9999 there is no RFC 3339; a time of the database never gets there.
        let millis = i64::try_from(self.0.get()).unwrap_or(i64::MAX);
        let time = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX);
        serializer.collect_str(&time)
    }
}

/// The wall clock's time for a moment of the monotonic clock.
pub(super) fn wall_time(moment: Instant) -> Time {
    Time(crate::clock::now().minus(moment.elapsed()))
}

/// How many seconds lie between two times, as OAuth's `expires_in` counts them: between the seconds
/// that the tokens name, so that fifteen minutes are 900 and not 899.
pub(super) const fn seconds_until(end: UnixMillis, now: UnixMillis) -> u64 {
    end.secs().saturating_sub(now.secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_rfc_3339() {
        let json = |millis| serde_json::to_string(&Time(UnixMillis::new(millis))).unwrap();
        assert_eq!(json(0), r#""1970-01-01T00:00:00Z""#);
        assert_eq!(json(1_764_000_000_123), r#""2025-11-24T16:00:00.123Z""#);
        assert_eq!(json(u64::MAX), r#""9999-12-30T22:00:00.999999999Z""#);
    }

    #[test]
    fn seconds_are_whole() {
        let at = UnixMillis::new;
        assert_eq!(seconds_until(at(901_000), at(1_999)), 900);
        assert_eq!(seconds_until(at(1_000), at(5_000)), 0);
    }
}
