//! That no token costs more than the refusal of a long one does.

use super::*;
use ed25519_dalek::VerifyingKey;
use std::time::{Duration, Instant};

/// How long a decoder takes, without what else the machine was busy with: the quickest of many.
struct Stopwatch {
    expected: Expected,
    key: VerifyingKey,
}

impl Stopwatch {
    fn once(&self, text: &str) -> Duration {
        let start = Instant::now();
        let now = UnixMillis::from_secs(NOW);
        let _verdict = AccessToken::decode(text, &self.expected, now, |_| Some(self.key));
        start.elapsed()
    }

    fn quickest(&self, text: &str) -> Duration {
        (0..10).map(|_| self.once(text)).min().unwrap()
    }

    /// The same of two texts in turn, so that a busy moment slows down both.
    fn compare(&self, one: &str, other: &str) -> (Duration, Duration) {
        let both = (0..400).map(|_| (self.once(one), self.once(other)));
        both.reduce(|(a, b), (c, d)| (a.min(c), b.min(d))).unwrap()
    }
}

#[test]
fn no_token_costs_more_than_the_refusal_of_4_kib() {
    let stopwatch = Stopwatch {
        expected: expected(),
        key: forge().key().verifying_key(),
    };
    // Right up to its signature, which is looked at last.
    let good = hostile::accepted(&forge());
    let longest = good.iter().max_by_key(|case| case.text.len()).unwrap();
    assert_eq!(longest.text.len(), 4096);
    let others = forge().good();
    let refusal = format!("{}{}", &longest.text[..4010], &others[others.len() - 86..]);
    assert_eq!(decode(&refusal).err(), Some(Reason::Signature));

    let mut table = hostile::refused(&forge());
    table.sort_by_cached_key(|case| std::cmp::Reverse(stopwatch.quickest(&case.text)));
    let too_long = table.iter().find(|case| case.reason == "TooLong").unwrap();
    for case in table[..5].iter().chain([too_long]) {
        let (cost, bound) = stopwatch.compare(&case.text, &refusal);
        println!("{cost:?}: {}, {}", case.class, case.what);
        // Not equal, for a parser may take its time over one thing and save it on another.
        let at_most = if case.reason == "TooLong" {
            bound / 20
        } else {
            bound * 3 / 2
        };
        assert!(
            cost <= at_most,
            "{case:.300?}: {cost:?}; the refusal of 4 KiB: {bound:?}"
        );
    }
    println!("{:?}: the refusal of 4 KiB", stopwatch.quickest(&refusal));
}
