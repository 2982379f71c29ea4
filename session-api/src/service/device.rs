//! Devices that an account's owner has logged in with. Their tries at the password are counted apart
//! from strangers', so that no stranger can lock the owner out there (OWASP, "Slow Down Online
//! Guessing Attacks with Device Cookies").
//!
//! A device token is no credential. It says "somebody who knew the password was here", and all that
//! it gives is tries of one's own. It names nobody, ends by nothing but its cookie's age, and
//! outlives a log-out: that is what it is for.

use super::{Inner, Service};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::time::Duration;
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

/// The longest that browsers keep a cookie (RFC 6265bis, section 5.5).
pub(crate) const LIFETIME: Duration = Duration::from_secs(400 * 86_400);

/// A device, by a number that it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Device(Uuid);

impl Device {
    pub(super) const fn id(self) -> Uuid {
        self.0
    }

    pub(crate) fn new() -> Self {
        Self(Uuid::new_v4())
    }
}

impl Service {
    /// The device that shows this token, where a user of this name has logged in with it.
    pub(crate) fn device(&self, user_name: &str, token: &str) -> Option<Device> {
        // Bounded before it is decoded.
        if token.len() != 64 {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (id, mac) = bytes.split_at_checked(16)?;
        let device = Device(Uuid::from_slice(id).ok()?);
        let ring = self.keys().ring();
        let mut expected = ring.device_macs(device.0, user_name);
        let is_right = expected.any(|expected| expected.ct_eq(mac).into());
        is_right.then_some(device)
    }
}

impl Inner {
    pub(super) fn device_token(&self, user_name: &str, device: Device) -> String {
        let ring = self.keys.ring();
        let mac = ring.device_macs(device.0, user_name).next();
        let mac = mac.unwrap_or_else(|| unreachable!("a ring has a key of today"));
        URL_SAFE_NO_PAD.encode([device.0.as_bytes().as_slice(), &mac].concat())
    }
}
