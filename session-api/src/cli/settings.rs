//! The flags, their environment variables and their checks.

use super::{Failure, chain};
use crate::keys::{KeyEncryptionKey, Sealer};
use clap::Args;
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use url::{Host, Url};

/// Where the log lies.
#[derive(Debug, Clone, Args)]
pub(super) struct Database {
    /// `postgres://user:password@host/database`, or `sqlite:PATH`.
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,

    /// A file that holds the database's URL.
    #[arg(
        long,
        env = "DATABASE_URL_FILE",
        value_name = "FILE",
        conflicts_with = "database_url"
    )]
    database_url_file: Option<PathBuf>,
}

impl Database {
    pub(super) fn sqlite(path: &Path) -> Self {
        Self {
            database_url: Some(format!("sqlite:{}", path.display())),
            database_url_file: None,
        }
    }

    /// The URL as it was given.
    pub(super) fn url(&self) -> Result<String, Failure> {
        secret("--database-url", self.database_url.as_deref(), self.database_url_file.as_deref())?
            .ok_or_else(|| {
                Failure::setting(
                    "--database-url (or DATABASE_URL) is missing; for a file on this machine give sqlite:portcullis.db",
                )
            })
    }

    /// Connects. A URL that is none of a database is a wrong setting, and may hold a password: so it is
    /// not repeated.
    async fn reach(
        &self,
        options: impl Into<crate::store::Options>,
    ) -> Result<Arc<dyn crate::store::Store>, Failure> {
        let connected = crate::store::connect(&self.url()?, options).await;
        connected.map_err(|error| match &error {
            crate::store::Error::Url(_) => Failure::setting(format!(
                "--database-url (or DATABASE_URL): {}; in a password write % as %25, / as %2F, ? as %3F, \
                 # as %23 and @ as %40",
                chain(&error)
            )),
            _ => error.into(),
        })
    }

    /// Connects, and refuses a schema that this program does not know.
    pub(super) async fn open(&self) -> Result<Arc<dyn crate::store::Store>, Failure> {
        let store = self.connect().await?;
        store.check_schema().await?;
        Ok(store)
    }

    /// The same for `serve`, which may publish refreshes.
    pub(super) async fn serve(
        &self,
        publish_refreshed: bool,
    ) -> Result<Arc<dyn crate::store::Store>, Failure> {
        let options = crate::store::Options {
            if_missing: crate::store::IfMissing::Fail,
            publish_refreshed,
        };
        let store = self.reach(options).await?;
        store.check_schema().await?;
        Ok(store)
    }

    /// Connects only. A SQLite file that is missing is an error.
    pub(super) async fn connect(&self) -> Result<Arc<dyn crate::store::Store>, Failure> {
        self.reach(crate::store::IfMissing::Fail).await
    }

    /// Connects; makes a SQLite file that is missing.
    pub(super) async fn create(&self) -> Result<Arc<dyn crate::store::Store>, Failure> {
        self.reach(crate::store::IfMissing::Create).await
    }
}

/// How private keys are kept.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct KeyEncryption {
    /// Encrypts the private keys in the database: at least 32 random characters. `serve` needs it
    /// where the issuer is not on loopback, and a command on keys where `serve` had it.
    #[arg(
        long,
        env = "SESSION_API_KEY_ENCRYPTION_KEY",
        value_name = "SECRET",
        hide_env_values = true
    )]
    key_encryption_key: Option<String>,

    /// A file that holds the key encryption key.
    #[arg(
        long,
        env = "SESSION_API_KEY_ENCRYPTION_KEY_FILE",
        value_name = "FILE",
        conflicts_with = "key_encryption_key"
    )]
    key_encryption_key_file: Option<PathBuf>,
}

impl KeyEncryption {
    pub(super) fn is_set(&self) -> bool {
        self.key_encryption_key.is_some() || self.key_encryption_key_file.is_some()
    }

    pub(super) fn sealer(&self) -> Result<Sealer, Failure> {
        let name = "--key-encryption-key";
        let secret = secret(
            name,
            self.key_encryption_key.as_deref(),
            self.key_encryption_key_file.as_deref(),
        )?;
        let key = secret
            .map(|secret| secret.parse::<KeyEncryptionKey>())
            .transpose()
            .map_err(|error| Failure::setting(format!("{name}: {error}")))?;
        Ok(key.as_ref().map_or_else(Sealer::none, Sealer::new))
    }
}

/// A secret given as it is, or in a file. The value is never repeated in an error.
pub(super) fn secret(
    name: &str,
    value: Option<&str>,
    file: Option<&Path>,
) -> Result<Option<String>, Failure> {
    let Some(path) = file else {
        return Ok(value.map(str::to_owned));
    };
    let wrong = |why: &str| Failure::setting(format!("{name}-file: {} {why}", path.display()));
    let text = std::fs::read_to_string(path)
        .map_err(|error| wrong(&format!("cannot be read: {error}")))?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(wrong("is empty")),
        secret => Ok(Some(secret.to_owned())),
    }
}

/// Where to listen.
pub(super) fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse()
        .map_err(|_| "write an IP address and a port: 127.0.0.1:8080, 0.0.0.0:8080 or [::]:8080")
}

/// How many sessions a user may have.
pub(super) fn sessions(text: &str) -> Result<u32, String> {
    up_to(100_000, text)
}

/// How many streams there may be.
pub(super) fn streams(text: &str) -> Result<usize, String> {
    up_to(1_000_000, text)
}

