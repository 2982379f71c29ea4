//! `keys list/rotate/revoke`.

use super::{Target, service_with_keys};
use crate::audit;
use crate::cli::settings::KeyEncryption;
use crate::cli::{Failure, Outcome};
use crate::store::{KeyPurpose, KeyRow};
use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use revocation_events::KeyId;
use serde_json::json;

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// List all keys: what each is for, and where it stands in its life.
    #[command(after_long_help = "Example:\n  session-api keys list --json")]
    List(OnKeys),
    /// Use the standby key from now on. What the old one made counts to its end, and nobody notices.
    ///
    /// Rotate a key of one purpose again only after two seconds: by then all replicas know the new
    /// standby.
    #[command(after_long_help = "\
Examples:
  session-api keys rotate
  session-api keys rotate --purpose session")]
    Rotate {
        /// What the key is for.
        #[arg(long, default_value = "access", value_name = "PURPOSE")]
        purpose: Purpose,
        #[command(flatten)]
        on: OnKeys,
    },
    /// Declare a key stolen: everything that it made is refused from now on.
    ///
    /// Of an `access` key that is every access token that it signed, at every verifier at once, and
    /// clients refresh. Of a `session` key it is every session token: within two seconds their users
    /// have to log in again, when their access tokens have ended. Of a `csrf` key it is every CSRF
    /// value and device token: browsers log in again, apps go on, and no device is known any more.
    #[command(after_long_help = "\
Example:
  session-api keys list                # names them
  session-api keys revoke kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")]
    Revoke {
        /// The key, as `keys list` names it.
        kid: KeyId,
        #[command(flatten)]
        on: OnKeys,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Purpose {
    /// Access tokens and pages
    Access,
    /// Session tokens
    Session,
    /// CSRF values and device tokens
    Csrf,
}

impl From<Purpose> for KeyPurpose {
    fn from(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Access => Self::Access,
            Purpose::Session => Self::Session,
            Purpose::Csrf => Self::Csrf,
        }
    }
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
            Self::Rotate { purpose, on } => {
                service_with_keys(&on.target, &on.keys)
                    .await?
                    .rotate_keys(purpose.into())
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
                let words = format!("revoked key {kid}");
                match ended {
                    Some(ended) => on.target.say_ended(&words, &ended)?,
                    None => {
                        audit::operator_acted("keys revoke", None, None);
                        let words = format!("{words}; running replicas notice within two seconds");
                        on.target
                            .say(&words, &json!({ "revoked": null, "position": null }))?;
                    }
                }
                Ok(())
            }
        }
    }
}

async fn list_keys(target: &Target) -> Outcome {
    let rows = target.database.open().await?.keys().await?;
    let in_order = || {
        let of = |purpose| rows.iter().filter(move |row| row.purpose == purpose);
        KeyPurpose::ALL.into_iter().flat_map(of)
    };
    let items: Vec<_> = in_order()
        .map(|row| {
            let (purpose, state) = (row.purpose.as_str(), row.state.as_str());
            json!({ "kid": row.kid, "purpose": purpose, "state": state, "since": since(row) })
        })
        .collect();
    let lines: Vec<_> = in_order()
        .map(|row| {
            let (purpose, state) = (row.purpose.as_str(), row.state.as_str());
            format!("{}  {purpose:7}  {state:9}  since {}", row.kid, since(row))
        })
        .collect();
    target.say(&lines.join("\n"), &json!({ "items": items }))
}

/// When it came into its state, in RFC 3339: a key that has signed for long is to be exchanged.
fn since(row: &KeyRow) -> String {
    let millis = i64::try_from(row.state_since.get()).unwrap_or(i64::MAX);
    let since = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX);
    since.to_string()
}
