//! `log tail`: the log as it is written.
//!
//! The log has no order but that of each stream, so events are shown in the order of their times. An
//! event is there a moment after its time, when its transaction is committed: so each look goes back by
//! [`LATE`], and passes over what was shown.

mod line;

use super::settings::Database;
use super::{Failure, Outcome, out, serve};
use crate::store::{Result, Store, StoredEvent, TimedPlace};
use clap::Args;
use jiff::Timestamp;
use revocation_events::UnixMillis;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::str::FromStr;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// Longer than any transaction of the service takes: its database ends those that do.
const LATE: Duration = Duration::from_secs(10);

/// How often it looks, or less often where a look takes as long.
const EVERY: Duration = Duration::from_millis(500);

/// Events that are read at once.
const BATCH: u32 = 2_000;

/// Of which time events are read at once: the database gives an answer five seconds. Where there are none,
/// longer times are passed over.
const LONGEST_PART: Duration = Duration::from_secs(3_600);

#[derive(Debug, Args)]
pub(super) struct Tail {
    #[command(flatten)]
    database: Database,
    /// Begin so long ago (15m, 7d), or at a time (2026-11-30T09:00:00Z); else with what comes next.
    #[arg(long, value_name = "WHEN")]
    since: Option<Since>,
    /// End when all that is there was printed, and do not wait for more.
    #[arg(long, requires = "since")]
    no_follow: bool,
    /// Print each event as one line of JSON.
    #[arg(long)]
    json: bool,
}

/// A time, or one so long ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Since {
    Ago(Duration),
    At(UnixMillis),
}

impl FromStr for Since {
    type Err = &'static str;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        if let Ok(span) = verifier_sdk::duration::parse(text) {
            return Ok(Self::Ago(span));
        }
        let time: Option<Timestamp> = text.parse().ok();
        time.and_then(|time| u64::try_from(time.as_millisecond()).ok())
            .map(|millis| Self::At(UnixMillis::new(millis)))
            .ok_or("give how long ago (15m, 12h, 7d), or a time (2026-11-30T09:00:00Z)")
    }
}

impl Since {
    fn time(self, now: UnixMillis) -> UnixMillis {
        match self {
            Self::Ago(span) => now.minus(span),
            Self::At(time) => time,
        }
    }
}

impl Tail {
    /// Ends at Ctrl-C, at SIGTERM and when nobody reads what is printed, and all is well then.
    pub(super) async fn run(&self) -> Outcome {
        let store = self.database.open().await?;
        let (printer, printed) = Printer::start();
        let all = async {
            self.follow(&*store, printer).await?;
            // It may have come to an end because nothing could be printed any more.
            match printed.await {
                Ok(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => {
                    Err(out::lost(&error))
                }
                _ => Ok(()),
            }
        };
        let stop = serve::stop_on_signal();
        tokio::select! {
            done = all => done,
            () = stop.cancelled() => Ok(()),
            () = nobody_reads() => Ok(()),
        }
    }

    async fn follow(&self, store: &dyn Store, printer: Printer) -> Outcome {
        let now = store.head().await?.now;
        let since = self.since.map_or(now, |since| since.time(now));
        let mut log = Log::from(since);
        loop {
            let begun = Instant::now();
            let looked = log.look(store, async |events| self.print(&printer, &events).await);
            let more = looked
                .await
                .map_err(|error| log.ended_early(&error.into()))?;
            if !more || self.no_follow {
                return Ok(());
            }
            tokio::time::sleep(EVERY.max(begun.elapsed())).await;
        }
    }

    /// Whether somebody still reads.
    async fn print(&self, printer: &Printer, events: &[StoredEvent]) -> bool {
        let mut lines = String::new();
        for event in events {
            if self.json {
                let _ = writeln!(lines, "{}", line::machine(event));
            } else {
                let _ = writeln!(lines, "{}", line::words(event));
            }
        }
        printer.0.send(lines).await.is_ok()
    }
}

/// The log, as far as it was shown.
struct Log {
    /// Nothing of before is shown.
    since: UnixMillis,
    /// All of before was shown.
    shown: UnixMillis,
    /// What of later was shown.
    later: BTreeSet<TimedPlace>,
}

impl Log {
    fn from(since: UnixMillis) -> Self {
        Self {
            since,
            shown: since,
            later: BTreeSet::new(),
        }
    }

