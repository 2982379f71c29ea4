//! A browser's cookies, as far as the contract needs them.
//!
//! On http://127.0.0.1 Chromium takes `Secure` cookies too; so does this.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The cookies of one browser on one host.
#[derive(Clone, Debug, Default)]
pub struct Jar(BTreeMap<String, Cookie>);

#[derive(Clone, Debug)]
struct Cookie {
    value: String,
    path: String,
}

impl Jar {
    /// Takes one `Set-Cookie` as a browser does.
    ///
    /// # Panics
    /// When a browser would refuse it (RFC 6265bis, section 4.1.3: the prefixes of names), or it
    /// lacks what the contract wants of every cookie.
    pub fn take(&mut self, set_cookie: &str) {
        let mut parts = set_cookie.split(';').map(str::trim);
        let pair = parts.next().and_then(|pair| pair.split_once('='));
        let (name, value) = pair.unwrap_or_else(|| panic!("no cookie: {set_cookie}"));
        let attributes: BTreeMap<String, &str> = parts
            .map(|part| part.split_once('=').unwrap_or((part, "")))
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .collect();
        let has = |attribute| attributes.contains_key(attribute);
        let path = attributes.get("path").copied().unwrap_or_default();
        let shown = format!("{name}; {attributes:?}");
        assert!(has("secure"), "not Secure: {shown}");
        assert!(has("samesite"), "no SameSite: {shown}");
        assert!(path.starts_with('/'), "no Path: {shown}");
        assert!(!has("domain"), "with a Domain: {shown}");
        if name.starts_with("__Host-") {
            assert_eq!(path, "/", "a browser refuses it: {shown}");
        }
        if name.starts_with("__Host-Http-") {
            assert!(has("httponly"), "a browser refuses it: {shown}");
        }
        let gone = attributes
            .get("max-age")
            .is_some_and(|age| age.parse().is_ok_and(|seconds: i64| seconds <= 0));
        if gone {
            self.0.remove(name);
        } else {
            let cookie = Cookie {
                value: value.to_owned(),
                path: path.to_owned(),
            };
            self.0.insert(name.to_owned(), cookie);
        }
    }

    /// The value of the cookie `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|cookie| cookie.value.as_str())
    }

    /// The header `Cookie` of a request for `path` (RFC 6265bis, section 5.1.4), if there is one.
    #[must_use]
    pub fn header(&self, path: &str) -> Option<String> {
        let path = path.split('?').next().unwrap_or_default();
        let mut header = String::new();
        for (name, cookie) in &self.0 {
            let rest = path.strip_prefix(&cookie.path);
            let matches = rest.is_some_and(|rest| {
                rest.is_empty() || rest.starts_with('/') || cookie.path.ends_with('/')
            });
            if matches {
                let separator = if header.is_empty() { "" } else { "; " };
                let _ = write!(header, "{separator}{name}={}", cookie.value);
            }
        }
        (!header.is_empty()).then_some(header)
    }
}

#[cfg(test)]
mod tests {
    use super::Jar;

    fn jar() -> Jar {
        let mut jar = Jar::default();
        jar.take("__Host-Http-access=a; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=900");
        jar.take("__Secure-session=s; Path=/session; Secure; HttpOnly; SameSite=Strict");
        jar
    }

    #[test]
    fn a_cookie_goes_to_its_path_only() {
        let both = Some("__Host-Http-access=a; __Secure-session=s".to_owned());
        let access = Some("__Host-Http-access=a".to_owned());
        assert_eq!(jar().header("/session"), both);
        assert_eq!(jar().header("/session/refresh?x=/"), both);
        assert_eq!(jar().header("/sessions"), access);
        assert_eq!(jar().header("/"), access);
    }

    #[test]
    fn a_cookie_ends_with_its_age() {
        let mut jar = jar();
        jar.take("__Host-Http-access=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");
        assert_eq!(jar.get("__Host-Http-access"), None);
        assert_eq!(jar.get("__Secure-session"), Some("s"));
    }

    #[test]
    #[should_panic(expected = "a browser refuses it")]
    fn a_prefix_that_a_browser_would_refuse_is_refused() {
        jar().take("__Host-csrf=x; Path=/session; Secure; SameSite=Strict");
    }

    #[test]
    #[should_panic(expected = "not Secure")]
    fn a_cookie_that_is_not_secure_is_refused() {
        jar().take("__Host-csrf=x; Path=/; SameSite=Strict");
    }
}
