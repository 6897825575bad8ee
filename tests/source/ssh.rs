//! Over ssh: the same, with the system's `ssh` and a real server.

use std::os::unix::fs::PermissionsExt;

use evenkeel::source::{Credentials, SourceError};

use crate::Follower;
use crate::ssh_server::SshServer;
use crate::upstream::Upstream;

fn follower(server: &SshServer, upstream: &Upstream, key: &str, hosts: &str) -> Follower {
    let credentials = Credentials::SshKey {
        key_file: Some(server.file(key)),
        known_hosts_file: Some(server.file(hosts)),
    };
    Follower::of(server.url(&upstream.path())).with(|spec| spec.credentials = credentials)
}

#[tokio::test]
async fn a_branch_is_followed() {
    let (server, upstream) = (SshServer::start(), Upstream::new());
    let follower = follower(&server, &upstream, "key", "known_hosts");
    let first = upstream.git(&["rev-parse", "main"]);
    assert!(follower.check(&first, "one").await.fetched);
    assert!(!follower.check(&first, "one").await.fetched);
    let second = upstream.commit("main", &[("hosts/web-1/compose.yaml", "two")]);
    assert!(follower.check(&second, "two").await.fetched);
    assert!(follower.mirror().join("shallow").exists());
}

#[tokio::test]
async fn an_unknown_a_changed_host_key_and_a_wrong_key_are_told_apart() {
    let (server, upstream) = (SshServer::start(), Upstream::new());
    let failure = async |key, hosts| follower(&server, &upstream, key, hosts).failure().await;
    let unknown = failure("key", "no_hosts").await;
    assert!(matches!(unknown, SourceError::HostKey { changed: false, .. }), "{unknown}");
    let changed = failure("key", "changed_hosts").await;
    assert!(matches!(changed, SourceError::HostKey { changed: true, .. }), "{changed}");
    let denied = failure("other_key", "known_hosts").await;
    assert!(matches!(denied, SourceError::Denied { .. }), "{denied}");
    let open_to_all = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(server.file("key"), open_to_all).unwrap();
    let open_key = failure("key", "known_hosts").await;
    assert!(matches!(open_key, SourceError::Credentials { .. }), "{open_key}");
    let no_key = failure("nothing", "known_hosts").await;
    assert!(matches!(no_key, SourceError::Credentials { .. }), "{no_key}");
}

#[tokio::test]
async fn a_missing_repository_and_a_server_that_is_gone_are_told_apart() {
    let (server, upstream) = (SshServer::start(), Upstream::new());
    let missing = follower(&server, &upstream, "key", "known_hosts")
        .with(|spec| spec.repo = server.url("/nothing/here.git".as_ref()));
    let error = missing.failure().await;
    assert!(matches!(error, SourceError::NoSuchRepository { .. }), "{error}");

    let gone = follower(&server, &upstream, "key", "known_hosts");
    drop(server);
    // The key files went with the server; without them, only the port is asked.
    let gone = gone.with(|spec| spec.credentials = Credentials::None);
    let error = gone.failure().await;
    assert!(matches!(error, SourceError::Unreachable { .. }), "{error}");
}
