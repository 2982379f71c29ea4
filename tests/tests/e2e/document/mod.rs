//! The document against the running service: schemathesis makes calls of it, good ones and bad ones, and
//! judges every answer by what the document says of it.
//!
//! `hooks.py` logs in for each call; `schemathesis.toml` says what a schema cannot say. `$SEED` chooses
//! other calls than those of every day.

use std::path::{Path, PathBuf};
use std::time::Duration;
use tests::SessionApi;
use tests::folder::Folder;
use tests::process::{Process, Spec};
use tests::session_api::Settings;

/// The one in the examples of the document, which are tried too.
const PASSWORD: &str = "correct horse battery staple";

#[tokio::test]
async fn the_service_answers_as_its_document_says() {
    let folder = Folder::new("document-");
    let database = format!("sqlite:{}", folder.path().join("log.db").display());
    let service = SessionApi::start(&Settings::new(&database)).await;
    for (name, role) in [
        ("alice", None),
        ("carol", None),
        ("mallory", None),
        ("root", Some("admin")),
    ] {
        service.has_user(name, PASSWORD, role).await;
    }
    let credential = service.has_client("orders").await;
    let url = service.url();
    let seed = std::env::var("SEED").unwrap_or_else(|_| "1".to_owned());
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/document");
    let spec = Spec::new("schemathesis", program())
        .directory(folder.path())
        .arg("--config-file")
        .arg(here.join("schemathesis.toml"))
        .args(["--no-color", "run", "--seed", &seed])
        .arg(format!("{url}/openapi.json"))
        .env(
            "SCHEMATHESIS_HOOKS",
            &here.join("hooks.py").to_string_lossy(),
        )
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("SERVICE_URL", url)
        .env("PASSWORD", PASSWORD)
        .env("CLIENT", &credential.client)
        .env("CLIENT_SECRET", &credential.secret);
    let schemathesis = Process::start(&spec);
    let ended = schemathesis.ends(Duration::from_mins(5)).await;
    assert!(ended.success(), "{ended}");
}

/// `$SCHEMATHESIS`, or the one that `tests/run` has brought.
fn program() -> PathBuf {
    std::env::var_os("SCHEMATHESIS").map_or_else(
        || {
            let brought = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/schemathesis");
            assert!(
                brought.exists(),
                "no schemathesis: run tests/run once, or set SCHEMATHESIS"
            );
            brought
        },
        PathBuf::from,
    )
}
