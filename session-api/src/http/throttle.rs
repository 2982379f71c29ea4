//! How often passwords may be tried: by the address that tries, and by the account that is tried; and
//! how often a session may write.
//!
//! For passwords it is asked before anything is known of the account, by the name that was sent, whoever has it:
//! its answer says nothing but that the name was tried often. Each process counts for itself; what
//! all replicas hold together is `crate::session::tries`.

use super::address::neighbourhood;
use super::problem::Error;
use crate::service::device::Device;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use revocation_events::{SessionId, UserId};
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

/// At once, and then one in this time: a whole office behind one address logs in on Monday morning.
/// `--help` says it too.
const BY_ADDRESS: (u32, Duration) = (100, Duration::from_secs(1));

/// A person who mistypes a long password: for a name, from each address by itself, so that a stranger
/// elsewhere uses up nothing of hers. How many strangers try in all is for `crate::session::tries`.
const BY_ACCOUNT: (u32, Duration) = (10, Duration::from_secs(6));

/// All devices and sessions of one owner together, where addresses do not count: whoever collects them
/// gets no more hashes for that.
const BY_OWNER: (u32, Duration) = BY_ADDRESS;

/// What one session may do of a kind that writes to the log. Twenty tabs refresh at once; a client in
/// a loop would fill the disk. `--help` and the document say it too.
const BY_SESSION: (u32, Duration) = (60, Duration::from_secs(1));

/// Keys that are remembered of each kind, about 100 bytes each.
const MAX_KEYS: usize = 100_000;

/// Keys that all share while there is no room for more: many strangers at once are then slowed down
/// together, and nobody is let through uncounted.
const SHARED_KEYS: u64 = 4096;

/// How often keys are forgotten whose rate is fresh again.
pub(super) const SWEEP: Duration = Duration::from_secs(10);

/// Whose password is tried.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) enum Account<'a> {
    /// As it was sent, whether anybody has it or not; counted for each address.
    Name(&'a str),
    /// One that the account's owner, of this name, has logged in with. No stranger uses up its rate,
    /// nor keeps it out by what they do at the address that both have.
    Device(Device, &'a str),
    /// One in which the user is logged in: a thief of another uses up nothing of its rate.
    Session(SessionId, UserId),
}

/// What a session writes.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) enum Write {
    Refresh,
    EndOthers,
}

/// All rates; or none, with `--throttle off`.
pub(super) struct Throttle<C: Clock = RateClock>(Option<Rates<C>>);

#[cfg(not(test))]
type RateClock = governor::clock::DefaultClock;

/// In tests time stands still: no rate comes back while a busy machine uses it up.
#[cfg(test)]
type RateClock = governor::clock::FakeRelativeClock;

struct Rates<C: Clock> {
    addresses: Rate<C>,
    accounts: Rate<C>,
    owners: Rate<C>,
    sessions: Rate<C>,
}

impl<C: Clock> Rates<C> {
    const fn all(&self) -> [&Rate<C>; 4] {
        [
            &self.addresses,
            &self.accounts,
            &self.owners,
            &self.sessions,
        ]
    }
}

impl Throttle {
    pub(super) fn new(on: bool) -> Self {
        Self::with_clock(on, &RateClock::default())
    }
}

impl<C: Clock + Clone> Throttle<C> {
    fn with_clock(on: bool, clock: &C) -> Self {
        Self(on.then(|| Rates {
            addresses: Rate::new(BY_ADDRESS, clock.clone()),
            accounts: Rate::new(BY_ACCOUNT, clock.clone()),
            owners: Rate::new(BY_OWNER, clock.clone()),
            sessions: Rate::new(BY_SESSION, clock.clone()),
        }))
    }

    pub(super) const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// One more try. What is narrower comes first: who has none left must not use up what others
    /// share. For the rate of a name that is the address, for it is of the name at that address.
    pub(super) fn try_password(
        &self,
        address: Option<IpAddr>,
        account: Account<'_>,
    ) -> Result<(), Error> {
        let Some(rates) = &self.0 else { return Ok(()) };
        let too_many = |wait| Error::Throttled(By::Account, wait);
        let of_account = |from| rates.accounts.take((account, from)).map_err(too_many);
        match account {
            Account::Name(_) => {
                self.hash_for(address)?;
                of_account(address.map(neighbourhood))
            }
            Account::Device(_, name) => {
                of_account(None)?;
                rates.owners.take(name).map_err(too_many)
            }
            Account::Session(_, user) => {
                of_account(None)?;
                rates.owners.take(user).map_err(too_many)
            }
        }
    }

