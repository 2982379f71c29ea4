//! A line between two programs, which can be made slow, narrow, frozen, half-closed or cut.

use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How a line is at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// For how long every piece of data is held, each way.
    pub delay: Duration,
    /// How many bytes get through in a second, each way of each connection. Nobody is told: what
    /// does not get through waits, at last in the sender.
    pub throttle: Option<u32>,
    /// Nothing gets through and nobody is told, as when a cable is pulled. What was sent arrives
    /// when this ends.
    pub frozen: bool,
    /// Whoever connected reads the end of the stream, as if the server had nothing more to say;
    /// what they say still arrives. Once closed, a connection stays so.
    pub half_closed: bool,
    /// Connections are closed, and new ones as soon as they are made.
    pub cut: bool,
}

impl Condition {
    /// Everything gets through at once.
    pub const WELL: Self = Self {
        delay: Duration::ZERO,
        throttle: None,
        frozen: false,
        half_closed: false,
        cut: false,
    };
    /// As when a cable is pulled.
    pub const FROZEN: Self = Self {
        frozen: true,
        ..Self::WELL
    };
    /// As when the other end is gone.
    pub const CUT: Self = Self {
        cut: true,
        ..Self::WELL
    };
}

/// A proxy on 127.0.0.1. Its connections end with it.
#[derive(Debug)]
pub struct Link {
    url: String,
    condition: Arc<watch::Sender<Condition>>,
    held: Arc<watch::Sender<Vec<Vec<u8>>>>,
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
        let condition = Arc::new(watch::Sender::new(Condition::WELL));
        let held = Arc::new(watch::Sender::default());
        Self {
            url: format!("{scheme}{own}{rest}"),
            accepting: tokio::spawn(accept(near, port, condition.clone(), held.clone())),
            condition,
            held,
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

    /// Waits until `text` stands so many times in what a frozen line keeps from the server. Of each
    /// connection the first 64 KiB are looked at.
    ///
    /// # Panics
    /// Never: the line tells for as long as it is there.
    pub async fn holds(&self, text: &str, times: usize) {
        let text = text.as_bytes();
        let occurrences = |data: &Vec<u8>| {
            data.windows(text.len())
                .filter(|part| *part == text)
                .count()
        };
        let mut held = self.held.subscribe();
        held.wait_for(|held| held.iter().map(occurrences).sum::<usize>() >= times)
            .await
            .map(drop)
            .unwrap_or_else(|_| unreachable!("the line is there"));
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.accepting.abort();
        self.condition.send_modify(|condition| condition.cut = true);
    }
}

async fn accept(
    listener: TcpListener,
    to: u16,
    condition: Arc<watch::Sender<Condition>>,
    held: Arc<watch::Sender<Vec<Vec<u8>>>>,
) {
    while let Ok((near, _)) = listener.accept().await {
        let conditions = [condition.subscribe(), condition.subscribe()];
        let held = Held::of_another(held.clone());
        tokio::spawn(async move {
            // Where nobody listens at the other end, the connection closes at once.
            let Ok(far) = TcpStream::connect(("127.0.0.1", to)).await else {
                return;
            };
            let _unchanged = (near.set_nodelay(true), far.set_nodelay(true));
            let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
            let [there, back] = conditions;
            tokio::join!(
                pump(near_in, far_out, there, Some(held)),
                pump(far_in, near_out, back, None)
            );
        });
    }
}

/// What a frozen line keeps from the server, of one connection.
struct Held {
    of_all: Arc<watch::Sender<Vec<Vec<u8>>>>,
    number: usize,
}

impl Held {
    fn of_another(of_all: Arc<watch::Sender<Vec<Vec<u8>>>>) -> Self {
        let mut number = 0;
        of_all.send_modify(|all| {
            number = all.len();
            all.push(Vec::new());
        });
        Self { of_all, number }
    }

