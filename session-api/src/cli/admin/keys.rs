//! `keys list/rotate/revoke`.

use super::{Target, service_with_keys};
use crate::cli::settings::KeyEncryption;
use crate::cli::{Failure, Outcome};
use crate::store::KeyPurpose;
use clap::{Args, Subcommand};
use revocation_events::KeyId;
use serde_json::json;

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// List the keys that sign access tokens and pages.
    List(OnKeys),
    /// Sign with the standby key from now on; tokens of the old one live on to their end.
    Rotate(OnKeys),
    /// Declare a key stolen: everything that it signed is dead at once.
    Revoke {
        /// The key, as `keys list` names it.
        kid: KeyId,
        #[command(flatten)]
        on: OnKeys,
    },
}

#[derive(Debug, Args)]
pub(crate) struct OnKeys {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    keys: KeyEncryption,
}

impl Keys {
    pub(crate) async fn run(self) -> Outcome {
        match self {
            Self::List(on) => list_keys(&on.target).await,
            Self::Rotate(on) => {
                service_with_keys(&on.target, &on.keys)
                    .await?
                    .rotate_keys()
                    .await?;
                list_keys(&on.target).await
            }
            Self::Revoke { kid, on } => {
                let service = service_with_keys(&on.target, &on.keys).await?;
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
    let shown: Vec<_> = rows
        .iter()
        .filter(|row| row.purpose == KeyPurpose::Access)
        .collect();
    let items: Vec<_> = shown
        .iter()
        .map(|row| json!({ "kid": row.kid, "state": row.state.as_str() }))
        .collect();
    let lines: Vec<_> = shown
        .iter()
        .map(|row| format!("{}  {}", row.kid, row.state.as_str()))
        .collect();
    target.say(&lines.join("\n"), &json!({ "items": items }));
    Ok(())
}
