//! Requests byte by byte, as no library would send them.

use super::SOON;
use tests::nginx::Nginx;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// All that came until the connection was closed.
#[derive(Debug)]
pub(super) struct Heard {
    /// Of each answer, in their order.
    pub(super) statuses: Vec<u16>,
    pub(super) text: String,
}

/// Sends `request` on a connection of its own, and listens until nginx closes that.
///
/// # Panics
/// When nginx keeps it open: the last request there should have said `Connection: close`.
pub(super) async fn says(nginx: &Nginx, request: impl AsRef<[u8]>) -> Heard {
    let url = nginx.url("");
    let mut socket = TcpStream::connect(url.trim_start_matches("http://"))
        .await
        .unwrap();
    let mut answers = Vec::new();
    let talk = async {
        // What is not read to its end may come back as a reset.
        let _ = socket.write_all(request.as_ref()).await;
        let _ = socket.read_to_end(&mut answers).await;
    };
    let ended = tokio::time::timeout(SOON, talk).await.is_ok();
    let text = String::from_utf8_lossy(&answers).into_owned();
    let asked = String::from_utf8_lossy(request.as_ref()).into_owned();
    assert!(ended, "still open after\n{asked}\nwith\n{text}");
    let after = text.split("HTTP/1.1 ").skip(1);
    let statuses = after.filter_map(|rest| rest.get(..3)?.parse().ok());
    Heard {
        statuses: statuses.collect(),
        text,
    }
}

/// The text of a request that is the last on its connection, with `lines` as its header beside `Host`.
pub(super) fn request(line: &str, lines: &[&str]) -> String {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    format!("{line} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{lines}\r\n")
}