    /// Hands over what there is and was not shown, in parts; false where `show` wants no more.
    async fn look(
        &mut self,
        store: &dyn Store,
        mut show: impl AsyncFnMut(Vec<StoredEvent>) -> bool,
    ) -> Result<bool> {
        let now = store.head().await?.now;
        let kept = now.minus(LATE).max(self.since);
        // A part ends with a time, and not only with a number of events, so that each costs what lies in
        // it. Where there is little, the next is longer.
        let (mut after, mut span) = (TimedPlace::before(self.shown), Duration::from_secs(1));
        loop {
            let end = after.at.plus(span);
            // A clock that was set back has left events of the future.
            let last = end > now;
            let end = if last { UnixMillis::new(u64::MAX) } else { end };
            let mut events = if span <= LONGEST_PART {
                store.events_by_time(after, end, BATCH).await?
            } else if store.any_event(after.at, end).await? {
                span = (span / 2).max(LONGEST_PART);
                continue;
            } else {
                Vec::new()
            };
            let full = events.len() == BATCH as usize;
            after = match events.last() {
                Some(event) if full => event.place,
                _ => TimedPlace::before(end),
            };
            let longest = if events.is_empty() {
                Duration::MAX
            } else {
                LONGEST_PART
            };
            let next = if full {
                span / 2
            } else {
                span.saturating_mul(2)
            };
            span = next.clamp(Duration::from_millis(1), longest);
            events.retain(|event| {
                let place = event.place;
                let fresh = !self.later.contains(&place);
                if fresh && place.at >= kept {
                    self.later.insert(place);
                }
                fresh
            });
            if !events.is_empty() && !show(events).await {
                return Ok(false);
            }
            if last && !full {
                break;
            }
        }
        // Also where the clock was set back: better a line twice than none.
        self.shown = kept;
        self.later = self.later.split_off(&TimedPlace::before(kept));
        Ok(true)
    }

