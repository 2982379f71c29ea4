//! What ends sessions or tokens: sessions, users, roles and passwords. Each takes a position.

use super::access::{Caller, Keep};
use super::revoking::command::{Command, Decided, Kept, NewPassword};
use super::revoking::draft::user_event;
use super::{Error, Granted, Inner, Result, Service, Snapshot};
use crate::audit;
use crate::password::Password;
use crate::session::{EndReason, Roles, user};
use crate::store::{FoundSession, TrySource};
use revocation_events::{Position, SessionId, UnixMillis, UserId};
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
        let command = Command::EndSession {
            session,
            owner,
            reason,
        };
        self.inner.revoke(command, None).await
    }

    /// Ends the caller's own session, which was read when the caller was.
    pub(crate) async fn end_own_session(
        &self,
        caller: &Caller,
        reason: EndReason,
    ) -> Result<Ended> {
        let command = Command::EndSession {
            session: caller.session_id,
            owner: None,
            reason,
        };
        self.inner.revoke(command, Some(caller.found.clone())).await
    }

    /// Ends all sessions of a user, or all but one, which then gets a fresh access token.
    pub(crate) async fn end_sessions(&self, user: UserId, keep: Option<Keep>) -> Result<Ended> {
        self.inner.end_sessions(user, keep, None).await
    }

    /// Ends everyone's sessions: one event, whatever their number.
    pub(crate) async fn end_everyone(&self) -> Result<Ended> {
        self.inner.revoke(Command::EndEveryone, None).await
    }

    /// After a backup was restored: no position is given out again, and as nobody knows what was
    /// revoked since the backup, everyone's sessions end. `above` is the greatest position that is
    /// known to have been published.
    pub(crate) async fn restored(&self, above: Position) -> Result<Ended> {
        self.detached(move |this| async move {
            let mut tx = this.store.begin().await?;
            tx.raise_head(above).await?;
            tx.commit().await?;
            this.revoke(Command::EndEveryone, None).await
        })
        .await
    }

    /// What an operator does to a user.
    pub(crate) async fn change_user(&self, user: UserId, change: UserChange) -> Result<Ended> {
        match change {
            UserChange::EndSessions => self.end_sessions(user, None).await,
            UserChange::Disable => self.inner.revoke(Command::Disable { user }, None).await,
        }
    }

    /// Gives a user other roles: the sessions live on, and tokens with the old roles do not. Where
    /// `own`, a session of this user, is given, its fresh access token comes back.
    pub(crate) async fn change_roles(
        &self,
        user: UserId,
        roles: Roles,
        own: Option<Keep>,
    ) -> Result<Ended> {
        let command = Command::ChangeRoles {
            user,
            roles,
            own: own.map(|keep| keep.session),
        };
        let until = own.and_then(|keep| keep.until);
        self.inner.revoke_and_grant(command, None, until).await
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
                // Who knows the password gets what a log-in gives.
                Some(Keep {
                    session: keep,
                    until: None,
                }),
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

impl Inner {
    async fn end_sessions(
        &self,
        user: UserId,
        keep: Option<Keep>,
        password: Option<NewPassword>,
    ) -> Result<Ended> {
        let command = Command::EndSessions {
            user,
            keep: keep.map(|keep| keep.session),
            password,
        };
        let until = keep.and_then(|keep| keep.until);
        self.revoke_and_grant(command, None, until).await
    }

    /// Commits, and waits until it is published. There is nothing that a caller who goes away could
    /// cut off.
    pub(super) async fn revoke(
        &self,
        command: Command,
        seen: Option<FoundSession>,
    ) -> Result<Ended> {
        self.revoke_and_grant(command, seen, None).await
    }

    /// A session that the command keeps gets an access token that lives no longer than `until`.
    async fn revoke_and_grant(
        &self,
        command: Command,
        seen: Option<FoundSession>,
        until: Option<UnixMillis>,
    ) -> Result<Ended> {
        let decided = self.revocations.commit(command, seen).await?;
        let Decided {
            revoked,
            position,
            kept,
        } = decided;
        Ok(Ended {
            revoked,
            position,
            kept: kept.map(|kept| Box::new(self.grant_again(&kept, position, until))),
            published: self.relay.published(position).await,
        })
    }

    /// `position` is the caller's own: the session was found alive while the head was locked.
    fn grant_again(&self, kept: &Kept, position: Position, until: Option<UnixMillis>) -> Granted {
        self.grant(&Snapshot {
            id: kept.session.id,
            session: kept.session.session.details(),
            user_name: &kept.user.name,
            roles: kept.user.user.roles.names(),
            position,
            now: kept.now,
            until,
        })
    }

    async fn enable_user(&self, user: UserId) -> Result<bool> {
        let mut tx = self.store.begin().await?;
        let found = tx.lock_users(&[user]).await?.pop();
        let mut found = found.ok_or(Error::NotFound)?;
        let Some(fact) = user::enable(&found.row.user) else {
            return Ok(false);
        };
        let event = user_event(&mut found.row, found.head.now, fact);
        tx.append(&[event]).await?;
        tx.save_user(&found.row).await?;
        tx.commit().await?;
        Ok(true)
    }
}
