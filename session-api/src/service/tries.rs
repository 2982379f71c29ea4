//! Tries at passwords, counted in the database before anybody looks at the password: of many at
//! once, on many replicas, no more than are allowed are judged.

use super::device::Device;
use super::{Inner, Result, Service};
use crate::audit;
use crate::session::Tries;
use crate::store::{TrySource, UserRow};
use revocation_events::UserId;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// Who stands in for users that there are not. What is counted for them is never looked at, but it
/// takes as long; a row for each name that strangers make up would have no bound.
const STAND_INS: u16 = 1024;

/// An account that may be tried again.
pub(crate) struct Unlocked {
    /// Whether any tries had failed.
    pub(crate) had_failed: bool,
    /// As an app or a browser has it from a log-in.
    pub(crate) device_token: String,
}

impl Service {
    /// Lets a user's password be tried again at once, and makes a device for her: strangers who go on
    /// trying close the account again, and never her device.
    pub(crate) async fn unlock(&self, user: &UserRow) -> Result<Unlocked> {
        let (id, name) = (user.id, user.name.clone());
        self.detached(move |this| async move {
            let mut tx = this.store.begin().await?;
            let had_failed = tx.forget_tries(id).await?;
            tx.commit().await?;
            Ok(Unlocked {
                had_failed,
                device_token: this.device_token(&name, Device::new()),
            })
        })
        .await
    }
}

impl Inner {
    /// Counts a try of a user, or of nobody; whether its password is to be looked at.
    pub(super) async fn take_try(&self, source: TrySource, user: Option<UserId>) -> Result<bool> {
        let mut tx = self.store.begin().await?;
        let (tries, now) = tx.lock_tries(source).await?;
        let taken = tries.take(now);
        // Written where nothing changes, too: a try that is not judged must not be quicker.
        tx.save_tries(source, taken.unwrap_or(tries)).await?;
        tx.commit().await?;
        if let (Some(user), Some(true)) = (user, taken.map(Tries::has_just_closed)) {
            audit::login_closed(user);
        }
        Ok(taken.is_some())
    }
}

/// The account of a name that no user has. No user's id is a number as small.
pub(super) fn stand_in(name: Option<&str>) -> UserId {
    let hash = Sha256::digest(name.unwrap_or_default());
    let number = u16::from_be_bytes([hash[0], hash[1]]) % STAND_INS;
    UserId::new(Uuid::from_u128(number.into()))
}
