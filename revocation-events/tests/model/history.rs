//! What the world outside learns of the service: all that a verifier's life depends on.

use crate::log::{Entry, Log, Tick};
use crate::sent::Sent;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct History {
    pub(crate) entries: Vec<Entry>,
    /// Every page that was ever sent, whichever way, sorted.
    sent: Vec<Sent>,
    /// The head at the end of each second. None between a failover and the first transaction that
    /// finds it.
    heads: Vec<Option<u8>>,
}

impl History {
    pub(crate) fn send(&mut self, page: Sent) {
        if let Err(place) = self.sent.binary_search(&page) {
            self.sent.insert(place, page);
        }
    }

    pub(crate) fn end_tick(&mut self, log: &Log) {
        self.heads.push((!log.another).then_some(log.head));
    }

    pub(crate) fn concluded(mut self, log: &Log) -> Self {
        self.end_tick(log);
        self.entries.clone_from(&log.entries);
        self
    }

    pub(crate) fn sent(&self) -> impl Iterator<Item = &Sent> {
        self.sent.iter()
    }

    /// The pages that may have come by that second: those that there could be. When they were really
    /// sent makes no difference: a true page that comes too early is as true as one that comes late.
    /// So the same page sent late is no history of its own.
    pub(crate) fn sent_by(&self, tick: Tick) -> impl Iterator<Item = &Sent> {
        self.sent.iter().filter(move |page| page.earliest <= tick)
    }

    pub(crate) fn head(&self, tick: Tick) -> Option<u8> {
        self.heads[usize::try_from(tick).unwrap()]
    }

    /// The revocations committed by the end of that second.
    pub(crate) fn committed(&self, tick: Tick) -> &[Entry] {
        let count = self
            .entries
            .partition_point(|entry| entry.acknowledged <= tick);
        &self.entries[..count]
    }
}
