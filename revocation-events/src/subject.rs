//! The names of the NATS subjects and streams.

/// JetStream keeps the pages with revocations here.
pub const REVOCATIONS_STREAM: &str = "SESSIONS_REVOCATIONS";

/// JetStream keeps the log for other programs here.
pub const EVENTS_STREAM: &str = "SESSIONS_EVENTS";

/// The subjects under one prefix, `sessions` unless set otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subjects(String);

/// A prefix or a token of a subject is not made of `A-Z a-z 0-9 _ -`, with dots between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a NATS prefix is made of A-Z, a-z, 0-9, _ and -, with single dots between")]
pub struct Invalid;

impl Default for Subjects {
    fn default() -> Self {
        Self("sessions".to_owned())
    }
}

impl std::str::FromStr for Subjects {
    type Err = Invalid;

    fn from_str(prefix: &str) -> Result<Self, Invalid> {
        if prefix.split('.').all(is_token) {
            Ok(Self(prefix.to_owned()))
        } else {
            Err(Invalid)
        }
    }
}

/// Whether `text` can stand between two dots of a subject without meaning more than itself.
#[must_use]
pub fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

impl Subjects {
    /// Pages with revocations, live and stored.
    #[must_use]
    pub fn revocations(&self) -> String {
        format!("{}.v1.revocations", self.0)
    }

    /// Empty pages, not stored.
    #[must_use]
    pub fn heartbeats(&self) -> String {
        format!("{}.v1.heartbeats", self.0)
    }

    /// Where one verifier tells what it has applied. Both names must be [tokens](is_token).
    #[must_use]
    pub fn status(&self, client: &str, instance: &str) -> String {
        format!("{}.v1.status.{client}.{instance}", self.0)
    }

    /// Every verifier's status.
    #[must_use]
    pub fn every_status(&self) -> String {
        format!("{}.v1.status.*.*", self.0)
    }

    /// The log for other programs: every kind of event.
    #[must_use]
    pub fn events(&self) -> String {
        format!("{}.v1.events.>", self.0)
    }

    /// Events of one kind, such as `session.opened`, which is two [tokens](is_token) with a dot
    /// between.
    #[must_use]
    pub fn event(&self, kind: &str) -> String {
        format!("{}.v1.events.{kind}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_contract() {
        let subjects = Subjects::default();
        assert_eq!(subjects.revocations(), "sessions.v1.revocations");
        assert_eq!(subjects.heartbeats(), "sessions.v1.heartbeats");
        assert_eq!(
            subjects.status("orders", "i1"),
            "sessions.v1.status.orders.i1"
        );
        assert_eq!(subjects.events(), "sessions.v1.events.>");
        assert_eq!(
            subjects.event("session.opened"),
            "sessions.v1.events.session.opened"
        );
    }

    #[test]
    fn a_prefix_has_no_wildcards() {
        assert!("prod.sessions".parse::<Subjects>().is_ok());
        for bad in ["", "a..b", ".a", "a.", "a.*", ">", "a b", "a\r\nPUB x"] {
            assert_eq!(bad.parse::<Subjects>(), Err(Invalid), "{bad:?}");
        }
    }
}
