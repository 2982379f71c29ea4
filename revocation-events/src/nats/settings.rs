//! Where the bus is, and who this program is on it.

use super::Error;
use crate::subject::{Subjects, is_token};
use async_nats::{ConnectOptions, ServerAddr};
use std::path::PathBuf;

/// Where the bus is, and who this program is on it.
///
/// Defaults: the credentials of the address, the machine's certificate authorities, the subjects under `sessions`, no name, inboxes under
/// `_INBOX`, and an echo: subscriptions of a connection get what it publishes itself.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Without credentials: they are taken out, so that no log of an address shows them.
    pub(super) servers: Vec<ServerAddr>,
    credentials: Credentials,
    ca_file: Option<PathBuf>,
    pub(super) subjects: Subjects,
    name: Option<String>,
    inbox_prefix: Option<String>,
    echo: bool,
}

#[derive(Clone, Default, PartialEq, Eq)]
enum Credentials {
    #[default]
    None,
    Token(String),
    UserPassword(String, String),
    File(PathBuf),
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Token(_) => "a token",
            Self::UserPassword(..) => "a user and a password",
            Self::File(_) => "a credentials file",
        })
    }
}

impl Settings {
    /// Reads server addresses with commas between: `nats://host:4222`, `tls://host:4222`, or only
    /// `host:4222`. One of them may hold `user:password@` or `token@`, percent-encoded; it is used
    /// for all.
    ///
    /// # Errors
    /// [`Error::Address`]; [`Error::TwoCredentials`] where two addresses hold different ones.
    pub fn new(servers: &str) -> Result<Self, Error> {
        let mut settings = Self {
            servers: Vec::new(),
            credentials: Credentials::None,
            ca_file: None,
            subjects: Subjects::default(),
            name: None,
            inbox_prefix: None,
            echo: true,
        };
        for (number, text) in (1..).zip(servers.split(',')) {
            let (server, credentials) =
                address(text.trim()).map_err(|reason| Error::Address { number, reason })?;
            settings.servers.push(server);
            settings = settings.with(credentials)?;
        }
        Ok(settings)
    }

    /// Logs in with a user's name and password.
    ///
    /// # Errors
    /// [`Error::TwoCredentials`].
    pub fn user_password(self, user: String, password: String) -> Result<Self, Error> {
        self.with(Credentials::UserPassword(user, password))
    }

    /// Logs in with a token.
    ///
    /// # Errors
    /// [`Error::TwoCredentials`].
    pub fn token(self, token: String) -> Result<Self, Error> {
        self.with(Credentials::Token(token))
    }

    /// Logs in with a credentials file (a JWT and a seed, as `nsc` writes them). It is read once,
    /// by [`super::Bus::connect`].
    ///
    /// # Errors
    /// [`Error::TwoCredentials`].
    pub fn credentials_file(self, path: PathBuf) -> Result<Self, Error> {
        self.with(Credentials::File(path))
    }

    /// Believes servers whose certificate is signed by an authority of this PEM file, and no others;
    /// without it, by one of the machine's. It is looked at once, by [`super::Bus::connect`], and read
    /// at each connect. Only a `tls://` address makes sure that there is TLS at all.
    #[must_use]
    pub fn ca_file(self, path: PathBuf) -> Self {
        Self {
            ca_file: Some(path),
            ..self
        }
    }

    /// Uses the subjects of another prefix than `sessions`.
    #[must_use]
    pub fn subjects(self, subjects: Subjects) -> Self {
        Self { subjects, ..self }
    }

    /// Names the connection, for the server's monitoring.
    #[must_use]
    pub fn name(self, name: String) -> Self {
        Self {
            name: Some(name),
            ..self
        }
    }

    /// Receives answers under this prefix, so that the user's permissions can keep others out.
    ///
    /// # Errors
    /// [`Error::InboxPrefix`].
    pub fn inbox_prefix(self, prefix: String) -> Result<Self, Error> {
        if prefix.split('.').all(is_token) {
            Ok(Self {
                inbox_prefix: Some(prefix),
                ..self
            })
        } else {
            Err(Error::InboxPrefix)
        }
    }

    /// Leaves what this connection publishes to others: its own subscriptions do not get it.
    #[must_use]
    pub fn no_echo(self) -> Self {
        Self {
            echo: false,
            ..self
        }
    }

    fn with(self, credentials: Credentials) -> Result<Self, Error> {
        let credentials = match (self.credentials, credentials) {
            (one, Credentials::None) | (Credentials::None, one) => one,
            (one, other) if one == other => one,
            _ => return Err(Error::TwoCredentials),
        };
        Ok(Self {
            credentials,
            ..self
        })
    }