    /// One more write of this kind by a session; or when there may be one again.
    pub(super) fn write(&self, session: SessionId, what: Write) -> Result<(), Duration> {
        match &self.0 {
            Some(rates) => rates.sessions.take((session, what)),
            None => Ok(()),
        }
    }

    /// One more hash for this address, of whatever.
    pub(super) fn hash_for(&self, address: Option<IpAddr>) -> Result<(), Error> {
        let (Some(rates), Some(address)) = (&self.0, address) else {
            return Ok(());
        };
        rates
            .addresses
            .take(neighbourhood(address))
            .map_err(|wait| Error::Throttled(By::Address, wait))
    }

    /// Forgets what is as good as new.
    pub(super) fn sweep(&self) {
        if let Some(rates) = &self.0 {
            rates.all().into_iter().for_each(Rate::sweep);
        }
    }
}

/// Which rate was too high. For the auditor: the client is told the same in either case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Address,
    Account,
}

impl By {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Account => "account",
        }
    }
}

/// One rate, for each key. Keys are hashed: names may be long, and need not be kept.
struct Rate<C: Clock> {
    limiter: RateLimiter<u64, DashMapStateStore<u64>, C, NoOpMiddleware<C::Instant>>,
    /// Random, so that nobody finds a name that shares another's key.
    hasher: RandomState,
    clock: C,
    max_keys: usize,
}

impl<C: Clock + Clone> Rate<C> {
    fn new((burst, one_per): (u32, Duration), clock: C) -> Self {
        let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(one_per)
            .unwrap_or_else(|| unreachable!("the period is a constant above zero"));
        Self {
            limiter: RateLimiter::dashmap_with_clock(quota.allow_burst(burst), clock.clone()),
            hasher: RandomState::new(),
            clock,
            max_keys: MAX_KEYS,
        }
    }

    /// Takes one, or says when there will be one again.
    fn take(&self, key: impl Hash) -> Result<(), Duration> {
        let key = self.hasher.hash_one(key);
        let full = self.limiter.len() >= self.max_keys;
        let key = if full { key % SHARED_KEYS } else { key };
        self.limiter
            .check_key(&key)
            .map_err(|until| until.wait_time_from(self.clock.now()))
    }

    fn sweep(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;

    fn rate(burst: u32, max_keys: usize) -> (Rate<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let rate = Rate::new((burst, Duration::from_secs(6)), clock.clone());
        (Rate { max_keys, ..rate }, clock)
    }

    #[test]
    fn a_key_has_a_burst_and_then_its_rate() {
        let (rate, clock) = rate(3, 10);
        for _ in 0..3 {
            assert_eq!(rate.take("alice"), Ok(()));
        }
        assert_eq!(rate.take("alice"), Err(Duration::from_secs(6)));
        assert_eq!(rate.take("bob"), Ok(()));
        clock.advance(Duration::from_secs(5));
        assert_eq!(rate.take("alice"), Err(Duration::from_secs(1)));
        clock.advance(Duration::from_secs(1));
        assert_eq!(rate.take("alice"), Ok(()));
        assert!(rate.take("alice").is_err());
    }

    #[test]
    fn memory_is_bounded_and_given_back() {
        let (rate, clock) = rate(1, 100);
        let keys = |range: std::ops::Range<u32>| range.filter(|key| rate.take(key).is_ok()).count();
        assert_eq!(keys(0..100), 100);
        assert_eq!(rate.limiter.len(), 100);
        // No room: from here on strangers share, and are counted all the same.
        let let_through = keys(100..100_000);
        let shared = usize::try_from(SHARED_KEYS).unwrap();
        assert!(let_through <= shared, "{let_through}");
        assert!(rate.limiter.len() <= 100 + shared);
        rate.sweep();
        assert!(rate.limiter.len() > 100, "what is in use is not forgotten");
        clock.advance(Duration::from_secs(12));
        rate.sweep();
        assert_eq!(rate.limiter.len(), 0);
        assert_eq!(keys(0..100), 100);
    }

    #[test]
    fn neighbours_of_ipv6_are_one() {
        let clock = FakeRelativeClock::default();
        let throttle = Throttle::with_clock(true, &clock);
        let tries = |address: &str, times: u32| {
            let address: IpAddr = address.parse().unwrap();
            (0..times)
                .filter(|_| throttle.hash_for(Some(address)).is_ok())
                .count()
        };
        assert_eq!(tries("2001:db8::1", 60), 60);
        assert_eq!(tries("2001:db8::ffff:1", 60), 40);
        assert_eq!(tries("2001:db8:0:100::1", 60), 60);
        assert_eq!(tries("192.0.2.1", 60), 60);
        assert_eq!(tries("::ffff:192.0.2.1", 60), 40);
        assert_eq!(tries("192.0.2.2", 60), 60);
    }

    /// A name is counted at each address by itself; a session, and a device, everywhere.
    #[test]
    fn a_stranger_elsewhere_uses_up_nothing_of_a_names() {
        let throttle = Throttle::with_clock(true, &FakeRelativeClock::default());
        let tries = |last: u8, account| {
            let address = Some(IpAddr::from([192, 0, 2, last]));
            (0..20)
                .filter(|_| throttle.try_password(address, account).is_ok())
                .count()
        };
        assert_eq!(
            [1, 1, 2].map(|last| tries(last, Account::Name("alice"))),
            [10, 0, 10]
        );
        assert_eq!([1, 1, 2].map(|last| tries(last, session(1))), [10, 0, 0]);
        assert_eq!(tries(1, session(2)), 10, "another of the same user");
    }

    fn session(number: u128) -> Account<'static> {
        let session = SessionId::new(uuid::Uuid::from_u128(number));
        Account::Session(session, UserId::new(uuid::Uuid::nil()))
    }

