//! Many refreshes against revocations of their users. Positions say afterwards who was wrong.

use super::{PASSWORD, Place, add_user, login, refresh, service, token_of};
use crate::password::Hasher;
use crate::replay;
use crate::service::access::Keep;
use crate::service::{Error, Granted, Service};
use crate::session::Roles;
use revocation_events::{Position, SessionId, UserId};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const USERS: usize = 6;
const SESSIONS: usize = 4;
const REVOCATIONS: usize = 60;

/// A token as it was minted.
struct Minted {
    session: SessionId,
    since: Position,
    position: Position,
    roles: Vec<String>,
}

/// What was revoked, and what else changed with it.
enum Revoked {
    AllBut(SessionId),
    Roles(Vec<String>),
}

/// What all of them do at once.
#[derive(Clone, Default)]
struct Race {
    /// Users whose tokens are still revoked.
    running: Arc<AtomicUsize>,
    /// Tokens that were minted meanwhile.
    minted: Arc<AtomicUsize>,
}

impl Race {
    /// However slow the minting is, some of it is while others revoke.
    fn goes_on(&self, round: usize) -> bool {
        let few = self.minted.load(Ordering::Relaxed) <= 20 * USERS;
        round < REVOCATIONS || few && round < 20 * REVOCATIONS
    }
}

async fn refresh_until_done(service: Service, first: Granted, race: Race) -> Vec<Minted> {
    let mut minted = Vec::new();
    let mut granted = first;
    loop {
        let token = token_of(&service, &granted);
        minted.push(Minted {
            session: granted.session_id,
            since: granted.session.since,
            position: token.position(),
            roles: token.roles().to_vec(),
        });
        race.minted.fetch_add(1, Ordering::Relaxed);
        if race.running.load(Ordering::Relaxed) == 0 {
            return minted;
        }
        match refresh(&service, &granted).await {
            Ok(next) => granted = next,
            Err(_) => return minted,
        }
    }
}

async fn revoke_again_and_again(
    service: Service,
    user: UserId,
    kept: SessionId,
    race: Race,
) -> Vec<(Position, Revoked)> {
    let mut revoked = Vec::new();
    for round in (0..).take_while(|round| race.goes_on(*round)) {
        // Most rounds change roles, for those leave all sessions to be refreshed.
        let (ended, what) = if round % 20 == 19 {
            let keep = Keep {
                session: kept,
                until: None,
            };
            (
                service.end_sessions(user, Some(keep)).await,
                Revoked::AllBut(kept),
            )
        } else {
            let roles = vec![format!("r{round}")];
            let change = Roles::try_from(roles.clone()).unwrap();
            (
                service.change_roles(user, change, None).await,
                Revoked::Roles(roles),
            )
        };
        revoked.push((ended.unwrap().position, what));
    }
    race.running.fetch_sub(1, Ordering::Relaxed);
    revoked
}

