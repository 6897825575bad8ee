//! Every key of the manifest on a real engine: what evenkeel makes of it is what Compose makes of it.
//!
//! One stack for each family of keys, in `vocabulary/`. Without Compose at hand (feature `compose-oracle`), they are
//! deployed and found settled.

use std::path::{Path, PathBuf};

use crate::support::docker::docker;
use crate::support::host::Host;
use crate::support::registry::Kind;

macro_rules! stacks {
    ($($test:ident: $name:literal),* $(,)?) => {
        const STACKS: &[&str] = &[$($name),*];
        $(
            #[test]
            fn $test() {
                deploy_and_compare($name);
            }
        )*
    };
}

stacks! {
    devices: "devices",
    environment: "environment",
    files: "files",
    health: "health",
    host_network: "host-network",
    included: "included",
    kernel: "kernel",
    labels: "labels",
    logging: "logging",
    names: "names",
    namespaces: "namespaces",
    networks: "networks",
    newer: "newer",
    order: "order",
    ports: "ports",
    program: "program",
    replicas: "replicas",
    resources: "resources",
    restart: "restart",
    rights: "rights",
    shared_parts: "shared-parts",
    volumes: "volumes",
    volumes_from: "volumes-from",
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/vocabulary")
}

#[test]
fn every_stack_of_the_vocabulary_is_deployed() {
    let mut found: Vec<String> = std::fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    found.sort();
    assert_eq!(found, STACKS);
}

/// All files below `directory`, with their paths in it.
fn files_below(directory: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            found.extend(
                files_below(&path).into_iter().map(|(file, text)| (format!("{name}/{file}"), text)),
            );
        } else {
            found.push((name, std::fs::read_to_string(&path).unwrap()));
        }
    }
    found
}

/// A host whose repository holds the stack `name`, and the stack's name there.
fn host_with(name: &str) -> (Host, String) {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.push("acme/job", "1", Kind::Job);
    host.configure("rollout: {stable: 100ms, monitor: 0s, deadline: 60s}\npolicy: {preset: open}");
    let stack = format!("{name}-{}", host.id);
    let texts: Vec<(String, String)> = files_below(&directory().join(name))
        .into_iter()
        .map(|(path, text)| (format!("{stack}/{path}"), host.fill_ports(&text)))
        .collect();
    let texts: Vec<(&str, &str)> =
        texts.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    host.commit(&texts);
    (host, stack)
}

fn deploy_and_compare(name: &str) {
    let (host, stack) = host_with(name);
    #[cfg(feature = "compose-oracle")]
    compare(name, &host, &stack);
    host.pass().ends(0);
    if name == "files" {
        check_files(&stack);
    }
    host.is_settled();
}

/// Files reach a program that is not root in a container that cannot be written to.
fn check_files(stack: &str) {
    let read = |file: &str| docker(&["exec", &format!("{stack}-reader-1"), "cat", file]);
    assert_eq!(read("/etc/settings.conf"), "answer=42");
    assert_eq!(read("/inline"), "level=info");
    assert_eq!(read("/run/secrets/password"), "correct horse");
    assert_eq!(read("/run/secrets/api-token"), "in-git-for-a-test");
}

/// What Compose made is taken over as it runs, and what evenkeel makes afterwards shows the same settings.
#[cfg(feature = "compose-oracle")]
fn compare(name: &str, host: &Host, stack: &str) {
    use crate::support::compose::{Compose, differences};

    // Compose copies such files into the container, which it cannot where nothing can be written; and Debian's
    // does not know the newer keys yet.
    if ["files", "newer"].contains(&name) {
        return;
    }
    let compose = Compose::new(stack, &host.repo.directory().join(stack));
    compose.run(&["up", "--detach"]);
    let theirs = compose.containers();
    let before = host.containers();
    host.pass().ends(0).does(&[]);
    assert_eq!(host.changed_since(&before), Vec::<String>::new(), "taken over as it runs");

    compose.run(&["down", "--timeout", "0"]);
    host.forget();
    host.pass().ends(0);
    let differences = differences(&theirs, &compose.containers());
    assert!(differences.is_empty(), "Compose - and evenkeel +:\n{}", differences.join("\n"));
}
