//! Which credential a request presents, and whether a page of another site may have sent it. The
//! rules are asked again here, by the simplest means.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sha2::{Digest as _, Sha256};
use verifier_sdk::request::{
    ACCESS_COOKIE, CSRF_HEADER, Headers as _, Origin, Origins, Presented, check_cookie_call,
    cookie, is_safe, present,
};

const CSRF: &[u8] = b"the-value-of-this-session";
const OWN: &str = "https://app.example.com";
const WITH_PORT: &[u8] = b"https://app.example.com:443";

// The method, then headers, a line each.
fuzz_target!(|input: &[u8]| {
    let mut lines = input.split(|byte| *byte == b'\n');
    let Some(Ok(method)) = lines.next().map(std::str::from_utf8) else {
        return;
    };
    let headers: Vec<(&str, &[u8])> = lines
        .filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let name = std::str::from_utf8(&line[..colon]).ok()?;
            Some((name, line[colon + 1..].trim_ascii()))
        })
        .collect();
    let all = |name: &str| headers.all(name).collect::<Vec<_>>();

    match present(&*headers) {
        Ok(Presented::Bearer(token)) => {
            let [value] = all("authorization")[..] else {
                panic!("one header")
            };
            assert!(value.ends_with(token) && value[..6].eq_ignore_ascii_case(b"bearer"));
        }
        Ok(Presented::Cookie(token)) => {
            assert!(all("authorization").is_empty());
            match std::str::from_utf8(token) {
                Ok(text) => assert_eq!(cookie(&*headers, ACCESS_COOKIE).unwrap(), Some(text)),
                Err(_) => assert!(cookie(&*headers, ACCESS_COOKIE).is_err()),
            }
            assert!(all("cookie").iter().map(|line| line.len()).sum::<usize>() <= 8 * 1024);
            let joined = all("cookie").join(&b"; "[..]);
            let count = |bytes: &[u8]| {
                let windows = joined.windows(bytes.len());
                windows.filter(|window| *window == bytes).count()
            };
            assert!(
                count(ACCESS_COOKIE.as_bytes()) >= 1 && (token.is_empty() || count(token) >= 1)
            );
        }
        Err(_) => {}
    }

    let own: Origin = OWN.parse().unwrap();
    let origins = Origins::new(vec![own], Vec::new());
    let claim = Sha256::digest(CSRF).into();
    assert!(check_cookie_call(method, &*headers, &origins, None).is_err());
    if check_cookie_call(method, &*headers, &origins, Some(&claim)).is_ok() && !is_safe(method) {
        assert_eq!(all(CSRF_HEADER), [CSRF]);
        let (site, origin) = (all("sec-fetch-site"), all("origin"));
        assert!(site.len() <= 1 && origin.len() <= 1);
        let asked = matches!(site[..], [b"same-origin" | b"none"]);
        // A scheme and a host may be written in any case (RFC 3986, section 6.2.2.1).
        let same = |origin: &[u8], own: &[u8]| origin.eq_ignore_ascii_case(own);
        let named = matches!(
            origin[..],
            [origin] if same(origin, OWN.as_bytes()) || same(origin, WITH_PORT)
        );
        assert!(asked || named || (site.is_empty() && origin.is_empty()));
        for kind in all("content-type") {
            assert!(kind.to_ascii_lowercase().starts_with(b"application/json"));
        }
    }
});
