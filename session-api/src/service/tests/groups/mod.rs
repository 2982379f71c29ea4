//! Revocations that are committed together, beside others that come between.
//!
//! `waiting` is about those who wait. Groups are made by holding the head of the log: what is asked for meanwhile waits in the queue.

mod waiting;

use super::{PASSWORD, Place, add_user, login, service_and_commits};
use crate::password::Hasher;
use crate::relay::Committed;
use crate::service::access::Caller;
use crate::service::revoking::command::{Command, Decided};
use crate::service::{Error, Granted, Result, Service};
use crate::session::{EndReason, Event, Roles};
use crate::store::{self, Store};
use futures::future::{BoxFuture, join_all};
use futures::{FutureExt as _, poll};
use revocation_events::{Position, Revocation, SessionId, Target, UserId};
use sqlx::Connection as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use uuid::Uuid;

const BOUND: Duration = Duration::from_secs(60);

struct World {
    place: Place,
    store: Arc<dyn Store>,
    service: Service,
    commits: Receiver<Committed>,
    alice: UserId,
}

impl World {
    async fn both() -> [Self; 2] {
        [
            Self::new(Place::postgres().await).await,
            Self::new(Place::sqlite()).await,
        ]
    }

    async fn new(place: Place) -> Self {
        let store = place.store().await;
        let (service, commits) = service_and_commits(store.clone(), Hasher::new(2), 0).await;
        let alice = add_user(&service, "alice").await;
        Self {
            place,
            store,
            service,
            commits,
            alice,
        }
    }

    async fn logs_in(&self) -> Granted {
        let login = login("alice", PASSWORD);
        self.service.log_in(login).await.unwrap()
    }

    async fn sessions<const N: usize>(&self) -> [SessionId; N] {
        let mut ids = [SessionId::new(Uuid::nil()); N];
        for id in &mut ids {
            *id = self.logs_in().await.session_id;
        }
        ids
    }

    /// In the queue when this returns, if there is room.
    async fn asks(&self, command: Command) -> BoxFuture<'_, Result<Decided>> {
        self.asks_within(BOUND, command).await
    }

    async fn asks_within(
        &self,
        patience: Duration,
        command: Command,
    ) -> BoxFuture<'_, Result<Decided>> {
        let queue = &self.service.inner.revocations;
        let mut asked = queue.commit_within(patience, command, None).boxed();
        match poll!(&mut asked) {
            std::task::Poll::Pending => asked,
            std::task::Poll::Ready(answer) => std::future::ready(answer).boxed(),
        }
    }

    async fn holds_nothing_in_the_queue(&self) {
        let queue = &self.service.inner.revocations;
        tests::eventually("the writer takes it", BOUND, async || queue.waiting() == 0).await;
    }

    /// What becomes of commands that are decided as one group.
    async fn together(&mut self, commands: Vec<Command>) -> Vec<Result<Decided>> {
        let [first] = self.sessions().await;
        let elsewhere = self.place.store().await;
        let mut head = elsewhere.begin().await.unwrap();
        head.take_position(Position::ZERO).await.unwrap();
        let first = self.asks(end(first)).await;
        self.holds_nothing_in_the_queue().await;
        let mut asked = Vec::new();
        for command in commands {
            asked.push(self.asks(command).await);
        }
        assert_eq!(self.service.inner.revocations.waiting(), asked.len());
        drop(head);
        first.await.unwrap();
        let answers = join_all(asked).await;
        self.commits.try_recv().unwrap();
        answers
    }

    /// What the relay was told last, and no more than that.
    fn told(&mut self) -> Committed {
        let told = self.commits.try_recv().unwrap();
        assert!(self.commits.try_recv().is_err(), "more than one commit");
        told
    }

    async fn caller(&self, granted: &Granted) -> Caller {
        let token = self.service.read_access_token(&granted.access.token);
        let token = token.unwrap();
        let caller = self.service.caller_by_access_token(&token).await;
        caller.unwrap()
    }

    async fn events(&self, session: SessionId) -> Vec<Event> {
        self.store.history(session, 0, 100).await.unwrap()
    }

    /// Changes a session's row as no store does.
    async fn spoil(&self, session: SessionId, change: &str) {
        let id = session.uuid();
        if let Place::Postgres(database) = &self.place {
            let sql = format!("update session set {change} where id = '{id}'");
            let mut db = sqlx::PgConnection::connect(database.url()).await.unwrap();
            let changed = sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
                .execute(&mut db)
                .await;
            assert_eq!(changed.unwrap().rows_affected(), 1);
        } else {
            let sql = format!("update session set {change} where id = x'{}'", id.simple());
            let url = self.place.url();
            let mut db = sqlx::SqliteConnection::connect(&url).await.unwrap();
            let changed = sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
                .execute(&mut db)
                .await;
            assert_eq!(changed.unwrap().rows_affected(), 1);
            db.close().await.unwrap();
        }
    }
}

