//! Whether the stream still holds what it acknowledged.

use crate::store::KnownStream;
use revocation_events::UnixMillis;
use revocation_events::nats::EventStream;
use std::time::Duration;

/// What has become of the events that the stream acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// There was never a stream.
    New,
    /// It is another stream.
    Replaced,
    /// It has forgotten its end.
    Truncated,
    /// It was emptied, wholly or from its beginning.
    Emptied,
}

impl Loss {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::New => "it is new",
            Self::Replaced => "it is another one than before",
            Self::Truncated => "it has lost the last events",
            Self::Emptied => "it was emptied",
        }
    }
}

/// Compares the stream with what was known of it.
pub(super) fn loss(
    known: Option<&KnownStream>,
    found: &EventStream,
    now: UnixMillis,
) -> Option<Loss> {
    let Some(known) = known else {
        return Some(Loss::New);
    };
    if known.incarnation != found.incarnation.get() {
        Some(Loss::Replaced)
    } else if found.last_sequence < known.last_sequence {
        Some(Loss::Truncated)
    } else if known
        .first
        .is_some_and(|first| is_gone_too_soon(first, found, now))
    {
        Some(Loss::Emptied)
    } else {
        None
    }
}

/// The oldest event leaves the stream when its age has come, and for no other reason: it is not dropped
/// for room. An event that was near that age says nothing, for the server's clock may be another.
fn is_gone_too_soon((number, at): (u64, UnixMillis), found: &EventStream, now: UnixMillis) -> bool {
    let gone = found.first.is_none_or(|(first, _)| first > number);
    let leeway = (found.max_age / 10).max(Duration::from_secs(600));
    let young = found.max_age.is_zero() || now.since(at) + leeway < found.max_age;
    gone && young
}

pub(super) const fn known(found: &EventStream) -> KnownStream {
    KnownStream {
        incarnation: found.incarnation.get(),
        last_sequence: found.last_sequence,
        first: found.first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use revocation_events::nats::Incarnation;

    const DAY: Duration = Duration::from_secs(86_400);
    const NOW: UnixMillis = UnixMillis::new(1_764_000_000_000);

    fn stream(first: Option<(u64, Duration)>, last_sequence: u64) -> EventStream {
        EventStream {
            incarnation: Incarnation::new(7),
            first: first.map(|(number, ago)| (number, NOW.minus(ago))),
            last_sequence,
            max_age: 7 * DAY,
        }
    }

    fn found(before: EventStream, now: EventStream) -> Option<Loss> {
        loss(Some(&known(&before)), &now, NOW)
    }

    #[test]
    fn a_stream_that_goes_on_has_lost_nothing() {
        let before = stream(Some((3, DAY)), 9);
        assert_eq!(found(before, before), None);
        assert_eq!(found(before, stream(Some((3, DAY)), 12)), None);
        // Another replica remembered a later end than this one has seen.
        assert_eq!(found(stream(None, 0), stream(Some((1, DAY)), 5)), None);
    }

    #[test]
    fn what_is_old_leaves_the_stream() {
        let before = stream(Some((3, 7 * DAY)), 9);
        assert_eq!(found(before, stream(Some((8, 6 * DAY)), 9)), None);
        assert_eq!(found(before, stream(None, 9)), None);
        // The server's clock is half a day ahead.
        let before = stream(Some((3, 7 * DAY - DAY / 2)), 9);
        assert_eq!(found(before, stream(Some((8, 6 * DAY)), 9)), None);
    }

    #[test]
    fn each_loss_has_a_name() {
        assert_eq!(loss(None, &stream(None, 0), NOW), Some(Loss::New));
        let before = stream(Some((3, DAY)), 9);
        let replaced = EventStream {
            incarnation: Incarnation::new(8),
            ..before
        };
        assert_eq!(found(before, replaced), Some(Loss::Replaced));
        assert_eq!(
            found(before, stream(Some((3, DAY)), 8)),
            Some(Loss::Truncated)
        );
        assert_eq!(found(before, stream(None, 9)), Some(Loss::Emptied));
        let half = stream(Some((6, DAY / 2)), 9);
        assert_eq!(found(before, half), Some(Loss::Emptied));
    }

    #[test]
    fn a_stream_that_keeps_all_for_ever_loses_nothing_by_age() {
        let forever = |first| EventStream {
            max_age: Duration::ZERO,
            ..stream(first, 9)
        };
        let before = forever(Some((1, 400 * DAY)));
        assert_eq!(found(before, forever(Some((2, DAY)))), Some(Loss::Emptied));
    }

    #[test]
    fn nothing_is_made_of_the_beginning_of_a_stream_that_keeps_events_for_minutes() {
        let short = |first| EventStream {
            max_age: Duration::from_secs(600),
            ..stream(first, 9)
        };
        let before = short(Some((1, Duration::ZERO)));
        assert_eq!(found(before, short(None)), None);
    }
}
