//! One token, for the first time and again. Each measure is a walk over tokens in a random order, in
//! turns with its alternative, so that a slow moment of the machine hits both; and it counts the time
//! that its thread is on a processor, so that it does not count what others have of the machine.

use crate::effort;
use crate::peers::Peers;
use crate::rounds::Rounds;
use crate::table::Table;
use crate::tokens::{AUDIENCE, ISSUER, Issuer, on_processor, revocation};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::Signature;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use revocation_events::UnixMillis;
use revocation_events::jwk::KeySet;
use std::cell::RefCell;
use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use verifier_sdk::token::{AccessToken, Expected};

/// More than a million tokens ever fill, on however many processors.
const CACHE: usize = 1 << 36;

/// How many are verified for the first time in one walk.
const FIRST: usize = 500;

pub(crate) fn measure(table: &mut Table) {
    // Before there are tokens, which its build may outlast. Two minutes are too few for that.
    let peers = if effort::is_quick() {
        None
    } else {
        Peers::start()
    };
    let issuer = Issuer::new(7);
    let tokens = issuer.tokens(100_000);
    first(table, &issuer, &tokens[..FIRST], peers.as_ref());
    for many in effort::of(vec![10 * FIRST, 100 * FIRST], vec![]) {
        first(table, &issuer, &tokens[..many], None);
    }
    for many in effort::of(vec![1_000, 10_000, 100_000], vec![1_000, 100_000]) {
        again(table, &issuer, &tokens[..many]);
    }
    after_a_revocation(table, &issuer, &tokens[..1_000]);
    for threads in effort::of(vec![2, 20, 200], vec![2]) {
        on_threads(table, &issuer, &tokens[0], threads);
    }
}

/// Ten times as many tokens as are measured else: these take a minute to make, and two gigabytes.
pub(crate) fn measure_large(table: &mut Table) {
    let issuer = Issuer::new(7);
    again(table, &issuer, &issuer.tokens(1_000_000));
}

/// The same tokens for all in one round, and others in the next.
fn first(table: &mut Table, issuer: &Issuer, tokens: &[String], peers: Option<&Peers>) {
    let expected = Expected::new(ISSUER, AUDIENCE);
    let keys: KeySet = [issuer.key().verifying_key()].into_iter().collect();
    let key = issuer.key().verifying_key();
    let now = UnixMillis::default().plus(SystemTime::now().duration_since(UNIX_EPOCH).unwrap());
    let uncached = issuer.judge(0);
    let jwt_key = DecodingKey::from_ed_der(key.as_bytes());
    let mut jwt = Validation::new(Algorithm::EdDSA);
    jwt.set_issuer(&[ISSUER]);
    jwt.set_audience(&[AUDIENCE]);
    let signed: Vec<_> = tokens
        .iter()
        .map(|token| {
            let (signed, signature) = token.rsplit_once('.').unwrap();
            let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
            (signed, Signature::from_slice(&signature).unwrap())
        })
        .collect();
    let drawn = RefCell::new(Vec::new());
    let each = |work: &dyn Fn(usize)| {
        let drawn = drawn.borrow();
        let began = on_processor();
        drawn.iter().copied().for_each(work);
        nanos(on_processor() - began) / FIRST as f64
    };
    let decode = || {
        each(&|n| {
            let key = |kid: &_| keys.get(kid).copied();
            black_box(AccessToken::decode(&tokens[n], &expected, now, key)).unwrap();
        })
    };
    let verify = || {
        each(&|n| {
            black_box(uncached.verify(&tokens[n])).unwrap();
        })
    };
    let bare = || {
        each(&|n| {
            let (signed, signature) = &signed[n];
            black_box(&key)
                .verify_strict(signed.as_bytes(), signature)
                .unwrap();
        })
    };
    let decoded_by_jwt = || {
        each(&|n| {
            let claims = jsonwebtoken::decode::<serde_json::Value>(&tokens[n], &jwt_key, &jwt);
            black_box(claims).unwrap();
        })
    };
    let ours = [&verify as &dyn Fn() -> f64, &bare, &decoded_by_jwt, &decode];
    let mut random = fastrand::Rng::with_seed(3);
    let draw = || *drawn.borrow_mut() = random.choose_multiple(0..tokens.len(), FIRST);
    beside_peers(table, tokens.len(), draw, ours, peers);
}

/// A first verification, beside its signature alone, jsonwebtoken and all peers that there are; and a
/// strict decoding.
fn beside_peers(
    table: &mut Table,
    tokens: usize,
    draw: impl FnMut(),
    ours: [&dyn Fn() -> f64; 4],
    peers: Option<&Peers>,
) {
    let names = peers.map_or(&[][..], Peers::names);
    let walk = |name| move || peers.unwrap().walk(name);
    let walks: Vec<_> = names.iter().map(|name| walk(name)).collect();
    let mut works = ours.to_vec();
    works.extend(walks.iter().map(|walk| walk as &dyn Fn() -> f64));
    let mut rounds = turns(draw, &works).into_iter();
    let [verify, bare, decoded_by_jwt, decode] = std::array::from_fn(|_| rounds.next().unwrap());
    let first =
        format!("first verification of one of {tokens} tokens, with revocations and clocks");
    let known = [
        ("bare verify_strict", &bare),
        ("jsonwebtoken's decode", &decoded_by_jwt),
    ];
    for alternative in known {
        table.compare(&first, "ns", &verify, alternative);
    }
    for (name, rounds) in names.iter().zip(rounds) {
        table.compare(&first, "ns", &verify, (name, &rounds));
    }
    let decoded = format!("one of {tokens} tokens decoded strictly, signature included");
    table.compare(&decoded, "ns", &decode, ("bare verify_strict", &bare));
}

