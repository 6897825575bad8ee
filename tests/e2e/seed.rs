//! `examples/seed`, unmodified: a backend, a frontend, and an nginx whose configuration lies in git.

use std::time::Duration;

use crate::support::host::Host;
use crate::support::registry::Kind;
use crate::support::{eventually, free_port, get};

struct Seed {
    host: Host,
    port: u16,
}

impl Seed {
    /// The repository and the server's files are there, nothing is deployed yet.
    fn new() -> Self {
        let seed = Self { host: Host::new(), port: free_port() };
        seed.host.push("acme/backend", "latest", Kind::Web);
        seed.host.push("acme/frontend", "latest", Kind::Web);
        seed.host.push("nginx", "1", Kind::Proxy);
        let images = "REGISTRY=@REGISTRY@\nNGINX_IMAGE=@REGISTRY@/nginx:1\n";
        seed.host.env("common.env", &format!("{images}HTTP_PORT={}\n", seed.port));
        seed.host.copy_stack("examples/seed", "seed-@ID@");
        seed.host.repo.commit("the seed");
        seed
    }

    fn deployed() -> Self {
        let seed = Self::new();
        seed.host.env("seed-@ID@.env", "GREETING=hello\n");
        seed.host.pass().ends(0);
        seed
    }

    #[track_caller]
    fn answers(&self, path: &str, expected: &str) {
        let what = format!("{path} through nginx answers with {expected}");
        eventually(Duration::from_secs(60), &what, || {
            get(self.port, path).filter(|body| body.contains(expected))
        });
    }
}

#[test]
fn the_seed_deploys_unmodified_and_a_second_pass_changes_nothing() {
    let seed = Seed::new();
    seed.host.env("seed-@ID@.env", "GREETING=hello\n");
    seed.host.pass().ends(0).does(&[
        "seed/backend create done",
        "seed/frontend create done",
        "seed/nginx create done",
    ]);
    seed.answers("/", "version=latest");
    seed.answers("/api/", "greeting=hello");
    seed.host.is_settled();
}

#[test]
fn a_commit_that_changes_only_mounted_configuration_redeploys_only_nginx() {
    let seed = Seed::deployed();
    let before = seed.host.containers();
    let conf = "server { listen 80; location /new/ { proxy_pass http://backend:8000/; } }\n";
    seed.host.commit(&[("seed-@ID@/nginx/conf.d/default.conf", conf)]);
    seed.host.pass().ends(0).does(&["seed/nginx update done"]);
    assert_eq!(seed.host.changed_since(&before), ["seed-nginx-1"]);
    seed.answers("/new/", "greeting=hello");
    seed.host.is_settled();
}

#[test]
fn a_commit_that_changes_nothing_of_a_stack_restarts_nothing() {
    let seed = Seed::deployed();
    seed.host.commit(&[("README.md", "words\n"), ("seed-@ID@/notes.txt", "more words\n")]);
    seed.host.is_settled();
}

#[test]
fn a_changed_env_file_on_the_server_redeploys_only_the_service_that_reads_it() {
    let seed = Seed::deployed();
    let before = seed.host.containers();
    seed.host.env("seed-@ID@.env", "GREETING=good-day\n");
    seed.host
        .pass()
        .ends(0)
        .does(&["seed/backend update done"])
        .because("seed/backend", "env.GREETING");
    assert_eq!(seed.host.changed_since(&before), ["seed-backend-1"]);
    seed.answers("/api/", "greeting=good-day");
    seed.host.is_settled();
}

#[test]
fn without_the_env_file_nothing_is_touched_and_the_message_says_what_to_do() {
    let seed = Seed::new();
    let wanted = seed.host.path("env/seed-@ID@.env").display().to_string();
    seed.host
        .pass()
        .ends(1)
        .says("backend")
        .says("seed/compose.yaml")
        .says(&wanted.replace(&format!("-{}", seed.host.id), ""));
    assert!(seed.host.containers().is_empty(), "nothing is deployed");
    assert!(!seed.host.docker(&["network", "ls"]).contains(&seed.host.id), "no network either");
}

#[test]
fn an_env_file_that_vanishes_leaves_what_runs_as_it_is() {
    let seed = Seed::deployed();
    let before = seed.host.containers();
    std::fs::remove_file(seed.host.path("env/seed-@ID@.env")).unwrap();
    seed.host.pass().ends(1).says("backend");
    assert_eq!(seed.host.changed_since(&before), Vec::<String>::new());
    seed.answers("/api/", "greeting=hello");
}

#[test]
fn an_nginx_that_resolved_the_backend_once_finds_the_new_one() {
    let seed = Seed::deployed();
    let before = seed.host.containers();
    seed.host.push("acme/backend", "2", Kind::Web);
    let pinned = std::fs::read_to_string(
        seed.host.repo.directory().join(format!("seed-{}/compose.yaml", seed.host.id)),
    );
    let changed = pinned.unwrap().replacen("/backend:${IMAGE_TAG:-latest}", "/backend:2", 1);
    seed.host.commit(&[("seed-@ID@/compose.yaml", &changed)]);
    seed.host.pass().ends(0).does(&["seed/backend update done"]).because("seed/backend", "image");
    assert_eq!(seed.host.changed_since(&before), ["seed-backend-1"]);
    seed.answers("/api/", "version=2");
}
