//! The guided tour of the README, as a newcomer runs it.

use std::process::Command;

use crate::support::docker::{clean_up, containers, docker};
use crate::support::{free_port, stdout_of};

#[test]
fn the_guided_tour_works_twice_and_cleans_up_after_itself() {
    let home = tempfile::tempdir().unwrap();
    let ports = [free_port(), free_port()].map(|port| port.to_string());
    let name = format!("tour{}", std::process::id());
    let tour = |arguments: &[&str]| {
        let mut command = Command::new("examples/quickstart/run");
        command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments);
        command.env("XDG_STATE_HOME", home.path()).env("EVENKEEL", env!("CARGO_BIN_EXE_evenkeel"));
        command.env("QUICKSTART_NAME", &name).env("QUICKSTART_PORT", &ports[0]);
        stdout_of(command.env("QUICKSTART_REGISTRY_PORT", &ports[1]))
    };
    for _ in 0..2 {
        let told = tour(&[]);
        assert!(told.contains("Where things are"), "{told}");
        assert_eq!(containers(&name).len(), 2, "web and worker are left running");
    }
    tour(&["--clean"]);
    let left = (containers(&name), docker(&["network", "ls"]), docker(&["images"]));
    clean_up(&name, &[&format!("127.0.0.1:{}", ports[1])]);
    assert!(left.0.is_empty());
    assert!(!left.1.contains(&name), "{}", left.1);
    assert!(!left.2.contains(&ports[1]) && !left.2.contains(&name), "{}", left.2);
    assert!(home.path().read_dir().unwrap().next().is_none(), "its directory is gone");
}
