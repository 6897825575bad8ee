//! Repositories and registries that want to know who asks.

use crate::ssh_server::SshServer;
use crate::support::host::Host;
use crate::support::registry::{Kind, TestRegistry};
use crate::web_server::WebServer;

const SHOP: &str = "services:\n  web:\n    image: @REGISTRY@/acme/web:1\n";
const QUICK: &str = "rollout: {stable: 500ms, monitor: 0s, deadline: 20s}";

fn with_a_commit() -> Host {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.commit(&[("shop-@ID@/compose.yaml", SHOP)]);
    host
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_behind_a_password_is_followed() {
    let host = with_a_commit();
    let server = WebServer::start(host.path("").as_path()).await;
    server.require("sesame-4711");
    let repo = format!("repo: 'http://127.0.0.1:{}/repo/.git'", server.port);
    host.configure_source(&repo, QUICK);
    host.pass().ends(1).says("credentials");
    assert!(host.containers().is_empty());

    std::fs::write(host.path("password"), "sesame-4711\n").unwrap();
    let file = host.path("password").display().to_string();
    let login = format!("{repo}, credentials: {{username: user, password_file: {file}}}");
    host.configure_source(&login, QUICK);
    let run = host.pass();
    run.ends(0).does(&["shop/web create done"]);
    assert!(!run.everything().contains("sesame"));
    host.is_settled();
}

#[test]
fn a_repository_behind_ssh_is_followed() {
    let (host, server) = (with_a_commit(), SshServer::start());
    let url = server.url(host.repo.directory());
    let file = |name: &str| server.file(name).display().to_string();
    let with = |known: &str| {
        let (key, known) = (file("key"), file(known));
        let login = format!("{{ssh_key_file: '{key}', known_hosts_file: '{known}'}}");
        host.configure_source(&format!("repo: '{url}', credentials: {login}"), QUICK);
    };
    with("no_hosts");
    host.pass().ends(1).says("host key");
    with("known_hosts");
    host.pass().ends(0).does(&["shop/web create done"]);
    host.is_settled();
}

#[test]
fn a_registry_behind_a_password_is_entered_with_dockers_own_login() {
    let mut host = Host::new();
    let directory = host.path("guarded");
    host.registry = TestRegistry::start_with_password(&directory, &host.id, "bot", "sesame-4711");
    host.push("acme/web", "1", Kind::Web);
    host.commit(&[("shop-@ID@/compose.yaml", SHOP)]);
    host.pass().ends(1).says(&host.registry.host);
    assert!(host.containers().is_empty());

    // As `docker login` leaves it: base64 of `bot:sesame-4711`.
    let login = r#"{"auth": "Ym90OnNlc2FtZS00NzEx"}"#;
    let config = format!(r#"{{"auths": {{"{}": {login}}}}}"#, host.registry.host);
    std::fs::create_dir_all(host.path(".docker")).unwrap();
    std::fs::write(host.path(".docker/config.json"), config).unwrap();
    let run = host.pass();
    run.ends(0).does(&["shop/web create done"]);
    assert!(!run.everything().contains("sesame"));
    host.is_settled();
}
