//! The tables of `docs/` say by which test each attack and each requirement is held: one that was renamed
//! or taken out proves nothing any more.

use std::collections::BTreeSet;
use std::path::Path;

const ATTACKS: &str = include_str!("../../../docs/attacks.md");
const ASVS: &str = include_str!("../../../docs/asvs.md");
const SECURITY: &str = include_str!("../../../SECURITY.md");
const GATEWAY: &str = include_str!("../../../docs/gateway.md");

/// Words joined by low lines, as code. In the tables nothing else has three words, and nowhere has
/// anything else four.
fn named(text: &str, least_words: usize) -> impl Iterator<Item = &str> {
    let code = text.split('`').skip(1).step_by(2);
    code.filter(move |code| {
        let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        code.matches('_').count() + 1 >= least_words && code.chars().all(is_word)
    })
}

/// Functions without parameters, those of the contract that both stores keep, and those of properties,
/// whose parameters are drawn.
fn tests_in(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests_in(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            for rest in text.split("fn ").skip(1) {
                let (name, rest) = rest.split_once('(').unwrap_or_default();
                let parameters = rest.split('{').next().unwrap_or_default();
                if [") ", "db: &Db) "].contains(&parameters) || parameters.contains(" in ") {
                    found.insert(name.to_owned());
                }
            }
        }
    }
}

#[test]
fn each_test_that_a_document_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = BTreeSet::new();
    for folder in [
        "revocation-events/src",
        "revocation-events/tests",
        "session-api/src",
        "tests/src",
        "tests/tests",
        "verifier-sdk/src",
        "verifier-sdk/tests",
    ] {
        tests_in(&root.join(folder), &mut found);
    }
    for (text, least_words, least_names) in [
        (ATTACKS, 3, 50),
        (ASVS, 3, 50),
        (SECURITY, 4, 0),
        (GATEWAY, 4, 0),
    ] {
        let named: BTreeSet<_> = named(text, least_words).collect();
        assert!(named.len() >= least_names, "{named:?}");
        let gone: Vec<_> = named
            .into_iter()
            .filter(|name| !found.contains(*name))
            .collect();
        assert!(gone.is_empty(), "{gone:?}");
    }
}

#[test]
fn each_attack_has_a_test() {
    for number in 1..=34 {
        let begins = format!("| A{number:02} |");
        let row = ATTACKS.lines().find(|line| line.starts_with(&begins));
        let row = row.unwrap_or_else(|| panic!("no {begins}"));
        let last = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let of_the_generator = last.split(',').next() == Some("H");
        assert!(of_the_generator || named(last, 3).next().is_some(), "{row}");
    }
}
