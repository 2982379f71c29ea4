//! Hearing of other replicas' commits.

use super::Result;
use super::link::Link;
use crate::store::wakeups::Wakeups;
use sqlx::postgres::{PgListener, PgPoolOptions};
use std::sync::Arc;
use std::time::Duration;

/// The channel on which a commit tells its position.
macro_rules! channel {
    () => {
        "portcullis_head"
    };
}
pub(super) use channel;

/// Between attempts. What is missed meanwhile is found by polling.
const PAUSE: Duration = Duration::from_millis(500);

/// Listens, and begins again when the connection is lost.
pub(super) async fn listen(link: Arc<Link>, wakeups: Wakeups) {
    loop {
        tokio::select! {
            ended = listen_once(&link, &wakeups) => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "not listening for commits");
                }
                tokio::time::sleep(PAUSE).await;
            }
            // Nobody answers; there is none to hear from either.
            () = link.replaced() => {}
        }
    }
}

/// Until the connection is lost. It is not one of the pool's, which are for work.
async fn listen_once(link: &Link, wakeups: &Wakeups) -> Result<()> {
    let one = PgPoolOptions::new()
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None);
    let one = one.connect_with(link.limited()).await?;
    let mut listener = PgListener::connect_with(&one).await?;
    listener.eager_reconnect(false);
    listener.listen(channel!()).await?;
    while let Some(notification) = listener.try_recv().await? {
        if let Ok(position) = notification.payload().parse() {
            wakeups.committed(position);
        }
    }
    Ok(())
}
