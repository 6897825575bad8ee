//! A newer tag goes into git, and what is in git is deployed; a person's word goes before it.

use std::process::Command;
use std::time::Duration;

use crate::support::host::Host;
use crate::support::registry::Kind;
use crate::support::run::Run;
use crate::support::{eventually, stdout_of};

const SOON: Duration = Duration::from_secs(60);

const MANIFEST: &str = "\
# Kept as it is.
services:
  web:
    image: '@REGISTRY@/acme/web:1.4.2'   # raised by evenkeel
    restart: unless-stopped
    healthcheck: {test: [CMD, wget, -qO-, 'http://127.0.0.1:8000/health'], interval: 300ms, retries: 3}
    x-evenkeel: {update: {semver: ~1.4, write_back: true}}
";
const QUICK: &str =
    "rollout: {stable: 500ms, monitor: 0s, deadline: 20s}\nregistry: {interval: 1s}\n";

fn git(host: &Host, arguments: &[&str]) -> String {
    let bare = host.path("bare.git");
    stdout_of(Command::new("git").arg("--git-dir").arg(bare).args(arguments))
}

/// A pass, if it says so: the registry is looked at once a second.
fn says(host: &Host, text: &str) -> Option<Run> {
    let pass = host.pass();
    pass.everything().contains(text).then_some(pass)
}

/// The file as the branch has it.
fn committed(host: &Host) -> String {
    git(host, &["show", &host.fill("main:shop-@ID@/compose.yaml")])
}

#[test]
fn a_newer_tag_is_deployed_from_git_and_not_again_after_it_was_taken_back() {
    let host = Host::new();
    host.push("acme/web", "1.4.2", Kind::Web);
    host.commit(&[("shop-@ID@/compose.yaml", MANIFEST)]);
    let (work, bare) = (host.repo.directory(), host.path("bare.git"));
    stdout_of(Command::new("git").args(["clone", "--quiet", "--bare"]).arg(work).arg(&bare));
    host.configure_source(&format!("repo: 'file://{}'", bare.display()), QUICK);
    host.pass().ends(0).does(&["shop/web create done"]);
    assert_eq!(committed(&host), host.fill(MANIFEST).trim_end(), "nothing to write");

    host.push("acme/web", "1.4.7", Kind::Web);
    let pass = eventually(SOON, "a pass that looks", || says(&host, "goes to 1.4.7 by commit"));
    pass.ends(0).does(&["shop/web update done"]);
    assert_eq!(committed(&host), host.fill(MANIFEST).trim_end().replace("1.4.2", "1.4.7"));
    let author = git(&host, &["log", "-1", "--format=%an <%ae> %s", "main"]);
    assert!(author.starts_with("evenkeel <evenkeel@test-host> "), "{author}");
    assert!(host.inspect("shop-web-1", "{{.Config.Image}}").contains("acme/web:1.4.7@sha256:"));
    host.is_settled();

    // A person goes back, and stays there.
    let pull = ["pull", "--quiet", "--ff-only"];
    stdout_of(Command::new("git").arg("-C").arg(work).args(pull).arg(&bare).arg("main"));
    host.commit(&[("shop-@ID@/compose.yaml", MANIFEST)]);
    stdout_of(
        Command::new("git").arg("-C").arg(work).args(["push", "--quiet"]).arg(&bare).arg("main"),
    );
    let head = git(&host, &["rev-parse", "main"]);
    host.pass().ends(0).does(&["shop/web update done"]);
    eventually(SOON, "a pass that looks", || says(&host, "has gone back from it")).ends(0);
    assert_eq!(git(&host, &["rev-parse", "main"]), head);
    assert!(host.inspect("shop-web-1", "{{.Config.Image}}").contains("acme/web:1.4.2@sha256:"));
}
