//! Lists and histories. They write nothing.

use super::{Error, Result, Service};
use crate::session::Event;
use crate::store::{ClientRow, ListedSession, UserRow};
use revocation_events::subject::is_token;
use revocation_events::{SessionId, UserId};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The most items of one answer.
pub(crate) const MAX_ITEMS: u32 = 100;

/// A part of a list.
#[derive(Clone, Debug)]
pub(crate) struct Part<T, K> {
    pub(crate) items: Vec<T>,
    /// Ask again after this one; nothing where the list ends.
    pub(crate) next: Option<K>,
}

impl Service {
    /// A user's live sessions, the newest first.
    pub(crate) async fn sessions(
        &self,
        user: UserId,
        after: Option<SessionId>,
    ) -> Result<Part<ListedSession, SessionId>> {
        let mut items = self
            .store()
            .alive_sessions(user, after, MAX_ITEMS + 1)
            .await?;
        let more = items.len() > MAX_ITEMS as usize;
        items.truncate(MAX_ITEMS as usize);
        let next = items.last().filter(|_| more).map(|item| item.row.id);
        Ok(Part { items, next })
    }

    /// What happened to a session, to its owner or, without `owner`, to an operator.
    pub(crate) async fn history(
        &self,
        session: SessionId,
        owner: Option<UserId>,
        after: Option<i64>,
    ) -> Result<Part<Event, i64>> {
        let found = self
            .store()
            .session(session)
            .await?
            .ok_or(Error::NotFound)?;
        if owner.is_some_and(|owner| owner != found.row.session.details().user) {
            return Err(Error::NotFound);
        }
        let mut items = self
            .store()
            .history(session, after.unwrap_or(0), MAX_ITEMS + 1)
            .await?;
        let more = items.len() > MAX_ITEMS as usize;
        items.truncate(MAX_ITEMS as usize);
        let next = items.last().filter(|_| more).map(|event| event.version);
        Ok(Part { items, next })
    }

    /// A user by name, in whatever case.
    pub(crate) async fn user_by_name(&self, name: &str) -> Result<Option<UserRow>> {
        let Some(name) = crate::password::user_name(name) else {
            return Ok(None);
        };
        Ok(self
            .store()
            .user_by_name(&name)
            .await?
            .map(|found| found.row))
    }

    /// A user by id.
    pub(crate) async fn user(&self, id: UserId) -> Result<UserRow> {
        Ok(self.store().user(id).await?.ok_or(Error::NotFound)?.row)
    }

    /// Users by name.
    pub(crate) async fn users(&self, after: Option<&str>) -> Result<Part<UserRow, String>> {
        let mut items = self.store().users(after, MAX_ITEMS + 1).await?;
        let more = items.len() > MAX_ITEMS as usize;
        items.truncate(MAX_ITEMS as usize);
        let next = items.last().filter(|_| more).map(|item| item.name.clone());
        Ok(Part { items, next })
    }

    /// The client whose secret this is.
    pub(crate) async fn client(&self, name: &str, secret: &str) -> Result<Option<ClientRow>> {
        // No client has another name, and not every text can be a parameter of a statement.
        if !is_token(name) {
            return Ok(None);
        }
        let presented: [u8; 32] = Sha256::digest(secret).into();
        let found = self.store().client(name).await?;
        Ok(found.filter(|client| client.secret_hash.ct_eq(&presented).into()))
    }
}
