//! An address that hostile tokens name, and that nobody may open.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tests::eventually;
use tokio::net::{TcpListener, TcpStream};

pub(super) struct Lure {
    address: String,
    visits: Arc<AtomicUsize>,
}

impl Lure {
    pub(super) async fn lay() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let visits = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&visits);
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { address, visits }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) async fn must_be_untouched(&self) {
        // Our own visit is counted after every earlier one.
        TcpStream::connect(&self.address).await.unwrap();
        eventually("our own visit is noticed", super::SOON, async || {
            self.visits.load(Ordering::Relaxed) > 0
        })
        .await;
        let visits = self.visits.load(Ordering::Relaxed) - 1;
        assert_eq!(visits, 0, "connections that a token asked for");
        println!("connections that a token asked for: {visits}");
    }
}
