//! A09: signatures that a lenient check takes (RFC 8032, section 5.1.7).

use super::forge::input;
use super::{Case, Class, Forge};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use ed25519_dalek::{Signer as _, SigningKey};
use sha2::{Digest as _, Sha256, Sha512};

/// The order of the group, in little-endian bytes.
const L: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

type Named = (String, [u8; 64]);

pub(super) fn all(forge: &Forge) -> Vec<Case> {
    let signed = input(forge.header(), forge.payload());
    let signatures = [
        spoilt(forge, &signed),
        of_low_order(forge, &signed),
        of_something_else(forge, &signed),
    ];
    signatures
        .concat()
        .into_iter()
        .map(|(what, signature)| {
            let text = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
            Case::new(Class::Signature, what, text, "Signature")
        })
        .collect()
}

fn good(forge: &Forge, message: &str) -> [u8; 64] {
    forge.key().sign(message.as_bytes()).to_bytes()
}

/// The right signature, changed.
fn spoilt(forge: &Forge, signed: &str) -> Vec<Named> {
    let good = good(forge, signed);
    let changed = |what: String, change: &dyn Fn(&mut [u8; 64])| {
        let mut signature = good;
        change(&mut signature);
        (what, signature)
    };
    let mut named = vec![
        ("zeros".to_owned(), [0; 64]),
        ("ones".to_owned(), [0xff; 64]),
        changed("R and S exchanged".to_owned(), &|s| s.rotate_left(32)),
        changed("backwards".to_owned(), &|s| s.reverse()),
        changed("R zero".to_owned(), &|s| s[..32].fill(0)),
        changed("S zero".to_owned(), &|s| s[32..].fill(0)),
        changed("S the order".to_owned(), &|s| s[32..].copy_from_slice(&L)),
        changed("S negated".to_owned(), &|s| {
            let scalar = -scalar_of(s);
            s[32..].copy_from_slice(scalar.as_bytes());
        }),
        changed("R negated".to_owned(), &|s| s[31] ^= 0x80),
    ];
    // S and S + nL sign the same to who does not look: the same token in several spellings.
    for times in 1..=7 {
        named.push(changed(format!("S + {times}L"), &|s| {
            (0..times).for_each(|_| add_order(s));
        }));
    }
    for bit in 0..3 {
        named.push(changed(format!("the high bit {bit} of S"), &|s| {
            s[63] |= 0x20 << bit;
        }));
    }
    for byte in (0..64).step_by(7) {
        named.push(changed(format!("one bit of byte {byte}"), &|s| {
            s[byte] ^= 1
        }));
    }
    named
}

fn scalar_of(signature: &[u8; 64]) -> Scalar {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(&signature[32..]);
    Scalar::from_bytes_mod_order(bytes)
}

/// The eight points of low order: with one of them as R a lenient check takes what its owner did not
/// sign as everybody else does, and every one of them as another spelling.
fn of_low_order(forge: &Forge, signed: &str) -> Vec<Named> {
    let secret = forge.key().to_scalar();
    let public = forge.key().verifying_key().to_bytes();
    // S = r + k a, where R is written as r B + T.
    let sign = |r: Scalar, torsion: EdwardsPoint| {
        let commitment = (EdwardsPoint::mul_base(&r) + torsion).compress().to_bytes();
        let hash = Sha512::new()
            .chain_update(commitment)
            .chain_update(public)
            .chain_update(signed);
        let k = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
        join(commitment, (r + k * secret).to_bytes())
    };
    let mut named = Vec::new();
    for (nth, torsion) in EIGHT_TORSION.into_iter().enumerate() {
        let point = torsion.compress().to_bytes();
        named.push((
            format!("R of low order {nth}, S zero"),
            join(point, [0; 32]),
        ));
        named.push((
            format!("R of low order {nth}, S to match"),
            sign(Scalar::ZERO, torsion),
        ));
        if nth > 0 {
            // Right to whoever multiplies by the cofactor.
            let what = format!("R with a part {nth} of low order");
            named.push((what, sign(Scalar::from(77_u64), torsion)));
        }
    }
    // Spellings of low-order points that are not canonical: y + p, and the sign of zero.
    let p_and = |more: u8| {
        let mut y = [0xff; 32];
        y[0] = 0xed + more;
        y[31] = 0x7f;
        y
    };
    let mut negative_one = [0; 32];
    (negative_one[0], negative_one[31]) = (1, 0x80);
    for (what, point) in [
        ("p", p_and(0)),
        ("p + 1", p_and(1)),
        ("p - 1, with the sign of zero", {
            let mut y = p_and(0);
            (y[0], y[31]) = (0xec, 0xff);
            y
        }),
        ("1, with the sign of zero", negative_one),
    ] {
        named.push((format!("R written as {what}, S zero"), join(point, [0; 32])));
    }
    named
}

/// Good signatures, but not by this key over this text.
fn of_something_else(forge: &Forge, signed: &str) -> Vec<Named> {
    let other = SigningKey::from_bytes(&[66; 32]);
    let halves: Vec<_> = signed.split('.').collect();
    let claims = forge.payload();
    let another = input(forge.header(), forge.with("jti", "\"another\""));
    let by_hash = |hash: &[u8]| forge.key().sign(hash).to_bytes();
    vec![
        ("another key's", other.sign(signed.as_bytes()).to_bytes()),
        ("over another token", good(forge, &another)),
        ("over the payload alone", good(forge, halves[1])),
        ("over the header alone", good(forge, halves[0])),
        ("over the JSON of the payload", good(forge, &claims)),
        (
            "over the JSON of both",
            good(forge, &format!("{}.{claims}", forge.header())),
        ),
        ("over a newline more", good(forge, &format!("{signed}\n"))),
        ("over nothing", good(forge, "")),
        ("over a SHA-256 of it", by_hash(&Sha256::digest(signed))),
        ("over a SHA-512 of it", by_hash(&Sha512::digest(signed))),
    ]
    .into_iter()
    .map(|(what, signature)| (what.to_owned(), signature))
    .collect()
}

fn join(commitment: [u8; 32], response: [u8; 32]) -> [u8; 64] {
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&commitment);
    signature[32..].copy_from_slice(&response);
    signature
}

fn add_order(signature: &mut [u8; 64]) {
    let mut carry = 0;
    for (byte, order) in signature[32..].iter_mut().zip(L) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
}
