//! The end-to-end tests: one binary, so that it links once and starts one Postgres.
//!
//! | module | what it shows |
//! | --- | --- |
//! | `browsers` | what Chromium does with our cookies, and what foreign pages can make it do |
//! | `bus` | that what strangers publish is refused and counted |
//! | `command_line` | that what operators and newcomers type does what is printed |
//! | `deploy` | that the files of `deploy/` are taken by what reads them |
//! | `document` | that the service answers as `/openapi.json` says |
//! | `events` | that programs which read the log of events miss none of it |
//! | `evidence` | that the tests which the tables of `docs/` name are there |
//! | `faults` | the promise of a revocation while something fails |
//! | `gateway` | nginx in front of it all, with the files of `deploy/nginx` |
//! | `hang_ups` | that clients which hang up take nothing from those who do not |
//! | `harness` | that the harness does what the other tests rely on |
//! | `hostile` | that no hostile token is taken anywhere |
//! | `keys` | the life of signing keys, seen from verifiers |
//! | `mixing` | that two users, and two sessions of one, never mix |
//! | `pages` | the account page, the operator's and the reference, used in Chromium |
//! | `permissions` | what each account of `deploy/nats.conf` may and may not do |
//! | `revocation` | a revocation, from the call to the refusal at every verifier |
//! | `tls` | the same with TLS to Postgres and NATS |

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod browsers;
mod bus;
mod command_line;
mod deploy;
mod document;
mod events;
mod evidence;
mod faults;
mod gateway;
mod hang_ups;
mod harness;
mod hostile;
mod keys;
mod mixing;
mod pages;
mod permissions;
mod revocation;
mod tls;
