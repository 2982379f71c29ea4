//! A line to NATS on which somebody reads along: messages are lost, or buried under others, and the
//! connection stays up. Nobody is told.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A proxy on 127.0.0.1 that knows NATS's protocol. Its connections end with it.
#[derive(Debug)]
pub struct Censor {
    url: String,
    orders: Arc<Mutex<Orders>>,
    _accepting: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Orders {
    /// How the subjects begin whose messages are lost.
    lost: Vec<String>,
    count: usize,
    burial: Option<Burial>,
}

#[derive(Debug)]
struct Burial {
    subject: String,
    under: Vec<u8>,
    times: usize,
}

impl Censor {
    /// In front of the NATS server at `url`, which names a port on 127.0.0.1. Everything arrives.
    ///
    /// # Panics
    /// When it does not, or when there is no port to listen on.
    pub async fn before(url: &str) -> Self {
        let Some(server) = url.strip_prefix("nats://").map(str::to_owned) else {
            panic!("no NATS server: {url}")
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await;
        let listener = listener.unwrap_or_else(|error| panic!("no port for a censor: {error}"));
        let own = listener
            .local_addr()
            .unwrap_or_else(|error| panic!("a censor without an address: {error}"));
        let orders = Arc::<Mutex<Orders>>::default();
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, server, orders.clone()));
        Self {
            url: format!("nats://{own}"),
            orders,
            _accepting: accepting,
        }
    }

    /// The server's URL by way of this line.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on messages to the client are lost where their subject begins with `prefix`.
    pub fn loses(&self, prefix: &str) {
        lock(&self.orders).lost.push(prefix.to_owned());
    }

    /// From now on nothing is lost.
    pub fn loses_nothing(&self) {
        lock(&self.orders).lost.clear();
    }

    /// How many were lost so far.
    #[must_use]
    pub fn lost(&self) -> usize {
        lock(&self.orders).count
    }

    /// The next message on `subject` comes right behind so many others of this payload.
    pub fn buries(&self, subject: &str, under: &[u8], times: usize) {
        lock(&self.orders).burial = Some(Burial {
            subject: subject.to_owned(),
            under: under.to_owned(),
            times,
        });
    }
}

async fn accept(listener: TcpListener, server: String, orders: Arc<Mutex<Orders>>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let (server, orders) = (server.clone(), orders.clone());
        connections.spawn(async move {
            // Where nobody listens at the other end, the connection closes at once.
            let Ok(server) = TcpStream::connect(server).await else {
                return;
            };
            let _unchanged = (client.set_nodelay(true), server.set_nodelay(true));
            let ((mut said, client), (server, mut heard)) =
                (client.into_split(), server.into_split());
            // Whichever end closes, the other learns of it.
            tokio::select! {
                _closed = tokio::io::copy(&mut said, &mut heard) => {}
                _closed = read_along(server, client, &orders) => {}
            }
        });
    }
}

/// What the server says, as far as it is let through.
async fn read_along(
    server: OwnedReadHalf,
    mut client: OwnedWriteHalf,
    orders: &Mutex<Orders>,
) -> io::Result<()> {
    let mut server = BufReader::new(server);
    loop {
        let mut said = Vec::new();
        if server.read_until(b'\n', &mut said).await? == 0 {
            return Ok(());
        }
        let Some(message) = Message::announced_by(&said) else {
            client.write_all(&said).await?;
            continue;
        };
        let line = said.len();
        said.resize(line + message.len + b"\r\n".len(), 0);
        server.read_exact(&mut said[line..]).await?;
        let burial = {
            let mut orders = lock(orders);
            if orders.lost.iter().any(|lost| message.is_on(lost)) {
                orders.count += 1;
                continue;
            }
            orders
                .burial
                .take_if(|burial| burial.subject == message.subject)
        };
        if let Some(Burial { under, times, .. }) = burial {
            let header = format!(
                "MSG {} {} {}\r\n",
                message.subject,
                message.sid,
                under.len()
            );
            let other = [header.as_bytes(), &under, b"\r\n"].concat();
            for _ in 0..times {
                client.write_all(&other).await?;
            }
        }
        client.write_all(&said).await?;
    }
}

/// What the line before a message says of it.
struct Message {
    subject: String,
    sid: String,
    /// Of its headers, if it has any, and its payload.
    len: usize,
}

impl Message {
    /// `MSG <subject> <sid> [reply-to] <len>`, or `HMSG` with the length of the headers before that.
    fn announced_by(line: &[u8]) -> Option<Self> {
        let line = std::str::from_utf8(line).ok()?;
        let mut words = line.split_ascii_whitespace();
        if !matches!(words.next()?, "MSG" | "HMSG") {
            return None;
        }
        Some(Self {
            subject: words.next()?.to_owned(),
            sid: words.next()?.to_owned(),
            len: words.last()?.parse().ok()?,
        })
    }

    fn is_on(&self, prefix: &str) -> bool {
        self.subject.starts_with(prefix)
    }
}

/// It is changed in single steps, so a poisoned lock holds whole orders.
fn lock(orders: &Mutex<Orders>) -> MutexGuard<'_, Orders> {
    orders.lock().unwrap_or_else(PoisonError::into_inner)
}
