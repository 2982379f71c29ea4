//! What a route asks of a request before its handler runs.

use crate::error::Error;
use crate::request::{Headers, Presented, check_cookie_call, present};
use crate::{OnStale, Session, Verifier};
use std::sync::Arc;

/// What is said about caching an answer that was for one user, where its handler says nothing.
#[cfg(any(feature = "actix", feature = "tower"))]
pub(crate) const NO_STORE: &str = "no-store";

/// What can be said of a request without waiting.
pub(crate) enum Admission {
    Decided(Result<Session, Error>),
    /// The session service is to be asked; else this is the verdict.
    Ask(Error),
}

/// What a route asks of a request: a live token, proof that no page of another site sent it, and
/// perhaps roles.
///
/// It is a middleware of actix-web (`.wrap`, feature `actix`) and a layer of tower (`.layer`,
/// feature `tower`); for another framework call [`admit`](Self::admit). One may stand inside
/// another, such as one with a role around a few routes: each judges the request by itself, so the
/// strictest decides.
///
/// Where the handler says nothing about caching, its answer gets `Cache-Control: no-store`: what a
/// cookie was needed for is one user's, and no rule of HTTP keeps caches from storing it (RFC 9111,
/// section 3.5, speaks of `Authorization` alone).
///
/// A preflight request (`OPTIONS`) carries no credentials and is refused like any other. Where
/// pages of other origins call, put the middleware that answers preflights *around* this one.
#[derive(Clone)]
pub struct Protect {
    verifier: Verifier,
    roles: Vec<Arc<str>>,
    on_stale: Option<OnStale>,
}

impl Protect {
    /// Asks for a live token and no role.
    #[must_use]
    pub const fn new(verifier: Verifier) -> Self {
        Self {
            verifier,
            roles: Vec::new(),
            on_stale: None,
        }
    }

    /// Asks for this role too. Given more than once, all of them are asked for.
    #[must_use]
    pub fn role(mut self, role: &str) -> Self {
        self.roles.push(role.into());
        self
    }

    /// What these routes do while the verifier is stale, in the place of what its builder said.
    #[must_use]
    pub const fn on_stale(mut self, policy: OnStale) -> Self {
        self.on_stale = Some(policy);
        self
    }

    /// Judges a request by its method and headers. There is no I/O and nothing to wait for, but
    /// where the verifier is stale and the policy is [`OnStale::Introspect`].
    ///
    /// # Errors
    /// Every [`Error`] there is. Answer with the [`Problem`](crate::problem::Problem) made of it.
    pub async fn admit(
        &self,
        method: &str,
        headers: &(impl Headers + ?Sized),
    ) -> Result<Session, Error> {
        match self.admit_at_once(method, headers) {
            Admission::Decided(verdict) => verdict,
            Admission::Ask(stale) => self.ask(method, headers, stale).await,
        }
    }

    /// What can be said without waiting, which is nearly everything.
    pub(crate) fn admit_at_once(
        &self,
        method: &str,
        headers: &(impl Headers + ?Sized),
    ) -> Admission {
        let presented = match present(headers) {
            Ok(presented) => presented,
            Err(error) => return Admission::Decided(Err(error)),
        };
        let policy = self.on_stale.unwrap_or_else(|| self.verifier.on_stale());
        match self.verifier.verify_by(presented.token(), policy) {
            Ok(session) => Admission::Decided(self.allow(method, headers, presented, session)),
            Err(stale @ Error::Stale { .. }) if policy == OnStale::Introspect => {
                Admission::Ask(stale)
            }
            Err(error) => Admission::Decided(Err(error)),
        }
    }

    /// Asks the session service, where the answer would else be `stale`.
    pub(crate) async fn ask(
        &self,
        method: &str,
        headers: &(impl Headers + ?Sized),
        stale: Error,
    ) -> Result<Session, Error> {
        let presented = present(headers)?;
        let asked = self.verifier.introspect(presented.token(), stale).await;
        self.allow(method, headers, presented, asked?)
    }

    /// What is asked of a request beside a live token.
    fn allow(
        &self,
        method: &str,
        headers: &(impl Headers + ?Sized),
        presented: Presented<'_>,
        session: Session,
    ) -> Result<Session, Error> {
        if let Presented::Cookie(_) = presented {
            check_cookie_call(
                method,
                headers,
                self.verifier.origins(),
                session.csrf_hash(),
            )?;
        }
        if self.roles.iter().all(|role| session.has_role(role)) {
            Ok(session)
        } else {
            Err(Error::Forbidden)
        }
    }
}
