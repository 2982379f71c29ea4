//! Operators' work on the database. Running replicas notice revocations within half a second and
//! publish them; nothing needs a restart.

use super::settings::{Database, KeyEncryption};
use super::{Failure, Outcome};
use crate::password::{Hasher, user_name};
use crate::relay::Relay;
use crate::service::key_admin::{fill, open_keys};
use crate::service::revoke::{Ended, UserChange};
use crate::service::{Service, Settings};
use crate::session::{EndReason, Roles};
use crate::store::{ClientRow, KeyPurpose, KeyState, UserRow};
use crate::token::Issuer;
use clap::{Args, Subcommand};
use revocation_events::{KeyId, SessionId};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use zeroize::Zeroizing;

/// Where a command works and how it answers.
#[derive(Debug, Args)]
pub(super) struct Target {
    #[command(flatten)]
    database: Database,
    /// Print one line of JSON on stdout.
    #[arg(long)]
    json: bool,
}

impl Target {
    fn say(&self, words: &str, machine: &serde_json::Value) {
        if self.json {
            println!("{machine}");
        } else {
            println!("{words}");
        }
    }

    fn say_ended(&self, words: &str, ended: &Ended) {
        let machine = json!({ "revoked": ended.revoked, "position": ended.position });
        self.say(
            &format!(
                "{words} at position {}; running replicas publish it",
                ended.position
            ),
            &machine,
        );
    }
}

/// The use cases without anything that runs beside them.
async fn service(target: &Target, keys: &KeyEncryption) -> Result<Service, Failure> {
    let store = target.database.open().await?;
    let keys = std::sync::Arc::new(open_keys(&*store, keys.sealer()?).await?);
    // No worker: replicas find what is committed here in the database.
    let (relay, _) = Relay::new(String::new(), store.clone(), keys.clone(), false);
    let settings = Settings {
        // No token is minted from the command line.
        issuer: Issuer {
            issuer: String::new(),
            audience: String::new(),
            access_ttl: Duration::ZERO,
        },
        session_ttl: Duration::ZERO,
        session_max_age: Duration::ZERO,
        max_sessions_per_user: 0,
    };
    Ok(Service::new(store, keys, Hasher::new(1), relay, settings))
}

pub(super) async fn migrate(database: &Database) -> Outcome {
    let applied = database.create().await?.migrate().await?;
    match applied.as_slice() {
        [] => println!("the schema is up to date"),
        versions => println!("migrated: {versions:?}"),
    }
    Ok(())
}

/// A password from stdin: one line.
fn read_password() -> Result<Zeroizing<String>, Failure> {
    let mut line = Zeroizing::new(String::new());
    std::io::stdin().read_line(&mut line)?;
    let password = Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned());
    if password.is_empty() {
        return Err(Failure::setting(
            "no password came on stdin; try: printf '%s\\n' \"$PASSWORD\" | session-api user add NAME",
        ));
    }
    Ok(password)
}

#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// Add a user; the password is read from stdin.
    Add {
        name: String,
        /// A role; may be given again.
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        keys: KeyEncryption,
    },
    /// List all users.
    List {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        keys: KeyEncryption,
    },
    /// End all sessions of a user and refuse new logins.
    Disable(OneUser),
    /// Let a disabled user log in again.
    Enable(OneUser),
    /// Set a password read from stdin, and end all sessions of the user.
    Password(OneUser),
}

#[derive(Debug, Args)]
pub(super) struct OneUser {
    name: String,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    keys: KeyEncryption,
}

async fn find(service: &Service, name: &str) -> Result<UserRow, Failure> {
    let found = service.user_by_name(name).await?;
    found.ok_or_else(|| {
        Failure::failed(format!(
            "there is no user `{name}`; `session-api user list` shows all"
        ))
    })
}

