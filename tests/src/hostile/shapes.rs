//! A08: other encodings of a good token.

use super::{Case, Class, Forge};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

pub(super) fn encodings(forge: &Forge) -> Vec<Case> {
    let texts = [
        wrapped(forge),
        in_parts(forge),
        alphabets(forge),
        trailing_bits(forge),
    ];
    let mut cases: Vec<_> = texts
        .concat()
        .into_iter()
        .map(|(what, text)| Case::new(Class::Encoding, what, text, "Malformed"))
        .collect();
    let detached = forge.sign(forge.header(), "");
    cases.push(Case::new(Class::Encoding, "no payload", detached, "Claims"));
    cases
}

fn named(list: impl IntoIterator<Item = (&'static str, String)>) -> Vec<(String, String)> {
    list.into_iter()
        .map(|(what, text)| (what.to_owned(), text))
        .collect()
}

/// The good token with something around it or in it.
fn wrapped(forge: &Forge) -> Vec<(String, String)> {
    let good = forge.good();
    named([
        ("a space after it", format!("{good} ")),
        ("a space before it", format!(" {good}")),
        ("a tab after it", format!("{good}\t")),
        ("a newline after it", format!("{good}\n")),
        ("a return after it", format!("{good}\r\n")),
        ("a NUL after it", format!("{good}\0")),
        ("a byte order mark", format!("\u{feff}{good}")),
        ("a scheme", format!("Bearer {good}")),
        ("quotes", format!("\"{good}\"")),
        ("angle brackets", format!("<{good}>")),
        ("twice, with a comma", format!("{good},{good}")),
        ("twice, with a space", format!("{good} {good}")),
        ("twice, with a dot", format!("{good}.{good}")),
        ("twice", format!("{good}{good}")),
        ("a space in it", good.replacen('.', " .", 1)),
        ("a newline in it", good.replacen('.', ".\n", 1)),
        ("an escaped dot", good.replacen('.', "%2e", 1)),
        ("an escaped letter", good.replacen('e', "%65", 1)),
        ("a full-width dot", good.replacen('.', "\u{ff0e}", 1)),
        ("a full-width letter", good.replacen('e', "\u{ff45}", 1)),
        ("a soft hyphen", good.replacen('.', "\u{ad}.", 1)),
        ("in another case", good.to_uppercase()),
        ("backwards", good.chars().rev().collect()),
    ])
}

/// Parts that are missing, or too many; RFC 7515's and RFC 7516's other serialisations.
fn in_parts(forge: &Forge) -> Vec<(String, String)> {
    let good = forge.good();
    let parts: Vec<_> = good.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        unreachable!("three parts")
    };
    let flattened =
        format!(r#"{{"protected":"{header}","payload":"{payload}","signature":"{signature}"}}"#);
    let general = format!(
        r#"{{"payload":"{payload}","signatures":[{{"protected":"{header}","signature":"{signature}"}}]}}"#
    );
    named([
        ("nothing", String::new()),
        ("one part", header.to_owned()),
        ("two parts", format!("{header}.{payload}")),
        ("no signature", format!("{header}.{payload}.")),
        ("no header", format!(".{payload}.{signature}")),
        ("dots alone", "..".to_owned()),
        ("a dot", ".".to_owned()),
        ("a dot before it", format!(".{good}")),
        ("a dot after it", format!("{good}.")),
        ("four parts", format!("{good}.{signature}")),
        (
            "five parts, like JWE",
            format!("{header}.{payload}.{signature}.{payload}.{signature}"),
        ),
        ("three empty parts more", format!("{good}...")),
        ("flattened JSON", flattened.clone()),
        ("general JSON", general),
        ("JSON, encoded", URL_SAFE_NO_PAD.encode(flattened)),
        ("the whole, encoded again", URL_SAFE_NO_PAD.encode(&good)),
        ("tildes, like SD-JWT", format!("{good}~")),
        (
            "a signature of 63 bytes",
            format!("{header}.{payload}.{}", &signature[..84]),
        ),
        ("a signature of 65 bytes", format!("{good}AA")),
        ("a signature twice", format!("{good}{signature}")),
    ])
}

/// Padding and the other alphabet, part by part.
fn alphabets(forge: &Forge) -> Vec<(String, String)> {
    // `?>` and `?~` make a `/` and a `+`; one of the three lengths needs padding at least.
    let payloads = ["", "x", "xx"].map(|x| forge.and(&format!("\"x\":\"?~?>{x}\"")));
    let mut cases = Vec::new();
    // All signed as they are written, so these are good signatures.
    let header = URL_SAFE_NO_PAD.encode(forge.header());
    for payload in payloads {
        let good = URL_SAFE_NO_PAD.encode(&payload);
        for (what, engine) in [
            ("padding", &URL_SAFE),
            ("the other alphabet", &STANDARD_NO_PAD),
            ("the other alphabet, padded", &STANDARD),
        ] {
            let written = engine.encode(&payload);
            if written != good {
                let text = forge.sign_encoded(&header, &written);
                cases.push((format!("{what} of the payload"), text));
            }
        }
    }
    let payload = URL_SAFE_NO_PAD.encode(forge.payload());
    for padding in ["=", "=="] {
        let text = forge.sign_encoded(&format!("{header}{padding}"), &payload);
        cases.push((format!("{padding} after the header"), text));
        let text = forge.sign_encoded(&header, &format!("{payload}{padding}"));
        cases.push((format!("{padding} after the payload"), text));
    }
    let good = forge.good();
    cases.push(("= after the signature".to_owned(), format!("{good}=")));
    cases.push(("== after the signature".to_owned(), format!("{good}==")));
    cases
}

/// 64 bytes are 86 characters, of which the last carries four bits that must be zero (RFC 4648,
/// section 3.5). A token that is on a list of revoked *texts* would come back fifteen times.
fn trailing_bits(forge: &Forge) -> Vec<(String, String)> {
    let good = forge.good();
    let (start, last) = good.split_at(good.len() - 1);
    let zero = ALPHABET.find(last).unwrap_or_default();
    let mut cases: Vec<_> = (1..16)
        .map(|bits| {
            let text = format!("{start}{}", &ALPHABET[zero + bits..=zero + bits]);
            (format!("trailing bits {bits} of the signature"), text)
        })
        .collect();
    // Signed as it is written.
    for x in ["", "x", "xx"] {
        let header = URL_SAFE_NO_PAD.encode(forge.header_and(&format!("\"x\":\"{x}\"")));
        let (start, last) = header.split_at(header.len() - 1);
        let zero = ALPHABET.find(last).unwrap_or_default();
        let bits = [0, 0, 15, 3][header.len() % 4];
        for bit in 1..=bits {
            let header = format!("{start}{}", &ALPHABET[zero + bit..=zero + bit]);
            let text = forge.sign_encoded(&header, &URL_SAFE_NO_PAD.encode(forge.payload()));
            cases.push((format!("trailing bits {bit} of the header"), text));
        }
    }
    cases
}