    fn ended_early(&self, why: &Failure) -> Failure {
        let since = line::time(self.shown);
        Failure::failed(format!("{}; go on with --since {since}", why.message))
    }
}

/// Writes to stdout on a thread of its own: who has stopped reading must keep nobody from Ctrl-C.
struct Printer(mpsc::Sender<String>);

impl Printer {
    /// With it comes what became of it, once it is dropped or nothing can be written any more.
    fn start() -> (Self, oneshot::Receiver<io::Result<()>>) {
        // One part waits while one is written.
        let (sender, mut parts) = mpsc::channel::<String>(1);
        let (told, outcome) = oneshot::channel();
        std::thread::spawn(move || {
            let mut out = io::stdout().lock();
            let mut print_all = || -> io::Result<()> {
                while let Some(part) = parts.blocking_recv() {
                    out.write_all(part.as_bytes())?;
                    out.flush()?;
                }
                Ok(())
            };
            let printed = print_all();
            // Whoever has more to print is told that it is over.
            drop(parts);
            let _ = told.send(printed);
        });
        (Self(sender), outcome)
    }
}

/// Ends once the other end of stdout is closed, where it has one: `log tail | head -1` is over with the
/// first line, and not with the second.
async fn nobody_reads() {
    loop {
        tokio::time::sleep(EVERY).await;
        let stdout = io::stdout();
        let mut watched = [PollFd::new(&stdout, PollFlags::empty())];
        let looked = poll(&mut watched, Some(&Timespec::default()));
        if looked.is_ok() && watched[0].revents().contains(PollFlags::ERR) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{Event, Fact, Stream, UserFact};
    use crate::store::{IfMissing, connect};
    use revocation_events::UserId;
    use std::sync::Arc;
    use uuid::Uuid;

    fn enabled(at: UnixMillis) -> Event {
        Event {
            stream: Stream::User(UserId::new(Uuid::new_v4())),
            version: 1,
            at,
            fact: Fact::User(UserFact::Enabled {}),
        }
    }

    async fn store(folder: &tempfile::TempDir) -> Arc<dyn Store> {
        let url = format!("sqlite:{}", folder.path().join("x.db").display());
        let store = connect(&url, IfMissing::Create).await.unwrap();
        store.migrate().await.unwrap();
        store
    }

    async fn append(store: &dyn Store, events: &[Event]) {
        let mut tx = store.begin().await.unwrap();
        tx.append(events).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn shown(log: &mut Log, store: &dyn Store) -> Vec<UnixMillis> {
        let mut times = Vec::new();
        let looked = log.look(store, async |events| {
            times.extend(events.iter().map(|event| event.place.at));
            true
        });
        assert!(looked.await.unwrap());
        times
    }

    #[tokio::test]
    async fn each_event_is_shown_once_also_one_that_is_late() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder).await;
        let now = crate::clock::now();
        let ago = |seconds| now.minus(Duration::from_secs(seconds));
        append(
            &*store,
            &[enabled(ago(2)), enabled(ago(100)), enabled(ago(4_000))],
        )
        .await;
        let mut log = Log::from(ago(3_600));
        assert_eq!(shown(&mut log, &*store).await, [ago(100), ago(2)]);
        assert!(shown(&mut log, &*store).await.is_empty());
        // Committed after that look, and of before it.
        append(&*store, &[enabled(ago(5)), enabled(now)]).await;
        assert_eq!(shown(&mut log, &*store).await, [ago(5), now]);
        // By a clock that was ahead.
        let ahead = now.plus(Duration::from_secs(60));
        append(&*store, &[enabled(ahead)]).await;
        assert_eq!(shown(&mut log, &*store).await, [ahead]);
        assert!(shown(&mut log, &*store).await.is_empty());
    }

    /// Of an hour each there would be half a million questions.
    #[tokio::test]
    async fn years_of_nothing_are_passed_over_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder).await;
        let now = crate::clock::now();
        let [first, second] =
            [20_000, 300].map(|days| now.minus(Duration::from_secs(days * 86_400)));
        append(&*store, &[enabled(first), enabled(second), enabled(now)]).await;
        let mut log = Log::from(UnixMillis::new(0));
        let looked = tokio::time::timeout(Duration::from_secs(10), shown(&mut log, &*store));
        assert_eq!(looked.await.unwrap(), [first, second, now]);
    }

    #[tokio::test]
    async fn many_events_of_one_time_come_in_parts_and_all() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder).await;
        let now = crate::clock::now();
        let at = now.minus(Duration::from_secs(60));
        let events: Vec<_> = (0..2 * BATCH + 1).map(|_| enabled(at)).collect();
        append(&*store, &events).await;
        let mut log = Log::from(now.minus(Duration::from_secs(3_600)));
        assert_eq!(shown(&mut log, &*store).await.len(), events.len());
        assert_eq!(log.later.len(), 0, "what is old is not remembered");
    }

    #[test]
    fn a_beginning_is_a_time_or_so_long_ago() {
        let now = UnixMillis::new(1_000_000);
        let time = |text: &str| text.parse::<Since>().map(|since| since.time(now).get());
        assert_eq!(time("15m"), Ok(100_000));
        assert_eq!(time("7d"), Ok(0), "there is nothing before 1970");
        assert_eq!(time("1970-01-01T00:00:02Z"), Ok(2_000));
        assert_eq!(time("1970-01-01T01:00:00+01:00"), Ok(0));
        for bad in ["", "yesterday", "1969-12-31T23:59:59Z", "2026-11-30", "-5m"] {
            assert!(time(bad).is_err(), "{bad}");
        }
    }
}
