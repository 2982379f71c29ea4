//! The harness: real servers on free ports in temporary folders, restartable, ended on drop.
//!
//! | module | what is in it |
//! | --- | --- |
//! | [`mod@eventually`] | waiting for a condition, with a bound |
//! | [`process`] | a child process whose output is kept and whose end is certain |
//! | [`server`] | a process that says when it is ready and can be started again |
//! | [`folder`], [`port`] | places for servers that disturb nobody |
//! | [`postgres`], [`nats`] | the servers that Portcullis stands on |
//! | [`redis`] | one that others stand on, for benchmarks |
//! | [`clock`] | a wall clock of its own for one of them, which can be set |
//! | [`link`] | a line between two of them, which can be made slow, narrow, frozen, half-closed or cut |
//! | [`censor`] | a line to NATS on which messages are lost while the connection stays up |
//! | [`program`] | our own binaries, built before they run |
//! | [`session_api`], [`gate`] | the session service and `verifier-gate`, with their settings |
//! | [`nginx`] | nginx in front of them, with the files of `deploy/nginx` |
//! | [`browser`] | a real Chromium with a profile of its own |
//! | [`user`], [`cookies`] | a person with a browser or a phone |
//! | [`figures`] | what a server has counted |
//! | [`guide`] | the commands of a guide, and what they are said to show |
//! | [`hostile`] | tokens that must be refused, made for whoever has to refuse them |
//!
//! Nothing here knows our crates, so each of them may use the harness in its own tests. What goes
//! wrong here ends the test: the functions panic and say what was awaited and what the server said.
//!
//! To add a server: a [`process::Spec`] that starts it in a [`folder::Folder`], and the line of its
//! log that makes it a [`server::Server`].

pub mod browser;
pub mod censor;
pub mod clock;
pub mod cookies;
pub mod eventually;
pub mod figures;
pub mod folder;
pub mod gate;
pub mod guide;
pub mod hostile;
pub mod link;
pub mod nats;
pub mod nginx;
pub mod port;
pub mod postgres;
pub mod process;
pub mod program;
pub mod redis;
pub mod server;
pub mod session_api;
pub mod user;

pub use browser::Browser;
pub use censor::Censor;
pub use clock::WallClock;
pub use eventually::{eventually, until};
pub use gate::Gate;
pub use link::Link;
pub use nats::Nats;
pub use nginx::Nginx;
pub use postgres::{Database, Postgres};
pub use program::Program;
pub use session_api::SessionApi;
pub use user::User;
