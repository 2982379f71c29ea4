//! Hearing of other replicas' commits.

use super::Result;
use crate::store::wakeups::Wakeups;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
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
pub(super) async fn listen(options: PgConnectOptions, wakeups: Wakeups) {
    loop {
        if let Err(error) = listen_once(options.clone(), &wakeups).await {
            tracing::debug!(%error, "not listening for commits");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Until the connection is lost. It is not one of the pool's, which are for work.
async fn listen_once(options: PgConnectOptions, wakeups: &Wakeups) -> Result<()> {
    let one = PgPoolOptions::new()
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None);
    let mut listener = PgListener::connect_with(&one.connect_with(options).await?).await?;
    listener.eager_reconnect(false);
    listener.listen(channel!()).await?;
    while let Some(notification) = listener.try_recv().await? {
        if let Ok(position) = notification.payload().parse() {
            wakeups.committed(position);
        }
    }
    Ok(())
}
