//! After the last fault: everything is well, so everything that was acknowledged must be there.

use crate::diary::{Diary, Known};
use crate::history::{History, LastRefresh, Logged, Target};
use crate::phone::Phone;
use crate::probe::{Probed, ask, has_nearly_expired, lock};
use crate::world::World;
use futures::stream::{self, StreamExt as _};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection, Row as _};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};
use tests::{eventually, until};
use uuid::Uuid;

/// How long verifiers may take until they know all that was ever acknowledged.
const CAUGHT_UP: Duration = Duration::from_secs(30);
/// How long a client may take until the service has answered it, timeouts and all.
const ANSWERED: Duration = Duration::from_secs(30);

pub(crate) async fn complete(history: &mut History, world: &World, diary: &Diary, probed: &Probed) {
    world.all_fresh(CAUGHT_UP).await;
    let newest = log(world, diary)
        .await
        .iter()
        .map(|logged| logged.position)
        .max();
    let verifiers = lock(&world.fleet).clone();
    eventually(
        "every verifier knows the whole log",
        CAUGHT_UP,
        async || {
            let head =
                |v: &verifier_sdk::Verifier| v.status().head.map(revocation_events::Position::get);
            verifiers.iter().all(|verifier| head(verifier) >= newest)
        },
    )
    .await;
    for verifier in verifiers.iter().enumerate() {
        // Some have expired while verifiers caught up.
        let left = probed
            .left
            .iter()
            .filter(|watched| !has_nearly_expired(watched));
        let asked = left.map(|watched| ask(diary.began, verifier, watched));
        history.last_verdicts.extend(asked);
    }
    history.last_refreshes = refreshes(world, diary).await;
    // Last of all: a call that no client waits for any more may have been committed only now.
    history.log = log(world, diary).await;
    let verified = world.replicas[0]
        .settings()
        .run(&["log", "verify"], "")
        .await;
    if !verified.status.success() {
        let told = String::from_utf8_lossy(&verified.stdout).into_owned();
        history
            .complaints
            .push(format!("`log verify` finds differences: {told}"));
    }
    for (session, at) in reused(world, diary).await {
        history.complaints.push(format!(
            "session {session} was ended for the reuse of its token at {:.1} s, though every client kept \
             to the rules",
            at.as_secs_f64()
        ));
    }
}

/// All revocations, from the source of truth.
async fn log(world: &World, diary: &Diary) -> Vec<Logged> {
    let mut database = PgConnection::connect(world.database.url()).await.unwrap();
    let rows = sqlx::query(
        "select kind, stream, data, at from event where kind in ('session.revoked', 'user.disabled', \
         'user.sessions_revoked', 'user.roles_changed', 'everyone.revoked')",
    );
    let rows = rows.fetch_all(&mut database).await.unwrap();
    let logged = rows.iter().map(|row| {
        let (kind, stream): (String, Uuid) = (row.get(0), row.get(1));
        let data: Value = row.get(2);
        let at = u64::try_from(row.get::<i64, _>(3)).unwrap();
        let target = match kind.as_str() {
            "session.revoked" => Target::Session(stream),
            "user.roles_changed" => Target::Roles(stream),
            "everyone.revoked" => Target::Everyone,
            _ => Target::User(
                stream,
                data["except"].as_str().map(|id| id.parse().unwrap()),
            ),
        };
        Logged {
            position: data["position"].as_u64().unwrap(),
            target,
            at: diary.moment(SystemTime::UNIX_EPOCH + Duration::from_millis(at)),
        }
    });
    logged.collect()
}

/// The sessions that were ended for it, and when. No client here uses a token twice but as it may, so
/// nobody is a thief.
async fn reused(world: &World, diary: &Diary) -> Vec<(Uuid, Duration)> {
    let mut database = PgConnection::connect(world.database.url()).await.unwrap();
    let ended = "select stream, at from event \
                 where kind = 'session.revoked' and data->>'reason' = 'reuse'";
    let ended: Vec<(Uuid, i64)> = sqlx::query_as(ended)
        .fetch_all(&mut database)
        .await
        .unwrap();
    let moments = ended.into_iter().map(|(session, at)| {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(at).unwrap());
        (session, diary.moment(at))
    });
    moments.collect()
}

/// One refresh of every session that was ever opened.
async fn refreshes(world: &World, diary: &Diary) -> Vec<LastRefresh> {
    let sessions = std::mem::take(&mut diary.written().sessions);
    let sessions: BTreeMap<Uuid, Known> = sessions.into_iter().collect();
    let urls: Vec<_> = world
        .replicas
        .iter()
        .map(|replica| replica.url().to_owned())
        .collect();
    let phone = Phone::new(urls, 0);
    stream::iter(sessions)
        .map(|(session, known)| refresh(phone.clone(), session, known))
        .buffer_unordered(16)
        .collect()
        .await
}

/// Asked again until there is a final answer: this client is not what is tried here.
async fn refresh(mut phone: Phone, session: Uuid, known: Known) -> LastRefresh {
    let body = json!({ "session_token": known.session_token });
    // With a key, for an answer that is lost may have been a success.
    let key = known.retry_key.unwrap_or_else(|| session.to_string());
    let answer = until("a refresh is answered", ANSWERED, async || {
        let request = phone.call(Method::POST, "/session/refresh");
        let request = request.header("Idempotency-Key", &key).json(&body);
        let answer = phone.send(request).await;
        matches!(answer.status, 200 | 401).then_some(answer)
    })
    .await;
    LastRefresh {
        session,
        user: known.user,
        opened: known.opened,
        position: known.position,
        went_through: answer.status == 200,
    }
}
