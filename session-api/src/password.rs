//! Passwords and user names: what is taken, and how passwords are hashed.

mod argon;

use argon::Memory;
use precis_core::profile::Profile as _;
use precis_profiles::UsernameCaseMapped;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

/// At least this many code points (NIST SP 800-63B-4, section 3.1.1.2: a password on its own).
pub(crate) const MIN_CODE_POINTS: usize = 15;

/// At most this many bytes of UTF-8, looked at before anything is hashed.
pub(crate) const MAX_BYTES: usize = 256;

/// How many hashes may wait for each one that runs, before a login is told to come back later.
const QUEUE_PER_CORE: usize = 16;

/// A password in Unicode's form NFC, of a length that may be hashed.
pub(crate) struct Password(Zeroizing<String>);

/// Why a new password is not taken. Each reason is for its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("a password has at least {MIN_CODE_POINTS} characters")]
    TooShort,
    #[error("a password has at most {MAX_BYTES} bytes")]
    TooLong,
    #[error("a password does not contain the user's name")]
    ContainsName,
    #[error("a password does not repeat one character or a few")]
    Monotonous,
}

impl Password {
    /// A password that somebody logs in with: any that could have been set.
    pub(crate) fn presented(text: &str) -> Option<Self> {
        if text.len() > MAX_BYTES {
            return None;
        }
        let normal = Zeroizing::new(text.nfc().collect::<String>());
        (!normal.is_empty() && normal.len() <= MAX_BYTES).then_some(Self(normal))
    }

    /// A password that somebody wants to set.
    pub(crate) fn chosen(text: &str, user_name: &str) -> Result<Self, Refused> {
        let password = Self::presented(text).ok_or(if text.is_empty() {
            Refused::TooShort
        } else {
            Refused::TooLong
        })?;
        if password.0.chars().count() < MIN_CODE_POINTS {
            return Err(Refused::TooShort);
        }
        let lower = Zeroizing::new(password.0.to_lowercase());
        if user_name.chars().count() > 3 && lower.contains(&user_name.to_lowercase()) {
            return Err(Refused::ContainsName);
        }
        let mut different: Vec<char> = lower.chars().collect();
        different.sort_unstable();
        different.dedup();
        if different.len() < 5 {
            Err(Refused::Monotonous)
        } else {
            Ok(password)
        }
    }
}

/// A user's name: RFC 8265, UsernameCaseMapped, 1 to 64 characters.
pub(crate) fn user_name(text: &str) -> Option<String> {
    // The profile's work grows with the length, so a bound comes first.
    if text.len() > 256 {
        return None;
    }
    let name = UsernameCaseMapped::new().enforce(text).ok()?.into_owned();
    (1..=64).contains(&name.chars().count()).then_some(name)
}

/// More logins at once than the machine can hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overloaded;

/// Hashes with Argon2id, off the async threads, no more at once than there are cores.
#[derive(Clone)]
pub(crate) struct Hasher {
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// As many as have run at once.
    memory: Arc<Mutex<Vec<Memory>>>,
    #[cfg(test)]
    places: usize,
    /// Verified for users that do not exist, so that the answer takes as long.
    decoy: Arc<str>,
}

impl Hasher {
    pub(crate) fn new(cores: usize) -> Self {
        let mut memory = Memory::default();
        let decoy = argon::hash(b"the password of nobody", &mut memory);
        let places = cores * (1 + QUEUE_PER_CORE);
        Self {
            running: Arc::new(Semaphore::new(cores)),
            waiting: Arc::new(Semaphore::new(places)),
            #[cfg(test)]
            places,
            memory: Arc::new(Mutex::new(vec![memory])),
            decoy: decoy.into(),
        }
    }

    pub(crate) async fn hash(&self, password: Password) -> Result<String, Overloaded> {
        self.run(move |memory| argon::hash(password.0.as_bytes(), memory))
            .await
    }

