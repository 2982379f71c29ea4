//! Clients that take as little of the machine as they can: prepared requests over connections that are
//! kept, all on one thread. They still share the cores with what is measured, so it is ratios that
//! count.

use crate::samples::Samples;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A connection that is kept.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer, until the next request.
pub(crate) struct Reply<'a> {
    pub(crate) status: u16,
    pub(crate) head: &'a str,
    pub(crate) body: &'a str,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            buffer: vec![0; 32 * 1024],
        }
    }

    /// Sends a request and reads the answer to its end. It must have a length.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Reply<'_> {
        self.stream.write_all(request).await.unwrap();
        let (mut filled, mut whole) = (0, None);
        while whole.is_none_or(|(_, end)| filled < end) {
            let read = self.stream.read(&mut self.buffer[filled..]).await.unwrap();
            assert!(
                read > 0,
                "the server has closed the connection, or said too much"
            );
            filled += read;
            whole = whole.or_else(|| measure(&self.buffer[..filled]));
        }
        let (head, end) = whole.unwrap();
        let text = std::str::from_utf8(&self.buffer[..end]).unwrap();
        Reply {
            status: text[9..12].parse().unwrap(),
            head: &text[..head],
            body: &text[head..],
        }
    }
}

impl<'a> Reply<'a> {
    pub(crate) fn must_be(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}{}", self.head, self.body);
        self
    }

    /// The text of a member that stands once.
    pub(crate) fn member(&self, name: &str) -> &'a str {
        let name = format!("\"{name}\":\"");
        let from = self.body.find(&name).unwrap() + name.len();
        let rest = &self.body[from..];
        &rest[..rest.find('"').unwrap()]
    }
}

/// Where the head ends, and the body, once the head is there.
fn measure(answer: &[u8]) -> Option<(usize, usize)> {
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&answer[..head]).unwrap();
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().unwrap())
    });
    Some((head, head + length.expect("an answer with a length")))
}

/// A request as it goes over the wire.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() || method == "POST" {
        text += &format!(
            "Content-Type: application/json\r\nContent-Length: {}\r\n",
            body.len()
        );
    }
    format!("{text}\r\n{body}").into_bytes()
}

/// The address of a server.
pub(crate) fn address(url: &str) -> SocketAddr {
    url.strip_prefix("http://").unwrap().parse().unwrap()
}

/// Runs on a thread of its own, with a runtime that has no other.
pub(crate) fn on_one_thread<T: Send>(work: impl AsyncFnOnce() -> T + Send) -> T {
    std::thread::scope(|threads| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        threads
            .spawn(move || runtime.block_on(work()))
            .join()
            .unwrap()
    })
}

/// What clients have done who ask again as soon as they have an answer.
#[derive(Default)]
pub(crate) struct Done {
    pub(crate) times: Samples,
    pub(crate) span: Duration,
}

impl Done {
    pub(crate) fn per_second(&self) -> f64 {
        self.times.len() as f64 / self.span.as_secs_f64()
    }
}

/// All clients at once, for a span. Those that have begun a request by its end finish it.
pub(crate) async fn busy<C>(clients: &mut [C], span: Duration, work: impl AsyncFn(&mut C)) -> Done {
    let began = Instant::now();
    let work = &work;
    let working = clients.iter_mut().map(|client| async move {
        let mut times = Samples::default();
        while began.elapsed() < span {
            let one = Instant::now();
            work(client).await;
            times.push(one.elapsed());
        }
        times
    });
    let mut done = Done::default();
    for times in futures::future::join_all(working).await {
        done.times.append(times);
    }
    done.span = began.elapsed();
    done
}
