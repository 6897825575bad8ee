//! Files that are encrypted in git: the container has what they hold, and nothing else does.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::host::Host;
use crate::support::registry::Kind;
use crate::support::stdout_of;

const SHOP: &str = "\
services:
  web:
    image: @REGISTRY@/acme/web:1
    env_file: [web.env.age]
    environment: {URL: 'db://${DB_PASSWORD}@db'}
  reader:
    image: @REGISTRY@/acme/web:1
    secrets: [token]
  talks:
    image: @REGISTRY@/acme/web:1
    env_file: [web.env.age]
    command: [sh, -c, 'echo the key is $$API_KEY; exit 1']
  plain:
    image: @REGISTRY@/acme/web:1
secrets: {token: {file: ./token.age}}
";
const OTHER: &str = "services: {web: {image: '@REGISTRY@/acme/web:1'}}";

const FIRST: [&str; 3] = ["key-of-sesame-1111", "password-of-sesame-1111", "token-of-sesame-1111"];
const SECOND: [&str; 3] = ["key-of-sesame-2222", "password-of-sesame-2222", "token-of-sesame-2222"];

/// An identity in the server's file `name`; its recipient.
fn identity(host: &Host, name: &str) -> String {
    let file = host.path(name);
    let _ = std::fs::remove_file(&file);
    let made = Command::new("age-keygen").arg("-o").arg(&file).stderr(Stdio::null()).status();
    assert!(made.unwrap().success());
    stdout_of(Command::new("age-keygen").arg("-y").arg(&file))
}

fn encrypted(text: &str, recipient: &str) -> Vec<u8> {
    let mut age = Command::new("age")
        .args(["-r", recipient])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    age.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = age.wait_with_output().unwrap();
    assert!(output.status.success());
    output.stdout
}

/// Writes the values, encrypted for `recipient`, into the work tree.
fn write(host: &Host, recipient: &str, [key, password, token]: [&str; 3]) {
    let stack = format!("shop-{}", host.id);
    let put = |name: &str, text: String| {
        host.repo.write(&format!("{stack}/{name}"), encrypted(&text, recipient));
    };
    put("web.env.age", format!("API_KEY={key}\n"));
    put(".env.age", format!("DB_PASSWORD={password}\n"));
    put("token.age", token.to_owned());
}

/// A host with an identity, and two stacks of which one has secrets; its recipient.
fn host() -> (Host, String) {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    let recipient = identity(&host, "age.key");
    configure(&host, "age.key");
    write(&host, &recipient, FIRST);
    host.commit(&[("shop-@ID@/compose.yaml", SHOP), ("other-@ID@/compose.yaml", OTHER)]);
    (host, recipient)
}

fn configure(host: &Host, key: &str) {
    let key = host.path(key).display().to_string();
    host.configure(&format!(
        "rollout: {{stable: 500ms, monitor: 0s, deadline: 20s}}\n\
         decrypt: {{age: {{identity_file: {key}}}}}"
    ));
}

#[track_caller]
fn has(host: &Host, values: [&str; 3]) {
    let environment = host.inspect("shop-web-1", "{{.Config.Env}}");
    assert!(environment.contains(&format!("API_KEY={}", values[0])), "{environment}");
    assert!(environment.contains(&format!("URL=db://{}@db", values[1])), "{environment}");
    let token = host.docker(&["exec", "shop-@ID@-reader-1", "cat", "/run/secrets/token"]);
    assert_eq!(token, values[2]);
}

#[track_caller]
fn assert_hidden(place: &str, bytes: &[u8]) {
    for value in FIRST.iter().chain(&SECOND) {
        let found = bytes.windows(value.len()).any(|window| window == value.as_bytes());
        assert!(!found, "`{value}` stands in {place}");
    }
}

/// Looks through every file below `directory` but for those of `secrets`, which is where secrets are written.
fn search(directory: &Path) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let (path, kind) = entry.map(|entry| (entry.path(), entry.file_type().unwrap())).unwrap();
        if kind.is_dir() && !path.ends_with("state/secrets") {
            search(&path);
        } else if kind.is_file() {
            assert_hidden(&path.display().to_string(), &std::fs::read(&path).unwrap());
        }
    }
}

