//! `sessions list/revoke`.

use super::users::{OneUser, find};
use super::{Target, service};
use crate::cli::{Failure, Outcome};
use crate::password::user_name;
use crate::service::Error;
use crate::service::revoke::UserChange;
use crate::session::EndReason;
use clap::{Args, Subcommand};
use revocation_events::SessionId;
use serde_json::json;

#[derive(Debug, Subcommand)]
pub(crate) enum Sessions {
    /// List the live sessions of a user, the newest first.
    #[command(after_long_help = "Example:\n  session-api sessions list alice")]
    List(OneUser),
    /// End sessions: one, all of a user, or everyone's.
    #[command(after_long_help = "\
Examples:
  session-api sessions revoke --user alice
  session-api sessions revoke --session 018f3a5f-0c2d-7b1a-8e44-2f9d5c6b7a81
  session-api sessions revoke --everyone")]
    Revoke {
        #[command(flatten)]
        what: Which,
        #[command(flatten)]
        target: Target,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Which {
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
    pub(crate) async fn run(self) -> Outcome {
        match self {
            Self::List(one) => {
                let service = service(&one.target).await?;
                let user = find(&service, &one.name).await?;
                let mut ids = Vec::new();
                let mut after = None;
                loop {
                    let part = service.sessions(user.id, after).await?;
                    ids.extend(part.items.iter().map(|item| item.row.id.to_string()));
                    after = part.next;
                    if after.is_none() {
                        break;
                    }
                }
                one.target.say(&ids.join("\n"), &json!({ "items": ids }))?;
            }
            Self::Revoke { what, target } => {
                let service = service(&target).await?;
                let ended = match what {
                    Which {
                        session: Some(id), ..
                    } => {
                        let ended = service.end_session(id, None, EndReason::Admin).await;
                        ended.map_err(|error| match error {
                            Error::NotFound => Failure::failed(format!(
                                "there is no session `{id}`; `session-api sessions list NAME` shows those of a user"
                            )),
                            error => error.into(),
                        })?
                    }
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
                target.say_ended("revoked", &ended)?;
            }
        }
        Ok(())
    }
}
