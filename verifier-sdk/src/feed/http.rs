//! The feed over HTTP: one stream of server-sent events. It begins with the pages that are missing
//! and goes on with live ones, so to catch up is to ask for it again.

use super::Link;
use super::sse::Events;
use super::ways::Way;
use crate::backoff::Backoff;
use crate::service::{Failed, Service};
use futures::FutureExt as _;
use tokio::time::Instant;

/// Follows the stream for ever.
pub(crate) async fn follow(link: Link, service: Service) {
    let mut backoff = Backoff::default();
    loop {
        let began = Instant::now();
        // What was asked for before is answered by the connection that is made now.
        let _ = link.catch_up.notified().now_or_never();
        tokio::select! {
            () = link.catch_up.notified() => {}
            failed = read(&link, &service) => match failed {
                Some(failed) => link.trouble.is(&failed),
                None => return,
            },
        }
        backoff.reset_after(began.elapsed());
        tokio::time::sleep(backoff.next()).await;
    }
}

/// Reads one connection to its end. `None` where nobody wants pages any more.
async fn read(link: &Link, service: &Service) -> Option<Failed> {
    let mut stream = match service.stream(link.head()).await {
        Ok(stream) => stream,
        Err(failed) => return Some(failed),
    };
    let mut events = Events::default();
    loop {
        // A connection that was cut somewhere on the way stays open and silent.
        let piece = match stream.piece(link.patience()).await {
            Ok(piece) => piece,
            Err(failed) => return Some(failed),
        };
        let Ok(pages) = events.push(piece.as_ref()) else {
            return Some(stream.not_understood());
        };
        for page in pages {
            link.pages.send((Way::Http, page)).await.ok()?;
        }
    }
}
