//! The database goes back under a running replica: a backup, a snapshot, a primary of before.

use super::super::Error;
use super::{Place, add_user};
use crate::clock;
use crate::password::Hasher;
use crate::relay::Committed;
use crate::service::revoke::Ended;
use sqlx::Connection as _;

/// Below what was published a revocation would take a position that verifiers take for known.
#[tokio::test]
async fn nothing_is_revoked_in_a_log_that_has_lost_its_end() {
    let database = Place::postgres().await;
    let service = super::service(database.store().await, Hasher::new(1)).await;
    let user = add_user(&service, "alice").await;
    let first = service.end_sessions(user, None).await.unwrap().position;
    let published = service.end_sessions(user, None).await.unwrap().position;
    // One that had it from the bus, and has written nothing itself.
    let other = super::service(database.store().await, Hasher::new(1)).await;
    other.inner.relay.committed(Committed {
        at: clock::now(),
        previous: first,
        to: published,
        revoked: Vec::new(),
    });

    let mut sql = sqlx::PgConnection::connect(&database.url()).await.unwrap();
    let back = "update log_head set position = $1";
    let back = sqlx::query(back).bind(i64::from(first));
    back.execute(&mut sql).await.unwrap();
    let refused = |ended: Result<_, Error>| match ended {
        Err(Error::Store(error)) => assert!(error.is_away(), "{error}"),
        ended => panic!("{:?}", ended.map(|_: Ended| ())),
    };
    for service in [&service, &other] {
        refused(service.end_sessions(user, None).await);
        refused(service.end_everyone().await);
    }
    service.restored(published).await.unwrap();
    for service in [&service, &other] {
        let ended = service.end_sessions(user, None).await.unwrap();
        assert!(ended.position > published);
    }
}
