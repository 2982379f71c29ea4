//! What a replica says at its start, when much comes at once, and when a prune, another replica or
//! another database comes between.

use super::*;
use crate::clock;
use crate::keys::Sealer;
use crate::password::Hasher;
use crate::relay::MAX_PAGES;
use crate::service::key_admin::open_keys;
use crate::service::tests::service;
use crate::session::{Event, Fact, Stream};
use crate::store::{IfMissing, Store};
use revocation_events::page::SignedPage;
use std::sync::Arc;
use uuid::Uuid;

const ISSUER: &str = "https://id.example.com";
const ACCESS_TTL: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

struct World {
    store: Arc<dyn Store>,
    relay: Relay,
    worker: Worker,
    folder: tempfile::TempDir,
}

impl World {
    async fn begins() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("log.db").display());
        let store = store::connect(&url, IfMissing::Create).await.unwrap();
        store.migrate().await.unwrap();
        let keys = Arc::new(open_keys(&*store, Sealer::none()).await.unwrap());
        let (relay, commits) = Relay::new(ISSUER.to_owned(), store.clone(), keys, false);
        let replica = Replica {
            id: Uuid::new_v4(),
            access_ttl: ACCESS_TTL,
        };
        Self {
            worker: Worker::new(relay.clone(), commits, replica, None),
            store,
            relay,
            folder,
        }
    }

    /// Everyone is revoked, an hour ago by the log.
    async fn revoke_long_ago(&self, version: i64) -> Position {
        let mut tx = self.store.begin().await.unwrap();
        let position = tx.take_position(Position::ZERO).await.unwrap().position;
        let event = Event {
            stream: Stream::Everyone,
            version,
            at: clock::now().minus(HOUR),
            fact: Fact::EveryoneRevoked { position },
        };
        tx.append(&[event]).await.unwrap();
        tx.commit().await.unwrap();
        position
    }

    fn read(&self, page: &LivePage) -> Page {
        let ring = self.relay.shared.keys.ring();
        let read = Page::verify(&page.text, ISSUER, |kid| ring.access_key(kid));
        let SignedPage { page, .. } = read.unwrap();
        page
    }
}

/// More may have been revoked between the reading of the head and the first cut than one cut holds.
#[tokio::test]
async fn a_first_cut_that_goes_on_is_no_statement() {
    let mut world = World::begins().await;
    let first = world.revoke_long_ago(1).await;
    let second = world.revoke_long_ago(2).await;
    let third = world.revoke_long_ago(3).await;
    let some = Cut {
        at: UnixMillis::new(1_000),
        from: first,
        to: second,
        floor: Position::ZERO,
        revoked: vec![Revocation {
            position: second,
            target: Target::Everyone,
        }],
        more: true,
    };
    let mut live = world.relay.live();
    world.worker.cut_came(Ok(some)).await;
    let page = world.read(&live.try_recv().unwrap());
    assert_eq!((page.from, page.to, page.more), (first, second, true));
    assert_eq!(world.relay.latest_now(), None);

    let rest = world.worker.cutting.take().unwrap().await.unwrap();
    assert_eq!((rest.from, rest.to, rest.more), (second, third, false));
    let latest = Latest {
        at: rest.at,
        to: third,
        floor: rest.floor,
    };
    world.worker.cut_came(Ok(rest)).await;
    let page = world.read(&live.try_recv().unwrap());
    assert_eq!((page.from, page.to, page.more), (second, third, false));
    assert_eq!(world.relay.latest_now(), Some(latest));
}

/// It reads its keys before the head, from which on cuts tell it of keys that are revoked.
#[tokio::test]
async fn a_key_that_was_revoked_while_a_replica_started_signs_no_page_of_it() {
    let mut world = World::begins().await;
    let kid = world.relay.shared.keys.ring().access.kid.clone();
    let other = service(world.store.clone(), Hasher::new(1)).await;
    other.revoke_key(kid.clone()).await.unwrap();

    let mut live = world.relay.live();
    world.worker.cut();
    let cut = world.worker.cutting.take().unwrap().await;
    assert!(cut.as_ref().unwrap().revoked.is_empty());
    world.worker.cut_came(cut).await;
    let page = world.read(&live.try_recv().unwrap());
    assert_eq!(page.revoked_keys, [kid]);
}

