//! The one thing that a service builds.

use crate::builder::{Builder, Checked};
use crate::cache::Cache;
use crate::clock::Clock;
use crate::counts::Counters;
use crate::cutoffs::Cutoffs;
use crate::ended::{self, Ended};
use crate::error::{Error, Reason};
use crate::feed::follower::Follower;
use crate::feed::key_reads::KeyReads;
use crate::feed::run::{CatchUp, Feed};
use crate::feed::ways::Ways;
use crate::feed::{self, Link, PAGES_WAITING, Progress};
use crate::keys::Keys;
use crate::published::Published;
use crate::report::{Reporter, Reporting};
use crate::request::Origins;
use crate::service::Service;
use crate::session::Session;
use crate::shared::{OnStale, Shared};
use crate::status::{Freshness, Status};
use crate::task::Task;
use crate::trouble::Trouble;
use crate::waiters::Waiters;
use futures::FutureExt as _;
use std::sync::{Arc, OnceLock};
use tokio::sync::{Notify, mpsc, watch};

/// Why a verifier is not fresh, where nothing went wrong that could be named.
const WAITING: &str = "waiting for the session service's pages";
const CATCHING_UP: &str =
    "a signing key was revoked, or pages were missed for too long: learning the log again";

/// Checks access tokens, and knows which were revoked and how fresh that knowledge is.
///
/// Cheap to clone: all clones are one verifier. It works in two background tasks until the last
/// clone is dropped or [`shutdown`](Self::shutdown) is called. With the feature `metrics` a third one
/// hands its [`figures`](Status::figures) to the program's recorder every two seconds.
///
/// ```no_run
/// use std::time::Duration;
/// use verifier_sdk::{Ended, Error, Verifier};
///
/// # async fn example(secret: &str, token: &str) -> Result<(), Box<dyn std::error::Error>> {
/// let verifier = Verifier::builder("https://id.example.com", "api") // issuer, audience
///     .service("orders")                                            // how the fleet view names it
///     .service_url("http://session-api:8080")                       // where the issuer is reached from inside
///     .client("orders", secret)                                     // its credential for the feed and introspection
///     .nats("nats://bus:4222")                                      // or nothing: the feed over HTTP
///     .max_staleness(Duration::from_secs(10))
///     .start()
///     .await?;                                                      // once complete, or says why not
///
/// match verifier.verify(token) {                                    // no await: no I/O
///     Ok(session) if session.has_role("admin") => {
///         println!("{} in {}", session.user_id(), session.session_id());
///         if verifier.on_ended(&session).await == Ended::Revoked {
///             println!("close that WebSocket");
///         }
///     }
///     Ok(_) => println!("403"),
///     Err(error) => println!("{} {}", error.status(), error.slug()),
/// }
/// verifier.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    clock: Clock,
    waiters: Arc<Waiters>,
    trouble: Arc<Trouble>,
    service: Service,
    reporter: Reporter,
    progress: watch::Receiver<Progress>,
    ready: watch::Receiver<bool>,
    origins: Origins,
    feed: Task<()>,
    reports: Task<()>,
}

impl Verifier {
    /// Settings for a verifier of the tokens that `issuer` mints for `audience`.
    pub fn builder(issuer: impl Into<String>, audience: impl Into<String>) -> Builder {
        Builder::new(issuer.into(), audience.into())
    }