    /// Whoever uses up an address has not used up the account.
    #[test]
    fn an_address_is_counted_before_an_account() {
        let throttle = Throttle::with_clock(true, &FakeRelativeClock::default());
        let address = Some(IpAddr::from([192, 0, 2, 1]));
        while throttle.hash_for(address).is_ok() {}
        for _ in 0..20 {
            let name = Account::Name("alice");
            assert!(throttle.try_password(address, name).is_err());
        }
        let rates = throttle.0.as_ref().unwrap();
        let left = (Account::Name("alice"), address.map(neighbourhood));
        assert!(rates.accounts.take(left).is_ok());
    }

    /// Whoever uses up an address does not keep out those of it who are known; and whoever collects
    /// sessions, or devices, has no more tries for that.
    #[test]
    fn whoever_is_known_has_tries_whatever_their_address_has_left() {
        let throttle = Throttle::with_clock(true, &FakeRelativeClock::default());
        let address = Some(IpAddr::from([192, 0, 2, 1]));
        while throttle.hash_for(address).is_ok() {}
        let tries = |account| {
            (0..20)
                .filter(|_| throttle.try_password(address, account).is_ok())
                .count()
        };
        assert_eq!(
            (0..15).map(|number| tries(session(number))).sum::<usize>(),
            100
        );
        let another = Account::Session(
            SessionId::new(uuid::Uuid::max()),
            UserId::new(uuid::Uuid::max()),
        );
        assert_eq!(tries(another), 10, "another user's");

        let devices = (0..15).map(|_| tries(Account::Device(Device::new(), "alice")));
        assert_eq!(devices.sum::<usize>(), 100);
        let another = Account::Device(Device::new(), "bob");
        assert_eq!(tries(another), 10, "another owner's");
    }

    #[test]
    fn a_session_writes_at_its_rate_each_kind_by_itself() {
        let clock = FakeRelativeClock::default();
        let throttle = Throttle::with_clock(true, &clock);
        let [one, other] = [1, 2].map(|number| SessionId::new(uuid::Uuid::from_u128(number)));
        let writes = |session, what| {
            (0..100)
                .filter(|_| throttle.write(session, what).is_ok())
                .count()
        };
        assert_eq!(writes(one, Write::Refresh), 60);
        assert_eq!(writes(one, Write::EndOthers), 60);
        assert_eq!(writes(other, Write::Refresh), 60);
        clock.advance(Duration::from_secs(3));
        assert_eq!(writes(one, Write::Refresh), 3);
    }
}
