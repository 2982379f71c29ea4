//! The outbox.

use super::{EventColumns, millis, stored};
use crate::session::Event;
use crate::store::{Error, KnownStream, Lease, OutboxSize, Result, Waiting, WaitingEvent};
use revocation_events::UserId;
use sqlx::FromRow;
use std::time::Duration;
use uuid::Uuid;

#[derive(FromRow)]
pub(in crate::store) struct LeaseColumns {
    incarnation: Option<i64>,
    last_sequence: i64,
    first_sequence: Option<i64>,
    first_at: Option<i64>,
    refilling: bool,
}

impl TryFrom<LeaseColumns> for Lease {
    type Error = Error;

    fn try_from(columns: LeaseColumns) -> Result<Self> {
        let first = columns.first_sequence.zip(columns.first_at);
        let first = first.map(|(number, at)| Ok::<_, Error>((number.cast_unsigned(), millis(at)?)));
        let first = first.transpose()?;
        Ok(Self {
            known: columns.incarnation.map(|incarnation| KnownStream {
                incarnation,
                last_sequence: columns.last_sequence.cast_unsigned(),
                first,
            }),
            refilling: columns.refilling,
        })
    }
}

/// What is remembered of a stream, as it is stored.
pub(in crate::store) struct KnownColumns {
    pub(in crate::store) incarnation: i64,
    pub(in crate::store) last_sequence: i64,
    pub(in crate::store) first_sequence: Option<i64>,
    pub(in crate::store) first_at: Option<i64>,
}

impl From<KnownStream> for KnownColumns {
    fn from(known: KnownStream) -> Self {
        Self {
            incarnation: known.incarnation,
            last_sequence: known.last_sequence.cast_signed(),
            first_sequence: known.first.map(|(number, _)| number.cast_signed()),
            first_at: known.first.map(|(_, at)| stored(at)),
        }
    }
}

/// Where a refill stands.
#[derive(FromRow)]
pub(in crate::store) struct RefillColumns {
    pub(in crate::store) refills: i64,
    pub(in crate::store) refill_since: Option<i64>,
    pub(in crate::store) refill_stream: Option<Uuid>,
    pub(in crate::store) refill_version: Option<i64>,
}

#[derive(FromRow)]
pub(in crate::store) struct WaitingColumns {
    refill: i64,
    user_id: Option<Uuid>,
    #[sqlx(flatten)]
    event: EventColumns,
}

impl From<WaitingColumns> for WaitingEvent {
    /// One that cannot be read must not keep all others waiting.
    fn from(columns: WaitingColumns) -> Self {
        let (stream, version) = columns.event.place();
        Self {
            waiting: Waiting {
                stream,
                version,
                refill: columns.refill,
            },
            event: Event::try_from(columns.event).map_err(|error| error.to_string()),
            user: columns.user_id.map(UserId::new),
        }
    }
}

#[derive(FromRow)]
pub(in crate::store) struct SizeColumns {
    events: i64,
    oldest: Option<i64>,
    now: i64,
}

impl From<SizeColumns> for OutboxSize {
    fn from(columns: SizeColumns) -> Self {
        let oldest = columns.oldest.map_or(0, |oldest| columns.now - oldest);
        Self {
            events: u32::try_from(columns.events).unwrap_or(u32::MAX),
            oldest: Duration::from_millis(u64::try_from(oldest).unwrap_or_default()),
        }
    }
}
