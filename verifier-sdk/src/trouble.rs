//! What went wrong last, in words, for whoever asks why a verifier is not fresh.

use std::fmt::Display;
use std::sync::{Mutex, PoisonError};

/// Logs when the verifier loses the feed and when it is back, and in between each new reason once:
/// what goes wrong while all is well in the end is nobody's trouble.
#[derive(Debug, Default)]
pub(crate) struct Trouble(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    well: bool,
    last: Option<String>,
}

impl Trouble {
    /// Something went wrong.
    pub(crate) fn is(&self, what: &impl Display) {
        let what = what.to_string();
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.well {
            tracing::debug!(trouble = what, "following the feed");
        } else if state.last.as_ref() != Some(&what) {
            tracing::warn!(trouble = what, "the verifier cannot follow the feed yet");
        }
        state.last = Some(what);
    }

    /// The verifier is up to date.
    pub(crate) fn over(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.well {
            tracing::info!("the verifier is up to date");
        }
        *state = State {
            well: true,
            last: None,
        };
    }

    /// The verifier has been without a recent proof for too long.
    pub(crate) fn goes_on(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut state.well) {
            let trouble = state.last.as_deref().unwrap_or("no page came");
            tracing::warn!(trouble, "the verifier is stale");
        }
    }

    pub(crate) fn last(&self) -> Option<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .last
            .clone()
    }
}
