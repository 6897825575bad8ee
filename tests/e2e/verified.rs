//! Commits that somebody has to have signed: a host follows those, and goes on with them whatever else is pushed.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use crate::support::host::Host;
use crate::support::registry::Kind;
use crate::support::{eventually, stdout_of};

const LONG: Duration = Duration::from_secs(90);

const SHOP: &str = "services:\n  web:\n    image: @REGISTRY@/acme/web:1\n    restart: unless-stopped\n    environment: {V: '@V@'}\n";

/// A host whose repository signs what is committed, and that is told whom to believe.
fn host() -> Host {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    let key = host.path("alice").display().to_string();
    let keygen = ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", &key];
    stdout_of(Command::new("ssh-keygen").args(keygen));
    let public = std::fs::read_to_string(host.path("alice.pub")).unwrap();
    std::fs::write(host.path("signers"), format!("alice@acme.org {public}")).unwrap();
    for (name, value) in [("gpg.format", "ssh"), ("user.signingkey", &key)] {
        host.repo.git(&["config", name, value]);
    }
    sign(&host, true);
    verify(&host, "");
    host
}

/// Whether commits are signed from now on.
fn sign(host: &Host, signs: bool) {
    host.repo.git(&["config", "commit.gpgsign", if signs { "true" } else { "false" }]);
}

/// Has the host verify what it follows, with `more` words for that.
fn verify(host: &Host, more: &str) {
    let script = format!("cat >>{told}; echo >>{told}", told = host.path("told").display());
    let source = format!(
        "repo: 'file://{}', verify: {{allowed_signers: {}{more}}}",
        host.repo.directory().display(),
        host.path("signers").display()
    );
    let quick = "rollout: {stable: 500ms, monitor: 0s, deadline: 20s}";
    let notify =
        format!("notify: [{{command: [sh, -c, '{script}'], events: [failed, recovered, stale]}}]");
    host.configure_source(&source, &format!("{quick}\n{notify}"));
}

fn commit(host: &Host, value: &str) -> String {
    host.commit(&[("shop-@ID@/compose.yaml", &SHOP.replace("@V@", value))])
}

/// What was told of the source: each message's event.
fn told(host: &Host) -> Vec<String> {
    let text = host.read("told");
    let messages =
        text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let of_source = messages.filter(|message| message["kind"] == "source");
    of_source.map(|message| message["event"].as_str().unwrap().to_owned()).collect()
}

/// The source as `status` has it.
fn source(host: &Host) -> serde_json::Value {
    host.run(&["status", "--output", "json"]).json()["sources"][0].clone()
}

/// The web service's value in the container that runs.
fn serves(host: &Host) -> String {
    let env = host.inspect("shop-web-1", "{{range .Config.Env}}{{println .}}{{end}}");
    env.lines().find_map(|line| line.strip_prefix("V=")).unwrap().to_owned()
}

#[test]
fn a_commit_that_nobody_signed_changes_nothing_and_what_was_accepted_is_kept_up() {
    let host = host();
    let good = commit(&host, "one");
    host.pass().ends(0).does(&["shop/web create done"]);
    host.is_settled();
    let before: BTreeMap<String, String> = host.containers();
    assert!(source(&host)["signed_by"].as_str().unwrap().starts_with("alice@acme.org (SHA256:"));

    sign(&host, false);
    let bad = commit(&host, "evil");
    host.engine.take_mutations();
    for _ in 0..2 {
        host.pass().ends(1).does(&[]).says("is refused: it is not signed; tester");
        host.plan().ends(1).does(&[]);
    }
    assert!(host.engine.take_mutations().is_empty());
    assert!(host.changed_since(&before).is_empty());
    let seen = source(&host);
    assert_eq!((&seen["state"], &seen["commit"]), (&"failing".into(), &good.clone().into()));
    assert_eq!(seen["refused"]["commit"], bad);
    assert!(seen["refused"]["reason"].as_str().unwrap().contains("it is not signed"));
    let status = host.run(&["status"]);
    status.says(&format!("error: the newest commit {} is refused", &bad[..7]));
    status.says(&format!("`evenkeel accept source {}` takes it as it is", &bad[..7]));
    status.says("signed by alice@acme.org (SHA256:");
    host.run(&["explain", "shop-@ID@"]).says("what the newest commit would change");
    host.run(&["doctor"]).says("is refused: it is not signed");
    assert_eq!(told(&host), ["failed"], "once, however long it lasts");

    host.docker(&["rm", "--force", &host.name("shop-web-1")]);
    host.pass().ends(1).does(&["shop/web create done"]);
    assert_eq!(serves(&host), "one");
    assert_eq!(told(&host), ["failed"]);

    sign(&host, true);
    let better = commit(&host, "two");
    host.pass().ends(0).does(&["shop/web update done"]);
    assert_eq!(serves(&host), "two");
    assert_eq!(told(&host), ["failed", "recovered"]);
    let seen = source(&host);
    assert_eq!((&seen["commit"], &seen["refused"]), (&better.into(), &serde_json::Value::Null));
    host.is_settled();

    // Without the word of the one that was merged before, nothing of the range is taken.
    verify(&host, ", scope: range");
    sign(&host, false);
    commit(&host, "evil again");
    sign(&host, true);
    commit(&host, "three");
    host.pass().ends(1).does(&[]).says("it brings along commit");
    assert_eq!(serves(&host), "two");
    verify(&host, ", max_age: 1000d");
    host.pass().ends(0).does(&["shop/web update done"]);
    assert_eq!(serves(&host), "three");
}

