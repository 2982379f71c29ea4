//! The SDK as a small HTTP server, for gateways that ask before they pass a request on: nginx's
//! `auth_request`, Traefik's `forwardAuth`, Caddy's `forward_auth`, Envoy's `ext_authz`.

mod http;
mod logging;
mod metrics;
mod settings;

use http::Gate;
use settings::{Settings, Wrong};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// A setting is wrong: started again, it still will be.
const BAD_SETTING: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let settings = match Settings::read() {
        Ok(settings) => settings,
        Err(wrong) => return refuse(&wrong),
    };
    settings.logging.init();
    // Not waited for: whoever asks before the first catch-up is told to wait, and a gate that
    // starts before its issuer must not die of it.
    let verifier = match settings.spawn() {
        Ok(verifier) => verifier,
        Err(wrong) => return refuse(&wrong),
    };
    let gate = Gate::new(verifier, settings.on_stale.into(), settings.method_from);
    let served = match shutdown() {
        Ok(shutdown) => http::run(settings.listen, gate, shutdown).await,
        Err(error) => Err(error),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("verifier-gate: {error}");
            ExitCode::FAILURE
        }
    }
}

fn refuse(Wrong(line): &Wrong) -> ExitCode {
    eprintln!("verifier-gate: {line}");
    ExitCode::from(BAD_SETTING)
}

/// Ends with SIGTERM, as orchestrators send it, or with Ctrl-C.
fn shutdown() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
