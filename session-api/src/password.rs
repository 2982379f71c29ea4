//! Passwords and user names: what is taken, and how passwords are hashed.
//!
//! | file | what |
//! | --- | --- |
//! | this one | the form and the length of passwords, and why one is refused |
//! | [`guess`] | which passwords attackers try first |
//! | [`argon`] | the hash |
//! | [`hasher`] | hashing beside everything else that the machine has to do |

mod argon;
mod guess;
mod hasher;

pub(crate) use guess::is_judging;
pub(crate) use hasher::{Hasher, Overloaded, Place};

use precis_core::profile::{Profile as _, Rules as _};
use precis_profiles::{OpaqueString, UsernameCaseMapped};
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

/// At least this many code points (NIST SP 800-63B-4, section 3.1.1.2: a password on its own).
pub(crate) const MIN_CODE_POINTS: usize = 15;

/// At most this many bytes of UTF-8, looked at before anything is hashed. No password is cut to it.
pub(crate) const MAX_BYTES: usize = 256;

/// A password in the one form in which it is compared, of a length that may be hashed.
#[derive(Clone)]
pub(crate) struct Password(Arc<Zeroizing<String>>);

/// Why a new password is not taken: the words are for its user, the name is for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub(crate) enum Refused {
    #[error("a password has at least {MIN_CODE_POINTS} characters")]
    TooShort,
    #[error("a password has at most {MAX_BYTES} bytes")]
    TooLong,
    #[error("a password has no control characters")]
    ControlCharacter,
    #[error(
        "such a password is guessed soon: it is made of common words, names, dates, repetitions or rows of keys"
    )]
    Guessable,
}

impl Password {
    /// A password that somebody logs in with: any that could have been set.
    ///
    /// Its form is that of RFC 8265, section 4.2.2 (OpaqueString): every space is U+0020, and the
    /// rest is in Unicode's form NFC, so that it does not depend on the keyboard. That section's
    /// list of allowed characters is left out: the one at hand is of Unicode 6.3 and would refuse
    /// what has come since, half of the emoji for one.
    pub(crate) fn presented(text: &str) -> Option<Self> {
        if text.len() > MAX_BYTES {
            return None;
        }
        let spaced = OpaqueString::new().additional_mapping_rule(text).ok()?;
        let spaced = Zeroizing::new(spaced.into_owned());
        let normal = Zeroizing::new(spaced.nfc().collect::<String>());
        (!normal.is_empty() && normal.len() <= MAX_BYTES).then(|| Self(Arc::new(normal)))
    }

    /// A password that somebody wants to set. `words` are from [`words`].
    ///
    /// It takes up to 20 ms: use [`Place::choose`].
    fn chosen(text: &str, words: &[String]) -> Result<Self, Refused> {
        let password = Self::presented(text).ok_or(if text.is_empty() {
            Refused::TooShort
        } else {
            Refused::TooLong
        })?;
        if password.0.chars().count() < MIN_CODE_POINTS {
            Err(Refused::TooShort)
        } else if password.0.chars().any(char::is_control) {
            Err(Refused::ControlCharacter)
        } else if guess::is_guessable(&password.0, words) {
            Err(Refused::Guessable)
        } else {
            Ok(password)
        }
    }

    fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// What an attacker tries first for a user: names (the user's, the service's) and their parts.
pub(crate) fn words(names: &[&str]) -> Vec<String> {
    names.iter().flat_map(|name| guess::parts(name)).collect()
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
    use proptest::prelude::*;

    /// What the libraries meet: neighbours on the keyboard again and again, dates, other scripts, what is
    /// long in NFC, and anything else.
    fn texts() -> impl Strategy<Value = String> {
        const UNITS: &[&str] = &["12", "qw", "1qaz", "7+8", "aA", "%5", "0987654321"];
        let again = (prop::sample::select(UNITS), 1_usize..20);
        let part = prop_oneof![
            again.prop_map(|(unit, times)| unit.repeat(times)),
            "[0-9]{1,8}[-/. ][0-9]{1,4}[-/. ]?[0-9]{0,9}",
            "[\\u{300}-\\u{36f}\\u{1d15e}-\\u{1d165}ßſK가-힣 ]{0,12}",
            "\\PC{0,16}",
            any::<String>(),
        ];
        prop::collection::vec(part, 0..4).prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_text_makes_a_password_panic(text in texts(), name in texts()) {
            let words = words(&[&name]);
            let first = Password::chosen(&text, &words).map(|password| password.bytes().to_vec());
            let again = Password::chosen(&text, &words).map(|password| password.bytes().to_vec());
            prop_assert_eq!(first, again);
        }
    }

    #[test]
    fn a_new_password_is_refused_with_a_reason() {
        for (text, expected) in [
            ("", Err(Refused::TooShort)),
            ("fourteen-chars", Err(Refused::TooShort)),
            ("fifteen-chars-x", Ok(())),
            // Code points in the form NFC: fifteen bytes, or fifteen before, are not enough.
            (&"ä-".repeat(7), Err(Refused::TooShort)),
            ("cafe\u{301} au lait 1", Err(Refused::TooShort)),
            (&"x-y-z-w-".repeat(33), Err(Refused::TooLong)),
            ("four words\0and a nul", Err(Refused::ControlCharacter)),
            ("passwordpassword", Err(Refused::Guessable)),
            ("пароль достаточной длины", Ok(())),
            ("🤣 funny enough, really 🥳", Ok(())),
        ] {
            assert_eq!(
                Password::chosen(text, &[]).map(|_| ()),
                expected,
                "{text:?}"
            );
        }
    }

    #[test]
    fn nothing_is_cut_off() {
        let longest = "0123456789abcdef".repeat(16);
        assert_eq!(longest.len(), MAX_BYTES);
        let whole = Password::presented(&longest).unwrap();
        assert_eq!(whole.bytes(), longest.as_bytes());
        assert!(Password::presented(&format!("{longest}x")).is_none());
        // The form NFC of this letter takes three times the room.
        assert!(Password::presented(&"\u{1d160}".repeat(64)).is_none());
    }

    #[test]
    fn one_password_however_it_is_typed() {
        let normal = |text: &str| Password::presented(text).unwrap().bytes().to_vec();
        let plain = normal("caf\u{e9} au lait");
        for same in [
            "cafe\u{301} au lait",
            "caf\u{e9}\u{a0}au\u{3000}lait",
            "cafe\u{301}\u{2003}au lait",
        ] {
            assert_eq!(normal(same), plain, "{same:?}");
        }
        for other in [
            "Caf\u{e9} au lait",
            "cafe au lait",
            " caf\u{e9} au lait",
            "caf\u{e9} au lait ",
        ] {
            assert_ne!(normal(other), plain, "{other:?}");
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
