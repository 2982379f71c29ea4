//! What a process takes, as Linux tells it, and what it may take.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::time::Duration;
use tests::server::Server;

/// Open files that a server needs beside its connections.
const OTHERS: u64 = 500;

/// Lets this process and those that it starts have as many files open as they may. How many
/// connections one server can then have, and no more than were asked for.
pub(crate) fn allows(connections: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    let allowed = limit.maximum.map_or(usize::MAX, |files| {
        usize::try_from(files.saturating_sub(OTHERS)).unwrap()
    });
    if connections > allowed {
        eprintln!("no more than {allowed} connections: `ulimit -Hn` allows no more open files");
    }
    connections.min(allowed)
}

pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().unwrap().get()
}

pub(crate) fn id(server: &Server) -> u32 {
    server.running().id()
}

/// The memory that processes hold, in bytes.
pub(crate) fn memory(processes: &[u32]) -> u64 {
    let resident = |process: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
        kilobytes.parse::<u64>().unwrap() * 1024
    };
    processes.iter().map(resident).sum()
}

/// The time that processes have spent on a core.
pub(crate) fn cpu(processes: &[u32]) -> Duration {
    // proc(5): the fields after the name in brackets begin with the third, and a tick is 10 ms. One
    // that has ended meanwhile counts for nothing.
    let ticks = |process: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let Some((_, fields)) = stat.rsplit_once(')') else {
            return 0;
        };
        let field = |n: usize| fields.split_whitespace().nth(n - 3).unwrap();
        field(14).parse::<u64>().unwrap() + field(15).parse::<u64>().unwrap()
    };
    Duration::from_millis(processes.iter().map(ticks).sum::<u64>() * 10)
}

/// A process and those that it has started.
pub(crate) fn family(process: u32) -> Vec<u32> {
    let task = format!("/proc/{process}/task/{process}/children");
    let children = std::fs::read_to_string(task).unwrap();
    let children = children.split_whitespace().map(|id| id.parse().unwrap());
    std::iter::once(process).chain(children).collect()
}