    /// The client's options as far as they differ from one program to the next.
    pub(super) async fn options(&self) -> Result<ConnectOptions, Error> {
        let mut options = ConnectOptions::new();
        if let Some(name) = &self.name {
            options = options.name(name);
        }
        if let Some(prefix) = &self.inbox_prefix {
            options = options.custom_inbox_prefix(prefix);
        }
        if !self.echo {
            options = options.no_echo();
        }
        if let Some(path) = &self.ca_file {
            let text = tokio::fs::read_to_string(path).await;
            if !text
                .map_err(Error::CaFile)?
                .contains("-----BEGIN CERTIFICATE-----")
            {
                let none = std::io::Error::other("there is no certificate in it");
                return Err(Error::CaFile(none));
            }
            options = options.add_root_certificates(path.clone());
        }
        match &self.credentials {
            Credentials::None => Ok(options),
            Credentials::Token(token) => Ok(options.token(token.clone())),
            Credentials::UserPassword(user, password) => {
                Ok(options.user_and_password(user.clone(), password.clone()))
            }
            Credentials::File(path) => options
                .credentials_file(path)
                .await
                .map_err(Error::CredentialsFile),
        }
    }
}

/// Takes the credentials out of an address: async-nats does not use them, and logs addresses.
fn address(text: &str) -> Result<(ServerAddr, Credentials), &'static str> {
    let server: ServerAddr = text.parse().map_err(|_| "not a URL")?;
    let mut url = server.into_inner();
    if !matches!(url.scheme(), "nats" | "tls") {
        return Err("its scheme is not nats or tls");
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("it names no host");
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err("it goes on after the port");
    }
    let decode = |part: &str| {
        percent_encoding::percent_decode_str(part)
            .decode_utf8()
            .map(std::borrow::Cow::into_owned)
            .map_err(|_| "its credentials are not UTF-8")
    };
    let credentials = match (url.username(), url.password()) {
        ("", None) => Credentials::None,
        (token, None) => Credentials::Token(decode(token)?),
        (user, Some(password)) => Credentials::UserPassword(decode(user)?, decode(password)?),
    };
    let cleared = url.set_username("").and_then(|()| url.set_password(None));
    cleared.map_err(|()| "it cannot hold credentials")?;
    let server = ServerAddr::from_url(url).map_err(|_| "not a URL")?;
    Ok((server, credentials))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(settings: &Settings) -> Vec<&str> {
        settings
            .servers
            .iter()
            .map(ServerAddr::as_url_str)
            .collect()
    }

    #[test]
    fn credentials_leave_the_address_and_show_nowhere() {
        let settings = Settings::new("nats://us%40er:p%3Aw@a:1, tls://b:2,c").unwrap();
        assert_eq!(urls(&settings), ["nats://a:1", "tls://b:2", "nats://c"]);
        assert!(
            settings.credentials == Credentials::UserPassword("us@er".to_owned(), "p:w".to_owned())
        );
        let shown = format!("{settings:?}");
        assert!(
            !shown.contains("p:w") && !shown.contains("us@er"),
            "{shown}"
        );

        let settings = Settings::new("nats://t0ken@a").unwrap();
        assert!(settings.credentials == Credentials::Token("t0ken".to_owned()));
        assert!(!format!("{settings:?}").contains("t0ken"));
    }

    #[test]
    fn credentials_come_from_one_place() {
        let twice = Settings::new("nats://a:x@h1,nats://b:y@h2").unwrap_err();
        assert!(matches!(twice, Error::TwoCredentials));
        let beside = Settings::new("nats://a:x@h1")
            .unwrap()
            .token("t".to_owned());
        assert!(matches!(beside, Err(Error::TwoCredentials)));
        assert!(Settings::new("nats://a:x@h1,nats://a:x@h2").is_ok());
    }

    #[test]
    fn a_bad_address_is_named_by_its_place_and_not_repeated() {
        for bad in [
            "",
            "nats://",
            "http://s3cret@h",
            "ws://h",
            "nats://s3cret@h:99999",
            "nats://h/s3cret",
            "nats://h?s3cret",
            "nats://s3cret@h:4222 x",
        ] {
            let error = Settings::new(&format!("nats://good,{bad}")).unwrap_err();
            assert!(matches!(error, Error::Address { number: 2, .. }), "{bad}");
            assert!(!error.to_string().contains("s3cret"), "{bad}: {error}");
        }
    }

    #[test]
    fn an_inbox_prefix_has_no_wildcards() {
        let settings = Settings::new("h").unwrap();
        assert!(
            settings
                .clone()
                .inbox_prefix("_INBOX.orders".to_owned())
                .is_ok()
        );
        for bad in ["", "a.", "a.>", "*", "a b"] {
            assert!(
                settings.clone().inbox_prefix(bad.to_owned()).is_err(),
                "{bad:?}"
            );
        }
    }
}