#[test]
fn a_container_has_what_is_encrypted_in_git_and_nothing_else_shows_it() {
    let (host, recipient) = host();
    let first = host.run(&["reconcile", "--once", "-vv", "--output", "json"]);
    first.ends(1).says("the key is •••");
    has(&host, FIRST);
    assert_hidden("the first pass", first.everything().as_bytes());

    // Encrypted anew with nothing else in them: nothing is replaced.
    let before = host.containers();
    write(&host, &recipient, FIRST);
    host.commit(&[]);
    host.pass();
    let calm: Vec<String> =
        host.changed_since(&before).into_iter().filter(|name| !name.contains("talks")).collect();
    assert_eq!(calm, Vec::<String>::new());

    // A value is changed by a commit, and replaces who uses it.
    write(&host, &recipient, [SECOND[0], FIRST[1], FIRST[2]]);
    host.commit(&[]);
    host.plan().because("shop/web", "env.API_KEY");
    for command in [
        ["plan", "-vv", "--output", "json"].as_slice(),
        &["reconcile", "--once", "-vv", "--log-format", "json", "--output", "json"],
        &["status", "--output", "json"],
        &["history", "--output", "json"],
        &["explain", "shop-@ID@/web", "--output", "json"],
        &["doctor", "-vv"],
    ] {
        let run = host.run(command);
        assert_ne!(run.code, 64, "{command:?} is a command\n{}", run.everything());
        assert_hidden(&format!("{command:?}"), run.everything().as_bytes());
    }
    let web = host.containers()["shop-web-1"] != before["shop-web-1"];
    let rest = ["shop-reader-1", "shop-plain-1", "other-web-1"];
    assert!(web && rest.iter().all(|name| host.containers()[*name] == before[*name]));
    has(&host, [SECOND[0], FIRST[1], FIRST[2]]);
    search(host.path("").as_path());
    let validated = host.run(&["validate", &host.repo.directory().display().to_string()]);
    validated.ends(0).says("is encrypted with age; what it holds is known on the server only");
}

#[test]
fn what_cannot_be_opened_leaves_its_stack_as_it_runs_and_no_other() {
    let (host, _) = host();
    host.pass();
    let before = host.containers();
    let other = identity(&host, "other.key");
    write(&host, &other, SECOND);
    host.commit(&[("other-@ID@/compose.yaml", &format!("{OTHER}\nx-note: [changed]\n"))]);
    let told = "is encrypted with age, and `age` cannot open it: age: error: no identity matched";
    host.pass().ends(1).says(told).says("shop/compose.yaml").says(":4:16");
    has(&host, FIRST);
    assert_eq!(host.changed_since(&before), Vec::<String>::new());
    // The other stack is not held up by it.
    let labelled = format!("{OTHER}\n").replace("'}}", "', labels: {a: b}}}");
    host.commit(&[("other-@ID@/compose.yaml", &labelled)]);
    host.pass().ends(1);
    assert_eq!(host.changed_since(&before), ["other-web-1"]);
    let found = host.run(&["doctor"]);
    found.ends(1).says("decrypt: identity").says("decrypt: age: /");

    // With the identity that it was encrypted for, the next pass goes on.
    configure(&host, "other.key");
    host.pass();
    has(&host, SECOND);
    // And going back opens what git had then, with today's identities and without git.
    let keys = ["age.key", "other.key"].map(|name| host.read(name));
    std::fs::write(host.path("both.key"), keys.join("\n")).unwrap();
    configure(&host, "both.key");
    let repo = host.repo.directory().to_owned();
    std::fs::rename(&repo, host.path("away")).unwrap();
    host.run(&["rollback", "shop-@ID@/web"]).ends(0);
    let environment = host.inspect("shop-web-1", "{{.Config.Env}}");
    assert!(environment.contains(FIRST[0]), "{environment}");
}
