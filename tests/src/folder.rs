//! Temporary folders that are gone after the test run, even one that was killed.

use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use tempfile::TempDir;

/// A folder for one server, removed on drop.
#[derive(Debug)]
pub struct Folder(TempDir);

impl Folder {
    /// A new, empty folder whose name begins with `name`.
    ///
    /// # Panics
    /// When the disk refuses it.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let folder = builder(name)
            .tempdir_in(&ROOT.path)
            .unwrap_or_else(|error| panic!("no temporary folder for {name}: {error}"));
        Self(folder)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Others may pass through but not look: Postgres runs as another user when the tests run as root.
fn builder(name: &str) -> tempfile::Builder<'_, '_> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(name);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o711));
    builder
}

struct Root {
    path: std::path::PathBuf,
    /// Its standard input closes when this process ends, however it ends.
    _janitor: Child,
}

/// The folder of this test process. Values in statics are never dropped and a killed process drops
/// nothing, so a janitor removes it.
static ROOT: LazyLock<Root> = LazyLock::new(|| {
    let path = builder("portcullis-")
        .tempdir()
        .map(TempDir::keep)
        .unwrap_or_else(|error| panic!("no temporary folder: {error}"));
    let janitor = janitor(&path).unwrap_or_else(|error| panic!("setsid (util-linux): {error}"));
    Root {
        path,
        _janitor: janitor,
    }
});

/// Waits for the end of its input, then removes `path` until it has stayed away for three seconds:
/// what was killed in the same moment may still be writing, and a browser makes folders again that it
/// misses. A session of its own keeps it from a terminal's Ctrl-C and from a signal to the group.
fn janitor(path: &Path) -> io::Result<Child> {
    const REMOVE: &str = r#"cat; away=0; for i in $(seq 30); do
        if [ -e "$0" ]; then rm -rf "$0"; away=0; else away=$((away + 1)); fi
        [ $away -lt 3 ] || exit; sleep 1
    done"#;
    Command::new("setsid")
        .args(["sh", "-c"])
        .arg(REMOVE)
        .arg(path)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}
