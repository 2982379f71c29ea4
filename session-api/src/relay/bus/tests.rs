//! What a refused page leaves behind.

use super::*;
use crate::keys::Sealer;
use crate::service::key_admin::open_keys;
use crate::service::tests::Place;
use ::tests::Nats;
use revocation_events::nats::Settings;
use std::sync::Arc;

/// What the stream does not take is not sent with every page again, but filled in by and by.
#[tokio::test]
async fn nothing_counts_as_stored_once_a_page_was_refused() {
    let (nats, place) = (Nats::start().await, Place::sqlite());
    let store = place.store().await;
    let keys = Arc::new(open_keys(&*store, Sealer::none()).await.unwrap());
    let (relay, _commits) = Relay::new("https://id.example.com".to_owned(), store, keys, true);
    let bus = Bus::connect(Settings::new(&nats.url()).unwrap()).await;
    let settings = StreamSettings {
        max_age: Duration::from_secs(1_200),
        replicas: Replicas::One,
    };
    let mut side = BusSide::new(relay, &bus.unwrap(), settings).await.unwrap();
    side.connected = true;
    for tried_at_once in [true, false] {
        side.stored = Some(Position::ZERO);
        side.published(Err(Error::TimedOut));
        assert_eq!(side.stored(), None);
        assert_eq!(side.filling.take().is_some(), tried_at_once);
    }
}
