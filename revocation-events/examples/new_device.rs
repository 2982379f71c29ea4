//! Tells users of log-ins from new devices: by a line in a file, where a mailer would send.
//!
//! ```sh
//! NATS_URL=nats://audit:PASSWORD@bus:4222 \
//!     cargo run -p revocation-events --features nats --example new_device -- mails.log
//! ```
//! `NATS_INBOX_PREFIX` and `NATS_API_PREFIX` are what the account asks for, with `deploy/nats.conf`
//! `_INBOX_audit` and `JS.SESSIONS`. `CONSUMER` is the durable consumer's name, `new-device` unless
//! set; it is made where it is missing and this program may make it.
//!
//! An event may come more than once: after a crash, and when the service has filled a lost stream
//! again. So each line holds the event's id, and what the file holds is not mailed again. The work and
//! the note that it was done are one write, which is what makes it happen once; with a database, write
//! both in one transaction.

use revocation_events::UserId;
use revocation_events::event::{Event, What};
use revocation_events::nats::{Bus, EventSubscriber, Settings};
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read as _, Write as _};

/// The file, and the ids that it holds.
struct Mails {
    file: File,
    done: HashSet<String>,
}

impl Mails {
    fn open(path: &str) -> io::Result<Self> {
        let mut file = File::options()
            .read(true)
            .append(true)
            .create(true)
            .open(path)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        // A line without an end was cut off by a crash: it was not mailed.
        let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
        file.set_len(whole.len() as u64)?;
        let ids = whole.lines().filter_map(|line| line.split(' ').next());
        let done = ids.map(str::to_owned).collect();
        Ok(Self { file, done })
    }

    fn send(&mut self, event: &Event, user: UserId) -> io::Result<()> {
        let id = event.id.to_string();
        if self.done.contains(&id) {
            return Ok(());
        }
        let line = format!("{id} to user {user}: a log-in from a new device\n");
        self.file.write_all(line.as_bytes())?;
        self.file.sync_data()?;
        self.done.insert(id);
        Ok(())
    }
}

fn variable(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_writer(io::stderr).init();
    let path = std::env::args().nth(1).ok_or("give the file of mails")?;
    let mut mails = Mails::open(&path)?;

    let settings = Settings::new(&variable("NATS_URL", "nats://127.0.0.1:4222"))?
        .name("new-device".to_owned())
        .inbox_prefix(variable("NATS_INBOX_PREFIX", "_INBOX"))?;
    let bus = Bus::connect(settings).await?;
    let mut events = EventSubscriber::new(&bus, &variable("CONSUMER", "new-device"))?;
    if let Ok(prefix) = std::env::var("NATS_API_PREFIX") {
        events = events.api_prefix(&prefix)?;
    }
    println!("listening for events");
    while let Some(delivery) = events.next().await {
        let event = delivery.event();
        // Kinds that this program does not know are none of its business.
        if let What::SessionOpened {
            user,
            new_device: true,
            ..
        } = &event.what
        {
            // Where that fails, the next start cuts off what was written by half.
            mails.send(event, *user)?;
        }
        // After the work, never before it.
        if let Err(error) = delivery.ack().await {
            eprintln!("it may come again: {error}");
        }
    }
    Ok(())
}
