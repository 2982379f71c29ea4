//! Which passwords attackers try first (NIST SP 800-63B-4, section 3.1.1.2: a blocklist that the
//! whole password is compared with).
//!
//! Lists of passwords that were stolen hold few of fifteen characters, so the list is `zxcvbn`'s:
//! 30,000 common passwords, words and names, and whatever is made of them by repetition, reversal,
//! upper case, digits for letters, dates and rows of keys. It says how many guesses the whole text
//! takes; a common word inside a long password does no harm.

use std::cell::Cell;
use std::panic::catch_unwind;
use zxcvbn::{Score, zxcvbn};

/// How many characters are looked at. What comes after them only adds guesses, and on texts that
/// are made for it the library's work rises steeply: 20 ms for 32 characters, 2 s for 100.
const LOOKED_AT: usize = 32;

/// From 10^10 guesses on: out of reach for whoever stole the hashes too.
const ENOUGH: Score = Score::Four;

/// What an attacker on this service knows without any list.
const ALWAYS: &str = "portcullis";

/// Whether `password` is found in fewer than 10^10 guesses by somebody who knows `words` as well.
pub(super) fn is_guessable(password: &str, words: &[String]) -> bool {
    let beginning: String = password.chars().take(LOOKED_AT).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).chain([ALWAYS]).collect();
    let judge = || zxcvbn(&beginning, &words).score() >= ENOUGH;
    // The library multiplies without looking: `1212…` is more guesses than its integers hold, and it
    // panics (its overflow checks are on in every build, or it would judge by what is left of them).
    // Nobody loses by having to choose another password.
    JUDGING.set(true);
    let is_strong = catch_unwind(judge).unwrap_or(false);
    JUDGING.set(false);
    !is_strong
}

thread_local! {
    static JUDGING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread judges a password. The words of a panic may then hold a part of it, and there
/// may be many: no log is to have them.
pub(crate) fn is_judging() -> bool {
    JUDGING.get()
}

/// A name, and the parts that it is made of.
pub(super) fn parts(name: &str) -> impl Iterator<Item = String> {
    let parts = name.split(|c: char| !c.is_alphanumeric());
    let parts = parts.filter(|part| part.chars().count() > 1);
    std::iter::once(name).chain(parts).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> Vec<String> {
        crate::password::words(&["alice@example.com", "https://login.jubjub.test"])
    }

    #[test]
    fn whole_passwords_that_are_easy_to_guess() {
        for text in [
            "passwordpassword",
            "Password1234567",
            "p4$$w0rdp4$$w0rd",
            "drowssapdrowssap",
            "qwertyuiopasdfgh",
            "1q2w3e4r5t6y7u8i9o0p",
            "123456789012345",
            "iloveyouiloveyou",
            "aaaaaaaaaaaaaaaaaaaa",
            "abcdefghijklmnop",
            "thisismypassword",
            "monkeydragonmaster",
            "парольпарольпароль",
            // What belongs to this user or this service, and what is made of it.
            "alice@example.com",
            "Alice@Example.Com1",
            "alicealicealice",
            "alice-at-jubjub",
            "jubjub20242025!",
            "portcullisportcullis",
        ] {
            assert!(is_guessable(text, &words()), "{text}");
        }
    }

    #[test]
    fn a_common_word_inside_does_no_harm() {
        for text in [
            "correct horse battery staple",
            "my name is alice, really",
            "to be or not to be",
            "tobeornottobethat",
            "fifteen-chars-x",
            "0b77a1f8c0d2e6a9930fe1c2",
            "пароль достаточной длины",
        ] {
            assert!(!is_guessable(text, &words()), "{text}");
        }
    }

    /// No list has the service's name, and every attacker knows it.
    #[test]
    fn the_words_count() {
        assert!(!is_guessable("JubjubAlice2024", &[]));
        assert!(is_guessable("JubjubAlice2024", &words()));
    }

    /// More guesses than its integers hold.
    #[test]
    fn what_the_library_cannot_judge_is_guessable() {
        assert!(is_guessable(&"12".repeat(16), &[]));
        assert!(!is_judging(), "the next panic of this thread is told");
    }

    #[test]
    fn only_the_beginning_is_looked_at() {
        let hostile: String = "4@8({[<3€69&#!1|l0$5+7%2"
            .chars()
            .cycle()
            .take(256)
            .collect();
        let beginning: String = hostile.chars().take(LOOKED_AT).collect();
        assert_eq!(is_guessable(&hostile, &[]), is_guessable(&beginning, &[]));
        // Strong from there on, and yet it begins as no password should.
        let late = format!(
            "{}{}",
            "a".repeat(LOOKED_AT),
            "correct horse battery staple"
        );
        assert!(is_guessable(&late, &[]));
    }
}
