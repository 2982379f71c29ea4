//! `client add/list/rotate/remove`.

use super::Target;
use crate::audit;
use crate::cli::{Failure, Outcome};
use crate::service::key_admin::fill;
use crate::store::{ClientRow, Store};
use clap::{Args, Subcommand};
use serde_json::json;
use sha2::{Digest as _, Sha256};

#[derive(Debug, Subcommand)]
pub(crate) enum Client {
    /// Add a client; its secret is printed once.
    #[command(after_long_help = "\
Examples:
  session-api client add orders
  session-api client add orders --json > orders.json     # {\"client\":\"orders\",\"secret\":\"…\"}")]
    Add(OneClient),
    /// List all clients.
    #[command(after_long_help = "Example:\n  session-api client list")]
    List(Target),
    /// Give a client a new secret, printed once. The old one stops working at once.
    #[command(after_long_help = "Example:\n  session-api client rotate orders --json")]
    Rotate(OneClient),
    /// Remove a client. Verifiers that use it know no new revocations, and say so.
    #[command(after_long_help = "Example:\n  session-api client remove orders")]
    Remove(OneClient),
}

#[derive(Debug, Args)]
pub(crate) struct OneClient {
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
async fn add_client(store: &dyn Store, name: &str) -> Result<String, Failure> {
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
    pub(crate) async fn run(self) -> Outcome {
        let no_such = |name: &str| {
            Failure::failed(format!(
                "there is no client `{name}`; `session-api client list` shows all"
            ))
        };
        match self {
            Self::Add(OneClient { name, target }) => {
                let secret = add_client(&*target.database.open().await?, &name).await?;
                audit::operator_acted("client add", None, Some(&name));
                target.say(&secret, &json!({ "client": name, "secret": secret }))?;
            }
            Self::List(target) => {
                let clients = target.database.open().await?.clients().await?;
                let names: Vec<_> = clients.iter().map(|client| client.name.as_str()).collect();
                target.say(&names.join("\n"), &json!({ "items": names }))?;
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
                audit::operator_acted("client rotate", None, Some(&name));
                target.say(&secret, &json!({ "client": name, "secret": secret }))?;
            }
            Self::Remove(OneClient { name, target }) => {
                if !target.database.open().await?.remove_client(&name).await? {
                    return Err(no_such(&name));
                }
                audit::operator_acted("client remove", None, Some(&name));
                target.say(
                    &format!("removed client {name}"),
                    &json!({ "client": name }),
                )?;
            }
        }
        Ok(())
    }
}
