//! `/admin/*`: what operators see and do. Every call needs the role `admin`, by the database, and a
//! recent log-in; what they change is told to the auditor.

use super::answer::{self, EndedView, List, Own};
use super::call::Call;
use super::handler::{Json, Reply};
use super::json::Body;
use super::parameter::Parameter;
use super::problem::Error;
use super::schemas::example;
use super::sessions::Item;
use super::times::{Time, wall_time};
use super::{credential, sessions};
use crate::audit;
use crate::password::user_name;
use crate::relay::fleet::Verifier;
use crate::service::revoke::UserChange;
use crate::session::{EndReason, Roles};
use crate::store::UserRow;
use revocation_events::status::Status;
use revocation_events::{Position, SessionId, UserId};
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

pub(super) const USER: Parameter<UserId> = Parameter::new("id", "The user.");

pub(super) const SESSION: Parameter<SessionId> =
    Parameter::new("session", "One of that user's sessions.");

pub(super) const USERNAME: Parameter<String> = Parameter::new(
    "username",
    "The one user of that name, in upper or lower case. Not beside `after`.",
);

pub(super) const AFTER: Parameter<String> = Parameter::new(
    "after",
    "`next` of the part of the list before. Not beside `username`.",
);

/// A user, as an operator sees it.
#[derive(Serialize, JsonSchema)]
#[schemars(example = example(include_str!("examples/user-item.json")))]
pub(super) struct UserItem {
    /// The claim `sub` of the tokens.
    id: UserId,
    /// In the one form in which names are compared.
    username: String,
    /// What the user may do, as services understand it.
    roles: Roles,
    /// Whether the user can log in no longer.
    disabled: bool,
}

impl From<UserRow> for UserItem {
    fn from(row: UserRow) -> Self {
        Self {
            id: row.id,
            username: row.name,
            roles: row.user.roles,
            disabled: row.user.disabled,
        }
    }
}

/// `GET /admin/users`, `GET /admin/users?username=`.
pub(super) async fn users(call: Call) -> Result<Reply<List<UserItem, String>>, Error> {
    credential::admin(&call).await?;
    let service = call.service();
    let list = match (call.query(&USERNAME)?, call.query(&AFTER)?) {
        (Some(_), Some(_)) => {
            return Err(Error::bad_request(
                "Send one of the parameters `username` and `after`.",
            ));
        }
        (Some(name), None) => {
            let found = service.user_by_name(&name).await?;
            List {
                items: found.map(UserItem::from).into_iter().collect(),
                next: None,
            }
        }
        (None, after) => {
            let after = match after.as_deref().map(user_name) {
                Some(None) => return Err(Error::bad_request("`after` is the `next` of a list.")),
                after => after.flatten(),
            };
            let part = service.users(after.as_deref()).await?;
            List {
                items: part.items.into_iter().map(UserItem::from).collect(),
                next: part.next,
            }
        }
    };
    Ok(Reply::of(&list))
}

/// `GET /admin/users/{id}/sessions`.
pub(super) async fn list_sessions(call: Call) -> Result<Reply<List<Item, SessionId>>, Error> {
    let caller = credential::admin(&call).await?;
    let after = call.query(&sessions::AFTER)?;
    let user = call.service().user(call.path(&USER)?).await?;
    let part = call.service().sessions(user.id, after).await?;
    Ok(Reply::of(&sessions::items(part, &caller)))
}

/// `DELETE /admin/users/{id}/sessions`.
pub(super) async fn end_sessions(call: Call) -> Result<Reply<EndedView>, Error> {
    let act = "DELETE /admin/users/{id}/sessions";
    change(&call, UserChange::EndSessions, act).await
}

/// `DELETE /admin/users/{id}/sessions/{session}`.
pub(super) async fn end_session(call: Call) -> Result<Reply<EndedView>, Error> {
    let caller = credential::admin(&call).await?;
    let (user, session) = (call.path(&USER)?, call.path(&SESSION)?);
    let service = call.service();
    let ended = service
        .end_session(session, Some(user), EndReason::Admin)
        .await?;
    let act = "DELETE /admin/users/{id}/sessions/{session}";
    audit::admin_acted(caller.actor(), act, Some(user));
    Ok(answer::ended(
        &call,
        &caller,
        &ended,
        Own::ended_if(session == caller.session_id),
    )
    .await)
}

/// What a user is to be allowed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ChangeRoles", example = example(include_str!("examples/change-roles.json")))]
pub(super) struct RolesBody {
    /// In the place of those that are.
    roles: Roles,
}

