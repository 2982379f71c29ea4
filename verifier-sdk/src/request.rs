//! What a request presents, and whether a page of another site may have sent it.
//!
//! Pure functions over headers, without a framework: the adapters, the gate and the session
//! service ask the same questions and get the same answers.
//!
//! | question | function |
//! | --- | --- |
//! | which access token? | [`present`] |
//! | what is in the cookie of that name? | [`cookie`] |
//! | may a cookie authenticate this call? | [`check_cookie_call`] and its parts, [`same_origin`], [`csrf_header_matches`], [`has_json_or_no_body`] |
//!
//! To use them with another framework, implement [`Headers`] for its header map.

mod credential;
mod csrf;
mod origin;

pub use credential::{ACCESS_COOKIE, Presented, cookie, present};
pub use csrf::{
    CSRF_HEADER, check_cookie_call, csrf_header_matches, has_json_or_no_body, is_safe, same_origin,
};
pub use origin::{InvalidOrigin, Origin, Origins};

/// The headers of a request, as any framework has them.
pub trait Headers {
    /// The value of every header line of that name, in their order and not joined. `name` is in
    /// lower case.
    fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]>;
}

/// Names in any case, as they came.
impl<N: AsRef<str>, V: AsRef<[u8]>> Headers for [(N, V)] {
    fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.iter()
            .filter(move |(candidate, _)| candidate.as_ref().eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_ref())
    }
}

/// How often a header stands in a request.
enum Count<'a> {
    None,
    One(&'a [u8]),
    Many,
}

fn count<'a>(headers: &'a (impl Headers + ?Sized), name: &str) -> Count<'a> {
    let mut values = headers.all(name);
    match (values.next(), values.next()) {
        (None, _) => Count::None,
        (Some(only), None) => Count::One(only),
        (Some(_), Some(_)) => Count::Many,
    }
}
