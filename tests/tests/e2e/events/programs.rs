//! The examples in Rust and in Python, each with the permissions of `deploy/nats.conf` and no others.

use super::*;
use crate::permissions::{bus as bus_of_deploy, make_consumer};
use async_nats::ConnectOptions;
use std::path::PathBuf;
use tests::folder::Folder;
use tests::process::{Process, Spec};
use tests::program::{Program, python_with_nats};

/// A program that mails, and the file of its mails.
struct Mailer {
    spec: Spec,
    process: Process,
    mails: PathBuf,
    _folder: Folder,
}

impl Mailer {
    async fn start(nats: &Nats, spec: Spec) -> Self {
        let folder = Folder::new("mails-");
        let mails = folder.path().join("mails.log");
        let spec = spec
            .arg(&mails)
            .env("NATS_URL", &nats.url_for("audit", "audit-password"))
            .env("NATS_INBOX_PREFIX", "_INBOX_audit")
            .env("NATS_API_PREFIX", "JS.SESSIONS")
            .env("CONSUMER", "audit");
        let process = Self::listening(&spec).await;
        Self {
            spec,
            process,
            mails,
            _folder: folder,
        }
    }

    async fn listening(spec: &Spec) -> Process {
        let process = Process::start(spec);
        process.says("listening for events", SOON).await;
        process
    }

    /// As a crash ends it, in the middle of a line.
    async fn crashes_and_starts_again(&mut self) {
        self.process.kill();
        let mut mails = std::fs::read(&self.mails).unwrap();
        let first = mails.iter().position(|byte| *byte == b'\n').unwrap();
        let half = mails[..first / 2].to_vec();
        mails.extend(half);
        std::fs::write(&self.mails, mails).unwrap();
        self.process = Self::listening(&self.spec).await;
    }

    fn mails(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.mails).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// One for each, in the order of the log-ins.
    async fn has_mailed(&self, count: usize) {
        eventually("all mails", 2 * SOON, async || self.mails().len() == count).await;
        let mails = self.mails();
        let ids: HashSet<_> = mails.iter().map(|mail| &mail[..36]).collect();
        assert_eq!(ids.len(), count, "{mails:?}");
        let words = "a log-in from a new device";
        assert!(mails.iter().all(|mail| mail.ends_with(words)), "{mails:?}");
    }
}

/// New devices of a user, of which no other was seen before.
async fn log_in_from_new_devices(world: &World, names: &[&str]) {
    let client = reqwest::Client::new();
    for name in names {
        for _again in 0..2 {
            let body = serde_json::json!({
                "username": "alice", "password": crate::revocation::PASSWORD, "delivery": "body",
            });
            let request = client.post(format!("{}/session", world.service.url()));
            let answer = request.header("User-Agent", *name).json(&body).send().await;
            assert_eq!(answer.unwrap().status(), 201);
        }
    }
}

/// What reads as no event, and what would make two lines of a mail.
async fn somebody_publishes_nonsense(nats: &Nats) {
    let nested = "[".repeat(100_000);
    let two_lines = r#"{"specversion":"1.0","id":"x\ny","source":"s","type":"session.opened","subject":"session/1",
        "time":"2026-11-30T09:00:00Z","data":{"v":1,"version":1,"user":"x\ny","new_device":true}}"#;
    let numbers = r#"{"id":5,"type":"session.opened","data":{"v":1,"user":7,"new_device":true}}"#;
    let (user, password) = ("session-api", "session-api-password");
    let service = ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned());
    let bus = service.connect(nats.url()).await.unwrap();
    for text in ["", "no event", "[]", &nested, two_lines, numbers] {
        let subject = "sessions.v1.events.session.opened";
        let sent = bus.publish(subject, text.to_owned().into()).await;
        sent.unwrap();
    }
    bus.flush().await.unwrap();
}

async fn each_new_device_is_mailed_once(spec: Spec) {
    let nats = bus_of_deploy().await;
    let url = nats.url_for("session-api", "session-api-password");
    let mut world = World::begins_on(nats, |settings| settings.nats(&url)).await;
    nothing_waits(&world).await;
    make_consumer(&world.nats, "audit").await;
    somebody_publishes_nonsense(&world.nats).await;
    let mut mailer = Mailer::start(&world.nats, spec).await;
    log_in_from_new_devices(&world, &["a phone", "a tablet"]).await;
    mailer.has_mailed(2).await;

    mailer.crashes_and_starts_again().await;
    log_in_from_new_devices(&world, &["a watch"]).await;
    mailer.has_mailed(3).await;

    // The stream is lost with its consumers: the service fills it again, and an operator makes the
    // consumer, which this program may not.
    world.nats.wipe().await;
    log_in_from_new_devices(&world, &["a fridge"]).await;
    nothing_waits(&world).await;
    make_consumer(&world.nats, "audit").await;
    mailer.has_mailed(4).await;
    let log = world.service.program().server().running().log();
    for word in ["iolation", "not permit"] {
        assert_eq!(log.line_with(word), None);
    }
}

#[tokio::test]
async fn each_new_device_is_mailed_once_by_the_example_in_rust() {
    each_new_device_is_mailed_once(Program::example("new_device")).await;
}

#[tokio::test]
async fn each_new_device_is_mailed_once_by_the_example_in_python() {
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../docs/examples/new_device.py"
    );
    let spec = Spec::new("new_device.py", python_with_nats())
        .arg("-u")
        .arg(script);
    each_new_device_is_mailed_once(spec).await;
}
