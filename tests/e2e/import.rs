//! A Compose file, or a project that runs, becomes a manifest that evenkeel goes on with.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::host::Host;
use crate::support::registry::Kind;
use crate::support::stdout_of;

const SHOP: &str = "\
# The shop, as it has run for years.
services:
  web:
    image: @REGISTRY@/acme/web:${TAG}
    restart: unless-stopped
    environment:
      API_TOKEN: t0p-secret-word
      DEBUG: \"true\"
    volumes: [./data:/data]
";

/// Lays the shop down beside nothing else; gives its directory.
fn lay_down(host: &Host) -> PathBuf {
    let directory = host.path("old/shop-@ID@");
    std::fs::create_dir_all(directory.join("data")).unwrap();
    let compose = SHOP.replace("@REGISTRY@", &host.registry.host);
    std::fs::write(directory.join("docker-compose.yml"), compose).unwrap();
    std::fs::write(directory.join(".env"), "TAG=1\n").unwrap();
    directory
}

/// Brings the shop up with Compose itself, where it can be had.
fn up(host: &Host, directory: &Path) {
    let find = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/find-compose");
    let found = Command::new(find).output().unwrap();
    if !found.status.success() {
        return run_as_compose_would(host, directory);
    }
    let program = String::from_utf8(found.stdout).unwrap();
    let mut compose = Command::new(program.trim());
    stdout_of(compose.current_dir(directory).args(["up", "-d"]));
}

/// What `docker compose up -d` leaves, made by hand.
fn run_as_compose_would(host: &Host, directory: &Path) {
    let label = |name: &str, value: &str| format!("--label=com.docker.compose.{name}={value}");
    let path = directory.display().to_string();
    let files = format!("{path}/docker-compose.yml");
    let project = label("project", &format!("shop-{}", host.id));
    let network = label("network", "default");
    host.docker(&["network", "create", &project, &network, "shop-@ID@_default"]);
    let mut command = vec!["run".to_owned(), "-d".into(), "--name=shop-@ID@-web-1".into(), project];
    command.extend([label("service", "web"), label("container-number", "1")]);
    command.extend([label("oneoff", "False"), label("config-hash", "0")]);
    command.extend([label("project.working_dir", &path), label("project.config_files", &files)]);
    command.extend(["--network=shop-@ID@_default".into(), "--network-alias=web".into()]);
    command.extend(["--restart=unless-stopped".into(), "--env=DEBUG=true".into()]);
    command.push("--env=API_TOKEN=t0p-secret-word".into());
    command.extend([format!("--volume={path}/data:/data"), "@REGISTRY@/acme/web:1".into()]);
    host.docker(&command.iter().map(String::as_str).collect::<Vec<_>>());
}

fn read(path: PathBuf) -> String {
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn a_project_that_runs_is_imported_and_goes_on_without_a_restart() {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    let directory = lay_down(&host);
    up(&host, &directory);
    let before = host.containers();
    assert_eq!(before.keys().collect::<Vec<_>>(), ["shop-web-1"]);

    let out = host.path("out");
    let told = out.display().to_string();
    host.run(&["import", "--project", "shop-@ID@", "--out", &told]).ends(0).says("can be used");
    let stack = format!("shop-{}", host.id);
    let manifest = read(out.join(&stack).join("compose.yaml"));
    let expected = read(directory.join("docker-compose.yml"));
    assert_eq!(manifest, expected.replace("t0p-secret-word", "${API_TOKEN}"));
    let remarks = read(out.join(format!("REMARKS-{stack}.md")));
    let dir = format!("`stacks: {{{stack}: {{dir: {}}}}}`", directory.display());
    assert!(remarks.contains(&dir) || remarks.contains(&dir.replace('`', "")), "{remarks}");
    assert!(!remarks.contains("t0p-secret-word"), "{remarks}");

    host.env("shop-@ID@.env", &read(out.join("_server").join(format!("{stack}.env"))));
    host.commit(&[("shop-@ID@/compose.yaml", &manifest)]);
    let rollout = "rollout: {stable: 500ms, monitor: 0s, deadline: 20s}";
    host.configure(&format!("{rollout}\nstacks: {{{stack}: {{dir: '{}'}}}}", directory.display()));
    host.pass().ends(0);
    assert_eq!(host.changed_since(&before), Vec::<String>::new());
    host.is_settled();
}

#[test]
fn a_project_that_does_not_run_is_said() {
    let host = Host::new();
    host.run(&["import", "--project", "gone-@ID@"]).ends(1).says("the engine has no project `gone");
}

#[test]
fn an_import_is_printed_with_names_and_without_values() {
    let host = Host::new();
    let file = lay_down(&host).join("docker-compose.yml").display().to_string();
    let run = host.run(&["import", &file]);
    run.ends(0).says("API_TOKEN");
    assert_eq!(run.stdout, read(file.clone().into()).replace("t0p-secret-word", "${API_TOKEN}"));
    assert!(!run.everything().contains("t0p-secret-word"), "{}", run.everything());

    let run = host.run(&["import", &file, "--output", "json"]);
    let report = run.ends(0).json();
    assert!(!run.everything().contains("t0p-secret-word"), "{}", run.everything());
    assert_eq!(report["schema"], "evenkeel.import/v1");
    assert_eq!(report["variables"][1]["name"], "API_TOKEN");
    host.run(&["import", &file, "--show-values"]).ends(0).says("API_TOKEN=t0p-secret-word");
}

#[test]
fn an_import_is_written_for_git_and_for_the_server_apart() {
    let host = Host::new();
    let file = lay_down(&host).join("docker-compose.yml").display().to_string();
    let out = host.path("out");
    let told = out.display().to_string();
    let import = ["import", file.as_str(), "--out", told.as_str()];
    let run = host.run(&import);
    run.ends(0).says("never to git").says("evenkeel validate");
    assert!(!run.everything().contains("t0p-secret-word"), "{}", run.everything());

    let env = out.join("_server").join(format!("shop-{}.env", host.id));
    assert_eq!(env.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(read(env.clone()).starts_with("TAG=1\n"), "what was in `.env` is there too");
    assert!(read(env.clone()).ends_with("API_TOKEN=t0p-secret-word\n"));
    let checked = host.run(&["validate", &told, "--env", &env.display().to_string()]);
    checked.ends(0).says("valid: 1 stack, 1 service");

    host.run(&import).ends(0);
    std::fs::write(&env, "API_TOKEN=changed since\n").unwrap();
    host.run(&import).ends(1).says("is there already, and says something else");
    assert_eq!(read(env), "API_TOKEN=changed since\n");
}

#[test]
fn what_cannot_be_followed_is_written_and_ends_with_1() {
    let host = Host::new();
    let file = host.path("build.yaml");
    std::fs::write(&file, "services: {web: {build: .}}\n").unwrap();
    let out = host.path("out").display().to_string();
    let run = host.run(&["import", &file.display().to_string(), "--out", &out]);
    run.ends(1).says("cannot be used yet: 1 problem to solve first");
    host.run(&["validate", &out]).ends(1).says("has `build` but no `image`");

    host.run(&["import", "/nowhere/compose.yaml"])
        .ends(1)
        .says("/nowhere/compose.yaml cannot be read");
    host.run(&["import"]).ends(64);
    host.run(&["import", "a.yaml", "--project", "b"]).ends(64);
}