    /// Must be called inside a tokio runtime.
    pub(crate) fn run(settings: Checked) -> Self {
        let clock = Clock::new();
        let service = settings.service;
        let shared = Arc::new(Shared {
            cache: Cache::new(settings.cache_bytes),
            expected: settings.expected,
            max_staleness: settings.max_staleness,
            on_stale: settings.on_stale,
            published: Published::default(),
            cutoffs: Cutoffs::default(),
            keys: Keys::default(),
            counters: Counters::default(),
        });
        let waiters = Arc::new(Waiters::new());
        let trouble = Arc::new(Trouble::default());
        let catch_up = Arc::new(Notify::new());
        let (progress_sender, progress) = watch::channel(Progress::default());
        let (page_sender, pages) = mpsc::channel(PAGES_WAITING);
        let ways = Arc::new(Ways::default());
        let (ready_sender, ready) = watch::channel(false);
        let follower = Follower::new(
            Arc::clone(&shared),
            Arc::clone(&waiters),
            Arc::clone(&trouble),
            progress_sender,
        );
        let feed = Feed {
            shared: Arc::clone(&shared),
            clock,
            trouble: Arc::clone(&trouble),
            follower,
            key_reads: KeyReads::new(service.clone()),
            pages,
            ways: Arc::clone(&ways),
            catch_up: CatchUp::new(Arc::clone(&catch_up)),
        };
        let link = Link {
            pages: page_sender,
            ways: Arc::clone(&ways),
            catch_up,
            progress: progress.clone(),
            trouble: Arc::clone(&trouble),
            shared: Arc::clone(&shared),
            clock,
        };
        let bus = Arc::new(OnceLock::new());
        let (settings_of_nats, reporting) = settings.nats.map_or((None, None), |nats| {
            let reporting = Reporting {
                bus: Arc::clone(&bus),
                ways: Arc::clone(&ways),
                client: nats.client,
            };
            (Some(nats.settings), Some(reporting))
        });
        let reporter = Reporter {
            shared: Arc::clone(&shared),
            clock,
            service: service.clone(),
            bus: reporting,
            name: settings.name,
            instance: uuid::Uuid::new_v4().simple().to_string(),
            progress: progress.clone(),
        };
        let reached = service.clone();
        let transport = move || {
            let (link, service) = (link.clone(), reached.clone());
            match settings_of_nats.clone() {
                Some(nats) => feed::nats::follow(link, service, nats, Arc::clone(&bus)).boxed(),
                None => feed::http::follow(link, service).boxed(),
            }
        };
        let verifier = Self(Arc::new(Inner {
            feed: Task::spawn(feed.run(transport)),
            reports: Task::spawn(reporter.clone().run(ready_sender)),
            shared,
            clock,
            waiters,
            trouble,
            service,
            reporter,
            progress,
            ready,
            origins: settings.origins,
        }));
        #[cfg(feature = "metrics")]
        tokio::spawn(record(Arc::downgrade(&verifier.0)));
        verifier
    }

    /// Judges a token: the text alone, without `Bearer` or a cookie's name around it. It does no
    /// I/O and never waits; a token that was verified before is not verified again, only looked up.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a token that is malformed, expired, revoked, or from before its
    /// user's roles changed. [`Error::Starting`] before the first catch-up, and for a token whose
    /// key the issuer is being asked about. [`Error::Stale`] where nothing can be said: by
    /// [`OnStale::Accept`] only where the clock speaks against the token.
    pub fn verify(&self, token: &str) -> Result<Session, Error> {
        self.0
            .shared
            .verify(token.as_bytes(), || self.0.clock.now())
    }

    /// As [`verify`](Self::verify); but where the verifier is stale and [`OnStale::Introspect`] was
    /// set, it asks the session service about this token (RFC 7662), which takes up to 2 s.
    ///
    /// # Errors
    /// As [`verify`](Self::verify). [`Error::Stale`] where the service cannot be asked either.
    pub async fn verify_or_introspect(&self, token: &str) -> Result<Session, Error> {
        self.verify_with(token, self.0.shared.on_stale).await
    }

    /// As [`verify_or_introspect`](Self::verify_or_introspect), under another policy than the
    /// builder's: for a route that is stricter, or laxer, than the rest.
    ///
    /// # Errors
    /// As [`verify`](Self::verify), by that policy.
    pub async fn verify_with(&self, token: &str, policy: OnStale) -> Result<Session, Error> {
        match self.verify_by(token.as_bytes(), policy) {
            Err(stale @ Error::Stale { .. }) if policy == OnStale::Introspect => {
                self.introspect(token.as_bytes(), stale).await
            }
            verdict => verdict,
        }
    }

