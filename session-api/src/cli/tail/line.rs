//! How an event is printed.

use crate::store::StoredEvent;
use jiff::Timestamp;
use revocation_events::UnixMillis;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::fmt::Write as _;

pub(super) fn time(at: UnixMillis) -> Timestamp {
    let millis = i64::try_from(at.get()).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
}

/// Whose stream it is in, as `sessions.v1.events` says it.
fn subject(event: &StoredEvent) -> String {
    let stream = event.place.stream;
    match event.kind.split('.').next() {
        Some(whose @ ("session" | "user")) => format!("{whose}/{stream}"),
        Some("everyone") => "everyone".to_owned(),
        Some("key") => match event.data.get("kid").and_then(Value::as_str) {
            Some(kid) => format!("key/{kid}"),
            None => format!("key/{stream}"),
        },
        // Of a newer version.
        _ => format!("stream/{stream}"),
    }
}

/// For programs. The data is that of the log, as it is stored.
pub(super) fn machine(event: &StoredEvent) -> Value {
    json!({
        "time": time(event.place.at).to_string(),
        "type": event.kind,
        "subject": subject(event),
        "version": event.place.version,
        "format": event.format,
        "data": event.data,
    })
}

/// For people.
pub(super) fn words(event: &StoredEvent) -> String {
    let mut line = format!(
        "{}  {:21}  {}#{}",
        time(event.place.at).strftime("%Y-%m-%dT%H:%M:%S%.3fZ"),
        plain(&event.kind),
        plain(&subject(event)),
        event.place.version
    );
    for (name, value) in event.data.as_object().into_iter().flatten() {
        let nothing = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        // What the subject says, and what only the service can use.
        if nothing || ["kid", "retry_key"].contains(&&**name) {
            continue;
        }
        let _ = write!(line, "  {}=", plain(name));
        let _ = match value {
            Value::String(text) => write!(line, "{}", plain(text)),
            Value::Number(number) if name.ends_with("_at") => match number.as_u64() {
                Some(millis) => write!(line, "{}", time(UnixMillis::new(millis))),
                None => write!(line, "{number}"),
            },
            Value::Array(items) => {
                let items: Vec<_> = items
                    .iter()
                    .map(|item| {
                        item.as_str()
                            .map_or_else(|| item.to_string(), str::to_owned)
                    })
                    .collect();
                write!(line, "{}", plain(&items.join(",")))
            }
            other => write!(line, "{}", plain(&other.to_string())),
        };
    }
    line
}

/// Text that a terminal shows and does not obey.
fn plain(text: &str) -> Cow<'_, str> {
    if text.chars().all(|c| c.is_ascii_graphic()) && !text.is_empty() {
        text.into()
    } else {
        format!("{text:?}").into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::TimedPlace;
    use uuid::Uuid;

    #[test]
    fn a_line_says_all_and_a_terminal_obeys_nothing() {
        let event = |kind: &str, data| StoredEvent {
            place: TimedPlace {
                at: UnixMillis::new(1_764_000_000_007),
                stream: Uuid::nil(),
                version: 3,
            },
            kind: kind.to_owned(),
            format: 1,
            data,
        };
        let data = json!({ "user": "u", "ends_at": 1_764_000_000_000_u64, "retry_key": "k", "roles": ["a", "b"], "except": null });
        assert_eq!(
            words(&event("session.opened", data)),
            "2025-11-24T16:00:00.007Z  session.opened         \
             session/00000000-0000-0000-0000-000000000000#3  ends_at=2025-11-24T16:00:00Z  roles=a,b  user=u"
        );
        let nobody = event("user.registered", json!({ "roles": [] }));
        assert!(words(&nobody).ends_with("#3"), "nothing is not said");
        let hostile = event("alien\u{1b}[2J", json!({ "a\n": "b\u{202e}c" }));
        assert!(words(&hostile).is_ascii() && !words(&hostile).contains(['\u{1b}', '\n']));
        let key = event("key.added", json!({ "kid": "abc" }));
        assert_eq!(machine(&key)["subject"], "key/abc");
        assert_eq!(
            machine(&hostile)["type"],
            "alien\u{1b}[2J",
            "in JSON it is escaped"
        );
    }
}
