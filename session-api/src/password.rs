//! Passwords and user names: what is taken, and how passwords are hashed.

mod argon;
mod hasher;

pub(crate) use hasher::{Hasher, Overloaded};

use precis_core::profile::Profile as _;
use precis_profiles::UsernameCaseMapped;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

/// At least this many code points (NIST SP 800-63B-4, section 3.1.1.2: a password on its own).
pub(crate) const MIN_CODE_POINTS: usize = 15;

/// At most this many bytes of UTF-8, looked at before anything is hashed.
pub(crate) const MAX_BYTES: usize = 256;

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
}