/// Tokens that were verified before, beside a map that only finds them.
fn again(table: &mut Table, issuer: &Issuer, tokens: &[String]) {
    let judge = issuer.judge(CACHE);
    let map = papaya::HashMap::<&str, u64, foldhash::fast::RandomState>::default();
    for (n, token) in tokens.iter().enumerate() {
        judge.verify(token).unwrap();
        map.pin().insert(token, n as u64);
    }
    // Copies, as requests bring them.
    let tokens: Vec<_> = tokens.to_vec();
    let order = order(tokens.len(), tokens.len().max(20_000));
    let [touch, verify, find] = in_turns([
        &|| walk(&tokens, &order, touched),
        &|| {
            walk(&tokens, &order, |token| {
                usize::from(judge.verify(token).is_err())
            })
        },
        &|| {
            walk(&tokens, &order, |token| {
                usize::from(map.pin().get(token).is_none())
            })
        },
    ]);
    let what = format!(
        "cached verification of {} tokens, net of the loop",
        tokens.len()
    );
    let hit = ("a bare hit in papaya", &find.minus(&touch));
    table.compare(&what, "ns", &verify.minus(&touch), hit);
}

/// Every entry is looked at again after each revocation; here, one for every walk.
fn after_a_revocation(table: &mut Table, issuer: &Issuer, tokens: &[String]) {
    let judge = issuer.judge(CACHE);
    for token in tokens {
        judge.verify(token).unwrap();
    }
    let order: Vec<_> = (0..tokens.len() as u32).collect();
    let next = std::cell::Cell::new(1_000_000);
    let walk = || {
        walk(tokens, &order, |token| {
            usize::from(judge.verify(token).is_err())
        })
    };
    let [unchanged, changed] = in_turns([&walk, &|| {
        judge.revoke(&[revocation(next.get())]);
        next.set(next.get() + 1);
        walk()
    }]);
    let what = "cached verification just after another's revocation";
    table.compare(what, "ns", &changed, ("cached verification", &unchanged));
}

/// Each thread by its own clock: more of them than there are processors take turns on these.
fn on_threads(table: &mut Table, issuer: &Issuer, token: &str, threads: usize) {
    let calls = (400_000 / threads).max(10_000);
    let judge = issuer.judge(CACHE);
    let start = Barrier::new(threads);
    let call = || {
        let began = on_processor();
        let carry = (0..calls).fold(0, |carry, _| {
            black_box(usize::from(judge.verify(&token[carry..]).is_err()))
        });
        assert_eq!(carry, 0);
        nanos(on_processor() - began) / calls as f64
    };
    let one_of_many = || {
        judge.verify(token).unwrap();
        start.wait();
        call()
    };
    let [alone, slowest] = in_turns([&call, &|| {
        std::thread::scope(|scope| {
            let all: Vec<_> = (0..threads).map(|_| scope.spawn(one_of_many)).collect();
            let each = all.into_iter().map(|thread| thread.join().unwrap());
            each.fold(0.0, f64::max)
        })
    }]);
    let what = format!("one hot token on {threads} threads, the slowest of them");
    table.compare(&what, "ns", &slowest, ("on one thread", &alone));
}

fn nanos(span: Duration) -> f64 {
    span.as_secs_f64() * 1e9
}

/// Which token comes when.
fn order(tokens: usize, steps: usize) -> Vec<u32> {
    let mut random = fastrand::Rng::with_seed(1);
    (0..steps).map(|_| random.u32(..tokens as u32)).collect()
}

/// Nanoseconds a step. `work` gives 0, and no step begins before the one before it has ended.
fn walk(tokens: &[String], order: &[u32], work: impl Fn(&str) -> usize) -> f64 {
    let began = on_processor();
    let mut carry = 0;
    for at in order {
        carry = black_box(work(&tokens[*at as usize + carry]));
    }
    assert_eq!(carry, 0, "all are still good");
    nanos(on_processor() - began) / order.len() as f64
}

/// What it costs to have the token's bytes at hand at all.
fn touched(token: &str) -> usize {
    let lines = token.bytes().step_by(64);
    usize::from(lines.fold(0, |all, byte| all | byte) >> 7)
}

/// The figures of each.
fn in_turns<const N: usize>(works: [&dyn Fn() -> f64; N]) -> [Rounds; N] {
    turns(|| (), &works).try_into().unwrap()
}

/// The same for however many, with something to do before each round.
fn turns(mut before: impl FnMut(), works: &[&dyn Fn() -> f64]) -> Vec<Rounds> {
    let mut rounds = vec![Rounds::default(); works.len()];
    for _ in 0..effort::of(41, 5) {
        before();
        for (rounds, work) in rounds.iter_mut().zip(works) {
            rounds.push(work());
        }
    }
    rounds
}
