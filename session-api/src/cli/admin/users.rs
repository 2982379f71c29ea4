//! `user add/list/disable/enable/unlock/password`.

use super::{Target, password, service, service_with_keys};
use crate::audit;
use crate::cli::settings::{Issuer, KeyEncryption};
use crate::cli::{Failure, Outcome, out};
use crate::service::Service;
use crate::service::revoke::UserChange;
use crate::service::tries::Unlocked;
use crate::session::Roles;
use crate::store::UserRow;
use clap::{Args, Subcommand};
use serde_json::json;

#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Add a user; the password is read from stdin, or asked for at a terminal.
    #[command(after_long_help = "\
Examples:
  session-api user add alice                # asks for the password
  printf '%s\\n' \"$PASSWORD\" | session-api user add alice
  session-api user add root --role admin < /run/secrets/root")]
    Add {
        /// 1 to 64 characters; upper case is made lower case.
        name: String,
        /// A role; may be given again.
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
        #[command(flatten)]
        target: Target,
    },
    /// List all users.
    #[command(after_long_help = "\
Examples:
  session-api user list
  session-api user list --json | jq -r '.items[] | select(.disabled).username'")]
    List {
        #[command(flatten)]
        target: Target,
    },
    /// End all sessions of a user and refuse new logins.
    #[command(after_long_help = "Example:\n  session-api user disable alice")]
    Disable(OneUser),
    /// Let a disabled user log in again.
    #[command(after_long_help = "Example:\n  session-api user enable alice")]
    Enable(OneUser),
    /// Let a user log in at once after many failed tries, which otherwise have to wait.
    ///
    /// While somebody goes on trying, the account is soon closed again. So this also prints a device
    /// token for the user, and with --issuer a link to the account page that holds it: who logs in by
    /// that link, or sends the token as `device_token`, has tries that no stranger uses up. It is no
    /// password and gives no access; but hand it to its user alone.
    #[command(
        after_long_help = "Example:\n  session-api user unlock alice --issuer https://id.example.com"
    )]
    Unlock {
        #[command(flatten)]
        one: OneUser,
        /// The URL of the service, for the link.
        #[arg(long, env = "SESSION_API_ISSUER", value_name = "URL")]
        issuer: Option<Issuer>,
        #[command(flatten)]
        keys: KeyEncryption,
    },
    /// Set a password, read from stdin or asked for at a terminal, and end all sessions of the user.
    #[command(after_long_help = "\
Examples:
  session-api user password alice           # asks for it
  printf '%s\\n' \"$PASSWORD\" | session-api user password alice")]
    Password(OneUser),
}

#[derive(Debug, Args)]
pub(crate) struct OneUser {
    /// The user's name.
    pub(super) name: String,
    #[command(flatten)]
    pub(super) target: Target,
}

pub(super) async fn find(service: &Service, name: &str) -> Result<UserRow, Failure> {
    let found = service.user_by_name(name).await?;
    found.ok_or_else(|| {
        Failure::failed(format!(
            "there is no user `{name}`; `session-api user list` shows all"
        ))
    })
}

impl User {
    pub(crate) async fn run(self) -> Outcome {
        match self {
            Self::Add {
                name,
                roles,
                target,
            } => {
                let roles = Roles::try_from(roles)
                    .map_err(|error| Failure::setting(format!("--role: {error}")))?;
                let password = password::read(&name)?;
                let (id, name) = service(&target)
                    .await?
                    .register(&name, &password, roles)
                    .await?;
                target.say(
                    &format!("added user {name}"),
                    &json!({ "id": id, "username": name }),
                )?;
            }
            Self::List { target } => list_users(&target).await?,
            Self::Disable(one) => {
                let service = service(&one.target).await?;
                let user = find(&service, &one.name).await?;
                let ended = service.change_user(user.id, UserChange::Disable).await?;
                one.target
                    .say_ended(&format!("disabled {}", user.name), &ended)?;
            }
            Self::Enable(one) => {
                let service = service(&one.target).await?;
                let user = find(&service, &one.name).await?;
                let changed = service.enable_user(user.id).await?;
                one.target.say(
                    &format!("enabled {}", user.name),
                    &json!({ "changed": changed }),
                )?;
            }
            Self::Unlock { one, issuer, keys } => {
                let service = service_with_keys(&one.target, &keys).await?;
                let user = find(&service, &one.name).await?;
                let unlocked = service.unlock(&user).await?;
                audit::operator_acted("user unlock", Some(user.id), None);
                say_unlocked(&one.target, &user.name, issuer.as_ref(), &unlocked)?;
            }
            Self::Password(one) => {
                let password = password::read(&one.name)?;
                let service = service(&one.target).await?;
                let user = find(&service, &one.name).await?;
                let ended = service.set_password(user.id, &password).await?;
                one.target.say_ended(
                    &format!("set the password of {} and ended all sessions", user.name),
                    &ended,
                )?;
            }
        }
        Ok(())
    }
}

fn say_unlocked(
    target: &Target,
    name: &str,
    issuer: Option<&Issuer>,
    unlocked: &Unlocked,
) -> Outcome {
    let Unlocked {
        had_failed,
        device_token,
    } = unlocked;
    let done = if *had_failed {
        format!("unlocked {name}: failed tries are forgotten")
    } else {
        format!("no try of {name} had failed")
    };
    let link = issuer.map(|issuer| format!("{}/#device={device_token}", issuer.as_str()));
    let way_in = match &link {
        Some(link) => format!("where strangers go on trying, {name} logs in at {link}"),
        None => {
            format!("where strangers go on trying, {name} logs in with device_token {device_token}")
        }
    };
    let machine = json!({ "changed": had_failed, "device_token": device_token, "link": link });
    target.say(&format!("{done}\n{way_in}"), &machine)
}

async fn list_users(target: &Target) -> Outcome {
    let service = service(target).await?;
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
        out::line(json!({ "items": items }))?;
    } else {
        for row in &all {
            let disabled = if row.user.disabled {
                "  (disabled)"
            } else {
                ""
            };
            out::line(format_args!(
                "{}  {}  {}{disabled}",
                row.id,
                row.name,
                row.user.roles.names().join(",")
            ))?;
        }
    }
    Ok(())
}
