//! How many refreshes may wait, and for how long.

use super::{PASSWORD, Place, add_user, login, service};
use crate::password::Hasher;
use crate::service::{Error, Granted, Service};
use crate::session::Delivery;
use futures::FutureExt as _;
use futures::future::join_all;
use futures::poll;
use std::task::Poll;
use std::time::Duration;

struct World {
    service: Service,
    granted: Granted,
    _place: Place,
}

impl World {
    async fn new() -> Self {
        let place = Place::sqlite();
        let service = service(place.store().await, Hasher::new(1)).await;
        add_user(&service, "alice").await;
        let granted = service.log_in(login("alice", PASSWORD)).await.unwrap();
        Self {
            service,
            granted,
            _place: place,
        }
    }

    async fn refreshes_within(&self, patience: Duration) -> Result<Granted, Error> {
        let token = &self.granted.session_token.token;
        let token = self.service.read_session_token(token)?;
        self.service
            .refresh_within(patience, token, Delivery::Body, None)
            .await
    }
}

/// On one thread, so that no writer takes anything before all have asked.
#[tokio::test]
async fn more_refreshes_than_the_queue_holds_are_told_to_come_back() {
    let world = World::new().await;
    let (mut waiting, mut turned_away) = (Vec::new(), 0);
    for _ in 0..5_000 {
        let mut asks = world.refreshes_within(Duration::from_secs(60)).boxed();
        match poll!(&mut asks) {
            Poll::Pending => waiting.push(asks),
            Poll::Ready(answer) => {
                assert!(matches!(answer, Err(Error::Overloaded)));
                turned_away += 1;
            }
        }
    }
    assert_eq!((waiting.len(), turned_away), (4_096, 904));
    for answer in join_all(waiting).await {
        assert_eq!(answer.unwrap().session_id, world.granted.session_id);
    }
}

#[tokio::test]
async fn a_refresh_that_nobody_waits_for_any_more_is_not_made() {
    let world = World::new().await;
    let late = world.refreshes_within(Duration::ZERO).await;
    assert!(matches!(late, Err(Error::Overloaded)));
    let in_time = world.refreshes_within(Duration::from_secs(60)).await;
    assert_eq!(in_time.unwrap().session_id, world.granted.session_id);
}