fn up_to<T: FromStr + PartialOrd + Display + Copy>(most: T, text: &str) -> Result<T, String> {
    let number = text.parse().ok().filter(|number| *number <= most);
    number.ok_or_else(|| format!("write a whole number from 0 to {most}"))
}

const DAY: Duration = Duration::from_secs(86_400);

/// How long an access token lives. More than a day would be a session without revocation, and the
/// stream of pages is kept as long.
pub(super) fn access_ttl(text: &str) -> Result<Duration, String> {
    whole_seconds(text, DAY, "1d")
}

/// How long a session lives. Browsers keep no cookie for longer than 400 days (RFC 6265bis,
/// section 5.5).
pub(super) fn session_life(text: &str) -> Result<Duration, String> {
    whole_seconds(text, DAY * 400, "400d")
}

/// How long events are kept.
pub(super) fn events_age(text: &str) -> Result<Duration, String> {
    whole_seconds(text, DAY * 400, "400d")
}

/// Tokens and cookies count in seconds, so that a part of one would be lost unseen.
fn whole_seconds(text: &str, most: Duration, named: &str) -> Result<Duration, String> {
    let span = verifier_sdk::duration::parse(text).map_err(|error| error.to_string())?;
    if span.subsec_nanos() == 0 && (Duration::from_secs(1)..=most).contains(&span) {
        Ok(span)
    } else {
        Err(format!("give whole seconds, from 1s to {named}"))
    }
}

/// The URL that names this service in every token: exact text, compared byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Issuer {
    text: String,
    loopback: bool,
}

impl Issuer {
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// On this machine only: plain http and unencrypted keys are then allowed.
    pub(super) const fn is_loopback(&self) -> bool {
        self.loopback
    }
}

impl FromStr for Issuer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("not a URL: {error}"))?;
        let loopback = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(ip)) => IpAddr::from(ip).is_loopback(),
            Some(Host::Ipv6(ip)) => IpAddr::from(ip).is_loopback(),
            None => return Err("has no host".to_owned()),
        };
        match url.scheme() {
            "https" => {}
            "http" if loopback => {}
            "http" => return Err("http is for loopback only; give an https URL".to_owned()),
            other => return Err(format!("`{other}` is not https")),
        }
        // Verifiers compare the text, so it must have one spelling.
        let canonical = url.as_str().trim_end_matches('/');
        let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        if canonical != text || !plain {
            return Err(format!(
                "write it in its plain form, without a slash at the end, a query or a user: {canonical}"
            ));
        }
        Ok(Self {
            text: text.to_owned(),
            loopback,
        })
    }
}

/// Prefixes routes and cookie paths: empty, or `/a/b`.
pub(super) fn base_path(text: &str) -> Result<String, String> {
    let segment = |s: &str| {
        !s.is_empty()
            && s.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
            && s != "."
            && s != ".."
    };
    if text.is_empty()
        || text
            .strip_prefix('/')
            .is_some_and(|rest| rest.split('/').all(segment))
    {
        Ok(text.to_owned())
    } else {
        Err("begins with a slash and does not end with one: /auth".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_https_or_on_this_machine_and_has_one_spelling() {
        for (text, loopback) in [
            ("https://id.example.com", false),
            ("https://example.com/auth", false),
            ("http://127.0.0.1:8080", true),
            ("http://localhost:8080", true),
            ("http://[::1]:8080", true),
        ] {
            assert_eq!(
                text.parse::<Issuer>().map(|i| i.is_loopback()),
                Ok(loopback),
                "{text}"
            );
        }
        for bad in [
            "id.example.com",
            "http://id.example.com",
            "https://id.example.com/",
            "HTTPS://id.example.com",
            "https://id.example.com?x=1",
            "https://id.example.com#x",
            "https://u@id.example.com",
            "ftp://x",
            "https://id.example.com:443",
            "http://localhost.evil.example",
            "",
        ] {
            assert!(bad.parse::<Issuer>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_base_path_is_a_plain_prefix() {
        assert!(
            ["", "/auth", "/a/b-c"]
                .iter()
                .all(|path| base_path(path).is_ok())
        );
        assert!(
            ["auth", "/", "/auth/", "//a", "/a/../b", "/a b", "/a?b"]
                .iter()
                .all(|path| base_path(path).is_err())
        );
    }

    #[test]
    fn a_life_is_of_whole_seconds_and_has_an_end() {
        assert_eq!(access_ttl("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(access_ttl("2000ms"), Ok(Duration::from_secs(2)));
        assert_eq!(session_life("400d"), Ok(DAY * 400));
        for bad in [
            "0s",
            "500ms",
            "1500ms",
            "99999d",
            "18446744073709551615ms",
            "15",
            "",
        ] {
            assert!(access_ttl(bad).is_err(), "{bad}");
            assert!(session_life(bad).is_err(), "{bad}");
        }
        assert!(access_ttl("25h").is_err() && session_life("401d").is_err());
    }

    #[test]
    fn a_secret_file_that_is_empty_or_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        for (text, expected) in [("s3cret\r\n", Some("s3cret")), ("\n", None), ("", None)] {
            std::fs::write(&path, text).unwrap();
            let read = secret("--nats-url", None, Some(&path));
            assert_eq!(
                read.map_err(|failure| failure.message.contains("--nats-url-file")),
                expected.map(|text| Some(text.to_owned())).ok_or(true),
                "{text:?}"
            );
        }
        let missing = secret("--nats-url", None, Some(&folder.path().join("none")));
        assert!(missing.is_err_and(|failure| failure.message.contains("--nats-url-file")));
    }
}
