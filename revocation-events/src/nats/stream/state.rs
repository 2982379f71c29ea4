//! How a stream is, beside how it should be.

use async_nats::jetstream::stream::{ClusterInfo, Config};
use std::fmt::Debug;

/// How a stream is, for an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamState {
    /// It is not there, or does not store what this program publishes.
    Missing,
    /// It is there.
    There {
        /// Each setting that is not as it should be, in words: what it is, and what it should be.
        differences: Vec<String>,
        /// The servers that should have the stream and lack the end of it, or are away.
        behind: Vec<String>,
    },
}

/// Each setting that the service would change, in words.
pub(super) fn differences(is: &Config, wanted: &Config) -> Vec<String> {
    fn one<T: PartialEq + Debug>(name: &str, is: &T, wanted: &T) -> Option<String> {
        (is != wanted).then(|| format!("{name} is {is:?} and should be {wanted:?}"))
    }
    let all = [
        one("num_replicas", &is.num_replicas, &wanted.num_replicas),
        one("max_age", &is.max_age, &wanted.max_age),
        one(
            "duplicate_window",
            &is.duplicate_window,
            &wanted.duplicate_window,
        ),
        one("discard", &is.discard, &wanted.discard),
        one(
            "max_msgs_per_subject",
            &is.max_messages_per_subject,
            &wanted.max_messages_per_subject,
        ),
        one("no_ack", &is.no_ack, &wanted.no_ack),
        one("deny_delete", &is.deny_delete, &wanted.deny_delete),
        one("deny_purge", &is.deny_purge, &wanted.deny_purge),
        one("allow_direct", &is.allow_direct, &wanted.allow_direct),
    ];
    all.into_iter().flatten().collect()
}

/// The servers of a cluster that lack something of the stream. The leader is never among them.
pub(super) fn behind(cluster: Option<&ClusterInfo>) -> Vec<String> {
    let peers = cluster.into_iter().flat_map(|cluster| &cluster.replicas);
    let behind = peers.filter(|peer| peer.offline || !peer.current);
    behind.map(|peer| peer.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_setting_that_differs_is_named_with_both_values() {
        let is = Config {
            num_replicas: 1,
            max_age: Duration::from_secs(60),
            ..Config::default()
        };
        let wanted = Config {
            num_replicas: 3,
            max_age: Duration::from_secs(1_025),
            deny_purge: true,
            ..is.clone()
        };
        assert_eq!(
            differences(&is, &wanted),
            [
                "num_replicas is 1 and should be 3",
                "max_age is 60s and should be 1025s",
                "deny_purge is false and should be true",
            ]
        );
        assert_eq!(differences(&is, &is), [""; 0]);
    }

    #[test]
    fn a_server_that_is_away_or_behind_is_named() {
        let cluster: ClusterInfo = serde_json::from_value(serde_json::json!({
            "leader": "nats-1",
            "replicas": [
                { "name": "nats-2", "current": true, "active": 1 },
                { "name": "nats-3", "current": false, "active": 1, "offline": true, "lag": 9 },
            ],
        }))
        .unwrap();
        assert_eq!(behind(Some(&cluster)), ["nats-3"]);
        assert_eq!(behind(None), [""; 0], "a single server");
    }
}
