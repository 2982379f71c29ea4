//! The kinds of faults: what each is called, what it needs for itself, and what is mended first.

use crate::world::{NODES, REPLICAS};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    ReplicaKilled,
    ReplicaFrozen,
    ReplicaRestarted,
    ReplicaCutFromBus,
    NodeKilled,
    NodeFrozen,
    NodePartitioned,
    RoutesFlap,
    NodeWiped,
    AllNodesWiped,
    BusFlooded,
    StreamFilled,
    DatabaseKilled,
    DatabaseConnectionsDropped,
    DatabaseCut,
    VerifiersCut,
    VerifiersImpaired,
    VerifierRestarted,
    GateFrozen,
    GateKilled,
}

impl Kind {
    pub(crate) const ALL: [Self; 20] = [
        Self::ReplicaKilled,
        Self::ReplicaFrozen,
        Self::ReplicaRestarted,
        Self::ReplicaCutFromBus,
        Self::NodeKilled,
        Self::NodeFrozen,
        Self::NodePartitioned,
        Self::RoutesFlap,
        Self::NodeWiped,
        Self::AllNodesWiped,
        Self::BusFlooded,
        Self::StreamFilled,
        Self::DatabaseKilled,
        Self::DatabaseConnectionsDropped,
        Self::DatabaseCut,
        Self::VerifiersCut,
        Self::VerifiersImpaired,
        Self::VerifierRestarted,
        Self::GateFrozen,
        Self::GateKilled,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ReplicaKilled => "replica: kill -9",
            Self::ReplicaFrozen => "replica: SIGSTOP, SIGCONT",
            Self::ReplicaRestarted => "replica: graceful restart",
            Self::ReplicaCutFromBus => "replica: cut off from NATS",
            Self::NodeKilled => "NATS node: kill -9",
            Self::NodeFrozen => "NATS node: SIGSTOP, SIGCONT",
            Self::NodePartitioned => "NATS node: partitioned from the others",
            Self::RoutesFlap => "NATS node: routes flap, messages lost unseen",
            Self::NodeWiped => "NATS node: JetStream's folder wiped",
            Self::AllNodesWiped => "NATS: all three wiped",
            Self::BusFlooded => "NATS: flood and slow consumers",
            Self::StreamFilled => "NATS: stream filled to max_file_store",
            Self::DatabaseKilled => "Postgres: immediate shutdown",
            Self::DatabaseConnectionsDropped => "Postgres: connections terminated",
            Self::DatabaseCut => "Postgres: links to it cut or frozen",
            Self::VerifiersCut => "verifiers: links cut or frozen",
            Self::VerifiersImpaired => "verifiers: links slow, narrow, half-closed",
            Self::VerifierRestarted => "verifier: replaced by a new one",
            Self::GateFrozen => "verifier's process: SIGSTOP, SIGCONT",
            Self::GateKilled => "verifier's process: kill -9",
        }
    }

    /// What it needs for itself, a bit each: replicas, nodes, the bus as a whole, Postgres, the
    /// verifiers' links, the verifier with a process of its own. `target` is the place of the one replica, node or verifier.
    pub(crate) const fn claims(self, target: usize) -> u32 {
        const BUS: u32 = 1 << 8;
        const POSTGRES: u32 = 1 << 9;
        const VERIFIERS: u32 = 1 << 10;
        const GATE: u32 = 1 << 11;
        const ALL_NODES: u32 = 0b1111 << 4;
        match self {
            Self::ReplicaKilled
            | Self::ReplicaFrozen
            | Self::ReplicaRestarted
            | Self::ReplicaCutFromBus => 1 << (target % REPLICAS),
            Self::NodeKilled
            | Self::NodeFrozen
            | Self::NodePartitioned
            | Self::RoutesFlap
            | Self::NodeWiped => 1 << (4 + target % NODES),
            Self::AllNodesWiped | Self::StreamFilled => ALL_NODES | BUS,
            Self::BusFlooded => BUS | VERIFIERS | ALL_NODES,
            // A replica does not start without its database.
            Self::DatabaseKilled => POSTGRES,
            Self::DatabaseConnectionsDropped | Self::DatabaseCut => POSTGRES,
            Self::VerifiersCut | Self::VerifiersImpaired | Self::VerifierRestarted => VERIFIERS,
            Self::GateFrozen | Self::GateKilled => GATE,
        }
    }

    /// In which order faults that struck together are mended: what others need to start comes first.
    pub(crate) const fn mended(self) -> u8 {
        match self {
            Self::DatabaseKilled | Self::DatabaseConnectionsDropped | Self::DatabaseCut => 0,
            Self::ReplicaKilled | Self::ReplicaFrozen | Self::ReplicaRestarted => 2,
            _ => 1,
        }
    }
}
