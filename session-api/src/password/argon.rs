//! Argon2id (RFC 9106) in memory that is used again.
//!
//! The crate's own `hash_password` allocates 19 MiB each time. The allocator of most Linux systems
//! keeps such blocks on every thread that ever made one, and never gives them back: wrong logins
//! alone took over a gigabyte.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};

/// What is filled by one hash after another.
#[derive(Default)]
pub(super) struct Memory(Vec<Block>);

impl Memory {
    fn of(&mut self, blocks: usize) -> &mut [Block] {
        if self.0.len() < blocks {
            self.0.resize_with(blocks, Block::default);
        }
        &mut self.0[..blocks]
    }
}

/// OWASP's first choice of parameters: 19 MiB, two passes, one lane.
fn params() -> Params {
    Params::new(19_456, 2, 1, None)
        .unwrap_or_else(|_| unreachable!("constants within the bounds of RFC 9106"))
}

/// Stored hashes with more than this, in KiB, are not of this program's making.
const MAX_MEMORY: u32 = 1 << 18;

/// A PHC string with a salt of its own.
pub(super) fn hash(password: &[u8], memory: &mut Memory) -> String {
    let mut salt = [0; 16];
    crate::service::key_admin::fill(&mut salt);
    let params = params();
    let output = fill(&params, Version::V0x13, password, &salt, memory, 32)
        .unwrap_or_else(|| unreachable!("the password's length is bounded"));
    let phc = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params)
            .unwrap_or_else(|_| unreachable!("three short numbers")),
        salt: Some(Salt::new(&salt).unwrap_or_else(|_| unreachable!("16 bytes are a salt"))),
        hash: Some(output),
    };
    phc.to_string()
}

/// Whether the password is the one that was hashed, compared in constant time.
pub(super) fn verify(password: &[u8], stored: &str, memory: &mut Memory) -> bool {
    try_verify(password, stored, memory).unwrap_or(false)
}

/// Whether a hash was made with other parameters than those of today: it is then made again as soon
/// as the password is at hand.
pub(super) fn is_outdated(stored: &str) -> bool {
    let today = PasswordHash::new(stored).is_ok_and(|stored| {
        stored.algorithm == Algorithm::Argon2id.ident()
            && stored.version == Some(Version::V0x13.into())
            && ParamsString::try_from(&params()).is_ok_and(|params| stored.params == params)
    });
    !today
}

/// `None` where what is stored is no hash of this kind.
fn try_verify(password: &[u8], stored: &str, memory: &mut Memory) -> Option<bool> {
    let stored = PasswordHash::new(stored).ok()?;
    let (salt, expected) = (stored.salt?, stored.hash?);
    let params = Params::try_from(&stored).ok()?;
    let version = Version::try_from(stored.version?).ok()?;
    if stored.algorithm != Algorithm::Argon2id.ident() || params.m_cost() > MAX_MEMORY {
        return None;
    }
    let found = fill(&params, version, password, &salt, memory, expected.len())?;
    Some(found == expected)
}

fn fill(
    params: &Params,
    version: Version,
    password: &[u8],
    salt: &[u8],
    memory: &mut Memory,
    len: usize,
) -> Option<Output> {
    let argon2 = Argon2::new(Algorithm::Argon2id, version, params.clone());
    let blocks = memory.of(params.block_count());
    let mut output = [0; Output::MAX_LENGTH];
    let output = output.get_mut(..len)?;
    argon2
        .hash_password_into_with_memory(password, salt, output, blocks)
        .ok()?;
    Output::new(output).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use argon2::{PasswordHasher as _, PasswordVerifier as _};

    #[test]
    fn hashes_go_both_ways_with_the_crates_own() {
        let memory = &mut Memory::default();
        let ours = hash(b"a password", memory);
        assert!(
            ours.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{ours}"
        );
        let theirs = Argon2::default();
        let parsed = PasswordHash::new(&ours).unwrap();
        theirs.verify_password(b"a password", &parsed).unwrap();
        // Other parameters too, from before or from elsewhere, and in memory that was used.
        for (m, t, p) in [(19_456, 2, 1), (64, 3, 2), (32_768, 1, 4)] {
            let params = Params::new(m, t, p, None).unwrap();
            let theirs = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            let theirs = theirs.hash_password(b"a password").unwrap().to_string();
            assert!(verify(b"a password", &theirs, memory), "{theirs}");
            assert!(!verify(b"b password", &theirs, memory), "{theirs}");
        }
    }

    #[test]
    fn what_is_no_hash_of_this_kind_is_never_right() {
        let memory = &mut Memory::default();
        let good = hash(b"a password", memory);
        for bad in [
            String::new(),
            "x".to_owned(),
            good.replace("argon2id", "argon2d"),
            good.replace("v=19", "v=16"),
            good.replace("v=19$", ""),
            good.replace("m=19456", "m=4294967295"),
            good.replace("m=19456", "m=1"),
            good[..good.len() - 2].to_owned(),
            good[..good.rfind('$').unwrap()].to_owned(),
        ] {
            assert!(!verify(b"a password", &bad, memory), "{bad}");
        }
        assert!(verify(b"a password", &good, memory));
    }

    #[test]
    fn a_hash_of_other_parameters_is_outdated() {
        let memory = &mut Memory::default();
        let good = hash(b"a password", memory);
        assert!(!is_outdated(&good));
        for old in [
            good.replace("m=19456", "m=12288"),
            good.replace("t=2", "t=3"),
            good.replace("p=1", "p=2"),
            good.replace("argon2id", "argon2i"),
            good.replace("v=19", "v=16"),
        ] {
            assert!(is_outdated(&old), "{old}");
        }
    }
}
