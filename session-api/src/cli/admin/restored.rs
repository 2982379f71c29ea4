//! `log restored`.

use super::{Target, service};
use crate::cli::bus::{self, Nats};
use crate::cli::{Failure, Outcome, chain};
use crate::clock;
use crate::keys::verifying;
use crate::store::{KeyPurpose, Store};
use clap::Args;
use revocation_events::jws::Unverified;
use revocation_events::nats::{Bus, Publisher};
use revocation_events::{KeyId, Page, Position, page};
use std::time::Duration;

/// No verifier has taken a page that reaches further ahead of its clock.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug, Args)]
pub(crate) struct Restored {
    #[command(flatten)]
    target: Target,
    /// The bus, whose stream of pages tells how far the log had reached: the same as of `serve`.
    #[command(flatten)]
    nats: Nats,
    /// Raise the head above this position as well: the greatest `head` that verifiers show, at
    /// /readyz of a gate or in `GET /admin/verifiers`. For a log without a bus.
    #[arg(long, value_name = "POSITION")]
    above: Option<Position>,
}

impl Restored {
    pub(crate) async fn run(&self) -> Outcome {
        let store = self.target.database.open().await?;
        let published = match self.nats.connect().await? {
            Some(bus) => {
                let published = published(&bus, &*store).await;
                bus.close().await;
                published?
            }
            None => None,
        };
        let Some(above) = published.max(self.above) else {
            return self.restore(Position::ZERO, Some(
                "nothing told how far the log had reached: the head was raised above the clock. Where it \
                 had run ahead of that, by failovers in a row or a clock that was wrong, tokens of before \
                 may live on: compare the `head` that verifiers show with the position below, and where \
                 it is greater, run this again with --above and that head",
            )).await;
        };
        if above.get() > clock::now().plus(DAY).get().saturating_mul(1_000) {
            return Err(Failure::setting(format!(
                "--above {above} is more than a day ahead of this machine's clock: no verifier has taken \
                 such a page; give the greatest `head` that verifiers show"
            )));
        }
        self.restore(above, None).await
    }

    async fn restore(&self, above: Position, warning: Option<&str>) -> Outcome {
        if let Some(warning) = warning {
            eprintln!("warning: {warning}");
        }
        let ended = service(&self.target).await?.restored(above).await?;
        let words = "raised the head of the log and revoked everyone";
        self.target.say_ended(words, &ended)
    }
}

/// How far the pages on the bus have reached, if any are left there.
async fn published(bus: &Bus, store: &dyn Store) -> Result<Option<Position>, Failure> {
    let nothing_done = |why: String| {
        Failure::failed(format!(
            "{why}. Nothing was changed: mend that, or leave the bus out and give --above, the greatest \
             `head` that verifiers show"
        ))
    };
    bus::is_up(bus).await.map_err(nothing_done)?;
    let stored = Publisher::new(bus).stored().await;
    let stored = stored.map_err(|error| nothing_done(chain(&error)))?;
    let Some(stored) = stored else {
        return Ok(None);
    };
    let keys = store.keys().await?;
    let keys = verifying(&keys, KeyPurpose::Access)?;
    let key = |kid: &KeyId| keys.get(kid).copied();
    // Whoever can write to the stream must not be able to end the order of positions.
    let issuer = issuer(&stored.page).unwrap_or_default();
    match Page::verify(&stored.page, &issuer, key) {
        Ok(signed) => Ok(Some(signed.page.to)),
        Err(error) => Err(nothing_done(format!(
            "the last page in the stream is of no key that this backup knows ({})",
            chain(&error)
        ))),
    }
}

/// Whatever issuer it names: by its signature it is a page of this log.
fn issuer(page: &str) -> Option<String> {
    let unverified = Unverified::parse(page, page::TYP, page::MAX_LEN).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(unverified.payload()).ok()?;
    Some(claims.get("iss")?.as_str()?.to_owned())
}
