//! The service, put together and running.

use super::serve::{BusArgs, ServiceArgs, Throttle};
use super::settings::KeyEncryption;
use super::{Failure, Outcome};
use crate::events::Events;
use crate::http::{self, App, Caps, HttpSettings};
use crate::password::Hasher;
use crate::relay::Relay;
use crate::relay::bus::{BusSide, StreamSettings};
use crate::relay::fleet::Fleet;
use crate::relay::worker::Worker;
use crate::service::key_admin::open_keys;
use crate::service::{Service, Settings};
use crate::store::{Replica, Store};
use crate::token;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use revocation_events::nats::{Bus, StatusFeed};
use std::net::TcpListener;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What verifiers allow for clocks that differ, and what the stream keeps beyond that.
pub(super) const STREAM_SLACK: Duration = Duration::from_secs(5 + 120);

/// How often it is looked at whether verifiers' reports can come.
const LOOK_AT_BUS: Duration = Duration::from_millis(500);

/// A service whose workers run.
pub(super) struct Running {
    app: App,
    bus: Option<Bus>,
    /// What cuts pages, what publishes events, and what keeps house. Each works until `last_commit`.
    pub(super) workers: JoinSet<()>,
    /// Ends the workers, after the last request.
    last_commit: CancellationToken,
}

/// Puts the service together and starts what runs beside the requests.
pub(super) async fn start(
    store: Arc<dyn Store>,
    keys: &KeyEncryption,
    args: &ServiceArgs,
    bus: Option<Bus>,
    bus_args: &BusArgs,
) -> Result<Running, Failure> {
    let keys = Arc::new(open_keys(&*store, keys.sealer()?).await?);
    let issuer = args.issuer.as_str().to_owned();
    let (relay, commits) = Relay::new(issuer.clone(), store.clone(), keys.clone(), bus.is_some());
    let replica = Replica {
        id: Uuid::new_v4(),
        access_ttl: args.access_ttl,
    };
    let fleet = Fleet::new(store.clone(), bus.is_some());
    let (mut workers, last_commit) = (JoinSet::new(), CancellationToken::new());
    let until_last_commit = |work: BoxFuture<'static, ()>| {
        let last_commit = last_commit.clone();
        async move { last_commit.run_until_cancelled(work).await.unwrap_or(()) }
    };
    let hearing = hear_posts(store.clone(), fleet.clone());
    workers.spawn(until_last_commit(hearing.boxed()));
    let side = match &bus {
        None => None,
        Some(bus) => {
            let feed = StatusFeed::subscribe(bus).await?;
            let hearing = hear_statuses(feed, bus.clone(), fleet.clone());
            workers.spawn(until_last_commit(hearing.boxed()));
            let settings = StreamSettings {
                max_age: args.access_ttl + STREAM_SLACK,
                replicas: bus_args.nats_replicas,
            };
            Some(BusSide::new(relay.clone(), bus, settings).await?)
        }
    };
    let worker = Worker::new(relay.clone(), commits, replica, side);
    workers.spawn(worker.run(last_commit.clone()));
    let mut events = Events::default();
    if let Some(bus) = &bus {
        let (log, stream) = (
            (store.clone(), issuer.clone()),
            (bus, bus_args.nats_replicas),
        );
        let (begun, publishing) = args.events.publishing(log, stream, last_commit.clone());
        events = begun;
        workers.spawn(publishing);
    }
    let settings = Settings {
        issuer: token::Issuer {
            issuer,
            audience: args.audience.clone(),
            access_ttl: args.access_ttl,
        },
        session_ttl: args.session_ttl,
        session_max_age: args.session_max_age,
        max_sessions_per_user: args.max_sessions_per_user,
        events_max_age: args.events.events_max_age,
    };
    let service = Service::new(store, keys, Hasher::for_this_machine(), relay, settings);
    workers.spawn(until_last_commit(service.clone().keep_house().boxed()));
    workers.spawn(until_last_commit(service.clone().watch_keys().boxed()));
    let throttle = args.throttle == Throttle::On;
    let http = HttpSettings {
        base_path: args.base_path.clone(),
        allowed_origins: args.allowed_origin.clone(),
        trusted_proxies: args.trusted_proxy.clone(),
        open_registration: args.open_registration,
        ops_listen: args.ops_listen,
        open_feed: args.open_feed,
        streams: Caps {
            all: args.max_streams,
            client: args.max_streams_per_client,
            address: throttle.then_some(args.max_streams_per_address),
        },
        throttle,
        max_session_streams: args.max_session_streams,
    };
    Ok(Running {
        app: App::new(service, fleet, http).with_events(events),
        bus,
        workers,
        last_commit,
    })
}

impl Running {
    /// Serves until `stop`, then lets requests end and publishes what they revoked. It stops by itself
    /// where a worker ends: without it revocations would reach nobody, and nobody would know.
    pub(super) async fn serve(mut self, listener: TcpListener, stop: CancellationToken) -> Outcome {
        let serving = http::run(listener, self.app, stop.clone().cancelled_owned());
        let mut serving = pin!(serving);
        let (served, whole) = tokio::select! {
            served = &mut serving => (served, true),
            Some(_) = self.workers.join_next() => {
                stop.cancel();
                (serving.await, false)
            }
        };
        self.last_commit.cancel();
        while self.workers.join_next().await.is_some() {}
        served?;
        if let Some(bus) = self.bus {
            bus.close().await;
        }
        if !whole {
            return Err(Failure::failed(
                "a part of the service ended by a fault, told above; start it again, and report the fault",
            ));
        }
        Ok(())
    }

    pub(super) const fn app(&self) -> &App {
        &self.app
    }
}

async fn hear_statuses(mut feed: StatusFeed, bus: Bus, fleet: Fleet) {
    let (mut health, mut look) = (bus.health(), interval(LOOK_AT_BUS));
    loop {
        // The connection itself is asked: a change of it may go untold.
        fleet.hears(bus.connected(), Instant::now());
        tokio::select! {
            reported = feed.next() => match reported {
                Some(Ok(reported)) => fleet.heard(reported.client, reported.status, Instant::now()),
                Some(Err(_)) => fleet.heard_nonsense(),
                None => return,
            },
            Ok(()) = health.changed() => {}
            _ = look.tick() => {}
        }
    }
}

/// As long as the database answers, reports can be posted.
async fn hear_posts(store: Arc<dyn Store>, fleet: Fleet) {
    let mut look = interval(LOOK_AT_BUS);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        let answers = store.pruned().await.is_ok();
        fleet.can_read(answers, Instant::now());
    }
}
