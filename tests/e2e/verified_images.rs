//! Images that the operator asks something of: what has it is deployed, what has not changes nothing.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use crate::cosign::{Cosign, Layer};
use crate::daemon::Daemon;
use crate::signer::{Signer, payload};
use crate::support::eventually;
use crate::support::host::Host;
use crate::support::registry::Kind;
use crate::support::run::Run;

const LONG: Duration = Duration::from_secs(90);
const REST: &str = "rollout: {stable: 500ms, monitor: 0s, deadline: 60s}\nregistry: {interval: 1s}\n\
                    retention: {disk: {high: 100%, low: 99%}}\n";

/// A host, and somebody who signs.
struct Scene {
    host: Host,
    signer: Signer,
    cosign: Cosign,
}

impl Scene {
    /// One that asks for signatures of `acme/web` by the signer's key.
    fn new() -> Self {
        let host = Host::new();
        let cosign = Cosign::new(&host.registry.host, "acme/web");
        let scene = Self { host, signer: Signer::p256(), cosign };
        scene.write_key(&scene.signer);
        scene.asks(&format!("cosign_key: {}", scene.host.path("cosign.pub").display()));
        scene
    }

    fn write_key(&self, signer: &Signer) {
        std::fs::write(self.host.path("cosign.pub"), signer.pem()).unwrap();
    }

    /// Asks this of `acme/web`.
    fn asks(&self, demands: &str) {
        let entry = format!("{{match: '@REGISTRY@/acme/web', {demands}}}");
        self.host.configure(&format!("{REST}policy: {{images: [{entry}]}}"));
    }

    /// Asks nothing.
    fn asks_nothing(&self) {
        self.host.configure(REST);
    }

    fn push(&self, tag: &str) -> String {
        self.host.push("acme/web", tag, Kind::Web)
    }

    fn push_signed(&self, tag: &str) -> String {
        let digest = self.push(tag);
        self.cosign.sign(&self.signer, &digest);
        digest
    }

    /// Asks for this tag of `web`, and for `api`, of which nothing is asked.
    fn commit(&self, web: &str, api: &str) {
        let manifest = format!(
            "services:\n  web: {{image: '@REGISTRY@/acme/web:{web}'}}\n  \
             api: {{image: '@REGISTRY@/acme/api:{api}'}}\n"
        );
        self.host.commit(&[("shop-@ID@/compose.yaml", &manifest)]);
    }

    /// A host that runs the first images of both, the one signed.
    fn deployed() -> Self {
        let scene = Self::new();
        scene.push_signed("1");
        scene.host.push("acme/api", "1", Kind::Web);
        scene.commit("1", "1");
        scene.host.pass().ends(0).does(&["shop/api create done", "shop/web create done"]);
        scene
    }

    fn runs(&self) -> String {
        let image = self.host.inspect("shop-web-1", "{{.Config.Image}} {{.State.Running}}");
        image.trim_start_matches(&self.host.registry.host).to_owned()
    }

    /// What `status` says of `web`.
    fn status(&self) -> serde_json::Value {
        let shop = self.host.run(&["status", "--output", "json"]).stack("shop");
        let services = shop["services"].as_array().cloned().unwrap_or_default();
        services.into_iter().find(|service| service["service"] == "web").unwrap()
    }

    /// Asserts that a pass leaves `web` alone for what `says` says, and that it runs as before.
    #[track_caller]
    fn is_refused(&self, says: &str) -> Run {
        let before = self.host.containers();
        let run = self.host.pass();
        run.ends(1).says(says);
        assert_eq!(self.host.changed_since(&before), Vec::<String>::new());
        self.host.plan().ends(1).says(says);
        run
    }
}

