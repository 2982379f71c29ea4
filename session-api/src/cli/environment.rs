//! Which variables of the environment count.

use clap::{Arg, Command};

/// An empty variable counts as not set, as compose files and charts leave them; `verifier-gate` does
/// the same.
pub(super) fn empty_is_unset(command: Command) -> Command {
    without(command, |name| {
        std::env::var_os(name).is_some_and(|value| value.is_empty())
    })
}

/// The command as it would be on a machine where nothing is set.
pub(super) fn ignored(command: Command) -> Command {
    without(command, |_| true)
}

fn without(command: Command, counts_not: fn(&std::ffi::OsStr) -> bool) -> Command {
    let deaf = move |arg: Arg| {
        if arg.get_env().is_some_and(counts_not) {
            arg.env(None)
        } else {
            arg
        }
    };
    command
        .mut_args(deaf)
        .mut_subcommands(|command| without(command, counts_not))
}
