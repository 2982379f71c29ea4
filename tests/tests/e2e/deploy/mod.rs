//! The files of `deploy/`, each held against what reads it.
//!
//! NATS's is in `permissions`, nginx's in `gateway`, and what only a linter reads in `tests/deploy_files`.
//!
//! | file | what it shows |
//! | --- | --- |
//! | `units` | that systemd takes its units |
//! | `alerts` | that Prometheus's rules ask for what there is, and that the runbook tells of each |
//! | `backup` | that the runbook's way back from a backup lets nobody in who was revoked since |
//! | `topology` | that what `compose.yaml` describes works, and goes on without a node and a replica |

mod alerts;
mod backup;
mod topology;
mod units;