#[test]
fn an_image_that_is_not_signed_changes_nothing_and_is_deployed_by_itself_once_it_is() {
    let scene = Scene::deployed();
    let host = &scene.host;
    let digest = scene.push("2");
    host.push("acme/api", "2", Kind::Web);
    scene.commit("2", "2");
    let run = host.pass();
    run.ends(1).does(&["shop/api update done", "shop/web blocked blocked"]).says("is not signed");
    assert!(scene.runs().starts_with("/acme/web:1@"), "the old one serves: {}", scene.runs());
    let status = scene.status();
    assert_eq!(status["state"], "rejected");
    assert!(status["reason"].as_str().unwrap().contains("is not signed"), "{status}");
    host.run(&["status"]).ends(1).says("is not signed").says("sign it");
    host.run(&["explain", "shop-@ID@/web"]).says("is not signed");
    scene.is_refused("is not signed");

    let mut daemon = Daemon::start(host);
    scene.cosign.sign(&scene.signer, &digest);
    let expected = format!("/acme/web:2@{digest} true");
    eventually(LONG, "what was signed is deployed", || (scene.runs() == expected).then_some(()));
    assert_eq!(daemon.stop(), Some(0));
    eventually(LONG, "it has settled", || (host.pass().code == 0).then_some(()));
    host.is_settled();
}

#[test]
fn a_signature_that_is_not_of_this_image_by_this_key_lets_nothing_in() {
    let scene = Scene::deployed();
    let digest = scene.push("2");
    scene.commit("2", "1");
    let other = Signer::ed25519();
    scene.cosign.sign(&other, &digest);
    scene.is_refused("is signed by another key");
    let first = scene.host.inspect("shop-web-1", "{{.Config.Image}}");
    let first = first.split_once('@').unwrap().1.to_owned();
    let of = |payload| Layer::of(&scene.signer, payload);
    scene.cosign.put(&digest, &[of(payload(&scene.cosign.repository, &first))]);
    scene.is_refused("is signed for another image");
    let elsewhere = format!("{}/acme/api", scene.host.registry.host);
    scene.cosign.put(&digest, &[of(payload(&elsewhere, &digest))]);
    scene.is_refused("is signed for another image");
    let mut changed = scene.cosign.good(&scene.signer, &digest);
    changed.payload.push(b'\n');
    scene.cosign.put(&digest, &[changed]);
    scene.is_refused("is signed by another key");
    std::fs::remove_file(scene.host.path("cosign.pub")).unwrap();
    scene.is_refused("cosign.pub");

    scene.write_key(&scene.signer);
    let referrer = scene.cosign.refer(&digest, &[scene.cosign.good(&scene.signer, &digest)]);
    scene.cosign.list(&digest, &[referrer]);
    scene.host.pass().ends(0).does(&["shop/web update done"]);
    assert_eq!(scene.runs(), format!("/acme/web:2@{digest} true"));
}

#[test]
fn what_was_verified_is_what_runs_though_its_tag_moves() {
    let scene = Scene::deployed();
    let host = &scene.host;
    let digest = scene.push_signed("2");
    let (asked, answer) = (host.path("asked"), host.path("answer"));
    let script = format!(
        "touch {}; while ! test -e {}; do sleep 0.1; done",
        asked.display(),
        answer.display()
    );
    scene.asks(&format!(
        "cosign_key: {}, check: [sh, -c, '{script}']",
        host.path("cosign.pub").display()
    ));
    scene.commit("2", "1");
    let mut pass = host.start(&["reconcile", "--once"], "pass.log");
    eventually(LONG, "the image is being checked", || asked.exists().then_some(()));
    let moved = host.registry.push_edition("acme/web", "2", Kind::Web, "moved");
    assert_ne!(moved, digest);
    std::fs::write(&answer, "").unwrap();
    let ended = eventually(LONG, "the pass ends", || pass.try_wait().unwrap());
    assert!(ended.success(), "{}", host.read("pass.log"));
    assert_eq!(scene.runs(), format!("/acme/web:2@{digest} true"));
}

