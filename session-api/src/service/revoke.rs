//! Everything that takes a position: sessions, users, roles and passwords.

use super::revoking::{Revoking, ended_at, user_event};
use super::{Error, Granted, Inner, Result, Service, Snapshot};
use crate::audit;
use crate::password::Password;
use crate::session::{EndReason, Fact, Roles, Stream, UserFact, user};
use crate::store::{FoundUser, SessionRow, TrySource};
use revocation_events::{Position, SessionId, UserId};
use zeroize::Zeroizing;

/// What a revocation came to.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    /// How many live sessions it ended; unknown where they are not enumerated.
    pub(crate) revoked: Option<u64>,
    pub(crate) position: Position,
    /// Acknowledged by the bus within a second, or there is no bus.
    pub(crate) published: bool,
    /// The caller's session, where it was kept: fresh tokens, for the old ones are dead.
    pub(crate) kept: Option<Box<Granted>>,
}

/// What an operator does to a user.
#[derive(Clone, Debug)]
pub(crate) enum UserChange {
    EndSessions,
    Disable,
}

impl Service {
    /// Ends one session; of `owner` where one is given, else [`Error::NotFound`].
    pub(crate) async fn end_session(
        &self,
        session: SessionId,
        owner: Option<UserId>,
        reason: EndReason,
    ) -> Result<Ended> {
        self.detached(|this| async move { this.end_session(session, owner, reason).await })
            .await
    }

    /// Ends all sessions of a user, or all but one, which then gets fresh tokens.
    pub(crate) async fn end_sessions(
        &self,
        user: UserId,
        keep: Option<SessionId>,
    ) -> Result<Ended> {
        self.detached(|this| async move { this.end_sessions(user, keep, None).await })
            .await
    }

    /// Ends everyone's sessions: one event, whatever their number.
    pub(crate) async fn end_everyone(&self) -> Result<Ended> {
        self.detached(|this| async move { this.end_everyone().await })
            .await
    }

    /// After a backup was restored: no position is given out again, and as nobody knows what was
    /// revoked since the backup, everyone's sessions end.
    pub(crate) async fn restored(&self) -> Result<Ended> {
        self.detached(|this| async move {
            let mut tx = this.store.begin_revoking().await?;
            tx.raise_head().await?;
            tx.commit().await?;
            this.end_everyone().await
        })
        .await
    }

    /// What an operator does to a user.
    pub(crate) async fn change_user(&self, user: UserId, change: UserChange) -> Result<Ended> {
        self.detached(|this| async move { this.change_user(user, change).await })
            .await
    }

    /// Gives a user other roles: the sessions live on, and tokens with the old roles do not. Where
    /// `own`, a session of this user, is given, its fresh tokens come back.
    pub(crate) async fn change_roles(
        &self,
        user: UserId,
        roles: Roles,
        own: Option<SessionId>,
    ) -> Result<Ended> {
        self.detached(move |this| async move { this.change_roles(user, roles, own).await })
            .await
    }

    /// Lets a disabled user log in again; whether anything changed.
    pub(crate) async fn enable_user(&self, user: UserId) -> Result<bool> {
        self.detached(|this| async move { this.enable_user(user).await })
            .await
    }

    /// The user's own change of password: ends all other sessions.
    pub(crate) async fn change_password(
        &self,
        user: UserId,
        keep: SessionId,
        current: &str,
        new: &str,
    ) -> Result<Ended> {
        let current = Password::presented(current).ok_or(Error::BadCredentials)?;
        let new = Zeroizing::new(new.to_owned());
        self.detached(move |this| async move {
            let place = this.hasher.place()?;
            let found = this.store.user(user).await?.ok_or(Error::NotFound)?;
            let new = this.choose(&place, new, &found.row.name).await?;
            let old_hash = found.row.password_hash;
            // Whoever stole a token has no more tries than a stranger, and takes none from the owner.
            let source = TrySource {
                account: user,
                source: keep.uuid(),
            };
            let judged = this.take_try(source, Some(user)).await?;
            let right = place.verify(current, Some(&old_hash)).await?.right;
            if !judged || !right {
                let why = if judged { "password" } else { "closed" };
                audit::password_failed(user, keep, why);
                return Err(Error::BadCredentials);
            }
            let new_hash = place.hash(new).await?;
            this.end_sessions(
                user,
                Some(keep),
                Some(NewPassword {
                    old: Some(old_hash),
                    new_hash,
                }),
            )
            .await
        })
        .await
    }

    /// An operator's change of password: ends all sessions.
    pub(crate) async fn set_password(&self, user: UserId, new: &str) -> Result<Ended> {
        let new = Zeroizing::new(new.to_owned());
        self.detached(move |this| async move {
            let place = this.hasher.place()?;
            let found = this.store.user(user).await?.ok_or(Error::NotFound)?;
            let new = this.choose(&place, new, &found.row.name).await?;
            let new_hash = place.hash(new).await?;
            this.end_sessions(
                user,
                None,
                Some(NewPassword {
                    old: None,
                    new_hash,
                }),
            )
            .await
        })
        .await
    }
}

struct NewPassword {
    /// The hash that the old password was checked against.
    old: Option<String>,
    new_hash: String,
}

