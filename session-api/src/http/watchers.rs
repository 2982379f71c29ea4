//! Who waits to hear of the end of a session.
//!
//! One task reads the pages that go out and wakes those whom an entry concerns: a revocation costs
//! nothing for all the others, however many wait.

use crate::relay::LivePage;
use revocation_events::{Position, SessionId, Target, UserId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

/// Places of one user. A browser takes one for all its tabs.
const MAX_PER_USER: usize = 32;

/// All places.
pub(super) struct Watchers {
    max: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    sessions: HashMap<SessionId, Vec<Arc<Notify>>>,
    /// One entry for each place.
    users: HashMap<UserId, Vec<SessionId>>,
    count: usize,
}

/// A place, until it is dropped.
pub(super) struct Place {
    watchers: Arc<Watchers>,
    user: UserId,
    session: SessionId,
    wake: Arc<Notify>,
}

impl Watchers {
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            max,
            taken: Mutex::default(),
        })
    }

    /// A place, or nothing where all of them, or all of this user's, are taken.
    pub(super) fn place(self: &Arc<Self>, user: UserId, session: SessionId) -> Option<Place> {
        let mut taken = self.taken();
        let of_user = taken.users.get(&user).map_or(0, Vec::len);
        if taken.count >= self.max || of_user >= MAX_PER_USER {
            return None;
        }
        let wake = Arc::new(Notify::new());
        taken.count += 1;
        taken.users.entry(user).or_default().push(session);
        let places = taken.sessions.entry(session).or_default();
        places.push(wake.clone());
        Some(Place {
            watchers: self.clone(),
            user,
            session,
            wake,
        })
    }

    /// How many places are taken.
    pub(super) fn count(&self) -> usize {
        self.taken().count
    }

    /// Wakes whom the pages concern, until there are no more pages.
    pub(super) async fn follow(&self, mut live: Receiver<LivePage>) {
        let mut known: Option<Position> = None;
        loop {
            match live.recv().await {
                // Something in between was never sent.
                Ok(page) if known.is_some_and(|known| page.from > known) => {
                    self.wake(&Target::Everyone);
                    known = Some(page.to);
                }
                Ok(page) => {
                    let new = |position: Position| known.is_none_or(|known| position > known);
                    for entry in page.revoked.iter().filter(|entry| new(entry.position)) {
                        self.wake(&entry.target);
                    }
                    known = known.max(Some(page.to));
                }
                Err(RecvError::Lagged(_)) => {
                    self.wake(&Target::Everyone);
                    known = None;
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    fn wake(&self, target: &Target) {
        let taken = self.taken();
        let wake_session = |session: &SessionId| {
            let places = taken.sessions.get(session);
            places
                .into_iter()
                .flatten()
                .for_each(|place| place.notify_one());
        };
        match target {
            Target::Session(session) => wake_session(session),
            // New roles end no session.
            Target::User { refresh: true, .. } => {}
            Target::User { id, refresh: false } => {
                let sessions = taken.users.get(id);
                sessions.into_iter().flatten().for_each(wake_session);
            }
            Target::Everyone => taken.sessions.keys().for_each(wake_session),
            // What it signed dies at the microservices; a session outlives its access tokens.
            Target::Key(_) => {}
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Waits until something has happened that may concern the session: also what happened since the
    /// last wait.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.watchers.taken();
        taken.count -= 1;
        remove(&mut taken.users, &self.user, |session| {
            *session == self.session
        });
        remove(&mut taken.sessions, &self.session, |wake| {
            Arc::ptr_eq(wake, &self.wake)
        });
    }
}

/// Removes one entry of a list, and the list where it was the last.
fn remove<K: std::hash::Hash + Eq, V>(
    lists: &mut HashMap<K, Vec<V>>,
    key: &K,
    is: impl FnMut(&V) -> bool,
) {
    if let Some(list) = lists.get_mut(key) {
        if let Some(index) = list.iter().position(is) {
            list.swap_remove(index);
        }
        if list.is_empty() {
            lists.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;
    use revocation_events::Revocation;
    use tokio::sync::broadcast;
    use uuid::Uuid;

    fn page(from: u64, to: u64, targets: &[Target]) -> LivePage {
        let position = |value| Position::new(value).unwrap();
        let revoked = targets.iter().map(|target| Revocation {
            position: position(to),
            target: target.clone(),
        });
        LivePage {
            from: position(from),
            to: position(to),
            id: String::new(),
            text: "".into(),
            revoked: revoked.collect(),
        }
    }

    /// Which of the places are woken by the pages.
    async fn woken(watchers: &Watchers, places: &[Place], pages: &[LivePage]) -> Vec<bool> {
        let (sender, receiver) = broadcast::channel(2);
        for page in pages {
            sender.send(page.clone()).unwrap();
        }
        drop(sender);
        watchers.follow(receiver).await;
        let is_woken = |place: &Place| place.woken().now_or_never().is_some();
        places.iter().map(is_woken).collect()
    }

    #[tokio::test]
    async fn those_are_woken_whom_a_page_concerns() {
        let (alice, bob) = (UserId::new(Uuid::new_v4()), UserId::new(Uuid::new_v4()));
        let sessions = [(); 3].map(|()| SessionId::new(Uuid::new_v4()));
        let watchers = Watchers::new(10);
        let places = [(alice, 0), (alice, 0), (alice, 1), (bob, 2)]
            .map(|(user, session)| watchers.place(user, sessions[session]).unwrap());
        let user = |refresh| Target::User { id: alice, refresh };
        let nobody = vec![false; 4];
        let all = vec![true; 4];
        let session = &[Target::Session(sessions[0])];
        for (what, pages, expected) in [
            ("a heartbeat", vec![page(5, 5, &[])], nobody.clone()),
            (
                "a session",
                vec![page(5, 6, session)],
                vec![true, true, false, false],
            ),
            (
                "a user",
                vec![page(5, 6, &[user(false)])],
                vec![true, true, true, false],
            ),
            ("new roles", vec![page(5, 6, &[user(true)])], nobody.clone()),
            (
                "everyone",
                vec![page(5, 6, &[Target::Everyone])],
                all.clone(),
            ),
            (
                "a page that goes on from another",
                vec![page(5, 6, &[]), page(6, 7, session)],
                vec![true, true, false, false],
            ),
            (
                "a page was never sent",
                vec![page(5, 6, &[]), page(7, 7, &[])],
                all.clone(),
            ),
            (
                "too many pages at once",
                vec![page(5, 6, session), page(6, 6, &[]), page(6, 6, &[])],
                all,
            ),
        ] {
            assert_eq!(woken(&watchers, &places, &pages).await, expected, "{what}");
        }
        let [first, rest @ ..] = places;
        drop(first);
        let pages = [page(5, 6, session)];
        assert_eq!(woken(&watchers, &rest, &pages).await, [true, false, false]);
        drop(rest);
        assert_eq!(watchers.count(), 0);
        let taken = watchers.taken();
        assert!(taken.sessions.is_empty() && taken.users.is_empty());
    }
}
