//! A child process whose output is kept and whose end is certain.

use crate::eventually::until;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

/// How long a process may take to obey SIGTERM when it is dropped.
const GRACE: Duration = Duration::from_secs(10);

const PRELOAD: &str = "LD_PRELOAD";

/// What is to be run. The environment is empty but for what is set here and a few names that every
/// program needs, so that nothing of a developer's shell reaches a server.
#[derive(Clone, Debug)]
pub struct Spec {
    name: String,
    program: PathBuf,
    args: Vec<OsString>,
    env: BTreeMap<String, String>,
    account: Option<Account>,
    directory: PathBuf,
}

/// An account of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// The user's number.
    pub uid: u32,
    /// The number of the user's group.
    pub gid: u32,
}

impl Spec {
    /// Runs `program`, which messages call `name`.
    #[must_use]
    pub fn new(name: &str, program: impl Into<PathBuf>) -> Self {
        let inherited = ["PATH", "HOME", "LLVM_PROFILE_FILE"];
        let env = inherited
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)))
            .collect();
        Self {
            name: name.to_owned(),
            program: program.into(),
            args: Vec::new(),
            env,
            account: None,
            directory: std::env::temp_dir(),
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of the environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Runs it as somebody else.
    #[must_use]
    pub fn account(mut self, account: Option<Account>) -> Self {
        self.account = account;
        self
    }

    /// Runs it in `directory` instead of the folder for temporary files.
    #[must_use]
    pub fn directory(mut self, directory: &Path) -> Self {
        self.directory = directory.to_owned();
        self
    }

    /// The command that gives up the account first and then asks the kernel for a signal at its
    /// parent's end: changing the account afterwards would cancel the request.
    fn command(&self) -> Command {
        let mut command = Command::new("setpriv");
        if let Some(Account { uid, gid }) = self.account {
            command.args([format!("--reuid={uid}"), format!("--regid={gid}")]);
            command.args(["--clear-groups", "--", "setpriv"]);
        }
        command
            .args(["--pdeathsig", "KILL", "--"])
            .args(self.preloading())
            .arg(&self.program)
            .args(&self.args)
            .env_clear()
            .envs(self.env.iter().filter(|(name, _)| *name != PRELOAD))
            .current_dir(&self.directory);
        command
    }

    /// A library that is preloaded is for the program itself: what it makes at its start in a
    /// process that then becomes another one, nobody would ever remove.
    fn preloading(&self) -> Vec<String> {
        let library = self.env.get(PRELOAD);
        library.map_or_else(Vec::new, |library| {
            vec!["env".to_owned(), format!("{PRELOAD}={library}")]
        })
    }

    /// Runs it to its end, with `input` on its standard input.
    ///
    /// # Panics
    /// When it cannot be started or does not end within three minutes.
    pub async fn output(&self, input: &str) -> std::process::Output {
        let name = &self.name;
        let mut command = tokio::process::Command::from(self.command());
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: setpriv (util-linux): {error}"));
        let stdin = child.stdin.take();
        let run = async {
            if let Some(mut stdin) = stdin {
                // One that ends without reading has its reasons; its status tells.
                let _ = tokio::io::AsyncWriteExt::write_all(&mut stdin, input.as_bytes()).await;
            }
            child.wait_with_output().await
        };
        match tokio::time::timeout(Duration::from_mins(3), run).await {
            Ok(Ok(output)) => output,
            Ok(Err(error)) => panic!("{name}: {error}"),
            Err(_) => panic!("{name}: did not end within three minutes"),
        }
    }
}

/// A running process. On drop it gets SIGTERM, then SIGKILL; should the test process be killed, the
/// kernel kills it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Mutex<Child>,
    log: Log,
}

