//! A line between two programs, which can be made slow, frozen or cut.

use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How a line is at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// For how long every piece of data is held, each way.
    pub delay: Duration,
    /// Nothing gets through and nobody is told, as when a cable is pulled. What was sent arrives
    /// when this ends.
    pub frozen: bool,
    /// Connections are closed, and new ones as soon as they are made.
    pub cut: bool,
}

/// A proxy on 127.0.0.1. Its connections end with it.
#[derive(Debug)]
pub struct Link {
    url: String,
    condition: Arc<watch::Sender<Condition>>,
    accepting: JoinHandle<()>,
}

impl Link {
    /// In front of the server at `url`, which names a port on 127.0.0.1.
    ///
    /// # Panics
    /// When it does not, or when there is no port to listen on.
    pub async fn before(url: &str) -> Self {
        let (scheme, rest) = url
            .split_once("127.0.0.1:")
            .unwrap_or_else(|| panic!("not on this machine: {url}"));
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (port, rest) = rest.split_at(digits);
        let port = port
            .parse()
            .unwrap_or_else(|error| panic!("{error}: {url}"));
        let near = TcpListener::bind(("127.0.0.1", 0)).await;
        let near = near.unwrap_or_else(|error| panic!("no port for a link: {error}"));
        let own = near
            .local_addr()
            .unwrap_or_else(|error| panic!("a link without an address: {error}"));
        let condition = Arc::new(watch::Sender::new(Condition::default()));
        Self {
            url: format!("{scheme}{own}{rest}"),
            accepting: tokio::spawn(accept(near, port, condition.clone())),
            condition,
        }
    }

    /// The server's URL by way of this line.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Changes how the line is, from now on.
    pub fn becomes(&self, condition: Condition) {
        self.condition.send_replace(condition);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.accepting.abort();
        self.condition.send_modify(|condition| condition.cut = true);
    }
}

async fn accept(listener: TcpListener, to: u16, condition: Arc<watch::Sender<Condition>>) {
    while let Ok((near, _)) = listener.accept().await {
        let conditions = [condition.subscribe(), condition.subscribe()];
        tokio::spawn(async move {
            // Where nobody listens at the other end, the connection closes at once.
            let Ok(far) = TcpStream::connect(("127.0.0.1", to)).await else {
                return;
            };
            let _unchanged = (near.set_nodelay(true), far.set_nodelay(true));
            let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
            let [there, back] = conditions;
            tokio::join!(pump(near_in, far_out, there), pump(far_in, near_out, back));
        });
    }
}

/// Passes on what comes until one end closes or the line is cut.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut condition: watch::Receiver<Condition>,
) {
    let mut cut = condition.clone();
    let passing = async {
        let mut data = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from.read(&mut data).await {
            let delay = condition.borrow().delay;
            tokio::time::sleep(delay).await;
            let thawed = condition.wait_for(|now| !now.frozen).await.is_ok();
            if !thawed || to.write_all(&data[..length]).await.is_err() {
                return;
            }
        }
        // The other direction may go on.
        let _closed = to.shutdown().await;
    };
    tokio::select! {
        // First, or what was frozen might slip through when the line is cut.
        biased;
        _ = cut.wait_for(|condition| condition.cut) => {}
        () = passing => {}
    }
}
