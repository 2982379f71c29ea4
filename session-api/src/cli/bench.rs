//! `bench`: refreshes at the store, as the service's writers make them, without tokens and HTTP.

use super::settings::Database;
use super::{Failure, Outcome};
use crate::session::{
    CutOffs, Delivery, Event, Fact, OpenSession, Refresh, Refreshed, Roles, Session, SessionFact,
    Stream, User, decide, state,
};
use crate::store::{FoundSession, SessionRow, Store, UserRow};
use futures::future::try_join_all;
use revocation_events::{Position, SessionId, UserId};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

const TTL: Duration = Duration::from_secs(7 * 86_400);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    database: Database,

    /// How many groups are committed at once.
    #[arg(long, value_name = "N")]
    writers: usize,

    /// How many refreshes are committed together, each of another session.
    #[arg(long, value_name = "N")]
    group: usize,

    /// For how long, in milliseconds.
    #[arg(long, value_name = "N")]
    millis: u64,
}

/// Prints refreshes per second.
pub(super) async fn run(args: Args) -> Outcome {
    let store = args.database.open().await?;
    let user = a_user(&*store).await?;
    let mut groups = Vec::new();
    for _ in 0..args.writers {
        groups.push(open(&*store, user, args.group).await?);
    }
    let began = Instant::now();
    let end = began + Duration::from_millis(args.millis);
    let writing = groups.into_iter().map(|group| {
        let writing = refresh_until(end, store.clone(), group);
        // In tasks of their own, as the service's are.
        async { tokio::spawn(writing).await.map_err(Failure::from)? }
    });
    let done: u64 = try_join_all(writing).await?.into_iter().sum();
    #[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^53")]
    let per_second = done as f64 / began.elapsed().as_secs_f64();
    println!("{per_second:.1}");
    Ok(())
}

/// Refreshes are read together with their user, so there must be one.
async fn a_user(store: &dyn Store) -> Result<UserId, Failure> {
    let row = UserRow {
        id: UserId::new(Uuid::now_v7()),
        name: format!("bench-{}", Uuid::now_v7()),
        password_hash: String::new(),
        version: 1,
        user: User {
            roles: Roles::default(),
            disabled: false,
            cut_off: Position::ZERO,
            token_cut_off: Position::ZERO,
        },
    };
    let mut tx = store.begin().await?;
    if tx.add_user(&row).await?.is_err() {
        return Err(Failure::failed("the name is taken"));
    }
    tx.commit().await?;
    Ok(row.id)
}

async fn open(store: &dyn Store, user: UserId, many: usize) -> Result<Vec<SessionId>, Failure> {
    let mut tx = store.begin().await?;
    let head = tx.head().await?;
    let session = OpenSession {
        user,
        delivery: Delivery::Body,
        since: head.position,
        opened_at: head.now,
        generation: 1,
        rotated_at: head.now,
        retry_key: None,
        expires_at: head.now.plus(TTL),
        ends_at: head.now.plus(TTL * 4),
    };
    let ids: Vec<_> = (0..many).map(|_| SessionId::new(Uuid::now_v7())).collect();
    let opened = |id: &SessionId| Event {
        stream: Stream::Session(*id),
        version: 1,
        at: head.now,
        fact: Fact::Session(SessionFact::Opened {
            session: session.clone(),
            new_device: false,
        }),
    };
    let row = |id: &SessionId| SessionRow {
        id: *id,
        version: 1,
        session: Session::Open(session.clone()),
    };
    tx.append(&ids.iter().map(opened).collect::<Vec<_>>())
        .await?;
    tx.save_sessions(&ids.iter().map(row).collect::<Vec<_>>())
        .await?;
    tx.commit().await?;
    Ok(ids)
}

async fn refresh_until(
    end: Instant,
    store: Arc<dyn Store>,
    group: Vec<SessionId>,
) -> Result<u64, Failure> {
    let mut done = 0;
    while Instant::now() < end {
        let mut tx = store.begin().await?;
        let found = tx.lock_sessions(&group).await?;
        let (mut events, mut rows) = (Vec::new(), Vec::new());
        for found in found {
            let (event, row) = refreshed(found)?;
            events.push(event);
            rows.push(row);
        }
        tx.append(&events).await?;
        tx.save_sessions(&rows).await?;
        tx.commit().await?;
        done += rows.len() as u64;
    }
    Ok(done)
}

fn refreshed(found: FoundSession) -> Result<(Event, SessionRow), Failure> {
    let FoundSession {
        mut row,
        user,
        head,
        ..
    } = found;
    let command = Refresh {
        generation: row.session.details().generation,
        retry_key: None,
        ttl: TTL,
    };
    let cut_offs = CutOffs {
        user: user.cut_off,
        everyone: head.everyone,
    };
    let Ok(Refreshed::Rotated(fact)) = decide::refresh(&row.session, cut_offs, command, head.now)
    else {
        return Err(Failure::failed("a session has ended meanwhile"));
    };
    row.version += 1;
    row.session = state::apply(Some(row.session), head.now, &fact)?;
    let event = Event {
        stream: Stream::Session(row.id),
        version: row.version,
        at: head.now,
        fact: Fact::Session(fact),
    };
    Ok((event, row))
}
