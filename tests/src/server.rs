//! A process that is ready once it says so, and that can be started again.

use crate::process::{Process, Spec};
use rustix::process::Signal;
use std::process::ExitStatus;
use std::time::Duration;

/// A server. Its clients wait for nothing: it is ready when it is here.
#[derive(Debug)]
pub struct Server {
    spec: Spec,
    ready: &'static str,
    bound: Duration,
    process: Option<Process>,
}

impl Server {
    /// Starts it and waits until a line of its log holds `ready`.
    ///
    /// # Panics
    /// When that does not come within `bound`; with its log.
    pub async fn start(spec: Spec, ready: &'static str, bound: Duration) -> Self {
        let mut server = Self {
            spec,
            ready,
            bound,
            process: None,
        };
        server.restart().await;
        server
    }

    /// Starts it again with the same arguments; kills it first where it still runs. Returns the
    /// line that says that it is ready.
    ///
    /// # Panics
    /// See [`Server::start`].
    pub async fn restart(&mut self) -> String {
        self.kill();
        let process = Process::start(&self.spec);
        let line = process.says(self.ready, self.bound).await;
        self.process = Some(process);
        line
    }

    /// Ends it by SIGKILL and waits until it is gone.
    pub fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill();
        }
    }

    /// Asks it to end by `signal` and waits. Nothing where it does not run.
    ///
    /// # Panics
    /// When it does not end within the bound that it has for starting; with its log.
    pub async fn end(&mut self, signal: Signal) -> Option<ExitStatus> {
        let process = self.process.take()?;
        process.signal(signal);
        Some(process.ends(self.bound).await)
    }

    /// Stops it in the middle of what it does (SIGSTOP): connections stay open and silent.
    pub fn freeze(&self) {
        self.running().signal(Signal::STOP);
    }

    /// Lets it go on (SIGCONT).
    pub fn thaw(&self) {
        self.running().signal(Signal::CONT);
    }

    /// The process that runs.
    ///
    /// # Panics
    /// When none does: the test has ended it before.
    #[must_use]
    pub fn running(&self) -> &Process {
        let Some(process) = &self.process else {
            panic!("the server was ended and not started again");
        };
        process
    }
}
