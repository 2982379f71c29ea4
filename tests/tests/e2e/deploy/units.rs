//! systemd's units, looked at by systemd.

use tests::folder::Folder;
use tests::process::Spec;
use tests::program::Program;

const UNITS: [(&str, &str, &str); 2] = [
    (
        "session-api",
        "session-api serve",
        include_str!("../../../../deploy/systemd/session-api.service"),
    ),
    (
        "verifier-gate",
        "verifier-gate",
        include_str!("../../../../deploy/systemd/verifier-gate.service"),
    ),
];

/// What a compromised program could do all the same, in tenths by systemd's own reckoning: from 0, nothing,
/// to 100. Without any of the settings it is 92.
const EXPOSURE: &str = "--threshold=15";

#[tokio::test]
async fn systemd_takes_each_unit_and_finds_it_confined() {
    let folder = Folder::new("units-");
    for (name, command, unit) in UNITS {
        // It looks whether what is to be started is there.
        let installed = format!("ExecStart=/usr/local/bin/{command}\n");
        let here = format!("ExecStart={}\n", std::env::current_exe().unwrap().display());
        assert!(unit.contains(&installed), "{name} starts something else");
        let path = folder.path().join(format!("{name}.service"));
        std::fs::write(&path, unit.replace(&installed, &here)).unwrap();
        for check in [
            &["verify", "--man=no"][..],
            &["security", "--offline=true", EXPOSURE, "--no-pager"],
        ] {
            let spec = Spec::new("systemd-analyze", "systemd-analyze");
            let output = spec.args(check).arg(&path).output("").await;
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{name}: {check:?}: {output:?}");
            assert!(!said.contains(name), "{name}: {check:?}: {said}");
        }
    }
}

#[tokio::test]
async fn each_variable_of_a_unit_is_a_setting() {
    for (name, command, unit) in UNITS {
        let arguments = command.split(' ').skip(1);
        let help = Program::spec(name).args(arguments).arg("--help");
        let help = String::from_utf8(help.output("").await.stdout).unwrap();
        let secrets: Vec<_> = unit
            .lines()
            .filter_map(|line| line.strip_prefix("Environment=")?.split_once("=%d/"))
            .collect();
        assert!(!secrets.is_empty(), "{name}");
        for (variable, credential) in secrets {
            assert!(help.contains(&format!("[env: {variable}=")), "{variable}");
            let loaded = format!("LoadCredential={credential}:/etc/portcullis/");
            assert!(unit.contains(&loaded), "{name} loads no {credential}");
        }
    }
}
