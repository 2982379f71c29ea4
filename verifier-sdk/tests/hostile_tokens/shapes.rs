//! Texts that are not a compact JWS, and signatures that do not verify.

use crate::mint::*;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer as _, SigningKey};
use verifier_sdk::Reason;

pub(crate) fn other_shapes() -> Vec<Case> {
    let good = good();
    let [header, claims, signature]: [&str; 3] =
        good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let last = |c: char| format!("{}{c}", &good[..good.len() - 1]);
    let padded = |n: usize| and(&format!("\"x\":\"{}\"", "x".repeat(n)));
    let cases = [
        (String::new(), Reason::Malformed),
        (".".to_owned(), Reason::Malformed),
        ("..".to_owned(), Reason::Malformed),
        (".".repeat(4096), Reason::Malformed),
        (".".repeat(4097), Reason::TooLong),
        ("A".repeat(1 << 20), Reason::TooLong),
        (sign(HEADER, padded(4096)), Reason::TooLong),
        (format!("{header}.{claims}"), Reason::Malformed),
        (format!("{header}.{claims}."), Reason::Malformed),
        (format!("{header}..{signature}"), Reason::Claims),
        (format!(".{claims}.{signature}"), Reason::Malformed),
        (format!("{good}.{signature}"), Reason::Malformed),
        (format!("{good}.."), Reason::Malformed),
        (format!("{good}="), Reason::Malformed),
        (format!("{header}=.{claims}.{signature}"), Reason::Malformed),
        (format!("{good} "), Reason::Malformed),
        (format!(" {good}"), Reason::Malformed),
        (format!("{good}\n"), Reason::Malformed),
        (format!("\u{feff}{good}"), Reason::Malformed),
        (format!("Bearer {good}"), Reason::Malformed),
        (format!("\"{good}\""), Reason::Malformed),
        (format!("{good},{good}"), Reason::Malformed),
        (good.replacen('.', "%2e", 1), Reason::Malformed),
        (good.replacen('.', "\u{ff0e}", 1), Reason::Malformed),
        (
            format!("{header}\0.{claims}.{signature}"),
            Reason::Malformed,
        ),
        (
            format!(r#"{{"protected":"{header}","payload":"{claims}","signature":"{signature}"}}"#),
            Reason::Malformed,
        ),
        (
            format!("{header}.{claims}.{}", &signature[..84]),
            Reason::Malformed,
        ),
        (
            format!("{header}.{claims}.{signature}AA"),
            Reason::Malformed,
        ),
        (
            // `?>` and `?~` make a `/` and a `+` in the other alphabet.
            STANDARD_NO_PAD.encode(HEADER.replace("k1", "k?~?>")) + &good[header.len()..],
            Reason::Malformed,
        ),
    ];
    let mut table: Vec<_> = cases
        .into_iter()
        .map(|(t, r)| (t.chars().take(99).collect(), t, r))
        .collect();
    // 64 bytes are 86 characters, of which the last carries four bits that must be zero.
    let end = good.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let index = alphabet.find(end).unwrap();
    for bits in 1..16 {
        let c = alphabet.as_bytes()[index + bits] as char;
        table.push((format!("trailing bits {bits}"), last(c), Reason::Malformed));
    }
    table
}

pub(crate) fn signatures() -> Vec<Case> {
    let good = good();
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let bytes: [u8; 64] = URL_SAFE_NO_PAD
        .decode(signature)
        .unwrap()
        .try_into()
        .unwrap();
    let put = |bytes: [u8; 64]| format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bytes));
    let changed = |change: &dyn Fn(&mut [u8; 64])| {
        let mut copy = bytes;
        change(&mut copy);
        put(copy)
    };
    let other_key = SigningKey::from_bytes(&[8; 32])
        .sign(signed.as_bytes())
        .to_bytes();
    let other_claims = sign(HEADER, with("jti", r#""t-2""#));
    let swapped = format!("{}.{}", other_claims.rsplit_once('.').unwrap().0, signature);
    [
        ("all zero", put([0; 64])),
        ("all ones", put([0xff; 64])),
        ("one bit of R", changed(&|b| b[0] ^= 1)),
        ("one bit of S", changed(&|b| b[32] ^= 1)),
        ("the high bit of S", changed(&|b| b[63] |= 0x80)),
        ("S + L", changed(&|b| add_order(b))),
        ("R and S exchanged", changed(&|b| b.rotate_left(32))),
        (
            "R the identity, S zero",
            changed(&|b| {
                *b = [0; 64];
                b[0] = 1;
            }),
        ),
        ("another key's", put(other_key)),
        ("another token's", swapped),
    ]
    .map(|(what, text)| (what.to_owned(), text, Reason::Signature))
    .into()
}

/// S + L is another spelling of the same S to a verifier that does not look (RFC 8032, 5.1.7).
pub(crate) fn add_order(signature: &mut [u8; 64]) {
    const L: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0;
    for (byte, order) in signature[32..].iter_mut().zip(L) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
}