#[test]
fn a_branch_that_is_wound_back_is_followed_only_by_an_operator_s_word() {
    let host = host();
    let first = commit(&host, "one");
    host.pass().ends(0);
    let second = commit(&host, "two");
    host.pass().ends(0).does(&["shop/web update done"]);
    host.repo.git(&["reset", "--quiet", "--hard", &first]);
    let refused = format!("does not build on {}, which was accepted last", &second[..7]);
    host.pass().ends(1).does(&[]).says(&refused);
    assert_eq!(serves(&host), "two");

    // A pull request or a pinned commit is looked at as ever, and accepts nothing.
    host.run(&["plan", "--ref", &first, "--exit-code"]).ends(3);
    host.pass().ends(1).does(&[]);

    // The daemon goes on from it by itself.
    let mut daemon = host.start(&["reconcile"], "daemon.log");
    eventually(LONG, "the daemon sees it", || {
        host.read("daemon.log").contains(&refused).then_some(())
    });
    host.run(&["accept", "source-@ID@", "0123456"]).ends(1).says("none that is known here");
    host.run(&["accept", "nobody", &first]).ends(1).says("there is no source `nobody`");
    let accepted = format!("{first} is accepted; before, it was {second}");
    host.run(&["accept", "source-@ID@", &first[..8]]).ends(0).says(&accepted);
    eventually(LONG, "the rewind is followed", || {
        let env = host.docker(&[
            "ps",
            "--filter",
            "label=com.docker.compose.project=shop-@ID@",
            "--format",
            "{{.ID}}",
        ]);
        let is_settled = env.lines().count() == 1
            && source(&host)["commit"] == first
            && source(&host)["state"] == "ok";
        is_settled.then_some(())
    });
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    host.pass().ends(0);
    assert_eq!(serves(&host), "one");
    assert_eq!(source(&host)["signed_by"], "an operator (accept)");
    assert_eq!(told(&host), ["failed", "recovered"]);
}

#[test]
fn what_cannot_be_verified_is_refused_and_touches_nothing() {
    let host = host();
    let directory = host.path("plain");
    std::fs::create_dir_all(directory.join("shop")).unwrap();
    std::fs::write(directory.join("shop/compose.yaml"), "services: {}").unwrap();
    let plain = format!(
        "repo: {}, verify: {{allowed_signers: {}}}",
        directory.display(),
        host.path("signers").display()
    );
    host.configure_source(&plain, "");
    host.pass().ends(1).does(&[]).says("a plain directory: it has no commits");

    // Without gpgv, OpenPGP signatures are nobody's.
    sign(&host, false);
    commit(&host, "one");
    let raw = host.repo.git(&["cat-file", "commit", "HEAD"]);
    let armour = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n AAAA\n -----END PGP SIGNATURE-----";
    std::fs::write(host.path("raw"), raw.replacen("\n\n", &format!("\n{armour}\n\n"), 1)).unwrap();
    let raw = host.path("raw").display().to_string();
    let commit = host.repo.git(&["hash-object", "-t", "commit", "-w", &raw]);
    host.repo.git(&["reset", "--quiet", "--hard", &commit]);
    let source = format!(
        "repo: 'file://{}', verify: {{keyring: {}}}",
        host.repo.directory().display(),
        host.path("signers").display()
    );
    host.configure_source(&source, "");
    let mut without = host.command(&["reconcile", "--once", "--output", "json"]);
    let output = without.env("PATH", "/nowhere").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("there is no program `gpgv`"), "{said}");
    assert_eq!(output.status.code(), Some(1));
    assert!(host.containers().is_empty());
    let mut doctor = host.command(&["doctor"]);
    let found = doctor.env("PATH", "/nowhere").output().unwrap();
    let found = String::from_utf8_lossy(&found.stdout);
    assert!(found.contains("fail  verify of source-"), "{found}");
}
