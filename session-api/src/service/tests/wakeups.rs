//! Other replicas hear of a commit at once, whichever way it was committed.

use super::{Place, add_user};
use crate::password::Hasher;
use sqlx::postgres::PgListener;
use std::time::Duration;

/// What is polled for would come within half a second all the same. Only a word comes here.
#[tokio::test]
async fn a_revocation_tells_other_replicas() {
    let database = Place::postgres().await;
    let service = super::service(database.store().await, Hasher::new(1)).await;
    let user = add_user(&service, "alice").await;
    let mut other = PgListener::connect(&database.url()).await.unwrap();
    other.listen("portcullis_head").await.unwrap();
    let mut hears = async |position: revocation_events::Position| {
        let bound = Duration::from_secs(60);
        let heard = tokio::time::timeout(bound, other.recv()).await;
        let heard = heard.expect("a replica heard nothing").unwrap();
        assert_eq!(heard.payload(), position.to_string());
    };
    // Committed with a lock, which the first one of a new log needs, and without.
    let ended = service.end_everyone().await.unwrap();
    hears(ended.position).await;
    let ended = service.end_sessions(user, None).await.unwrap();
    hears(ended.position).await;
}