    fn becomes(&self, data: &[u8]) {
        self.of_all.send_if_modified(|all| {
            std::mem::replace(&mut all[self.number], data.to_vec()) != data
        });
    }
}

/// Passes on what comes until one end closes or the line is cut.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut condition: watch::Receiver<Condition>,
    held: Option<Held>,
) {
    let from_server = held.is_none();
    let (mut cut, mut half_closed) = (condition.clone(), condition.clone());
    let passing = async {
        let mut data = vec![0; 64 * 1024];
        while let Ok(mut length @ 1..) = from.read(&mut data).await {
            let Condition {
                delay, throttle, ..
            } = *condition.borrow();
            tokio::time::sleep(delay).await;
            // While it is frozen it takes more, up to a limit, so as to tell what it holds.
            let mut more = true;
            while condition.borrow().frozen {
                if let Some(held) = &held {
                    held.becomes(&data[..length]);
                }
                more &= length < data.len();
                tokio::select! {
                    thawed = condition.wait_for(|now| !now.frozen) => if thawed.is_err() {
                        return;
                    },
                    read = from.read(&mut data[length..]), if more => {
                        more = matches!(read, Ok(1..));
                        length += read.unwrap_or_default();
                    }
                }
            }
            if let Some(held) = &held {
                held.becomes(&[]);
            }
            if to.write_all(&data[..length]).await.is_err() {
                return;
            }
            if let Some(rate) = throttle {
                let span = f64::from(u32::try_from(length).unwrap_or(u32::MAX)) / f64::from(rate);
                tokio::time::sleep(Duration::from_secs_f64(span)).await;
            }
        }
        // The other direction may go on.
        let _closed = to.shutdown().await;
    };
    let closes = tokio::select! {
        // First, or what was frozen might slip through when the line is cut.
        biased;
        _ = cut.wait_for(|condition| condition.cut) => return,
        closes = half_closed.wait_for(|condition| condition.half_closed), if from_server => {
            closes.is_ok()
        }
        () = passing => return,
    };
    if closes {
        let _closed = to.shutdown().await;
        // The server goes on talking to nobody; were it not read, it would notice.
        let mut data = vec![0; 64 * 1024];
        tokio::select! {
            () = async { while let Ok(1..) = from.read(&mut data).await {} } => {}
            _ = cut.wait_for(|condition| condition.cut) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    /// A server that answers each byte with the same, and a line to it.
    async fn echo() -> (Link, JoinHandle<()>) {
        let server = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("tcp://{}", server.local_addr().unwrap());
        let serving = tokio::spawn(async move {
            while let Ok((connection, _)) = server.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = connection.into_split();
                    let _ended = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        (Link::before(&url).await, serving)
    }

    async fn connected(link: &Link) -> TcpStream {
        let address = link.url().strip_prefix("tcp://").unwrap();
        TcpStream::connect(address).await.unwrap()
    }

    #[tokio::test]
    async fn a_half_closed_line_ends_what_the_server_says_and_takes_what_the_client_says() {
        let (link, _serving) = echo().await;
        let mut client = connected(&link).await;
        client.write_all(b"a").await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'a');
        link.becomes(Condition {
            half_closed: true,
            ..Condition::WELL
        });
        let mut byte = [0];
        assert_eq!(client.read(&mut byte).await.unwrap(), 0, "the end");
        client.write_all(b"b").await.unwrap();
        link.becomes(Condition::WELL);
        assert_eq!(client.read(&mut byte).await.unwrap(), 0, "for good");
        let mut other = connected(&link).await;
        other.write_all(b"c").await.unwrap();
        assert_eq!(other.read_u8().await.unwrap(), b'c');
    }

    #[tokio::test]
    async fn a_narrow_line_takes_its_time_and_loses_nothing() {
        let (link, _serving) = echo().await;
        link.becomes(Condition {
            throttle: Some(100_000),
            ..Condition::WELL
        });
        let mut client = connected(&link).await;
        let began = Instant::now();
        let mut answer = vec![0; 30_000];
        for part in answer.chunks_mut(10_000) {
            client.write_all(&vec![7; part.len()]).await.unwrap();
            client.read_exact(part).await.unwrap();
        }
        assert!(answer.iter().all(|byte| *byte == 7));
        // The last part's own wait comes after it.
        assert!(began.elapsed() >= Duration::from_millis(200));
    }
}