/// How many tokens of one user outlive a revocation that they should not.
fn outliving(minted: &[Minted], revoked: &[(Position, Revoked)]) -> usize {
    let wrong = |token: &&Minted| {
        let before: Vec<_> = revoked
            .iter()
            .filter(|(at, _)| *at <= token.position)
            .collect();
        let ended = before.iter().any(|(at, what)| match what {
            Revoked::AllBut(kept) => *kept != token.session && token.since < *at,
            Revoked::Roles(_) => false,
        });
        let roles_then = before.iter().rev().find_map(|(_, what)| match what {
            Revoked::Roles(roles) => Some(roles),
            Revoked::AllBut(_) => None,
        });
        // Newer roles at an older position do no harm: such a token is dead.
        let known = revoked.iter().any(|(at, what)| {
            *at > token.position && matches!(what, Revoked::Roles(roles) if *roles == token.roles)
        });
        ended || (roles_then.is_some_and(|roles| *roles != token.roles) && !known)
    };
    minted.iter().filter(wrong).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_token_outlives_a_revocation_however_refreshes_and_revocations_race() {
    let place = Place::postgres().await;
    let store = place.store().await;
    let service = service(store.clone(), Hasher::new(2)).await;
    let race = Race::default();
    race.running.store(USERS, Ordering::Relaxed);
    let mut users = Vec::new();
    for n in 0..USERS {
        let name = format!("user-{n}");
        let user = add_user(&service, &name).await;
        let mut sessions = Vec::new();
        for _ in 0..SESSIONS {
            sessions.push(service.log_in(login(&name, PASSWORD)).await.unwrap());
        }
        users.push((user, sessions));
    }
    let mut tasks = Vec::new();
    for (user, sessions) in users {
        let kept = sessions[0].session_id;
        let revoking = tokio::spawn(revoke_again_and_again(
            service.clone(),
            user,
            kept,
            race.clone(),
        ));
        let refreshing: Vec<_> = sessions
            .into_iter()
            .map(|first| tokio::spawn(refresh_until_done(service.clone(), first, race.clone())))
            .collect();
        tasks.push((revoking, refreshing));
    }
    // While all of them are at it.
    let report = replay::verify(&*store, |_| {}).await.unwrap();
    assert_eq!(report.differences, []);
    let (mut tokens, mut wrong) = (0, 0);
    for (revoking, refreshing) in tasks {
        let revoked = revoking.await.unwrap();
        for refreshing in refreshing {
            let minted = refreshing.await.unwrap();
            tokens += minted.len();
            wrong += outliving(&minted, &revoked);
        }
    }
    assert!(
        tokens > 20 * USERS,
        "only {tokens} tokens were minted: that is no race"
    );
    assert_eq!(wrong, 0, "of {tokens} tokens");
    let report = replay::verify(&*store, |_| {}).await.unwrap();
    assert_eq!(report.differences, []);
}

/// Asks again where the service is too busy, as a client does.
async fn refreshed_in_the_end(service: &Service, granted: &Granted) -> Granted {
    let refreshed = async {
        loop {
            match refresh(service, granted).await {
                Err(Error::Overloaded) => {}
                Err(Error::Store(error)) if error.is_away() => {}
                refreshed => return refreshed.unwrap(),
            }
        }
    };
    let bound = Duration::from_secs(60);
    let refreshed = tokio::time::timeout(bound, refreshed).await;
    refreshed.expect("the service has time")
}

/// Clients that go away in the middle of a call leave nothing half-done, and nothing that was
/// acknowledged to others stays invisible.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_that_go_away_leave_no_acknowledged_event_invisible() {
    let place = Place::postgres().await;
    let service = service(place.store().await, Hasher::new(2)).await;
    let elsewhere = place.store().await;
    let mut patient = Vec::new();
    let mut impatient = Vec::new();
    for n in 0..12 {
        let name = format!("user-{n}");
        let user = add_user(&service, &name).await;
        let granted = service.log_in(login(&name, PASSWORD)).await.unwrap();
        let hasty = service.log_in(login(&name, PASSWORD)).await.unwrap();
        patient.push(granted);
        impatient.push((user, hasty));
    }
    let going_away: Vec<_> = impatient
        .into_iter()
        .map(|(user, hasty)| {
            let service = service.clone();
            tokio::spawn(async move {
                for round in 0_u64..150 {
                    // Times that fall into every part of a transaction.
                    let patience = Duration::from_micros(round * 37 % 2_000);
                    let roles = Roles::try_from(vec![format!("r{round}")]).unwrap();
                    let change = service.change_roles(user, roles, None);
                    let _cut_off = tokio::time::timeout(patience, change).await;
                    let refresh = refresh(&service, &hasty);
                    let _cut_off = tokio::time::timeout(patience, refresh).await;
                }
            })
        })
        .collect();
    let staying: Vec<_> = patient
        .into_iter()
        .map(|first| {
            let (service, elsewhere) = (service.clone(), elsewhere.clone());
            tokio::spawn(async move {
                let mut granted = first;
                for _ in 0..60 {
                    granted = refreshed_in_the_end(&service, &granted).await;
                    let seen = elsewhere
                        .session(granted.session_id)
                        .await
                        .unwrap()
                        .unwrap();
                    assert_eq!(
                        seen.row.session.details().generation,
                        granted.session.generation,
                        "an acknowledged refresh is invisible to others"
                    );
                }
            })
        })
        .collect();
    for task in going_away.into_iter().chain(staying) {
        task.await.unwrap();
    }
    // What nobody waits for any more is still going on, beside which this is no less true.
    let report = replay::verify(&*elsewhere, |_| {}).await.unwrap();
    assert_eq!(report.differences, []);
}