/// A replica may have cut last before another one pruned.
#[tokio::test]
async fn nothing_is_said_of_what_was_pruned_since_the_last_cut() {
    let world = World::begins().await;
    let from_nothing = Position::ZERO;
    let cut = world
        .store
        .cut(world.worker.replica, from_nothing, from_nothing, 1);
    let old_floor = cut.await.unwrap().floor;
    let first = world.revoke_long_ago(1).await;
    let mark = world.revoke_long_ago(2).await;
    let latest = Latest {
        at: clock::now(),
        to: mark,
        floor: old_floor,
    };
    let all = world
        .relay
        .pages_after(None, latest, MAX_PAGES)
        .await
        .unwrap();
    let all = world.read(&all[0]);
    assert_eq!((all.from, all.floor), (old_floor, old_floor));
    assert_eq!(all.revoked.len(), 2);

    assert_eq!(world.store.prune().await.unwrap(), 1);
    for after in [None, Some(first), Some(mark)] {
        let pages = world
            .relay
            .pages_after(after, latest, MAX_PAGES)
            .await
            .unwrap();
        let page = world.read(&pages[0]);
        assert_eq!((page.from, page.to), (mark, mark), "after {after:?}");
    }
    let pages = world
        .relay
        .pages_after(Some(first), latest, MAX_PAGES)
        .await
        .unwrap();
    let page = world.read(&pages[0]);
    assert_eq!(
        page.floor, mark,
        "whoever knows up to {first} must not see a gap"
    );
    // One who is behind the mark says no more than it knows.
    let behind = Latest {
        to: first,
        ..latest
    };
    let pages = world
        .relay
        .pages_after(None, behind, MAX_PAGES)
        .await
        .unwrap();
    let page = world.read(&pages[0]);
    assert_eq!((page.from, page.to, page.floor), (first, first, first));
}

fn everyone(position: u64) -> Revocation {
    Revocation {
        position: Position::new(position).unwrap(),
        target: Target::Everyone,
    }
}

/// More than the tail holds: it must not fall silent for want of the beginning.
#[tokio::test]
async fn what_is_too_much_at_once_leaves_a_gap_and_no_silence() {
    let mut world = World::begins().await;
    let first = world.revoke_long_ago(1).await;
    world.cuts().await;
    let (from, many) = (first.get(), u64::from(CUT_LIMIT) + 5);
    let much = Cut {
        at: clock::now(),
        from: first,
        to: Position::new(from + many).unwrap(),
        floor: Position::ZERO,
        revoked: (1..=many).map(|n| everyone(from + n)).collect(),
        more: false,
    };
    let (mut live, to) = (world.relay.live(), much.to);
    world.worker.cut_came(Ok(much)).await;
    let mut end = Position::new(from + 5).unwrap();
    while let Ok(page) = live.try_recv() {
        let page = world.read(&page);
        assert_eq!(page.from, end);
        assert_eq!(page.revoked.len(), 1_000);
        end = page.to;
    }
    assert_eq!(end, to);

    let next = Committed {
        at: clock::now(),
        previous: to,
        to: Position::new(to.get() + 1).unwrap(),
        revoked: vec![everyone(to.get() + 1)],
    };
    world.worker.publish_committed(next).await;
    let page = world.read(&live.try_recv().unwrap());
    assert_eq!((page.from, page.revoked.len()), (to, 1));
}

fn committed(previous: u64, to: u64) -> Committed {
    Committed {
        at: clock::now(),
        previous: Position::new(previous).unwrap(),
        to: Position::new(to).unwrap(),
        revoked: vec![everyone(to)],
    }
}

/// What was committed here need not wait for the database to say what another committed meanwhile.
#[tokio::test]
async fn what_comes_before_a_gap_goes_out_at_once() {
    let mut world = World::begins().await;
    let head = world.revoke_long_ago(1).await.get();
    world.cuts().await;
    let mut live = world.relay.live();
    world.relay.committed(committed(head + 2, head + 3));
    world
        .worker
        .publish_committed(committed(head, head + 1))
        .await;
    let page = world.read(&live.try_recv().unwrap());
    assert_eq!(page.revoked, [everyone(head + 1)]);
    assert!(world.worker.cutting.is_some(), "the rest is read");
}

/// Its clock is five minutes ahead, or a thief of a key says what will be.
#[tokio::test]
async fn a_heartbeat_from_the_future_relieves_nobody() {
    let mut world = World::begins().await;
    world.cuts().await;
    let before = world.relay.latest_now().unwrap();
    let ring = world.relay.shared.keys.ring();
    let mut hears = |at: UnixMillis| {
        let page = Page::cut(ISSUER, at, (before.to, before.to), before.to, &[]).remove(0);
        let text = ring.access.page(&page);
        world.worker.others_page(&text);
        (world.worker.relieved, world.relay.latest_now().unwrap())
    };
    let ahead = clock::now().plus(Duration::from_mins(5));
    assert_eq!(hears(ahead), (None, before));

    // One of now does; but from which position on all is known, this replica says for itself.
    let now = clock::now().plus(Duration::from_millis(1));
    let (relieved, latest) = hears(now);
    assert!(relieved.unwrap() <= Instant::now() + YOUNG);
    assert_eq!(latest, Latest { at: now, ..before });
}