impl Inner {
    pub(super) async fn end_session(
        &self,
        session: SessionId,
        owner: Option<UserId>,
        reason: EndReason,
    ) -> Result<Ended> {
        // Looked at first without the head's lock, which everyone would wait for.
        let found = self.store.session(session).await?.ok_or(Error::NotFound)?;
        if owner.is_some_and(|owner| owner != found.row.session.details().user) {
            return Err(Error::NotFound);
        }
        if let Some(position) = ended_at(&found.row.session, found.head.position) {
            return self.ended(Some(0), position).await;
        }
        let mut revoking = Revoking::begin(self).await?;
        let (revoked, position) = revoking.end_session(session, reason).await?;
        revoking.commit().await?;
        self.ended(Some(revoked), position).await
    }

    async fn end_sessions(
        &self,
        user: UserId,
        keep: Option<SessionId>,
        password: Option<NewPassword>,
    ) -> Result<Ended> {
        let mut revoking = Revoking::begin(self).await?;
        let position = revoking.position();
        let mut found = revoking.lock_user(user).await?;
        let unlocks = password.is_some();
        if let Some(NewPassword { old, new_hash }) = password {
            if old.is_some_and(|old| old != found.row.password_hash) {
                return Err(Error::Conflict);
            }
            revoking.record_user(&mut found.row, UserFact::PasswordChanged {});
            found.row.password_hash = new_hash;
        }
        let kept = match keep {
            None => None,
            Some(session) => Some(revoking.keep_session(session, &found, position).await?),
        };
        revoking.record_user(
            &mut found.row,
            UserFact::SessionsRevoked {
                position,
                except: keep,
            },
        );
        revoking.tx.save_user(&found.row).await?;
        if unlocks {
            revoking.tx.forget_tries(user).await?;
        }
        revoking.commit().await?;
        Ok(Ended {
            kept: kept.map(|session| self.grant_again(&session, &found, position)),
            ..self.ended(None, position).await?
        })
    }

    /// `position` is the caller's own: nobody else can have taken a later one before the commit.
    fn grant_again(
        &self,
        session: &SessionRow,
        user: &FoundUser,
        position: Position,
    ) -> Box<Granted> {
        Box::new(self.grant(&Snapshot {
            id: session.id,
            session: session.session.details(),
            user_name: &user.row.name,
            roles: user.row.user.roles.names(),
            position,
            now: user.head.now,
        }))
    }

    async fn end_everyone(&self) -> Result<Ended> {
        let mut revoking = Revoking::begin(self).await?;
        let position = revoking.position();
        revoking.tx.set_everyone(position).await?;
        revoking
            .record(Stream::Everyone, Fact::EveryoneRevoked { position })
            .await?;
        revoking.commit().await?;
        self.ended(None, position).await
    }

    async fn change_user(&self, user: UserId, change: UserChange) -> Result<Ended> {
        let mut revoking = Revoking::begin(self).await?;
        let position = revoking.position();
        let mut found = revoking.lock_user(user).await?;
        let fact = match change {
            UserChange::EndSessions => Some(UserFact::SessionsRevoked {
                position,
                except: None,
            }),
            UserChange::Disable => user::disable(&found.row.user, position),
        };
        let Some(fact) = fact else {
            // Nobody should wait for the head while this waits for the bus.
            drop(revoking);
            return self.ended(Some(0), found.row.user.cut_off).await;
        };
        revoking.record_user(&mut found.row, fact);
        revoking.tx.save_user(&found.row).await?;
        revoking.commit().await?;
        self.ended(None, position).await
    }

    async fn change_roles(
        &self,
        user: UserId,
        roles: Roles,
        own: Option<SessionId>,
    ) -> Result<Ended> {
        let mut revoking = Revoking::begin(self).await?;
        let position = revoking.position();
        let mut found = revoking.lock_user(user).await?;
        let Some(fact) = user::change_roles(&found.row.user, roles, position) else {
            drop(revoking);
            return self.ended(Some(0), found.row.user.token_cut_off).await;
        };
        revoking.record_user(&mut found.row, fact);
        revoking.tx.save_user(&found.row).await?;
        let own = match own {
            None => None,
            Some(session) => revoking.living_session(session, &found).await?,
        };
        revoking.commit().await?;
        Ok(Ended {
            kept: own.map(|session| self.grant_again(&session, &found, position)),
            ..self.ended(Some(0), position).await?
        })
    }

    async fn enable_user(&self, user: UserId) -> Result<bool> {
        let mut tx = self.store.begin().await?;
        let mut found = tx.lock_user(user).await?.ok_or(Error::NotFound)?;
        let Some(fact) = user::enable(&found.row.user) else {
            return Ok(false);
        };
        let event = user_event(&mut found.row, found.head.now, fact);
        tx.append(&[event]).await?;
        tx.save_user(&found.row).await?;
        tx.commit().await?;
        Ok(true)
    }

    pub(super) async fn ended(&self, revoked: Option<u64>, position: Position) -> Result<Ended> {
        let published = self.relay.published(position).await;
        Ok(Ended {
            revoked,
            position,
            published,
            kept: None,
        })
    }
}
