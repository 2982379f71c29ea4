//! Where clients write down what they were told. Whoever asks verifiers learns of it in the
//! same moment.

use crate::history::{Acknowledged, Moment, Target, Token};
use crate::phone::{Answer, Claims};
use crate::probe::{NEARLY_EXPIRED, Order, Watched};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant, SystemTime};
use uuid::Uuid;

#[derive(Clone)]
pub(crate) struct Diary {
    pub(crate) began: Instant,
    /// What the wall clock said then.
    wall: SystemTime,
    /// To whoever asks verifiers.
    orders: Vec<mpsc::Sender<Order>>,
    written: Arc<Mutex<Written>>,
}

#[derive(Default)]
pub(crate) struct Written {
    pub(crate) tokens: Vec<Token>,
    pub(crate) acknowledged: Vec<Acknowledged>,
    pub(crate) sessions: HashMap<Uuid, Known>,
    /// How calls ended, by what they were and their status.
    pub(crate) calls: HashMap<(&'static str, u16), u64>,
}

/// A session whose log-in was answered.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) user: Uuid,
    pub(crate) opened: Moment,
    pub(crate) position: u64,
    /// The newest that its client holds.
    pub(crate) session_token: String,
    /// For the refresh whose answer was lost, if one was.
    pub(crate) retry_key: Option<String>,
}

impl Diary {
    pub(crate) fn new(began: Instant, orders: Vec<mpsc::Sender<Order>>) -> Self {
        Self {
            began,
            wall: SystemTime::now() - began.elapsed(),
            orders,
            written: Arc::default(),
        }
    }

    /// When it was so late by the wall clock; zero before the run.
    pub(crate) fn moment(&self, wall: SystemTime) -> Moment {
        wall.duration_since(self.wall).unwrap_or_default()
    }

    pub(crate) fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn called(&self, what: &'static str, status: u16) {
        *self.written().calls.entry((what, status)).or_default() += 1;
    }

    /// A log-in or a refresh was answered with both tokens.
    pub(crate) fn granted(&self, answer: &Answer) -> Uuid {
        let claims = self.access_token(&answer.text("access_token"));
        let opened = self.began.elapsed();
        let session_token = answer.text("session_token");
        let mut written = self.written();
        let known = written.sessions.entry(claims.session).or_insert(Known {
            user: claims.user,
            opened,
            position: claims.position,
            session_token: String::new(),
            retry_key: None,
        });
        known.session_token = session_token;
        known.retry_key = None;
        claims.session
    }

    /// The key was sent with a refresh whose answer has not come yet.
    pub(crate) fn refreshes(&self, session: Uuid, key: &str) {
        if let Some(known) = self.written().sessions.get_mut(&session) {
            known.retry_key = Some(key.to_owned());
        }
    }

    /// An access token was given out.
    pub(crate) fn access_token(&self, text: &str) -> Claims {
        let claims = Claims::of(text);
        let expires = SystemTime::UNIX_EPOCH + Duration::from_secs(claims.expires);
        let token = {
            let mut written = self.written();
            written.tokens.push(Token {
                session: claims.session,
                user: claims.user,
                position: claims.position,
                watched_until: self.moment(expires - NEARLY_EXPIRED),
            });
            written.tokens.len() - 1
        };
        self.order(&Order::Watch(Watched {
            token,
            text: text.to_owned(),
            session: claims.session,
            user: claims.user,
            expires,
        }));
        claims
    }

    /// To be called before a revoking call is sent.
    pub(crate) fn revokes(&self, target: Target) -> Moment {
        self.order(&Order::Hot(target));
        self.began.elapsed()
    }

    /// A revoking call was answered; only a 200 is an acknowledgement.
    pub(crate) fn revoked(&self, target: Target, began: Moment, answer: &Answer) {
        let at = self.began.elapsed();
        let position = answer.body["position"].as_u64();
        let (200, Some(position)) = (answer.status, position) else {
            return;
        };
        if let Some(token) = answer.body["access_token"].as_str() {
            self.access_token(token);
        }
        self.written().acknowledged.push(Acknowledged {
            target,
            position,
            began,
            at,
        });
    }

    /// Who asks may have ended before the last client.
    fn order(&self, order: &Order) {
        for orders in &self.orders {
            let _late = orders.send(order.clone());
        }
    }
}
