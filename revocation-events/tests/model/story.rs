//! A counterexample, told so that it can be read.

use crate::bounds::Bounds;
use crate::log::Whom;
use crate::scene::Scene;
use crate::sent::{Forgery, Sent};
use crate::service::PubAck;
use crate::world::{Action, World};
use crate::{life, promise, service};
use stateright::Path;
use std::fmt::{Display, Formatter, Result};

/// Prints what happened, a step a line, and what came of it.
pub(crate) fn tell(path: Path<World, Action>, bounds: &Bounds) {
    let end = path.last_state().clone();
    for action in path.into_actions() {
        println!("    {action}");
    }
    if let Some(scene) = Scene::of(bounds, &end) {
        for (index, entry) in scene.missed() {
            let (now, then, whom) = (scene.now(), entry.acknowledged, entry.whom);
            println!(
                "  so in second {now} it is fresh and accepts {whom}, revoked in second {then} by #{index}"
            );
        }
    }
    for rule in promise::broken_rules(bounds, &end) {
        println!("  broken: {rule}");
    }
}

impl Display for Action {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Service(event) => event.fmt(f),
            Self::Conclude => f.write_str("-- the same seconds again, as a verifier lives them --"),
            Self::Verifier(event) => event.fmt(f),
        }
    }
}

impl Display for service::Event {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Tick => f.write_str("a second passes"),
            Self::SetDatabaseClock(to) => write!(f, "the database's clock is set {to} s ahead"),
            Self::FailOver { lost } => write!(f, "a standby takes over that lacks {lost} commits"),
            Self::Prune => f.write_str("what is old is pruned"),
            Self::Revoke(number, whom, ack) => {
                write!(f, "replica {number} revokes {whom} and publishes it{ack}")
            }
            Self::Commit(number, whom) => {
                write!(
                    f,
                    "replica {number} revokes {whom}, and freezes after the commit"
                )
            }
            Self::Publish(number, ack) => {
                write!(f, "replica {number} publishes what it committed{ack}")
            }
            Self::Cut(number, ack) => write!(f, "replica {number} cuts, and sends it{ack}"),
            Self::ReadHead(number) => {
                write!(f, "replica {number} reads the head for its first cut")
            }
            Self::BeginCut(number) => {
                write!(f, "replica {number} begins a cut: it reads the clock")
            }
            Self::ReadLog(number) => write!(f, "replica {number} reads the log"),
            Self::SendCut(number, ack) => {
                write!(f, "replica {number} signs what it read, and sends it{ack}")
            }
            Self::FillStream(number) => write!(f, "replica {number} fills the stored stream"),
            Self::FindStreamGone(number) => write!(f, "replica {number} finds the stream gone"),
            Self::Answer(number, None) => {
                write!(f, "replica {number} answers with all that it has")
            }
            Self::Answer(number, Some(after)) => {
                write!(f, "replica {number} answers with what comes after {after}")
            }
            Self::Hear(number, page) => write!(f, "replica {number} hears another's page {page}"),
            Self::Restart(number) => write!(f, "replica {number} is killed and starts again"),
            Self::ReloadKeys(number) => write!(f, "replica {number} reads the keys again"),
        }
    }
}

impl Display for PubAck {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Comes => ", which is acknowledged",
            Self::IsLost => "",
        })
    }
}

impl Display for life::Event {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Tick => f.write_str("a second passes"),
            Self::TickAsleep => f.write_str("a second passes while its machine sleeps"),
            Self::SetClock(to) => write!(f, "its clock is set {to} s ahead"),
            Self::Deliver(page) => write!(f, "it takes the page {page}"),
            Self::AskForKeys { commits } => {
                write!(
                    f,
                    "it asks for a key set, which is read after {commits} commits"
                )
            }
            Self::KeysCome => f.write_str("the key set comes"),
            Self::VerifyToken => f.write_str("it verifies a token"),
            Self::Restart => f.write_str("it is killed and starts again"),
        }
    }
}

impl Display for Whom {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Session(number) => write!(f, "session {number}"),
            Self::User => f.write_str("the user"),
            Self::Everyone => f.write_str("everyone"),
            Self::Key(key) => write!(f, "key {key}"),
        }
    }
}

impl Display for Sent {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let (from, to, at) = (self.from, self.to, self.at.at);
        write!(f, "({from},{to}] stamped {at}")?;
        if self.at.read.tick != at {
            write!(f, " in second {}", self.at.read.tick)?;
        }
        if self.floor > 0 {
            write!(f, ", floor {}", self.floor)?;
        }
        for index in self.revoked.iter() {
            write!(f, ", with #{index}")?;
        }
        match self.forged {
            Some(Forgery::Key(key)) => write!(f, ", forged, revoking key {key}")?,
            Some(_) => f.write_str(", forged")?,
            None => {}
        }
        for key in self.again.iter() {
            write!(f, ", naming key {key} again")?;
        }
        f.write_str(if self.more { ", more" } else { "" })
    }
}
