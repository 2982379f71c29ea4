//! TLS to Postgres and to NATS, with an authority that this test makes.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use reqwest::Method;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tests::folder::Folder;
use tests::session_api::Settings;
use tests::user::Answer;
use tests::{Gate, Nats, Postgres, SessionApi, User, eventually};

const SOON: Duration = Duration::from_secs(30);
const PASSWORD: &str = "correct horse battery staple";

/// Signs one server's certificate.
struct Authority {
    /// What clients are given.
    ca: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl Authority {
    /// Its server is reached at 127.0.0.1.
    fn new(folder: &Path, name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let server = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let server = server.signed_by(&key, &ca).unwrap();
        let write = |what: &str, text: String| {
            let path = folder.join(format!("{name}-{what}.pem"));
            std::fs::write(&path, text).unwrap();
            path
        };
        Self {
            ca: write("ca", ca.pem()),
            certificate: write("server", server.pem()),
            key: write("key", key.serialize_pem()),
        }
    }
}

/// Whether NATS is there for it.
async fn bus_is(service: &SessionApi, state: &str) -> bool {
    let url = format!("{}/readyz", service.url());
    Answer::of(reqwest::Client::new().get(url)).await.body["bus"] == state
}

/// Where sslmode and tls:// ask for it, a server is believed that the right authority vouches for, and
/// no other; and everything goes through.
#[tokio::test]
async fn a_revocation_goes_through_tls_and_past_no_other_authority() {
    let folder = Folder::new("tls-");
    let [ours, theirs] = ["ours", "theirs"].map(|name| Authority::new(folder.path(), name));

    let postgres = Postgres::with_certificate(&ours.certificate, &ours.key).await;
    let database = postgres.database().await;
    let url = |authority: &Authority| {
        let ca = authority.ca.display();
        let verified = format!("sslmode=verify-full&sslrootcert={ca}");
        database.url().replace("sslmode=disable", &verified)
    };
    let refused = Settings::new(&url(&theirs)).run(&["migrate"], "").await;
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("certificate"), "{said}");

    let nats = Nats::with()
        .config(&format!(
            "jetstream {{ store_dir: $NATS_STORE_DIR }}\ntls {{ cert_file: '{}', key_file: '{}' }}",
            ours.certificate.display(),
            ours.key.display()
        ))
        .start()
        .await;
    let bus = nats.url().replace("nats://", "tls://");
    let settings = |authority: &Authority| {
        let ca = authority.ca.to_string_lossy();
        Settings::new(&url(&ours))
            .nats(&bus)
            .env("SESSION_API_NATS_CA", &ca)
    };
    let stranger = SessionApi::start(&settings(&theirs)).await;
    let service = SessionApi::start(&settings(&ours)).await;
    eventually("the bus is there", SOON, async || {
        bus_is(&service, "connected").await
    })
    .await;
    let words = |service: &SessionApi| {
        service
            .program()
            .server()
            .running()
            .log()
            .line_with("certificate")
    };
    eventually("the other refuses the server", SOON, async || {
        words(&stranger).is_some()
    })
    .await;
    assert!(bus_is(&stranger, "disconnected").await);

    // With a wrong secret nothing comes over HTTP, so that all it knows comes over NATS.
    let mut credential = service.has_client("orders").await;
    credential.secret.push('x');
    let gate = Gate::beside(&service, &credential).nats(&bus);
    let gate = gate.flag("--nats-ca", &ours.ca.to_string_lossy());
    let gate = gate.start().await;
    service.has_user("alice", PASSWORD, None).await;
    let mut alice = User::on_phone(&service, "alice", PASSWORD);
    alice.logs_in().await;
    let token = alice.access_token();
    eventually("it is accepted", SOON, async || {
        gate.verdict(&token).await == 200
    })
    .await;
    let ended = alice
        .sends(Method::DELETE, "/session", None)
        .await
        .must_be(200);
    assert_eq!(ended.body["published"], true);
    eventually("it is refused", SOON, async || {
        gate.verdict(&token).await == 401
    })
    .await;
}
