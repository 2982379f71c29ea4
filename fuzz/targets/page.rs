//! Pages of revocations, and what a verifier's view makes of them. What is read is written again and
//! read again to the same, and no page moves a head or a floor back.

#![no_main]

use fuzz::{ISSUER, KEY, KID, NOW, jws};
use libfuzzer_sys::fuzz_target;
use revocation_events::page::MAX_REVOCATIONS;
use revocation_events::{Now, Page, UnixMillis, View};
use std::time::Duration;

// Pages in one input are parted by an empty line.
fuzz_target!(|input: &str| {
    let now = Now {
        wall: UnixMillis::from_secs(NOW),
        monotonic: Duration::from_secs(1),
    };
    let key = KEY.verifying_key();
    let read = |text: &str| Page::verify(text, ISSUER, |kid| (*kid == *KID).then_some(key));
    let mut view = View::new();
    for part in input.split("\n\n") {
        let Ok(signed) = read(&jws(part)) else {
            continue;
        };
        let page = &signed.page;
        assert!(page.revoked.len() <= MAX_REVOCATIONS);
        assert!(page.from <= page.to && page.floor <= page.to);
        assert_eq!(read(&page.sign(&KID, &KEY)).unwrap(), signed);

        let before = (view.head(), view.floor());
        let taken = view.take(&signed, now);
        let after = (view.head(), view.floor());
        match taken {
            // A key's revocation makes it forget, and begin again.
            Ok(revocation_events::view::Taken::KeyRevoked) => {}
            Ok(_) => assert!(after.0 >= before.0 && after.1 >= before.1),
            Err(_) => assert_eq!(after, before),
        }
        view.freshness(now, Duration::from_secs(10));
    }
});
