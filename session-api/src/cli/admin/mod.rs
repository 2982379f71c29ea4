//! Operators' work on the database, one file a family. Running replicas notice revocations within half
//! a second and publish them; nothing needs a restart.

mod clients;
mod keys;
mod password;
mod restored;
mod sessions;
mod users;

pub(super) use clients::Client;
pub(super) use keys::Keys;
pub(super) use restored::Restored;
pub(super) use sessions::Sessions;
pub(super) use users::User;

use super::settings::{Database, KeyEncryption};
use super::{Failure, Outcome, out, progress};

use crate::password::Hasher;
use crate::relay::Relay;
use crate::service::key_admin::open_existing_keys;
use crate::service::revoke::Ended;
use crate::service::{Service, Settings};
use crate::store::Store;
use crate::token::Issuer;
use clap::Args;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

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
    fn say(&self, words: &str, machine: &serde_json::Value) -> Outcome {
        if self.json {
            out::line(machine)
        } else {
            out::line(words)
        }
    }

    fn say_ended(&self, words: &str, ended: &Ended) -> Outcome {
        let machine = json!({ "revoked": ended.revoked, "position": ended.position });
        self.say(
            &format!(
                "{words} at position {}; running replicas publish it",
                ended.position
            ),
            &machine,
        )
    }
}

/// The use cases without anything that runs beside them, and without keys.
async fn service(target: &Target) -> Result<Service, Failure> {
    Ok(service_with(
        target.database.open().await?,
        crate::keys::Keys::unopened(),
    ))
}

/// The same, for work on keys.
async fn service_with_keys(target: &Target, keys: &KeyEncryption) -> Result<Service, Failure> {
    let store = target.database.open().await?;
    let keys = open_existing_keys(&*store, keys.sealer()?).await?;
    Ok(service_with(store, keys))
}

fn service_with(store: Arc<dyn Store>, keys: crate::keys::Keys) -> Service {
    let keys = Arc::new(keys);
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
        events_max_age: Duration::ZERO,
    };
    Service::new(store, keys, Hasher::new(1), relay, settings)
}

pub(super) async fn migrate(target: &Target) -> Outcome {
    let store = target.database.create().await?;
    let bar = progress::migrations();
    let told = bar.clone();
    let tell = move |step| progress::show_step(&told, step);
    let applied = store.migrate_telling(&tell).await;
    bar.finish_and_clear();
    let applied = applied?;
    let words = match applied.as_slice() {
        [] => "the schema is up to date".to_owned(),
        versions => format!("migrated: {versions:?}"),
    };
    target.say(&words, &json!({ "migrated": applied }))
}