fn end(session: SessionId) -> Command {
    Command::EndSession {
        session,
        owner: None,
        reason: EndReason::User,
    }
}

fn end_all(user: UserId) -> Command {
    Command::EndSessions {
        user,
        keep: None,
        password: None,
    }
}

fn positions(revoked: &[Revocation]) -> Vec<Position> {
    revoked.iter().map(|entry| entry.position).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_one_commit_in_the_order_of_the_queue() {
    for mut world in World::both().await {
        let before = world.store.head().await.unwrap().position;
        let sessions: [SessionId; 5] = world.sessions().await;
        let roles = Roles::try_from(vec!["editor".to_owned()]).unwrap();
        let mut commands: Vec<_> = sessions.map(end).into();
        commands.push(Command::ChangeRoles {
            user: world.alice,
            roles,
            own: None,
        });
        commands.push(end_all(world.alice));
        let answers = world.together(commands).await;
        let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
        let told = world.told();
        let at: Vec<_> = answers.iter().map(|answer| answer.position).collect();
        assert!(at.is_sorted_by(|a, b| a < b), "{at:?}");
        assert_eq!(positions(&told.revoked), at);
        assert!(before < told.previous && told.previous < at[0]);
        assert_eq!(told.to, at[6]);
        assert_eq!(world.store.head().await.unwrap().position, told.to);
        let far = Position::new(1 << 52).unwrap();
        let stored = world.store.revocations(told.previous, far, 100).await;
        assert_eq!(stored.unwrap().revoked, told.revoked);
        let revoked: Vec<_> = answers.iter().map(|answer| answer.revoked).collect();
        assert_eq!(revoked[..5], [Some(1); 5]);
        assert_eq!(revoked[5..], [Some(0), None]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_ended_twice_in_a_group_is_ended_once() {
    for mut world in World::both().await {
        let [session, other] = world.sessions().await;
        let commands = vec![end(session), end(other), end(session)];
        let answers = world.together(commands).await;
        let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!((answers[0].revoked, answers[2].revoked), (Some(1), Some(0)));
        assert_eq!(answers[0].position, answers[2].position);
        assert_eq!(world.told().revoked.len(), 2);
        assert_eq!(world.events(session).await.len(), 2);
    }
}

/// Whatever is wrong with one of them: it is not there, it is another's, its row cannot be read, or its
/// stream takes no event.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_fails_takes_no_other_along() {
    for mut world in World::both().await {
        let sessions: [SessionId; 6] = world.sessions().await;
        let [broken, grown, good @ ..] = sessions;
        world.spoil(broken, "delivery = 'pigeon'").await;
        world.spoil(grown, "version = 0").await;
        let unknown = SessionId::new(Uuid::new_v4());
        let stranger = Command::EndSession {
            session: good[3],
            owner: Some(UserId::new(Uuid::new_v4())),
            reason: EndReason::User,
        };
        let commands = vec![
            end(good[0]),
            end(broken),
            end(good[1]),
            end(unknown),
            end(grown),
            stranger,
            end(good[2]),
        ];
        let answers = world.together(commands).await;
        let mut at = Vec::new();
        for good in [0, 2, 6] {
            let answer = answers[good].as_ref().unwrap();
            assert_eq!(answer.revoked, Some(1));
            at.push(answer.position);
        }
        assert!(at.is_sorted_by(|a, b| a < b), "{at:?}");
        let store_error = |answer: &Result<Decided>| match answer {
            Err(Error::Store(error)) => Some(error.clone()),
            _ => None,
        };
        let corrupt = store_error(&answers[1]).unwrap();
        assert!(matches!(*corrupt, store::Error::Corrupt(_)), "{corrupt}");
        let refused = store_error(&answers[4]).unwrap();
        assert!(matches!(*refused, store::Error::Database(_)), "{refused}");
        for missing in [3, 5] {
            assert!(matches!(answers[missing], Err(Error::NotFound)));
        }
        assert_eq!(world.events(grown).await.len(), 1);
        let mut told = Vec::new();
        while let Ok(Committed { revoked, .. }) = world.commits.try_recv() {
            told.extend(positions(&revoked));
        }
        assert_eq!(told, at);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_finds_what_those_before_it_in_the_group_made() {
    for mut world in World::both().await {
        let [first, kept, other] = world.sessions().await;
        let keep = |session| Command::EndSessions {
            user: world.alice,
            keep: Some(session),
            password: None,
        };
        let disable = Command::Disable { user: world.alice };
        let commands = vec![
            end(first),
            keep(first),
            keep(kept),
            end(other),
            disable.clone(),
            disable,
            keep(kept),
            Command::EndEveryone,
        ];
        let answers = world.together(commands).await;
        let told = world.told();
        // Its own tokens would have died with it.
        assert!(matches!(answers[1], Err(Error::TokenInvalid)));
        let survivor = answers[2].as_ref().unwrap();
        let granted = survivor.kept.as_ref().unwrap();
        assert_eq!(granted.session.id, kept);
        assert_eq!(granted.session.session.details().since, survivor.position);
        // Its row was still open; but it was dead already.
        assert_eq!(answers[3].as_ref().unwrap().revoked, Some(0));
        let (fourth, fifth) = (&answers[4].as_ref().unwrap(), &answers[5].as_ref().unwrap());
        assert_eq!((fourth.revoked, fifth.revoked), (None, Some(0)));
        assert_eq!(fourth.position, fifth.position);
        assert!(matches!(answers[6], Err(Error::TokenInvalid)));
        let last = answers[7].as_ref().unwrap().position;
        let head = world.store.head().await.unwrap();
        assert_eq!((head.position, head.everyone), (last, last));
        assert_eq!(told.revoked.len(), 5);
        assert_eq!(told.revoked[4].target, Target::Everyone);
        let report = crate::replay::verify(&*world.store, |_| {}).await.unwrap();
        assert_eq!(report.differences, []);
    }
}

/// A commit without events would publish a heartbeat that could deny another replica's newest
/// revocation.
#[tokio::test(flavor = "multi_thread")]
async fn what_changes_nothing_commits_nothing() {
    for mut world in World::both().await {
        let [ended, own] = world.sessions().await;
        let first = world.asks(end(ended)).await.await.unwrap();
        world.told();
        let same_roles = |own| Command::ChangeRoles {
            user: world.alice,
            roles: Roles::default(),
            own,
        };
        let unlocked = vec![end(ended), same_roles(None)];
        let locked = vec![end(ended), same_roles(Some(own))];
        for commands in [unlocked, locked] {
            let answers = world.together(commands).await;
            let before = world.store.head().await.unwrap().position;
            let again = answers[0].as_ref().unwrap();
            assert_eq!((again.revoked, again.position), (Some(0), first.position));
            assert_eq!(answers[1].as_ref().unwrap().revoked, Some(0));
            assert!(world.commits.try_recv().is_err(), "there was a commit");
            assert_eq!(world.store.head().await.unwrap().position, before);
        }
    }
}