#[test]
fn a_check_runs_once_for_an_image_and_again_for_another_or_after_a_change_of_what_is_asked() {
    let scene = Scene::new();
    let host = &scene.host;
    let check = |script: &str| {
        let count = format!("cat >>{}; {script}", host.path("count").display());
        scene.asks(&format!("check: [sh, -c, '{count}']"));
    };
    let count = || host.read("count").matches("\"image\":").count();
    check("exit 0");
    scene.push("1");
    host.push("acme/api", "1", Kind::Web);
    scene.commit("1", "1");
    host.plan().ends(3).says("passes its check");
    assert_eq!(count(), 0, "a plan runs no program");
    host.pass().ends(0).does(&["shop/api create done", "shop/web create done"]);
    host.pass().ends(0).does(&[]);
    assert_eq!(count(), 1);
    host.docker(&["rm", "-f", "shop-@ID@-web-1"]);
    host.pass().ends(0).does(&["shop/web create done"]);
    assert_eq!(count(), 1, "what was found out counts for the lost container");

    check("echo CVE-2026-1; exit 1");
    host.is_settled();
    host.run(&["status"]).ends(0);
    let status = host.run(&["status", "--output", "json"]).stack("shop");
    assert!(status["remarks"].to_string().contains("runs unverified: its check"), "{status}");
    assert_eq!(count(), 1, "what runs is not asked about");

    scene.push("2");
    scene.commit("2", "1");
    scene.is_refused("is refused by `sh` (exit code 1)").says("CVE-2026-1");
    scene.is_refused("CVE-2026-1");
    assert_eq!(count(), 2, "another image was checked, and once");
    host.run(&["retry", "shop-@ID@/web"]).ends(0);
    scene.is_refused("CVE-2026-1");
    assert_eq!(count(), 3, "somebody asked for it");

    check("exit 0; true");
    host.pass().ends(0).does(&["shop/web update done"]);
    assert_eq!(count(), 4);
    host.is_settled();
}

#[test]
fn a_check_that_hangs_is_ended_and_disturbs_nothing_that_runs() {
    let scene = Scene::deployed();
    let pid = scene.host.path("pid");
    let script = format!("sleep 1000 & echo $! >{}; wait", pid.display());
    scene.asks(&format!("check: [sh, -c, '{script}'], deadline: 2s"));
    scene.push("2");
    scene.host.push("acme/api", "2", Kind::Web);
    scene.commit("2", "2");
    let run = scene.host.pass();
    run.ends(1).does(&["shop/api update done", "shop/web blocked blocked"]);
    run.says("`sh` did not end within 2 s");
    assert_eq!(scene.status()["state"], "failed", "it is trouble of the world");
    assert!(scene.runs().starts_with("/acme/web:1@") && scene.runs().ends_with(" true"));
    let pid = std::fs::read_to_string(pid).unwrap();
    let state = || std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    eventually(LONG, "what it started is ended too", || {
        state().map_or(true, |stat| stat.contains(") Z ")).then_some(())
    });
}

#[test]
fn without_a_registry_what_was_verified_before_is_made_again_and_gone_back_to() {
    let mut scene = Scene::deployed();
    let first = scene.runs();
    let second = scene.push_signed("2");
    scene.commit("2", "1");
    scene.host.pass().ends(0).does(&["shop/web update done"]);
    scene.host.registry.stop();
    scene.host.docker(&["rm", "-f", "shop-@ID@-web-1"]);
    scene.host.pass().ends(0).does(&["shop/web create done"]);
    assert_eq!(scene.runs(), format!("/acme/web:2@{second} true"));
    let run = scene.host.run(&["rollback", "shop-@ID@/web", "--output", "json"]);
    run.ends(0).does(&["shop/web update done"]);
    assert_eq!(scene.runs(), first);
}

#[test]
fn nobody_goes_back_to_what_is_not_let_in_today() {
    let scene = Scene::deployed();
    let second = scene.push("2");
    let new = Signer::p256();
    scene.write_key(&new);
    scene.cosign.sign(&new, &second);
    scene.commit("2", "1");
    scene.host.pass().ends(0).does(&["shop/web update done"]);
    let before = scene.host.containers();
    let run = scene.host.run(&["rollback", "shop-@ID@/web", "--output", "json"]);
    run.ends(1).says("is signed by another key");
    assert_eq!(scene.host.changed_since(&before), Vec::<String>::new());
    scene.host.is_settled();
}

#[test]
fn a_lost_container_is_made_again_as_it_was_while_git_asks_for_what_is_refused() {
    let scene = Scene::deployed();
    let first = scene.runs();
    scene.push("2");
    scene.commit("2", "1");
    scene.is_refused("is not signed");
    scene.host.docker(&["rm", "-f", "shop-@ID@-web-1"]);
    scene.host.pass().says("it runs again what generation");
    assert_eq!(scene.runs(), first);
    scene.is_refused("is not signed");
}

