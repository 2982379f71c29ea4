//! Sessions whose clients refresh over connections that they keep.

use crate::load::{self, Connection, Done, address, request};
use std::time::Duration;
use tests::User;
use tests::session_api::SessionApi;

const PASSWORD: &str = "correct horse battery staple";

/// Who holds a session token.
pub(crate) struct Client {
    token: String,
}

/// How many log in at once: the service hashes no more passwords than it has cores, and refuses those
/// who would wait for long.
const AT_ONCE: usize = 16;

/// So many sessions, of a user for every sixteen of them, whose names begin so.
pub(crate) async fn log_in(service: &SessionApi, names: &str, many: usize) -> Vec<Client> {
    let mut clients = Vec::new();
    for first in (0..many).step_by(AT_ONCE) {
        let name = format!("{names}-{first}");
        service.has_user(&name, PASSWORD, None).await;
        let logging_in = (first..many.min(first + AT_ONCE)).map(|_| async {
            let mut user = User::on_phone(service, &name, PASSWORD);
            user.logs_in().await;
            Client {
                token: user.session_token(),
            }
        });
        clients.extend(futures::future::join_all(logging_in).await);
    }
    clients
}

impl Client {
    /// All of them at once, each again as soon as it has an answer.
    pub(crate) fn refresh(clients: &mut [Self], service: &SessionApi, span: Duration) -> Done {
        let address = address(service.url());
        load::on_one_thread(async || {
            let mut connected = Vec::new();
            for client in clients {
                connected.push((client, Connection::open(address).await));
            }
            load::busy(&mut connected, span, async |(client, connection)| {
                client.once(connection).await;
            })
            .await
        })
    }

    /// One refresh.
    pub(crate) async fn once(&mut self, connection: &mut Connection) {
        let body = format!(r#"{{"session_token":"{}"}}"#, self.token);
        let reply = connection
            .ask(&request("POST", "/session/refresh", &[], &body))
            .await;
        reply
            .must_be(200)
            .member("session_token")
            .clone_into(&mut self.token);
    }
}
