//! A project that Compose made is taken over; where data could be lost, only with the operator's word.

#[cfg(feature = "compose-oracle")]
use crate::support::compose::Compose;
use crate::support::host::Host;
use crate::support::registry::Kind;

const SHOP: &str = "\
services:
  db:
    image: @REGISTRY@/acme/web:1
    volumes: [data:/data]
volumes:
  data:
";

/// Runs what `docker compose up -d` would have left, with `volume` at `/data`.
fn run_as_compose_would(host: &Host, volume: &str) {
    host.push("acme/web", "1", Kind::Web);
    let label = |name: &str, value: &str| format!("--label=com.docker.compose.{name}={value}");
    let project = label("project", &format!("shop-{}", host.id));
    host.docker(&[
        "network",
        "create",
        &project,
        &label("network", "default"),
        "shop-@ID@_default",
    ]);
    host.docker(&["volume", "create", &project, &label("volume", "data"), volume]);
    let mut command = vec!["run".to_owned(), "-d".into(), "--name=shop-@ID@-db-1".into(), project];
    command.extend([
        label("service", "db"),
        label("container-number", "1"),
        label("oneoff", "False"),
    ]);
    command.extend([label("config-hash", "0"), label("project.working_dir", "/opt/shop")]);
    command.extend(["--network=shop-@ID@_default".into(), "--network-alias=db".into()]);
    command.extend([format!("--volume={volume}:/data"), "@REGISTRY@/acme/web:1".into()]);
    host.docker(&command.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn a_project_of_compose_with_the_same_settings_is_not_restarted() {
    let host = Host::new();
    run_as_compose_would(&host, "shop-@ID@_data");
    let before = host.containers();
    host.commit(&[("shop-@ID@/compose.yaml", SHOP)]);
    host.pass().ends(0);
    assert_eq!(host.changed_since(&before), Vec::<String>::new());
    host.is_settled();
}

#[test]
fn a_service_whose_data_lies_elsewhere_is_held_until_it_is_adopted() {
    let host = Host::new();
    run_as_compose_would(&host, "old-@ID@-data");
    let before = host.containers();
    host.commit(&[("shop-@ID@/compose.yaml", SHOP)]);
    host.pass().does(&["shop/db held held"]).says("old-data").says("shop_data");
    assert_eq!(host.changed_since(&before), Vec::<String>::new());

    host.run(&["adopt", "shop-@ID@/db"]).ends(0);
    host.pass().ends(0).does(&["shop/db update done"]);
    assert_eq!(host.changed_since(&before), ["shop-db-1"]);
    assert!(host.docker(&["volume", "ls", "-q"]).contains("old-"), "the old volume is still there");
    host.is_settled();
}

/// Writes to its data directory for as long as it lives, as a database does.
const WRITER: &str = "while true; do echo row >>/data/rows; sleep 0.1; done";

fn writing(host: &Host) -> String {
    format!(
        "services:\n  db:\n    image: {}/acme/web:1\n    entrypoint: sh\n    command: [-c, {WRITER:?}]\n    \
         stop_signal: SIGKILL\n    volumes: ['./pgdata:/data']\n",
        host.registry.host
    )
}

/// Runs a writer whose data lies in `old/pgdata` of the server.
fn run_writer(host: &Host) {
    host.push("acme/web", "1", Kind::Web);
    std::fs::create_dir_all(host.path("old/pgdata")).unwrap();
    let label = |name: &str, value: &str| format!("--label=com.docker.compose.{name}={value}");
    let project = label("project", "shop-@ID@");
    let network = "shop-@ID@_default";
    host.docker(&["network", "create", &project, &label("network", "default"), network]);
    let bind = format!("--volume={}:/data", host.path("old/pgdata").display());
    host.docker(&[
        "run",
        "-d",
        "--name=shop-@ID@-db-1",
        &project,
        &label("service", "db"),
        &label("container-number", "1"),
        &label("oneoff", "False"),
        "--network=shop-@ID@_default",
        "--network-alias=db",
        "--stop-signal=SIGKILL",
        &bind,
        "--entrypoint=sh",
        "@REGISTRY@/acme/web:1",
        "-c",
        WRITER,
    ]);
}

#[test]
fn a_database_is_not_put_on_an_empty_directory_without_the_operators_word() {
    let host = Host::new();
    run_writer(&host);
    let before = host.containers();
    host.commit(&[("shop-@ID@/compose.yaml", &writing(&host))]);
    host.pass().does(&["shop/db held held"]);
    host.plan().because("shop/db", "volumes./data").says("old/pgdata").says("data/shop/pgdata");
    assert_eq!(host.changed_since(&before), Vec::<String>::new(), "it goes on writing");

    host.run(&["adopt", "shop-@ID@/db"]).ends(0);
    host.pass().ends(0).does(&["shop/db update done"]);
    assert!(host.read("old/pgdata/rows").starts_with("row\n"), "the data is where it was");
    host.is_settled();
}

/// A stack with files beside it, and the image's `tag`.
#[cfg(feature = "compose-oracle")]
fn with_data(tag: &str) -> String {
    format!(
        "services:\n  db:\n    image: @REGISTRY@/acme/web:{tag}\n    volumes: ['./data:/data', './conf:/conf:ro']\n"
    )
}

#[cfg(feature = "compose-oracle")]
#[test]
fn a_project_of_composes_keeps_its_files_where_compose_ran_it() {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.push("acme/web", "2", Kind::Web);
    for (name, text) in [("old/data/rows", "row\n"), ("old/conf/settings", "answer=42\n")] {
        let file = host.path(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    let manifest = with_data("1").replace("@REGISTRY@", &host.registry.host);
    std::fs::write(host.path("old/compose.yaml"), manifest).unwrap();
    let compose = Compose::new(&format!("shop-{}", host.id), &host.path("old"));
    compose.run(&["up", "--detach"]);

    let before = host.containers();
    host.commit(&[("shop-@ID@/compose.yaml", &with_data("1"))]);
    host.plan().ends(0);
    host.pass().ends(0).does(&[]);
    for command in ["plan", "status"] {
        host.run(&[command]).says("where Compose ran this project");
    }
    host.is_settled();
    assert_eq!(host.changed_since(&before), Vec::<String>::new(), "taken over as it runs");

    host.commit(&[("shop-@ID@/compose.yaml", &with_data("2"))]);
    host.pass().ends(0).does(&["shop/db update done"]);
    assert_eq!(host.changed_since(&before), ["shop-db-1"]);
    assert_eq!(host.docker(&["exec", "shop-@ID@-db-1", "cat", "/data/rows"]), "row");
    host.is_settled();

    host.docker(&["rm", "--force", "shop-@ID@-db-1"]);
    host.pass().ends(0).does(&["shop/db create done"]);
    assert_eq!(host.docker(&["exec", "shop-@ID@-db-1", "cat", "/conf/settings"]), "answer=42");
    host.is_settled();

    let before = host.containers();
    host.forget();
    host.pass().does(&["shop/db held held"]).says("data first");
    assert_eq!(host.changed_since(&before), Vec::<String>::new(), "nothing is put elsewhere");
    host.configure(&format!("stacks: {{'shop-@ID@': {{dir: '{}'}}}}", host.path("old").display()));
    host.pass().ends(0).does(&[]);
    host.is_settled();
}

#[test]
fn a_version_that_hashes_settings_differently_restarts_nothing() {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.commit(&[("shop-@ID@/compose.yaml", SHOP)]);
    host.pass().ends(0);
    // What an earlier version would have left: the same container, with a hash of another version.
    let spec = host.inspect("shop-db-1", "{{index .Config.Labels \"evenkeel.spec\"}}");
    let other = format!("evenkeel.spec=0:{}", spec.split_once(':').unwrap().1);
    make_again(&host, &other);
    let before = host.containers();
    host.pass().ends(0).does(&[]);
    assert_eq!(host.changed_since(&before), Vec::<String>::new());
    host.is_settled();
}

/// Makes `shop-db-1` again as it is, but for one label.
fn make_again(host: &Host, label: &str) {
    let labels =
        host.inspect("shop-db-1", "{{range $k, $v := .Config.Labels}}{{$k}}={{$v}}\n{{end}}");
    let image = host.inspect("shop-db-1", "{{.Config.Image}}");
    host.docker(&["rm", "-f", "shop-@ID@-db-1"]);
    let mut command = vec!["run".to_owned(), "-d".into(), "--name=shop-@ID@-db-1".into()];
    let (name, _) = label.split_once('=').unwrap();
    let others = labels.lines().filter(|line| !line.is_empty() && !line.starts_with(name));
    command.extend(others.map(|line| format!("--label={line}")));
    command.push(format!("--label={label}"));
    command.extend(["--network=shop-@ID@_default".into(), "--network-alias=db".into()]);
    command.extend(["--volume=shop-@ID@_data:/data".into(), image]);
    host.docker(&command.iter().map(String::as_str).collect::<Vec<_>>());
}
