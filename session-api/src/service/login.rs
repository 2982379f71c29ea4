//! Register and log in.

use super::revoking::Revoking;
use super::{Error, Granted, Inner, Result, Service, Snapshot, new_session_id, new_user_id};
use crate::password::{self, Password, Place, user_name};
use crate::session::{
    Delivery, EndReason, Event, Fact, OpenSession, Roles, Session, SessionFact, Stream, UserFact,
    user,
};
use crate::store::{ClientInfo, FoundUser, SessionRow, UserRow};
use crate::token::Issuer;
use revocation_events::{SessionId, UserId};
use std::sync::Arc;
use zeroize::Zeroizing;

/// What somebody logs in with.
pub(crate) struct Login {
    pub(crate) username: String,
    pub(crate) password: Zeroizing<String>,
    pub(crate) delivery: Delivery,
    pub(crate) client: ClientInfo,
    /// The session that the same browser had until now.
    pub(crate) replaces: Option<SessionId>,
}

impl Service {
    /// A new user. The name comes back as it is stored.
    pub(crate) async fn register(
        &self,
        username: &str,
        password: &str,
        roles: Roles,
    ) -> Result<(UserId, String)> {
        let name = user_name(username).ok_or(Error::BadName)?;
        let password = Zeroizing::new(password.to_owned());
        self.detached(move |this| async move {
            let place = this.hasher.place()?;
            let password = this.choose(&place, password, &name).await?;
            let password_hash = place.hash(password).await?;
            this.add_user(name, password_hash, roles).await
        })
        .await
    }

    /// A new session.
    pub(crate) async fn log_in(&self, login: Login) -> Result<Granted> {
        self.detached(|this| this.log_in(login)).await
    }
}

impl Inner {
    /// A new password for a user of this name.
    pub(super) async fn choose(
        &self,
        place: &Place,
        password: Zeroizing<String>,
        user_name: &str,
    ) -> Result<Password> {
        let Issuer {
            issuer, audience, ..
        } = &self.settings.issuer;
        let words = password::words(&[user_name, issuer, audience]);
        Ok(place.choose(password, words).await??)
    }

    async fn add_user(
        &self,
        name: String,
        password_hash: String,
        roles: Roles,
    ) -> Result<(UserId, String)> {
        let mut tx = self.store.begin().await?;
        let now = tx.head().await?.now;
        let fact = UserFact::Registered { roles };
        let user = user::apply(None, &fact).unwrap_or_else(|_| unreachable!("a stream begins so"));
        let row = UserRow {
            id: new_user_id(),
            name,
            password_hash,
            version: 1,
            user,
        };
        if tx.add_user(&row).await?.is_err() {
            return Err(Error::NameTaken);
        }
        let stream = Stream::User(row.id);
        tx.append(&[Event {
            stream,
            version: 1,
            at: now,
            fact: Fact::User(fact),
        }])
        .await?;
        tx.commit().await?;
        Ok((row.id, row.name))
    }

    async fn log_in(self: Arc<Self>, login: Login) -> Result<Granted> {
        // Too long for anybody's: nothing about accounts is told by an answer that comes at once.
        let password = Password::presented(&login.password).ok_or(Error::BadCredentials)?;
        let place = self.hasher.place()?;
        // The head is read with the user, before the hash is looked at: see the `since` rule.
        let found = match user_name(&login.username) {
            Some(name) => self.store.user_by_name(&name).await?,
            None => None,
        };
        // Whoever the user is, the same work is done before the answer.
        let stored = found.as_ref().map(|found| &*found.row.password_hash);
        let verified = place.verify(password, stored).await?;
        let found = found.filter(|found| verified.right && !found.row.user.disabled);
        let found = found.ok_or(Error::BadCredentials)?;

        if let Some(session) = login.replaces {
            self.replace(session).await?;
        }
        let granted = self.open(&found, login.delivery, login.client).await?;
        self.enforce_limit(found.row.id).await?;
        Ok(granted)
    }

    /// Ends the browser's session until now. Nobody waits for its publication: the login does not
    /// depend on it.
    async fn replace(&self, session: SessionId) -> Result<()> {
        let mut revoking = Revoking::begin(self).await?;
        revoking.end_session(session, EndReason::Replaced).await?;
        revoking.commit().await
    }

    async fn open(
        &self,
        found: &FoundUser,
        delivery: Delivery,
        client: ClientInfo,
    ) -> Result<Granted> {
        let user = found.row.id;
        let mut tx = self.store.begin().await?;
        let (known, head) = tx.knows_client(user, client.user_agent.as_deref()).await?;
        let now = head.now;
        let ends_at = now.plus(self.settings.session_max_age);
        let session = OpenSession {
            user,
            delivery,
            since: found.head.position,
            opened_at: now,
            generation: 1,
            rotated_at: now,
            retry_key: None,
            expires_at: now.plus(self.settings.session_ttl).min(ends_at),
            ends_at,
        };
        let id = new_session_id();
        let fact = SessionFact::Opened {
            session: session.clone(),
            new_device: !known,
        };
        tx.append(&[Event {
            stream: Stream::Session(id),
            version: 1,
            at: now,
            fact: Fact::Session(fact),
        }])
        .await?;
        tx.save_sessions(&[SessionRow {
            id,
            version: 1,
            session: Session::Open(session.clone()),
        }])
        .await?;
        tx.save_client_info(id, &client).await?;
        tx.commit().await?;
        Ok(self.grant(&Snapshot {
            id,
            session: &session,
            user_name: &found.row.name,
            roles: found.row.user.roles.names(),
            // Not the head of the opening: roles and state were read with this one.
            position: found.head.position,
            now,
        }))
    }

    /// Ends the oldest sessions beyond `--max-sessions-per-user`.
    async fn enforce_limit(&self, user: UserId) -> Result<()> {
        let keep = self.settings.max_sessions_per_user;
        // Looked at first without the head's lock, which everyone would wait for.
        if keep == 0
            || self
                .store
                .alive_sessions(user, None, keep.saturating_add(1))
                .await?
                .len()
                <= keep as usize
        {
            return Ok(());
        }
        let mut revoking = Revoking::begin(self).await?;
        for session in revoking.tx.sessions_beyond(user, keep).await? {
            revoking.end_session(session, EndReason::Limit).await?;
        }
        revoking.commit().await?;
        Ok(())
    }
}