impl User {
    pub(super) async fn run(self) -> Outcome {
        match self {
            Self::Add {
                name,
                roles,
                target,
                keys,
            } => {
                let roles = Roles::try_from(roles)
                    .map_err(|error| Failure::setting(format!("--role: {error}")))?;
                let password = read_password()?;
                let (id, name) = service(&target, &keys)
                    .await?
                    .register(&name, &password, roles)
                    .await?;
                target.say(
                    &format!("added user {name}"),
                    &json!({ "id": id, "username": name }),
                );
            }
            Self::List { target, keys } => list_users(&target, &keys).await?,
            Self::Disable(one) => {
                let service = service(&one.target, &one.keys).await?;
                let user = find(&service, &one.name).await?;
                let ended = service.change_user(user.id, UserChange::Disable).await?;
                one.target
                    .say_ended(&format!("disabled {}", user.name), &ended);
            }
            Self::Enable(one) => {
                let service = service(&one.target, &one.keys).await?;
                let user = find(&service, &one.name).await?;
                let changed = service.enable_user(user.id).await?;
                one.target.say(
                    &format!("enabled {}", user.name),
                    &json!({ "changed": changed }),
                );
            }
            Self::Password(one) => {
                let password = read_password()?;
                let service = service(&one.target, &one.keys).await?;
                let user = find(&service, &one.name).await?;
                let ended = service.set_password(user.id, &password).await?;
                one.target.say_ended(
                    &format!("set the password of {} and ended all sessions", user.name),
                    &ended,
                );
            }
        }
        Ok(())
    }
}

async fn list_users(target: &Target, keys: &KeyEncryption) -> Outcome {
    let service = service(target, keys).await?;
    let mut all = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let part = service.users(after.as_deref()).await?;
        all.extend(part.items);
        after = part.next;
        if after.is_none() {
            break;
        }
    }
    if target.json {
        let items: Vec<_> = all
            .iter()
            .map(|row| json!({ "id": row.id, "username": row.name, "roles": row.user.roles, "disabled": row.user.disabled }))
            .collect();
        println!("{}", json!({ "items": items }));
    } else {
        for row in &all {
            let disabled = if row.user.disabled {
                "  (disabled)"
            } else {
                ""
            };
            println!(
                "{}  {}  {}{disabled}",
                row.id,
                row.name,
                row.user.roles.names().join(",")
            );
        }
    }
    Ok(())
}

#[derive(Debug, Subcommand)]
pub(super) enum Client {
    /// Add a client; its secret is printed once.
    Add(OneClient),
    /// List all clients.
    List(Target),
    /// Give a client a new secret, printed once. The old one stops working at once.
    Rotate(OneClient),
    /// Remove a client.
    Remove(OneClient),
}

#[derive(Debug, Args)]
pub(super) struct OneClient {
    /// Letters, digits, `-` and `_`.
    name: String,
    #[command(flatten)]
    target: Target,
}

/// 256 random bits, and what of them is stored.
fn new_secret() -> (String, [u8; 32]) {
    let mut bytes = [0; 32];
    fill(&mut bytes);
    // Hexadecimal: base64url may begin with a dash, which a command line takes for a flag.
    let secret: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let hash = Sha256::digest(&secret).into();
    (secret, hash)
}

/// Adds a client to the feed; its secret.
pub(super) async fn add_client(
    store: &dyn crate::store::Store,
    name: &str,
) -> Result<String, Failure> {
    // The name stands in NATS subjects.
    if !revocation_events::subject::is_token(name) {
        return Err(Failure::setting(format!(
            "client name `{name}`: use 1 to 64 letters, digits, `-` and `_`"
        )));
    }
    let (secret, secret_hash) = new_secret();
    let client = ClientRow {
        name: name.to_owned(),
        secret_hash,
        created_at: crate::clock::now(),
    };
    store.add_client(&client).await?.map_err(|_| {
        Failure::failed(format!("there is a client `{name}` already; `session-api client rotate {name}` gives it a new secret"))
    })?;
    Ok(secret)
}

