//! What the command line promises about itself.

use super::{Cli, environment};
use clap::{Arg, ArgAction, Command, CommandFactory as _};

fn built(command: Command) -> Command {
    let mut command = command;
    command.build();
    command
}

fn variable(arg: &Arg) -> Option<&str> {
    arg.get_env().and_then(std::ffi::OsStr::to_str)
}

#[test]
fn each_setting_is_a_flag_and_a_variable_and_each_secret_has_a_file() {
    let cli = built(Cli::command());
    for name in ["dev", "serve", "migrate", "check"] {
        let command = cli.find_subcommand(name).unwrap();
        let flags: Vec<_> = command.get_arguments().filter_map(Arg::get_long).collect();
        for arg in command.get_arguments() {
            let flag = arg.get_long().unwrap();
            if ["json", "help"].contains(&flag) {
                continue;
            }
            let variable = variable(arg).unwrap_or_else(|| panic!("{name} --{flag}"));
            let expected = flag.replace('-', "_").to_uppercase();
            assert!(
                [expected.clone(), format!("SESSION_API_{expected}")]
                    .iter()
                    .any(|expected| expected == variable)
                    || (flag, variable) == ("log-filter", "RUST_LOG"),
                "{name} --{flag}: {variable}"
            );
            let plain = ["DATABASE_URL", "NATS_URL", "RUST_LOG"]
                .iter()
                .any(|shared| variable.starts_with(shared));
            assert!(plain || variable.starts_with("SESSION_API_"), "{variable}");
            if arg.is_hide_env_values_set() {
                assert!(flags.contains(&&*format!("{flag}-file")), "{flag}");
            }
        }
    }
}

#[test]
fn everything_has_a_line_of_help() {
    fn look_at(command: &Command) {
        assert!(command.get_about().is_some(), "{}", command.get_name());
        for arg in command.get_arguments() {
            assert!(arg.get_help().is_some(), "{} {arg}", command.get_name());
        }
        command.get_subcommands().for_each(look_at);
    }
    // Built, it would hold clap's own `help`, with the whole tree once more.
    look_at(&Cli::command());
}

#[test]
fn help_says_how_each_command_is_typed_and_what_its_end_means() {
    fn look_at(command: &Command, whole: &str) {
        let mut subcommands = command.get_subcommands().peekable();
        if subcommands.peek().is_none() {
            let help = command.get_after_long_help().map(ToString::to_string);
            let example = format!("{whole} ");
            assert!(
                help.is_some_and(|help| format!("{help} ").replace('\n', " ").contains(&example)),
                "{whole}"
            );
        }
        let help = command.get_after_long_help().map(ToString::to_string);
        let help = help.unwrap_or_default();
        assert!(help.contains("Exit codes:"), "{whole}");
        let finds =
            ["", " check", " log verify", " log rebuild"].map(|name| format!("session-api{name}"));
        assert_eq!(
            help.contains(" 3 "),
            finds.contains(&whole.to_owned()),
            "{whole}: {help}"
        );
        for inner in subcommands {
            look_at(inner, &format!("{whole} {}", inner.get_name()));
        }
    }
    let cli = super::command();
    look_at(&cli, cli.get_name());
    let codes = cli.get_after_long_help().unwrap().to_string();
    assert!(
        (0..4).all(|code| codes.contains(&format!("\n  {code}  "))),
        "{codes}"
    );
}

/// Variables of the process cannot be set here without racing other tests, so one that is there
/// anyway stands for all.
#[test]
fn variables_can_be_shut_out() {
    let command = || {
        let path = Arg::new("path").long("path").env("PATH");
        let nested = Command::new("inner").arg(path.clone().action(ArgAction::Set));
        Command::new("outer").arg(path).subcommand(nested)
    };
    let seen = |command: Command| {
        let matches = command.try_get_matches_from(["outer", "inner"]).unwrap();
        let inner = matches.subcommand_matches("inner").unwrap();
        [&matches, inner].map(|matches| matches.contains_id("path"))
    };
    assert_eq!(seen(environment::empty_is_unset(command())), [true, true]);
    assert_eq!(seen(environment::ignored(command())), [false, false]);
}

#[test]
fn tries_at_passwords_have_a_rate_unless_somebody_says_otherwise() {
    let cli = built(Cli::command());
    let serve = cli.find_subcommand("serve").unwrap();
    let throttle = serve.get_arguments().find(|arg| arg.get_id() == "throttle");
    assert_eq!(throttle.unwrap().get_default_values(), ["on"]);
}
