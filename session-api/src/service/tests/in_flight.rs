//! A login whose password check is under way when something is revoked: it was before the
//! revocation, so neither its session nor its token may live after it.
//!
//! The hasher is held back, so the order is certain and no luck is needed.

use super::{PASSWORD, Place, add_user, login, refresh, service, takes};
use crate::password::Hasher;
use crate::service::Service;
use crate::service::revoke::UserChange;
use crate::session::Roles;
use revocation_events::UserId;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Revocation {
    Everywhere,
    Everyone,
    Disabled,
    PasswordSet,
    RolesChanged,
}

async fn revoke(service: &Service, user: UserId, what: Revocation) {
    let ended = match what {
        Revocation::Everywhere => service.end_sessions(user, None).await,
        Revocation::Everyone => service.end_everyone().await,
        Revocation::Disabled => service.change_user(user, UserChange::Disable).await,
        Revocation::PasswordSet => {
            service
                .set_password(user, "another horse, another staple")
                .await
        }
        Revocation::RolesChanged => {
            let roles = Roles::try_from(vec!["editor".to_owned()]).unwrap();
            service.change_roles(user, roles, None).await
        }
    };
    ended.unwrap();
}

async fn a_login_in_flight_does_not_escape(place: &Place) {
    for what in [
        Revocation::Everywhere,
        Revocation::Everyone,
        Revocation::Disabled,
        Revocation::PasswordSet,
        Revocation::RolesChanged,
    ] {
        let hasher = Hasher::new(1);
        let slow = service(place.store().await, hasher.clone()).await;
        // Another replica, whose hasher is free.
        let quick = service(place.store().await, Hasher::new(1)).await;
        let name = format!("alice-{what:?}").to_lowercase();
        let user = add_user(&quick, &name).await;

        let held = hasher.hold().await;
        let in_flight = {
            let (slow, name) = (slow.clone(), name.clone());
            tokio::spawn(async move { slow.log_in(login(&name, PASSWORD)).await })
        };
        tests::eventually(
            "the login waits for its hash",
            Duration::from_secs(60),
            async || hasher.queued() == 1,
        )
        .await;
        revoke(&quick, user, what).await;
        drop(held);
        let granted = in_flight.await.unwrap().unwrap();

        assert!(
            !takes(&quick, &granted).await,
            "{what:?}: the access token lives"
        );
        let refreshed = refresh(&quick, &granted).await;
        if what == Revocation::RolesChanged {
            let refreshed = refreshed.unwrap();
            assert_eq!(refreshed.roles, ["editor"]);
            assert!(takes(&quick, &refreshed).await);
        } else {
            assert!(refreshed.is_err(), "{what:?}: the session lives");
            let listed = quick.sessions(user, None).await.unwrap();
            assert!(listed.items.is_empty(), "{what:?}: the session is listed");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_in_flight_does_not_escape_on_postgres() {
    a_login_in_flight_does_not_escape(&Place::postgres().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_in_flight_does_not_escape_on_sqlite() {
    a_login_in_flight_does_not_escape(&Place::sqlite()).await;
}