impl Process {
    /// Starts it.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(spec: &Spec) -> Self {
        let name = spec.name.clone();
        let mut command = spec.command();
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child =
            spawn(command).unwrap_or_else(|error| panic!("{name}: setpriv (util-linux): {error}"));
        let log = Log::default();
        log.follow(child.stdout.take());
        log.follow(child.stderr.take());
        Self {
            name,
            child: Mutex::new(child),
            log,
        }
    }

    /// What it has written so far, standard output and standard error together.
    #[must_use]
    pub const fn log(&self) -> &Log {
        &self.log
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child().id()
    }

    /// How it ended, if it did.
    #[must_use]
    pub fn ended(&self) -> Option<ExitStatus> {
        self.child().try_wait().ok().flatten()
    }

    /// Waits for a line that holds `text`, and returns it.
    ///
    /// # Panics
    /// When the line does not come within `bound`, or the process ends before; with the log.
    pub async fn says(&self, text: &str, bound: Duration) -> String {
        let end = Instant::now() + bound;
        let line = until("a line or the end", bound + GRACE, async || {
            // Asked before the log is read: what was said before the end is then surely there.
            let over = self.ended().is_some() && self.log.is_complete();
            match self.log.line_with(text) {
                None if over || Instant::now() >= end => Some(None),
                line => line.map(Some),
            }
        })
        .await;
        line.unwrap_or_else(|| {
            let state = match self.ended() {
                Some(status) => format!("it ended with {status}"),
                None => format!("it runs, but not within {bound:?}"),
            };
            panic!("{} did not say {text:?}: {state}\n{}", self.name, self.log)
        })
    }

    /// Sends a signal. To one that has ended it is nothing.
    ///
    /// # Panics
    /// When the kernel refuses.
    pub fn signal(&self, signal: Signal) {
        let mut child = self.child();
        // A number may be given away once its process was waited for; while the lock is held, and
        // the process not waited for, it is ours.
        if matches!(child.try_wait(), Ok(None)) {
            kill_process(Pid::from_child(&child), signal)
                .unwrap_or_else(|error| panic!("{}: {signal:?}: {error}", self.name));
        }
    }

    /// Ends it at once, as a crash of the machine would, and waits until it is gone.
    pub fn kill(&self) {
        let mut child = self.child();
        let _ = child.kill();
        let _ = child.wait();
    }

    /// Waits until it has ended by itself or by a signal.
    ///
    /// # Panics
    /// When it runs on after `bound`.
    pub async fn ends(&self, bound: Duration) -> ExitStatus {
        until(&format!("{} ends", self.name), bound, async || self.ended()).await
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended_within(&self, bound: Duration) -> bool {
        let end = Instant::now() + bound;
        while self.ended().is_none() {
            if Instant::now() >= end {
                return false;
            }
            std::thread::park_timeout(Duration::from_millis(2));
        }
        true
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- {} said:\n{}---", self.name, self.log);
        } else {
            self.signal(Signal::TERM);
            // One that is stopped would sleep through SIGTERM.
            self.signal(Signal::CONT);
            if self.ended_within(GRACE) {
                return;
            }
            eprintln!(
                "{}: killed, because it ignored SIGTERM for {GRACE:?}",
                self.name
            );
        }
        self.kill();
    }
}

/// The lines that a process has written.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    lines: Vec<String>,
    open: usize,
}

impl Log {
    /// Every line so far.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.inner().lines.clone()
    }

    /// The first line that holds `text`.
    #[must_use]
    pub fn line_with(&self, text: &str) -> Option<String> {
        self.inner()
            .lines
            .iter()
            .find(|line| line.contains(text))
            .cloned()
    }

    fn is_complete(&self) -> bool {
        self.inner().open == 0
    }

    fn inner(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn follow(&self, stream: Option<impl Read + Send + 'static>) {
        let Some(stream) = stream else { return };
        self.inner().open += 1;
        let log = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n') {
                let Ok(line) = line else { break };
                let line = String::from_utf8_lossy(&line).into_owned();
                log.inner().lines.push(line);
            }
            log.inner().open -= 1;
        });
    }
}

impl std::fmt::Display for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner()
            .lines
            .iter()
            .try_for_each(|line| writeln!(f, "{line}"))
    }
}

type Order = (Command, mpsc::SyncSender<std::io::Result<Child>>);

/// The kernel sends the death signal when the *thread* that started the child ends, and every test
/// has a thread of its own. So one thread that lives as long as the process starts them all.
static SPAWNER: LazyLock<mpsc::Sender<Order>> = LazyLock::new(|| {
    let (sender, orders) = mpsc::channel::<Order>();
    std::thread::spawn(move || {
        for (mut command, answer) in orders {
            // A test that has gone away meanwhile takes its child with it.
            let _ = answer.send(command.spawn());
        }
    });
    sender
});

fn spawn(command: Command) -> std::io::Result<Child> {
    let (answer, child) = mpsc::sync_channel(1);
    SPAWNER
        .send((command, answer))
        .map_err(std::io::Error::other)?;
    child.recv().map_err(std::io::Error::other)?
}
