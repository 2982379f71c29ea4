//! What counts as stored: what a refused page, a late one and a look leave behind.

use super::super::Latest;
use super::*;
use crate::keys::Sealer;
use crate::service::key_admin::open_keys;
use crate::service::tests::Place;
use ::tests::Nats;
use revocation_events::Page;
use revocation_events::nats::{Ack, Settings};
use std::sync::Arc;

const ISSUER: &str = "https://id.example.com";

/// The worker's side of a server that is there. What it says is up to the test.
struct World {
    side: BusSide,
    bus: Bus,
    nats: Nats,
    _place: Place,
}

impl World {
    async fn connected() -> Self {
        let (nats, place) = (Nats::start().await, Place::sqlite());
        let store = place.store().await;
        let keys = Arc::new(open_keys(&*store, Sealer::none()).await.unwrap());
        let (relay, _commits) = Relay::new(ISSUER.to_owned(), store, keys, true);
        let settings = Settings::new(&nats.url()).unwrap();
        let bus = Bus::connect(settings).await.unwrap();
        let bound = Duration::from_secs(20);
        ::tests::eventually("NATS is there", bound, async || bus.connected()).await;
        let settings = StreamSettings {
            max_age: Duration::from_secs(1_200),
            replicas: Replicas::One,
        };
        let mut side = BusSide::new(relay, &bus, settings).await.unwrap();
        side.connected = true;
        Self {
            side,
            bus,
            nats,
            _place: place,
        }
    }
}

fn pos(value: u64) -> Position {
    Position::new(value).unwrap()
}

fn taken(from: u64, to: u64, sequence: u64) -> Published {
    let ack = Ack {
        sequence,
        duplicate: false,
    };
    Ok(Taken {
        from: pos(from),
        to: pos(to),
        ack: Some(ack),
    })
}

/// What the stream does not take is not sent with every page again, but filled in by and by.
#[tokio::test]
async fn nothing_counts_as_stored_once_a_page_was_refused() {
    let World { mut side, .. } = World::connected().await;
    for tried_at_once in [true, false] {
        side.stored = Some(Position::ZERO);
        side.published(Err(Error::TimedOut));
        assert_eq!(side.stored, None);
        assert_eq!(side.filling.take().is_some(), tried_at_once);
    }
}

/// Two groups were on their way while the stream was filled up to 10, and the first was refused.
#[tokio::test]
async fn what_lies_above_a_hole_is_not_stored() {
    let World { mut side, .. } = World::connected().await;
    side.fill_again();
    side.published(Err(Error::TimedOut));
    side.filled(taken(0, 10, 1));
    assert!(side.published(taken(11, 12, 2)).is_none());
    assert_eq!(side.stored, Some(pos(10)));
    // The next page reaches down to what is stored, and closes it.
    side.published(taken(10, 13, 3));
    assert_eq!(side.stored, Some(pos(13)));
}

/// What is acknowledged after a look began is not in what it sees, and is not lost either.
#[tokio::test]
async fn a_look_is_held_against_what_was_stored_when_it_began() {
    let world = World::connected().await;
    let (mut side, publisher) = (world.side, Publisher::new(&world.bus));
    let age = Duration::from_secs(1_200);
    publisher.ensure_stream(age, Replicas::One).await.unwrap();
    let store = async |id: &str| publisher.publish("a page".to_owned(), id).await.unwrap();
    side.filled(taken(0, 10, store("1").await.sequence));
    side.look();
    let looked = side.looking.take().unwrap().await;
    side.published(taken(10, 11, store("2").await.sequence));
    assert!(matches!(side.looked(looked), Some(Heard::End(page)) if page == "a page"));
    assert_eq!(side.stored, Some(pos(11)));
    assert!(side.filling.is_none());

    side.look();
    let looked = side.looking.take().unwrap().await;
    side.looked(Looked {
        last_ack: looked.last_ack + 1,
        ..looked
    });
    assert_eq!(side.stored, None);
    assert!(
        side.filling.is_some(),
        "a page was acknowledged and is gone"
    );
}

/// A replica that has just started on a backup has seen nothing but what the stream holds, and would else
/// put the log of now at its end before it looks there.
#[tokio::test]
async fn a_log_that_is_behind_the_stream_fills_it_with_nothing() {
    let world = World::connected().await;
    let (relay, settings) = (world.side.relay.clone(), world.side.settings);
    let publisher = Publisher::new(&world.bus);
    let head = relay.shared.store.head().await.unwrap().position;
    relay.shared.latest.send_replace(Some(Latest {
        at: crate::clock::now(),
        to: head,
        floor: head,
    }));
    let filled = async |relay: &Relay| {
        let (relay, publisher) = (relay.clone(), publisher.clone());
        fill(relay, publisher, settings, Copies::Dropped).await
    };
    let taken = filled(&relay).await.unwrap();
    assert_eq!((taken.to, relay.seen()), (head, head));

    let ring = relay.shared.keys.ring();
    let published = pos(head.get() + 1);
    let page = Page::cut(ISSUER, crate::clock::now(), (head, published), head, &[]).remove(0);
    let text = ring.access.page(&page);
    publisher.publish(text.clone(), "by another").await.unwrap();
    assert!(filled(&relay).await.is_err());
    assert_eq!(relay.seen(), published, "and no page is cut from now on");
    assert_eq!(publisher.stored().await.unwrap().unwrap().page, text);
}

/// Without it a verifier has to read it in the stream, which has no leader for seconds where a node of the
/// bus has died.
#[tokio::test]
async fn what_the_bus_may_have_missed_comes_with_the_first_page_when_it_is_back() {
    let World { mut side, .. } = World::connected().await;
    let page = |from, to| LivePage {
        from: pos(from),
        to: pos(to),
        id: format!("{from}:{to}"),
        text: "a page".into(),
        revoked: [].into(),
    };
    for told in [true, false] {
        side.filled(taken(0, 10, 1));
        assert_eq!(side.begins_at(pos(12)), pos(10));
        if told {
            side.resync(Why::Disconnected);
            side.publish(&[page(12, 13)]).await;
            assert_eq!(
                side.begins_at(pos(13)),
                pos(13),
                "for those who hear it now"
            );
            assert_eq!(side.needs_after(pos(13)), pos(10));
        }
        side.resync(Why::Connected);
        assert_eq!(side.begins_at(pos(13)), pos(10));
        side.publish(&[page(10, 13)]).await;
        assert_eq!(side.begins_at(pos(13)), pos(13), "once");
    }
    // It was away from the beginning.
    side.resync(Why::Disconnected);
    side.publish(&[page(13, 13)]).await;
    side.publish(&[page(13, 14)]).await;
    side.resync(Why::Connected);
    assert_eq!(side.begins_at(pos(14)), pos(13));
}

#[tokio::test]
async fn a_connection_of_which_nothing_was_told_is_found_out() {
    let mut world = World::connected().await;
    let side = &mut world.side;
    assert!(side.compare().is_none());
    side.connected = false;
    assert!(matches!(side.compare(), Some(Heard::Connected(true))));
    assert!(side.connected && side.filling.is_some());

    world.nats.kill();
    let bound = Duration::from_secs(20);
    ::tests::eventually("NATS is away", bound, async || !world.bus.connected()).await;
    assert!(matches!(side.compare(), Some(Heard::Connected(false))));
    assert!(!side.connected && side.compare().is_none());
}