    /// As [`verify`](Self::verify), under another policy than the builder's. What is no text is no token.
    pub(crate) fn verify_by(&self, token: &[u8], policy: OnStale) -> Result<Session, Error> {
        let inner = &self.0;
        inner
            .shared
            .verify_with(token, policy, || inner.clock.now())
    }

    /// Asks the session service about a token of which nothing can be said here but `stale`.
    pub(crate) async fn introspect(&self, token: &[u8], stale: Error) -> Result<Session, Error> {
        let inner = &self.0;
        // What is refused here is refused at any time, and need not be asked about.
        let session = inner.shared.verify_at_any_time(token, inner.clock.now())?;
        let Ok(token) = std::str::from_utf8(token) else {
            return Err(Reason::Malformed.into());
        };
        match inner.service.introspect(token).await {
            Ok(true) => Ok(session),
            Ok(false) => Err(Reason::Inactive.into()),
            Err(failed) => {
                inner.trouble.is(&failed);
                Err(stale)
            }
        }
    }

    /// Waits until the token of `session` is dead: for WebSockets and whatever else outlives a
    /// request. May be cancelled. It costs nothing while nothing happens.
    pub async fn on_ended(&self, session: &Session) -> Ended {
        ended::ended(&self.0.shared, &self.0.waiters, self.0.clock, session).await
    }

    /// The verifier at this moment, for health checks and logs.
    #[must_use]
    pub fn status(&self) -> Status {
        let shared = &self.0.shared;
        let proof = shared.freshness(self.0.clock.now());
        let progress = *self.0.progress.borrow();
        let (freshness, reason) = if !shared.published.has_started() {
            (Freshness::Starting, WAITING)
        } else if proof.is_fresh() {
            (Freshness::Fresh, "up to date")
        } else if !progress.complete {
            (Freshness::CatchingUp, CATCHING_UP)
        } else {
            (Freshness::Stale, WAITING)
        };
        let trouble = self.0.trouble.last();
        let trouble = trouble.filter(|_| freshness != Freshness::Fresh);
        Status {
            freshness,
            age: proof.age(),
            head: progress.head,
            floor: shared.published.floor(),
            cutoffs: shared.cutoffs.len(),
            counts: shared.counters.read(),
            reason: trouble.unwrap_or_else(|| reason.to_owned()),
        }
    }

    /// Waits until the verifier has caught up for the first time. It may be stale by then, or
    /// later: [`status`](Self::status) tells.
    pub async fn ready(&self) {
        let mut ready = self.0.ready.clone();
        if ready.wait_for(|ready| *ready).await.is_err() {
            // It was shut down before, and never will be.
            std::future::pending::<()>().await;
        }
    }

    /// The builder's policy.
    pub(crate) fn on_stale(&self) -> OnStale {
        self.0.shared.on_stale
    }

    /// The origins whose pages may send requests with cookies.
    #[must_use]
    pub fn origins(&self) -> &Origins {
        &self.0.origins
    }

    /// Tells the session service that this verifier is gone, so that no revocation waits for it,
    /// and stops following the feed: all clones are stale from here on. So stop serving requests
    /// first. Takes four seconds at most.
    pub async fn shutdown(self) {
        self.0.shared.published.close();
        self.0.feed.abort();
        self.0.reports.abort();
        self.0.waiters.set_lost(true);
        self.0.reporter.say_goodbye().await;
    }
}

/// Hands the figures to the program's recorder until the verifier is gone.
#[cfg(feature = "metrics")]
async fn record(inner: std::sync::Weak<Inner>) {
    let mut service = String::new();
    while let Some(inner) = inner.upgrade() {
        service.clone_from(&inner.reporter.name);
        crate::recorded::record(&Verifier(inner).status().figures(), &service);
        tokio::time::sleep(revocation_events::status::INTERVAL).await;
    }
    crate::recorded::gone(&service);
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier")
            .field("issuer", &self.0.shared.expected.issuer)
            .field("audience", &self.0.shared.expected.audience)
            .field("status", &self.status())
            .finish()
    }
}
