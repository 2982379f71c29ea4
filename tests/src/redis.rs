//! A Redis of our own, for what is measured beside it.

use crate::folder::Folder;
use crate::port;
use crate::process::Spec;
use crate::server::Server;
use std::path::PathBuf;
use std::time::Duration;

const START: Duration = Duration::from_secs(20);

/// One server on 127.0.0.1, which keeps what it has in memory alone.
#[derive(Debug)]
pub struct Redis {
    server: Server,
    port: u16,
    _folder: Folder,
}

impl Redis {
    /// A server that anyone on this machine may do anything on.
    ///
    /// # Panics
    /// When there is none: `$REDIS_SERVER` names it, or Debian's `redis-server` has it.
    pub async fn start() -> Self {
        let folder = Folder::new("redis-");
        let port = port::free();
        let program = std::env::var_os("REDIS_SERVER").unwrap_or_else(|| "redis-server".into());
        let spec = Spec::new("redis-server", PathBuf::from(program))
            .directory(folder.path())
            .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
            .args(["--save", "", "--appendonly", "no"]);
        Self {
            server: Server::start(spec, "Ready to accept connections", START).await,
            port,
            _folder: folder,
        }
    }

    /// Where clients connect.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The server itself.
    #[must_use]
    pub const fn server(&self) -> &Server {
        &self.server
    }
}
