//! A wall clock of its own for one process, which a test sets while the process runs.

use crate::folder::Folder;
use std::path::PathBuf;
use std::sync::LazyLock;

/// Right until it is set. Monotonic clocks go on as they are: they cannot be set in life either.
#[derive(Debug)]
pub struct WallClock {
    folder: Folder,
}

impl WallClock {
    /// A clock that is right.
    ///
    /// # Panics
    /// When the disk refuses its file.
    #[must_use]
    pub fn right() -> Self {
        let clock = Self {
            folder: Folder::new("clock-"),
        };
        clock.is_ahead_by(0);
        clock
    }

    /// Sets it, from now on, so many seconds ahead of the true time; behind, where negative.
    ///
    /// # Panics
    /// When the disk refuses its file.
    pub fn is_ahead_by(&self, seconds: i64) {
        // Renamed, so that nobody reads half of it.
        let new = self.folder.path().join("new");
        std::fs::write(&new, format!("{seconds:+}s\n"))
            .and_then(|()| std::fs::rename(&new, self.file()))
            .unwrap_or_else(|error| panic!("a clock cannot be set: {error}"));
    }

    /// What a process needs in its environment to go by this clock.
    ///
    /// # Panics
    /// When libfaketime is not installed.
    #[must_use]
    pub fn env(&self) -> Vec<(String, String)> {
        let file = self.file();
        let pairs = [
            ("LD_PRELOAD", &*LIBRARY.to_string_lossy()),
            ("FAKETIME_TIMESTAMP_FILE", &*file.to_string_lossy()),
            // The file is looked at each time; by default, every ten seconds.
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ];
        pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("offset")
    }
}

/// Where Debian puts it, whatever the machine's architecture.
static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| {
    let libraries = std::fs::read_dir("/usr/lib").into_iter().flatten();
    libraries
        .flatten()
        .map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"))
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("libfaketime is not installed: `apt-get install libfaketime`"))
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Spec;
    use std::time::{SystemTime, UNIX_EPOCH};

    /// Seconds since 1970.
    async fn told(clock: &WallClock) -> i64 {
        let spec = Spec::new("date", "date").arg("+%s");
        let env = clock.env();
        let spec = env
            .iter()
            .fold(spec, |spec, (name, value)| spec.env(name, value));
        let output = spec.output("").await;
        let text = String::from_utf8(output.stdout).unwrap();
        text.trim().parse().unwrap()
    }

    #[tokio::test]
    async fn a_process_goes_by_the_clock_that_it_was_given() {
        let clock = WallClock::right();
        for wrong in [0, 300, -300] {
            clock.is_ahead_by(wrong);
            let told = told(&clock).await;
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            let off = told - i64::try_from(now.as_secs()).unwrap() - wrong;
            assert!((-20..=20).contains(&off), "{wrong}: {off}");
        }
    }
}
