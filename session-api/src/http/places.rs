//! Places for those who hold the stream of pages: so many in all, of one client, of one address.

use super::address::neighbourhood;
use super::problem::Error;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most streams that are held at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caps {
    pub(crate) all: usize,
    /// By one credential.
    pub(crate) client: usize,
    /// From one address, or one /56 of IPv6; nothing for no limit.
    pub(crate) address: Option<usize>,
}

/// All places. Cheap to clone.
#[derive(Clone)]
pub(super) struct Places {
    caps: Caps,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    /// Those that hold any, and how many: no more entries than places.
    by: HashMap<Holder, usize>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Holder {
    Client(String),
    Address(IpAddr),
}

/// A place, free again when it is dropped.
pub(super) struct Place {
    holders: Vec<Holder>,
    taken: Arc<Mutex<Taken>>,
}

impl Places {
    pub(super) fn new(caps: Caps) -> Self {
        Self {
            caps,
            taken: Arc::default(),
        }
    }

    /// A place for this client at this address. [`Error::Overloaded`] where all are taken: another
    /// replica may have one. [`Error::TooManyStreams`] where it has its share.
    pub(super) fn take(
        &self,
        client: Option<&str>,
        address: Option<IpAddr>,
    ) -> Result<Place, Error> {
        let client = client.map(|name| (Holder::Client(name.to_owned()), self.caps.client));
        let address = address
            .zip(self.caps.address)
            .map(|(address, cap)| (Holder::Address(neighbourhood(address)), cap));
        let shares: Vec<_> = client.into_iter().chain(address).collect();
        let mut taken = lock(&self.taken);
        if taken.all >= self.caps.all {
            return Err(Error::Overloaded);
        }
        let has = |holder| taken.by.get(holder).copied().unwrap_or_default();
        if shares.iter().any(|(holder, cap)| has(holder) >= *cap) {
            return Err(Error::TooManyStreams);
        }
        let holders: Vec<_> = shares.into_iter().map(|(holder, _)| holder).collect();
        taken.all += 1;
        for holder in &holders {
            *taken.by.entry(holder.clone()).or_default() += 1;
        }
        Ok(Place {
            holders,
            taken: self.taken.clone(),
        })
    }

    /// How many are taken.
    pub(super) fn taken(&self) -> usize {
        lock(&self.taken).all
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.all -= 1;
        for holder in &self.holders {
            if let Some(count) = taken.by.get_mut(holder) {
                *count -= 1;
                if *count == 0 {
                    taken.by.remove(holder);
                }
            }
        }
    }
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    // Nothing between a change and the next can panic.
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_has_a_share_and_gives_it_back() {
        let places = Places::new(Caps {
            all: 5,
            client: 3,
            address: Some(2),
        });
        let at = |last| Some(IpAddr::from([192, 0, 2, last]));
        let take = |client, address| places.take(client, address);
        let mut held = vec![
            take(Some("orders"), at(1)).unwrap(),
            take(Some("orders"), at(1)).unwrap(),
        ];
        let refused = |taken: Result<Place, Error>| taken.err().map(|error| error.to_string());
        let share = Some(Error::TooManyStreams.to_string());
        assert_eq!(refused(take(Some("billing"), at(1))), share, "the address");
        assert_eq!(refused(take(None, at(1))), share, "the address alone");
        held.push(take(Some("orders"), at(2)).unwrap());
        assert_eq!(refused(take(Some("orders"), at(3))), share, "the client");
        held.push(take(Some("billing"), at(2)).unwrap());
        held.push(take(None, at(3)).unwrap());
        let full = Some(Error::Overloaded.to_string());
        assert_eq!(refused(take(Some("more"), at(4))), full);
        assert_eq!(places.taken(), 5);
        held.clear();
        assert_eq!(places.taken(), 0);
        assert!(lock(&places.taken).by.is_empty(), "nobody is remembered");
        take(Some("orders"), at(1)).unwrap();
    }
}
