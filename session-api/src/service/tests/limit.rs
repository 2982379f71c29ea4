//! `--max-sessions-per-user`.

use super::{PASSWORD, Place, add_user, login, service_with_limit, takes};
use crate::password::Hasher;
use crate::service::Service;
use futures::future::join_all;
use revocation_events::UserId;

async fn alive(service: &Service, user: UserId) -> usize {
    service.sessions(user, None).await.unwrap().items.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_session_ends() {
    for place in [Place::postgres().await, Place::sqlite()] {
        let service = service_with_limit(place.store().await, Hasher::new(2), 2).await;
        let user = add_user(&service, "alice").await;
        let mut granted = Vec::new();
        for _ in 0..3 {
            granted.push(service.log_in(login("alice", PASSWORD)).await.unwrap());
        }
        assert_eq!(alive(&service, user).await, 2);
        let mut good = Vec::new();
        for granted in &granted {
            good.push(takes(&service, granted).await);
        }
        assert_eq!(good, [false, true, true]);
        let history = service
            .history(granted[0].session_id, None, None)
            .await
            .unwrap()
            .items;
        assert_eq!(history[1].fact.data()["reason"], "limit");
    }
}

/// Each finds too many sessions, and all but one come too late to end any.
#[tokio::test(flavor = "multi_thread")]
async fn logins_at_once_all_succeed_and_leave_no_more_than_the_limit() {
    for place in [Place::postgres().await, Place::sqlite()] {
        let service = service_with_limit(place.store().await, Hasher::new(8), 1).await;
        let user = add_user(&service, "alice").await;
        for _ in 0..3 {
            let at_once = (0..8).map(|_| service.log_in(login("alice", PASSWORD)));
            for granted in join_all(at_once).await {
                granted.unwrap();
            }
            assert_eq!(alive(&service, user).await, 1);
        }
    }
}