impl Body for RolesBody {
    const SHAPE: &'static str =
        r#"{"roles": list of at most 32 names of 1 to 64 characters a-z, 0-9, ":", "_" and "-"}"#;
}

/// `PUT /admin/users/{id}/roles`: the sessions live on, tokens with the old roles do not.
pub(super) async fn change_roles(
    call: Call,
    body: Json<RolesBody>,
) -> Result<Reply<EndedView>, Error> {
    let caller = credential::admin(&call).await?;
    let RolesBody { roles } = body.read()?;
    let user = call.path(&USER)?;
    let own = (user == caller.user_id).then(|| caller.keep());
    let ended = call.service().change_roles(user, roles, own).await?;
    audit::admin_acted(caller.actor(), "PUT /admin/users/{id}/roles", Some(user));
    Ok(answer::ended(&call, &caller, &ended, Own::LivesOn).await)
}

/// `POST /admin/users/{id}/disable`: ends all sessions, and lets nobody log in.
pub(super) async fn disable(call: Call) -> Result<Reply<EndedView>, Error> {
    let act = "POST /admin/users/{id}/disable";
    change(&call, UserChange::Disable, act).await
}

/// `POST /admin/users/{id}/enable`: answers the user, for nothing was revoked.
pub(super) async fn enable(call: Call) -> Result<Reply<UserItem>, Error> {
    let caller = credential::admin(&call).await?;
    let user = call.path(&USER)?;
    call.service().enable_user(user).await?;
    audit::admin_acted(caller.actor(), "POST /admin/users/{id}/enable", Some(user));
    Ok(Reply::of(&UserItem::from(call.service().user(user).await?)))
}

/// `DELETE /admin/sessions`: everyone's, the caller's included.
pub(super) async fn end_everyone(call: Call) -> Result<Reply<EndedView>, Error> {
    let caller = credential::admin(&call).await?;
    let ended = call.service().end_everyone().await?;
    audit::admin_acted(caller.actor(), "DELETE /admin/sessions", None);
    Ok(answer::ended(&call, &caller, &ended, Own::Ended).await)
}

async fn change(
    call: &Call,
    change: UserChange,
    act: &'static str,
) -> Result<Reply<EndedView>, Error> {
    let caller = credential::admin(call).await?;
    let user = call.path(&USER)?;
    let ended = call.service().change_user(user, change).await?;
    audit::admin_acted(caller.actor(), act, Some(user));
    Ok(answer::ended(call, &caller, &ended, Own::ended_if(user == caller.user_id)).await)
}

/// A running verifier, by its newest report.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Verifier", transform = without_examples)]
struct VerifierItem {
    /// The credential that it reports with.
    client: String,
    #[serde(flatten)]
    status: Status,
    /// How far its head lies behind the service's, in milliseconds: a position is the time of its
    /// revocation, in microseconds. 0 where it has everything; null before its first page.
    lag_ms: Option<u64>,
    /// When the report came.
    last_seen_at: Time,
}

/// Those of a report are none of what is made of it.
fn without_examples(schema: &mut Schema) {
    schema.remove("examples");
}

impl VerifierItem {
    fn new(verifier: &Verifier, head: Option<Position>) -> Self {
        let status = &verifier.status;
        let behind = |head: Position, has: Position| head.get().saturating_sub(has.get());
        Self {
            client: verifier.client.clone(),
            status: status.clone(),
            lag_ms: head
                .zip(status.head)
                .map(|(head, has)| behind(head, has).div_ceil(1_000)),
            last_seen_at: wall_time(verifier.seen),
        }
    }
}

/// The fleet, and where the log stands, which is where each of them should be.
#[derive(Serialize, JsonSchema)]
#[schemars(example = example(include_str!("examples/verifiers.json")))]
pub(super) struct Verifiers {
    #[serde(flatten)]
    list: List<VerifierItem>,
    /// The newest revocation's position; null before the first page.
    head: Option<Position>,
}

/// `GET /admin/verifiers`.
pub(super) async fn verifiers(call: Call) -> Result<Reply<Verifiers>, Error> {
    credential::admin(&call).await?;
    // First: of what is revoked meanwhile nobody could know yet.
    let head = call.service().relay().latest_now().map(|latest| latest.to);
    let live = call.state.app.fleet.live().await?;
    let items = live
        .iter()
        .map(|verifier| VerifierItem::new(verifier, head));
    let list = List {
        items: items.collect(),
        next: None,
    };
    Ok(Reply::of(&Verifiers { list, head }))
}
