//! The state space: first the service runs to the end of time, then a verifier lives through what
//! was sent.

use crate::bounds::Bounds;
use crate::history::History;
use crate::life::{self, Life};
use crate::promise;
use crate::service::{self, Service};
use stateright::{Model, Property};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash, Hasher};
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum World {
    Service(Box<Service>),
    Verifier(Arc<Concluded>, Life),
}

/// A history that many states share. It is hashed once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Concluded {
    hash: u64,
    pub(crate) history: History,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    Service(service::Event),
    /// The service's time is over, and the verifier's begins.
    Conclude,
    Verifier(life::Event),
}

impl Hash for Concluded {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Model for Bounds {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::Service(Box::new(Service::new(self)))]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        match world {
            World::Service(service) => {
                let mut events = Vec::new();
                service.events(self, &mut events);
                actions.extend(events.into_iter().map(Action::Service));
                if service.is_over(self) {
                    actions.push(Action::Conclude);
                }
            }
            World::Verifier(concluded, life) => {
                let mut events = Vec::new();
                life.events(self, &concluded.history, &mut events);
                actions.extend(events.into_iter().map(Action::Verifier));
            }
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        match (world, action) {
            (World::Service(service), Action::Service(event)) => {
                let mut next = service.clone();
                next.happen(self, event);
                Some(World::Service(next))
            }
            (World::Service(service), Action::Conclude) => {
                let history = service.conclude();
                let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(&history);
                let concluded = Concluded { hash, history };
                Some(World::Verifier(Arc::new(concluded), Life::new(self)))
            }
            (World::Verifier(concluded, life), Action::Verifier(event)) => {
                let mut next = life.clone();
                next.happen(self, &concluded.history, event);
                Some(World::Verifier(Arc::clone(concluded), next))
            }
            _ => None,
        }
    }

    fn properties(&self) -> Vec<Property<Self>> {
        promise::properties()
    }
}