#[test]
fn what_runs_already_is_left_as_it_is_when_signatures_are_asked_for_and_changes_of_it_go_on() {
    let scene = Scene::new();
    scene.asks_nothing();
    scene.push("1");
    scene.host.push("acme/api", "1", Kind::Web);
    scene.commit("1", "1");
    scene.host.pass().ends(0);
    scene.asks(&format!("cosign_key: {}", scene.host.path("cosign.pub").display()));
    scene.host.is_settled();
    scene.host.run(&["status"]).ends(0);
    scene.host.run(&["plan"]).ends(0).says("runs unverified: its signature");
    let manifest = "services:\n  web: {image: '@REGISTRY@/acme/web:1', environment: {MODE: b}}\n  \
                    api: {image: '@REGISTRY@/acme/api:1'}\n";
    scene.host.commit(&[("shop-@ID@/compose.yaml", manifest)]);
    scene.host.pass().ends(0).does(&["shop/web update done"]);
}

#[test]
fn a_young_image_waits_for_its_time_and_nothing_is_wrong_with_that() {
    let scene = Scene::deployed();
    scene.asks("min_age: 30d");
    scene.push("2");
    scene.commit("2", "1");
    let before = scene.host.containers();
    scene.host.pass().ends(0).does(&["shop/web blocked blocked"]).says("is too young until");
    assert_eq!(scene.host.changed_since(&before), Vec::<String>::new());
    assert_eq!(scene.status()["state"], "pending");
    scene.host.run(&["status"]).ends(0).says("is too young until");
}

#[test]
fn signatures_without_a_key_are_verified_by_the_program_cosign() {
    let scene = Scene::deployed();
    let digest = scene.push("2");
    scene.commit("2", "1");
    let keyless = |identity: &str| {
        scene.asks(&format!(
            "keyless: {{identity: '{identity}', issuer: 'https://issuer.example'}}"
        ));
    };
    keyless("https://ci.example/main");
    let image = format!("{}/acme/web@{digest}", scene.host.registry.host);
    let bin = scene.host.path("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let pass = || {
        let mut command = scene.host.command(&["reconcile", "--once", "--output", "json"]);
        Run::new(&command.env("PATH", &bin).output().unwrap(), &scene.host.id)
    };
    // Programs are looked for in one directory, which has none yet.
    pass().ends(1).does(&["shop/web blocked blocked"]).says("`cosign` cannot be run here");

    let script = format!(
        "#!/bin/sh\n[ \"$*\" = \"verify --certificate-identity https://ci.example/main \
         --certificate-oidc-issuer https://issuer.example {image}\" ] || {{ echo \"no: $*\"; exit 12; }}\n"
    );
    std::fs::write(bin.join("cosign"), script).unwrap();
    std::fs::set_permissions(bin.join("cosign"), std::fs::Permissions::from_mode(0o755)).unwrap();
    keyless("https://ci.example/other");
    pass().ends(1).says("counts as unsigned by `cosign` (exit code 12)").says("no: verify");
    keyless("https://ci.example/main");
    pass().ends(0).does(&["shop/web update done"]);
    assert_eq!(scene.runs(), format!("/acme/web:2@{digest} true"));
}

#[test]
fn a_newer_image_that_is_not_signed_is_not_followed_and_the_older_one_stays() {
    let scene = Scene::new();
    scene.push_signed("1.4.0");
    let manifest = "services:\n  web:\n    image: '@REGISTRY@/acme/web:1.4.0'\n    \
                    x-evenkeel: {update: {semver: '~1.4'}}\n";
    scene.host.commit(&[("shop-@ID@/compose.yaml", manifest)]);
    scene.host.pass().ends(0).does(&["shop/web create done"]);
    let digest = scene.push("1.4.1");
    let before = scene.host.containers();
    eventually(LONG, "the newer tag is seen", || {
        let plan = scene.host.run(&["plan"]);
        plan.everything().contains("1.4.1").then(|| plan.ends(0).says("is not signed").code)
    });
    scene.host.pass().ends(0).does(&[]);
    assert_eq!(scene.host.changed_since(&before), Vec::<String>::new());
    scene.cosign.sign(&scene.signer, &digest);
    eventually(LONG, "it is followed once it is signed", || {
        scene.host.pass().ends(0);
        (scene.runs() == format!("/acme/web:1.4.1@{digest} true")).then_some(())
    });
}
