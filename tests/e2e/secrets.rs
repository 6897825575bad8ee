//! Values of the server's env files appear nowhere.

use std::path::Path;

use crate::support::host::Host;
use crate::support::registry::Kind;

const SHOP: &str = "\
services:
  web:
    image: @REGISTRY@/acme/web:1
    env_file: .env
    environment:
      URL: postgres://app:${PASSWORD}@db/shop
    labels:
      note: ${PASSWORD}
";
const TALKATIVE: &str = "\
services:
  talks:
    image: @REGISTRY@/acme/web:1
    env_file: .env
    command: [sh, -c, 'echo the key is $$API_KEY; echo $$PASSWORD >&2; exit 1']
";
const VALUES: [&str; 4] =
    ["first-sesame-7281", "second-sesame-7281", "key-4711-value", "pass phrase with words"];

/// Every command that reports, as loud as it can.
const COMMANDS: [&[&str]; 9] = [
    &["plan", "-vv"],
    &["plan", "--output", "json"],
    &["reconcile", "--once", "-vv"],
    &["reconcile", "--once", "-vv", "--log-format", "json", "--output", "json"],
    &["status", "-vv"],
    &["status", "--output", "json"],
    &["history", "--output", "json"],
    &["history", "-vv"],
    &["doctor", "-vv"],
];

#[track_caller]
fn assert_hidden(place: &str, bytes: &[u8]) {
    for value in VALUES {
        let found = bytes.windows(value.len()).any(|window| window == value.as_bytes());
        assert!(!found, "`{value}` stands in {place}");
    }
}

fn search(directory: &Path) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            search(&path);
        } else {
            assert_hidden(&path.display().to_string(), &std::fs::read(&path).unwrap());
        }
    }
}

fn set(host: &Host, password: &str) {
    let env = format!("PASSWORD={password}\nAPI_KEY={}\nPHRASE='{}'\n", VALUES[2], VALUES[3]);
    host.env("shop-@ID@.env", &env);
    host.env("talk-@ID@.env", &env);
}

#[test]
fn values_of_env_files_appear_in_no_output_and_in_no_state() {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    set(&host, VALUES[0]);
    host.commit(&[("shop-@ID@/compose.yaml", SHOP), ("talk-@ID@/compose.yaml", TALKATIVE)]);
    let first = host.run(&["reconcile", "--once", "-vv", "--output", "json"]);
    first.ends(1).says("the key is •••");
    assert_hidden("the first pass", first.everything().as_bytes());

    set(&host, VALUES[1]);
    host.plan().because("shop/web", "env.PASSWORD");
    for command in COMMANDS {
        let run = host.run(command);
        assert_ne!(run.code, 64, "{command:?} is a command\n{}", run.everything());
        assert_hidden(&format!("{command:?}"), run.everything().as_bytes());
    }
    search(&host.path("state"));
    assert!(
        host.inspect("shop-web-1", "{{.Config.Env}}").contains(VALUES[1]),
        "the container has it"
    );
}