impl Client {
    pub(super) async fn run(self) -> Outcome {
        let no_such = |name: &str| {
            Failure::failed(format!(
                "there is no client `{name}`; `session-api client list` shows all"
            ))
        };
        match self {
            Self::Add(OneClient { name, target }) => {
                let secret = add_client(&*target.database.open().await?, &name).await?;
                target.say(&secret, &json!({ "client": name, "secret": secret }));
            }
            Self::List(target) => {
                let clients = target.database.open().await?.clients().await?;
                let names: Vec<_> = clients.iter().map(|client| client.name.as_str()).collect();
                target.say(&names.join("\n"), &json!({ "items": names }));
            }
            Self::Rotate(OneClient { name, target }) => {
                let (secret, hash) = new_secret();
                if !target
                    .database
                    .open()
                    .await?
                    .set_client_secret(&name, hash)
                    .await?
                {
                    return Err(no_such(&name));
                }
                target.say(&secret, &json!({ "client": name, "secret": secret }));
            }
            Self::Remove(OneClient { name, target }) => {
                if !target.database.open().await?.remove_client(&name).await? {
                    return Err(no_such(&name));
                }
                target.say(
                    &format!("removed client {name}"),
                    &json!({ "client": name }),
                );
            }
        }
        Ok(())
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Keys {
    /// List the keys that sign access tokens and pages.
    List(OnKeys),
    /// Sign with the standby key from now on; tokens of the old one live on to their end.
    Rotate(OnKeys),
    /// Declare a key stolen: everything that it signed is dead at once.
    Revoke {
        kid: KeyId,
        #[command(flatten)]
        on: OnKeys,
    },
}

#[derive(Debug, Args)]
pub(super) struct OnKeys {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    keys: KeyEncryption,
}

impl Keys {
    pub(super) async fn run(self) -> Outcome {
        match self {
            Self::List(on) => list_keys(&on.target).await,
            Self::Rotate(on) => {
                service(&on.target, &on.keys).await?.rotate_keys().await?;
                list_keys(&on.target).await
            }
            Self::Revoke { kid, on } => {
                let service = service(&on.target, &on.keys).await?;
                let ended = service
                    .revoke_key(kid.clone())
                    .await
                    .map_err(|error| match error {
                        crate::service::Error::NotFound => Failure::failed(format!(
                            "there is no key `{kid}`; `session-api keys list` shows all"
                        )),
                        crate::service::Error::Conflict => {
                            Failure::failed(format!("key `{kid}` is revoked already"))
                        }
                        other => other.into(),
                    })?;
                on.target.say_ended(&format!("revoked key {kid}"), &ended);
                Ok(())
            }
        }
    }
}

async fn list_keys(target: &Target) -> Outcome {
    let rows = target.database.open().await?.keys().await?;
    let word = |state| match state {
        KeyState::Standby => "standby",
        KeyState::Active => "active",
        KeyState::Retired => "retired",
        KeyState::Forgotten => "forgotten",
        KeyState::Revoked => "revoked",
    };
    let shown: Vec<_> = rows
        .iter()
        .filter(|row| row.purpose == KeyPurpose::Access)
        .collect();
    let items: Vec<_> = shown
        .iter()
        .map(|row| json!({ "kid": row.kid, "state": word(row.state) }))
        .collect();
    let lines: Vec<_> = shown
        .iter()
        .map(|row| format!("{}  {}", row.kid, word(row.state)))
        .collect();
    target.say(&lines.join("\n"), &json!({ "items": items }));
    Ok(())
}

#[derive(Debug, Subcommand)]
pub(super) enum Sessions {
    /// List the live sessions of a user.
    List(OneUser),
    /// End sessions: one, all of a user, or everyone's.
    Revoke {
        #[command(flatten)]
        what: Which,
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        keys: KeyEncryption,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Which {
    /// One session.
    #[arg(long, value_name = "ID")]
    session: Option<SessionId>,
    /// All sessions of a user.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// All sessions of all users.
    #[arg(long)]
    everyone: bool,
}

impl Sessions {
    pub(super) async fn run(self) -> Outcome {
        match self {
            Self::List(one) => {
                let service = service(&one.target, &one.keys).await?;
                let user = find(&service, &one.name).await?;
                let part = service.sessions(user.id, None).await?;
                let ids: Vec<_> = part
                    .items
                    .iter()
                    .map(|item| item.row.id.to_string())
                    .collect();
                let more = if part.next.is_some() { "\n…" } else { "" };
                one.target.say(
                    &format!("{}{more}", ids.join("\n")),
                    &json!({ "items": ids, "next": part.next }),
                );
            }
            Self::Revoke { what, target, keys } => {
                let service = service(&target, &keys).await?;
                let ended = match what {
                    Which {
                        session: Some(id), ..
                    } => service.end_session(id, None, EndReason::Admin).await?,
                    Which {
                        user: Some(name), ..
                    } => {
                        let name = user_name(&name).unwrap_or(name);
                        let user = find(&service, &name).await?;
                        service
                            .change_user(user.id, UserChange::EndSessions)
                            .await?
                    }
                    _ => service.end_everyone().await?,
                };
                target.say_ended("revoked", &ended);
            }
        }
        Ok(())
    }
}
