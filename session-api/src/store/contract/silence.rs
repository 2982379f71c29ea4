//! A database whose host has lost its power: connections stay open and nobody answers.

use super::fixture::*;
use super::{BOUND, Db};
use crate::store::{Error, IfMissing, connect};
use revocation_events::Position;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const LISTENING: &str = "select count(*) from pg_stat_activity \
                         where datname = current_database() and query ilike 'listen%'";

/// Stands before a database. What was connected when it fell silent stays so; what comes later gets
/// through, as when the address has moved to the next primary.
struct Wire {
    url: String,
    fell_silent: watch::Sender<()>,
}

impl Wire {
    async fn before(db: &Db) -> Self {
        let (scheme, rest) = db.url.split_once("127.0.0.1:").unwrap();
        let (port, rest) = rest.split_once('/').unwrap();
        let to = format!("127.0.0.1:{port}");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{scheme}{}/{rest}", listener.local_addr().unwrap());
        let fell_silent = watch::Sender::new(());
        let silent = fell_silent.clone();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (to, mut silent) = (to.clone(), silent.subscribe());
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(to).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        _ = silent.changed() => std::future::pending().await,
                    }
                });
            }
        });
        Self { url, fell_silent }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_falls_silent_is_given_up_and_found_again() {
    let db = Db::postgres().await;
    add_user(&*db.store, "ann").await;
    let wire = Wire::before(&db).await;
    let store = connect(&wire.url, IfMissing::Fail).await.unwrap();
    // Its own, and that of the store which goes straight to the database.
    let listen = async |many| {
        let listening = async || db.number(LISTENING).await == many;
        tests::eventually("they listen", BOUND, listening).await;
    };
    listen(2).await;
    let mut idle = store.begin().await.unwrap();
    let mut acting = store.begin().await.unwrap();
    let mut others = Vec::new();
    for _ in 0..10 {
        others.push(store.begin().await.unwrap());
    }
    idle.take_position(Position::ZERO).await.unwrap();

    wire.fell_silent.send_replace(());
    let all = async { tokio::join!(idle.commit(), acting.head()) };
    let (commit, head) = tokio::time::timeout(BOUND, all).await.unwrap();
    assert!(matches!(commit, Err(Error::Unavailable(_))), "{commit:?}");
    assert!(matches!(head, Err(Error::Unavailable(_))), "{head:?}");

    // At once, on new connections, as many as before: the old ones hang where nobody waits.
    drop(others);
    let mut open = Vec::new();
    for _ in 0..10 {
        open.push(store.begin().await.unwrap());
    }
    assert!(store.user_by_name("ann").await.unwrap().is_some());
    // The server does not know yet that the old one hears nothing.
    listen(3).await;
}