    /// Whether the password is the one that was hashed. `None` stands for a user who does not
    /// exist: it costs the same and is never right.
    pub(crate) async fn verify(
        &self,
        password: Password,
        stored: Option<&str>,
    ) -> Result<bool, Overloaded> {
        let exists = stored.is_some();
        let stored: Arc<str> = stored.map_or_else(|| self.decoy.clone(), Into::into);
        let right = self
            .run(move |memory| argon::verify(password.0.as_bytes(), &stored, memory))
            .await?;
        Ok(right && exists)
    }

    /// Lets no hash begin while the answer is held.
    #[cfg(test)]
    pub(crate) async fn hold(&self) -> tokio::sync::OwnedSemaphorePermit {
        let all = u32::try_from(self.running.available_permits()).unwrap();
        self.running.clone().acquire_many_owned(all).await.unwrap()
    }

    /// How many callers wait or run.
    #[cfg(test)]
    pub(crate) fn in_line(&self) -> usize {
        self.places - self.waiting.available_permits()
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, Overloaded> {
        let _place = self
            .waiting
            .clone()
            .try_acquire_owned()
            .map_err(|_| Overloaded)?;
        let turn = self
            .running
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| Overloaded)?;
        let unused = self.memory.clone();
        let done = tokio::task::spawn_blocking(move || {
            let unused = || unused.lock().unwrap_or_else(PoisonError::into_inner);
            let mut memory = unused().pop().unwrap_or_default();
            let done = work(&mut memory);
            unused().push(memory);
            // Only now: a caller that goes away must not let another hash start beside this one.
            drop(turn);
            done
        });
        done.await.map_err(|_| Overloaded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_password_is_refused_with_a_reason() {
        for (text, expected) in [
            ("", Err(Refused::TooShort)),
            ("fourteen-chars", Err(Refused::TooShort)),
            ("fifteen-chars-x", Ok(())),
            (&"ä-".repeat(7), Err(Refused::TooShort)),
            (&"x-y-z-w-".repeat(33), Err(Refused::TooLong)),
            ("aaaaaaaaaaaaaaaaaaaa", Err(Refused::Monotonous)),
            ("Hello-ALICE-and-all", Err(Refused::ContainsName)),
            ("пароль достаточной длины", Ok(())),
        ] {
            assert_eq!(
                Password::chosen(text, "alice").map(|_| ()),
                expected,
                "{text:?}"
            );
        }
    }

    #[test]
    fn names_are_case_mapped_and_bounded() {
        assert_eq!(user_name("Alice").as_deref(), Some("alice"));
        assert_eq!(
            user_name("ALICE@example.com").as_deref(),
            Some("alice@example.com")
        );
        assert_eq!(user_name("e\u{301}").as_deref(), Some("é"));
        for bad in [
            "",
            "a b",
            "a\u{0}b",
            "a\nb",
            &"x".repeat(65),
            &"x".repeat(100_000),
            "\u{202e}x",
        ] {
            assert_eq!(user_name(bad), None, "{bad:?}");
        }
    }

    #[tokio::test]
    async fn the_same_text_in_another_normal_form_is_the_same_password() {
        let hasher = Hasher::new(1);
        let password = |text: &str| Password::presented(text).unwrap();
        let stored = hasher
            .hash(password("caf\u{e9} au lait, bien chaud"))
            .await
            .unwrap();
        assert!(
            stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{stored}"
        );
        for (text, right) in [
            ("cafe\u{301} au lait, bien chaud", true),
            ("cafe au lait, bien chaud", false),
        ] {
            assert_eq!(
                hasher.verify(password(text), Some(&stored)).await,
                Ok(right)
            );
        }
        assert_eq!(
            hasher
                .verify(password("the password of nobody"), None)
                .await,
            Ok(false)
        );
    }

    #[tokio::test]
    async fn more_than_the_queue_holds_is_turned_away() {
        let hasher = Hasher::new(1);
        let all = (0..=QUEUE_PER_CORE + 1).map(|_| {
            let hasher = hasher.clone();
            async move { hasher.verify(Password::presented("x").unwrap(), None).await }
        });
        let answers = futures::future::join_all(all).await;
        assert_eq!(
            answers
                .iter()
                .filter(|answer| **answer == Err(Overloaded))
                .count(),
            1
        );
    }
}