/// Whoever revoked may have gone away, and then nothing else waits for the page.
#[tokio::test]
async fn what_was_committed_before_the_end_goes_out() {
    let mut world = World::begins().await;
    let head = world.revoke_long_ago(1).await.get();
    world.cuts().await;
    let mut live = world.relay.live();
    world.relay.committed(committed(head, head + 1));
    let stop = CancellationToken::new();
    stop.cancel();
    world.worker.run(stop).await;
    assert_eq!(live.try_recv().unwrap().to.get(), head + 1);
}

/// Another replica beats, and dies with what it has committed: that is cut when it is heard of. This one's
/// own next heartbeat may be half a minute away.
#[tokio::test]
async fn what_another_replica_committed_is_cut_when_it_is_heard_of() {
    let mut world = World::begins().await;
    world.cuts().await;
    world.worker.relieved = Some(Instant::now() + HOUR);
    let mut live = world.relay.live();
    let other = service(world.store.clone(), Hasher::new(1)).await;
    let stop = CancellationToken::new();
    let works = tokio::spawn(world.worker.run(stop.clone()));
    let ended = other.end_everyone().await.unwrap();
    let bound = HEARTBEAT * (MAX_SKIPPED / 2);
    let heard = tokio::time::timeout(bound, live.recv()).await;
    let page = heard.expect("nothing was cut").unwrap();
    assert_eq!(page.to, ended.position);
    stop.cancel();
    works.await.unwrap();
}

/// A connection of the pool leads to a standby, or to a backup.
#[tokio::test]
async fn a_database_that_is_behind_is_not_asked_what_there_is() {
    let world = World::begins().await;
    let head = world.revoke_long_ago(1).await;
    let there = Latest {
        at: clock::now(),
        to: head,
        floor: Position::ZERO,
    };
    let beyond = Latest {
        to: Position::new(head.get() + 1).unwrap(),
        ..there
    };
    let pages = world.relay.pages_after(None, there, MAX_PAGES).await;
    assert_eq!(world.read(&pages.unwrap()[0]).revoked.len(), 1);
    let refused = world.relay.pages_after(None, beyond, MAX_PAGES).await;
    assert!(matches!(refused, Err(store::Error::Behind)));
}

impl World {
    async fn cuts(&mut self) {
        self.worker.cut();
        let cut = self.worker.cutting.take().unwrap().await;
        self.worker.cut_came(cut).await;
    }

    /// A backup is put in the database's place, by somebody who knows of no `log restored`.
    async fn goes_back_to(&self, head: Position) {
        let url = format!("sqlite:{}", self.folder.path().join("log.db").display());
        let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
        let back = sqlx::query("update log_head set position = $1");
        let head = i64::try_from(head.get()).unwrap();
        back.bind(head).execute(&pool).await.unwrap();
    }
}

/// It would say "nothing was revoked" of what it does not know.
#[tokio::test]
async fn a_database_that_went_back_under_a_running_replica_makes_no_page() {
    let mut world = World::begins().await;
    let backup = world.revoke_long_ago(1).await;
    let published = world.revoke_long_ago(2).await;
    world.cuts().await;
    let before = world.relay.latest_now();
    assert_eq!(before.unwrap().to, published);

    world.goes_back_to(backup).await;
    let mut live = world.relay.live();
    world.cuts().await;
    assert!(live.try_recv().is_err(), "no heartbeat");
    assert_eq!(world.relay.latest_now(), before);
    let mut tx = world.store.begin().await.unwrap();
    let taken = tx.take_position(world.relay.seen()).await;
    assert!(matches!(taken, Err(store::Error::Behind)), "{taken:?}");
    drop(tx);

    // Above what was published it goes on from there.
    world
        .goes_back_to(Position::new(published.get() + 600).unwrap())
        .await;
    world.cuts().await;
    let page = world.read(&live.try_recv().unwrap());
    assert_eq!(page.from, published);
}

/// It has just started, on a backup. The one who published more is dead, and the stream still has it.
#[tokio::test]
async fn what_the_stream_has_beyond_the_log_makes_a_replica_silent_unless_a_thief_put_it_there() {
    let mut world = World::begins().await;
    let head = world.revoke_long_ago(1).await;
    world.cuts().await;
    let beyond = Position::new(head.get() + 1).unwrap();
    let ring = world.relay.shared.keys.ring();
    let page = Page::cut(ISSUER, clock::now(), (head, beyond), head, &[]).remove(0);
    let end = ring.access.page(&page);
    let mut live = world.relay.live();
    world.worker.end_of_stream(&end);
    let cut = world.worker.cutting.take().unwrap().await;
    assert!(matches!(cut, Err(store::Error::Behind)), "{cut:?}");
    world.worker.cut_came(cut).await;
    assert!(live.try_recv().is_err());

    let operator = service(world.store.clone(), Hasher::new(1)).await;
    operator.revoke_key(ring.access.kid.clone()).await.unwrap();
    world.relay.reload_keys().await;
    world.goes_back_to(head).await;
    world.cuts().await;
    assert_eq!(world.read(&live.try_recv().unwrap()).to, head);
}
