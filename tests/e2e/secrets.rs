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
    environment: [SHARED]
    command: [sh, -c, 'echo the key is $$API_KEY $$SHARED; env; echo $$PASSWORD >&2; exit 1']
";
/// Each is refused by the engine or a registry, with its own words about what is wrong.
const REFUSED: &str = "\
services:
  bind:
    image: @REGISTRY@/acme/web:1
    volumes: [{type: bind, source: '/nowhere/${PASSWORD}', target: /x, bind: {create_host_path: false}}]
  program:
    image: @REGISTRY@/acme/web:1
    entrypoint: ['/bin/${PASSWORD}']
  user:
    image: @REGISTRY@/acme/web:1
    user: ${PASSWORD}
  image:
    image: @REGISTRY@/acme/${PASSWORD}:1
  limit:
    image: @REGISTRY@/acme/web:1
    mem_limit: 64m
    healthcheck: {test: [CMD, 'false', '${PASSWORD}'], interval: 500ms, retries: 1}
  ports:
    image: @REGISTRY@/acme/web:1
    ports: ['${PASSWORD}:80']
    profiles: [debug]
";
/// What no reader takes, in a place that it quotes.
const MALFORMED: &str = "\
services:
  web:
    image: @REGISTRY@/acme/web:1
    ports: ['${PASSWORD}:80']
    mem_limit: ${API_KEY}
    restart: ${SHARED}
";
const VALUES: [&str; 7] = [
    "first-sesame-7281",
    "second-sesame-7281",
    "key-4711-value",
    "pass phrase with words",
    "MIIEvQIBADANBgkq",
    "hkiG9w0BAQEFAASC",
    "shared-by-all-99",
];

/// Every command that reports, as loud as it can.
const COMMANDS: [&[&str]; 14] = [
    &["plan", "-vv"],
    &["plan", "--output", "json"],
    &["reconcile", "--once", "-vv"],
    &["reconcile", "--once", "-vv", "--log-format", "json", "--output", "json"],
    &["status", "-vv"],
    &["status", "--output", "json"],
    &["explain", "shop-@ID@/web"],
    &["explain", "talk-@ID@", "--output", "json"],
    &["history", "--output", "json"],
    &["history", "-vv"],
    &["doctor", "-vv"],
    &["doctor", "--output", "json"],
    &["reconcile", "--once", "--log-format", "json"],
    &["plan", "-vv", "--offline", "--log-format", "json"],
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
    let cert = format!("CERT=\"-----BEGIN\n{}\n{}\n-----END\"\n", VALUES[4], VALUES[5]);
    let env = format!("PASSWORD={password}\nAPI_KEY={}\nPHRASE='{}'\n", VALUES[2], VALUES[3]);
    for stack in ["shop", "talk", "refused", "malformed"] {
        host.env(&format!("{stack}-@ID@.env"), &(env.clone() + &cert));
    }
    host.env("common.env", &format!("SHARED={}\n", VALUES[6]));
}

/// `validate` with a server file given to it.
fn validate_too(host: &Host) {
    let repo = host.repo.directory().display().to_string();
    let env = host.path("env/shop-@ID@.env").display().to_string();
    for output in ["text", "json"] {
        let run = host.run(&["validate", "-vv", &repo, "--env", &env, "--output", output]);
        run.ends(1).says("malformed");
        assert_hidden("validate", run.everything().as_bytes());
    }
}

#[test]
fn values_of_env_files_appear_in_no_output_and_in_no_state() {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    set(&host, VALUES[0]);
    host.commit(&[
        ("shop-@ID@/compose.yaml", SHOP),
        ("talk-@ID@/compose.yaml", TALKATIVE),
        ("refused-@ID@/compose.yaml", REFUSED),
        ("malformed-@ID@/compose.yaml", MALFORMED),
    ]);
    // What the policy has to say of a value is as hidden as the value.
    let denied = host.run(&["plan", "-vv", "--output", "json"]);
    denied.ends(1).says("policy-host_binds").says("mounts what the server says");
    assert_hidden("what is denied", denied.everything().as_bytes());
    let config = host.read("config.yaml") + "policy: {host_binds: allow}\n";
    std::fs::write(host.path("config.yaml"), config).unwrap();

    let first = host.run(&["reconcile", "--once", "-vv", "--output", "json"]);
    first.ends(1).says("the key is ••• •••").says("/nowhere/•••").says("/bin/•••");
    assert_hidden("the first pass", first.everything().as_bytes());
    host.run(&["history", "--output", "json"]).says("the key is ••• •••");

    set(&host, VALUES[1]);
    host.plan().because("shop/web", "env.PASSWORD");
    for command in COMMANDS {
        let run = host.run(command);
        assert_ne!(run.code, 64, "{command:?} is a command\n{}", run.everything());
        assert_hidden(&format!("{command:?}"), run.everything().as_bytes());
    }
    validate_too(&host);
    search(&host.path("state"));
    assert!(
        host.inspect("shop-web-1", "{{.Config.Env}}").contains(VALUES[1]),
        "the container has it"
    );
}
