//! Register and log in.

use super::device::Device;
use super::revoking::command::Command;
use super::tries::stand_in;
use super::{Error, Granted, Inner, Result, Service, Snapshot, new_session_id, new_user_id};
use crate::audit;
use crate::password::{self, Password, Place, user_name};
use crate::session::{
    Delivery, EndReason, Event, Fact, OpenSession, Roles, Session, SessionFact, Stream, UserFact,
    user,
};
use crate::store::{ClientInfo, FoundUser, SessionRow, TrySource, UserRow};
use crate::token::Issuer;
use futures::future::try_join_all;
use revocation_events::{SessionId, UserId};
use std::sync::Arc;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Sessions beyond the limit that are ended at once: the queue is for others, too.
const AT_ONCE: usize = 100;

/// What somebody logs in with.
pub(crate) struct Login {
    /// As [`user_name`] has it; nothing where it can be nobody's.
    pub(crate) name: Option<String>,
    pub(crate) password: Zeroizing<String>,
    pub(crate) delivery: Delivery,
    pub(crate) client: ClientInfo,
    /// The session that the same browser had until now.
    pub(crate) replaces: Option<SessionId>,
    /// Where this user has logged in with it before.
    pub(crate) device: Option<Device>,
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
        // Too long for anybody's: an answer that comes at once tells nothing about accounts.
        let password = Password::presented(&login.password).ok_or(Error::BadCredentials)?;
        let place = self.hasher.place()?;
        // The head is read with the user, before the hash is looked at: see the `since` rule.
        let found = match &login.name {
            Some(name) => self.store.user_by_name(name).await?,
            None => None,
        };
        // Whoever the user is, the same work is done before the answer.
        let user = found.as_ref().map(|found| found.row.id);
        let source = TrySource {
            account: user.unwrap_or_else(|| stand_in(login.name.as_deref())),
            source: login.device.map_or(Uuid::nil(), Device::id),
        };
        let judged = self.take_try(source, user).await?;
        let stored = found.as_ref().map(|found| &*found.row.password_hash);
        let verified = place.verify(password.clone(), stored).await?;
        let found = found.ok_or("unknown").and_then(|found| {
            let wrong = [
                (!judged, "closed"),
                (!verified.right, "password"),
                (found.row.user.disabled, "disabled"),
            ];
            match wrong.iter().find(|(is_so, _)| *is_so) {
                Some((_, why)) => Err(*why),
                None => Ok(found),
            }
        });
        let found = found.map_err(|why| {
            audit::login_failed(user, why);
            Error::BadCredentials
        })?;

        if verified.outdated {
            let hash = place.hash(password).await?;
            let old = &found.row.password_hash;
            self.store
                .replace_password_hash(found.row.id, old, &hash)
                .await?;
        }
        drop(place);
        if let Some(session) = login.replaces {
            self.replace(session).await?;
        }
        let mut granted = self.open(&found, login.delivery, login.client).await?;
        let device = login.device.unwrap_or_else(Device::new);
        granted.device_token = Some(self.device_token(&found.row.name, device));
        self.enforce_limit(found.row.id).await?;
        Ok(granted)
    }

    /// Ends the browser's session until now. Nobody waits for its publication: the login does not
    /// depend on it.
    async fn replace(&self, session: SessionId) -> Result<()> {
        self.end(session, EndReason::Replaced).await
    }

    async fn end(&self, session: SessionId, reason: EndReason) -> Result<()> {
        let command = Command::EndSession {
            session,
            owner: None,
            reason,
        };
        self.revocations.commit(command, None).await?;
        Ok(())
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
        tx.forget_tries(user).await?;
        tx.commit().await?;
        Ok(self.grant(&Snapshot {
            id,
            session: &session,
            user_name: &found.row.name,
            roles: found.row.user.roles.names(),
            // Not the head of the opening: roles and state were read with this one.
            position: found.head.position,
            now,
            until: None,
        }))
    }

    /// Ends the oldest sessions beyond `--max-sessions-per-user`.
    async fn enforce_limit(&self, user: UserId) -> Result<()> {
        let keep = self.settings.max_sessions_per_user;
        if keep == 0 {
            return Ok(());
        }
        // Without a lock: the last of several logins at once sees the sessions of all, and to end one
        // twice does no harm.
        let beyond = self.store.sessions_beyond(user, keep).await?;
        for some in beyond.chunks(AT_ONCE) {
            let ends = some
                .iter()
                .map(|session| self.end(*session, EndReason::Limit));
            try_join_all(ends).await?;
        }
        Ok(())
    }
}
