//! The unit files, as systemd's own analyser sees them. Nothing is installed and nothing is started.
#![cfg(feature = "engine-tests")]
#![expect(clippy::unwrap_used, reason = "a program that cannot be run is a failed test")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The most that `systemd-analyze security` may count, times ten.
const EXPOSURE: &str = "--threshold=30";
const SERVICES: [&str; 2] = ["evenkeel.service", "evenkeel-once.service"];

/// The units in a directory of their own, with the program where it was built and `more` in place of `from`.
struct Units(tempfile::TempDir);

impl Units {
    fn new() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/packages");
        assert!(Command::new(script).status().unwrap().success());
        let units = Self(tempfile::tempdir().unwrap());
        for name in ["evenkeel.service", "evenkeel-once.service", "evenkeel-once.timer"] {
            let text = std::fs::read_to_string(packaged(name)).unwrap();
            let text = text.replace("/usr/local/bin/evenkeel", env!("CARGO_BIN_EXE_evenkeel"));
            std::fs::write(units.path(name), text).unwrap();
        }
        units
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn with_credentials(&self) {
        let directory = self.path("evenkeel.service.d");
        std::fs::create_dir(&directory).unwrap();
        let drop_in = packaged("evenkeel.service.d/credentials.conf");
        std::fs::copy(drop_in, directory.join("credentials.conf")).unwrap();
    }

    fn spoil(&self, name: &str, line: &str) {
        let text = std::fs::read_to_string(self.path(name)).unwrap();
        assert!(text.contains(line), "{name} has no line {line}");
        std::fs::write(self.path(name), text.replace(line, "Protect=yes")).unwrap();
    }

    fn verify(&self, name: &str) -> Output {
        analyse(&["verify", "--man=no"], &self.path(name))
    }

    fn security(&self, name: &str) -> Output {
        analyse(&["security", "--offline=true", "--no-pager", EXPOSURE], &self.path(name))
    }
}

fn packaged(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/systemd").join(name)
}

fn analyse(words: &[&str], unit: &Path) -> Output {
    Command::new("systemd-analyze").args(words).arg(unit).output().unwrap()
}

fn said(output: &Output) -> String {
    let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    text.concat()
}

/// Complaints about the units here; those about what else is on the machine are not ours.
fn complaints(output: &Output) -> Vec<String> {
    said(output).lines().filter(|line| line.contains("evenkeel")).map(str::to_owned).collect()
}

#[test]
fn systemd_understands_every_line_of_the_units() {
    let units = Units::new();
    units.with_credentials();
    for name in SERVICES.into_iter().chain(["evenkeel-once.timer"]) {
        let verified = units.verify(name);
        assert_eq!(complaints(&verified), Vec::<String>::new(), "{}", said(&verified));
        assert!(verified.status.success(), "{}", said(&verified));
    }
    units.spoil("evenkeel.service", "ProtectClock=yes");
    let verified = units.verify("evenkeel.service");
    assert!(complaints(&verified).iter().any(|line| line.contains("Protect")), "it would be told");
}

#[test]
fn the_services_are_exposed_no_more_than_they_need() {
    let units = Units::new();
    for name in SERVICES {
        let measured = units.security(name);
        assert!(measured.status.success(), "{}", said(&measured));
        units.spoil(name, "SystemCallFilter=@system-service");
        units.spoil(name, "SystemCallFilter=~@resources @keyring");
        assert!(!units.security(name).status.success(), "the analyser measures {name}");
    }
}
