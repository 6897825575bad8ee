//! An operator goes back: what an earlier generation ran is deployed again, without git and registry, and held.

use std::fs;
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::support::eventually;
use crate::support::host::Host;
use crate::support::registry::Kind;

/// `web` with this tag and environment, and `other`, which stays.
fn manifest(tag: &str, mode: &str) -> String {
    format!(
        "services:\n  \
           web: {{image: '@REGISTRY@/acme/web:{tag}', environment: {{MODE: '{mode}', TOKEN: '${{TOKEN}}'}}}}\n  \
           other: {{image: '@REGISTRY@/acme/web:1'}}\n"
    )
}

/// Two generations: `web:1`, then `web:2`.
fn deployed() -> Host {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.push("acme/web", "2", Kind::Web);
    host.env("shop-@ID@.env", "TOKEN=of-yesterday\n");
    for tag in ["1", "2"] {
        host.commit(&[("shop-@ID@/compose.yaml", &manifest(tag, "a"))]);
        host.pass().ends(0);
    }
    host
}

#[track_caller]
fn runs(host: &Host, tag: &str) {
    let image = host.inspect("shop-web-1", "{{.Config.Image}}");
    assert!(image.contains(&format!("/acme/web:{tag}@sha256:")), "{image}");
    assert_eq!(host.inspect("shop-web-1", "{{.State.Running}}"), "true");
}

#[test]
fn going_back_needs_neither_git_nor_registry_and_lasts_until_git_changes_the_image_line() {
    let mut host = deployed();
    let other = host.containers().remove("shop-other-1");
    host.env("shop-@ID@.env", "TOKEN=of-today\n");
    host.registry.stop();
    let (repo, away) = (host.repo.directory().to_owned(), host.path("away"));
    fs::rename(&repo, &away).unwrap();
    let run = host.run(&["rollback", "shop-@ID@/web", "--output", "json"]);
    run.ends(0).does(&["shop/web update done"]);
    runs(&host, "1");
    let environment = host.inspect("shop-web-1", "{{.Config.Env}}");
    assert!(environment.contains("TOKEN=of-today"), "the secrets are those of today");
    let before = host.containers();
    host.pass().ends(1);
    assert_eq!(host.changed_since(&before), Vec::<String>::new());

    fs::rename(&away, &repo).unwrap();
    host.pass().ends(0).does(&["shop/web held held"]);
    let history = host.run(&["history", "shop-@ID@/web", "--output", "json", "-n", "1"]).json();
    assert_eq!(history["generations"][0]["trigger"], "rollback");
    assert_eq!(history["generations"][0]["outcome"], "converged");
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("2", "b"))]);
    host.pass().ends(0).does(&["shop/web held held"]).because("shop/web", "env.MODE");
    let status = host.run(&["status"]);
    status.ends(0).says("held by rollback").says("rolled back to generation").says("waits: ");
    assert_eq!(host.changed_since(&before), Vec::<String>::new());

    host.commit(&[("shop-@ID@/compose.yaml", &manifest("1", "b"))]);
    let run = host.pass();
    run.ends(0).does(&["shop/web update done"]).says("no longer held");
    runs(&host, "1");
    assert_eq!(host.containers().remove("shop-other-1"), other, "the other service is left alone");
    host.is_settled();
}

#[test]
fn unhold_goes_on_with_what_git_says() {
    let host = deployed();
    host.run(&["rollback", "shop-@ID@/web"]).ends(0).says("evenkeel unhold shop/web");
    runs(&host, "1");
    host.run(&["unhold", "shop-@ID@/web"]).ends(0);
    host.pass().ends(0).does(&["shop/web update done"]);
    runs(&host, "2");
    host.is_settled();
}

#[test]
fn an_operators_hold_stands_behind_the_rollback_of_what_it_covers() {
    let host = deployed();
    host.run(&["hold", "shop-@ID@"]).ends(0);
    host.run(&["rollback", "shop-@ID@/web"]).ends(0);
    runs(&host, "1");
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("2", "b"))]);
    host.pass().ends(0).does(&["shop/other held held", "shop/web held held"]);
    runs(&host, "1");
}

#[test]
fn a_rollback_that_fails_its_gate_goes_back_to_what_ran_and_ends_with_4() {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.env("shop-@ID@.env", "SECONDS_TO_SLEEP=1000\n");
    for command in ["sleep $SECONDS_TO_SLEEP", "sleep 2000"] {
        let stack = format!(
            "services:\n  web: {{image: '@REGISTRY@/acme/web:1', entrypoint: {command}, stop_signal: SIGKILL}}\n"
        );
        host.commit(&[("shop-@ID@/compose.yaml", &stack)]);
        host.pass().ends(0);
    }
    let before = host.containers();
    host.env("shop-@ID@.env", "SECONDS_TO_SLEEP=none\n");
    let run = host.run(&["rollback", "shop-@ID@/web", "--output", "json"]);
    run.ends(4).does(&["shop/web update rolled-back"]);
    assert_eq!(host.changed_since(&before), Vec::<String>::new());
    host.is_settled();
}

#[test]
fn a_stack_goes_back_with_all_that_differs_and_nothing_else() {
    let host = Host::new();
    for tag in ["1", "2"] {
        host.push("acme/web", tag, Kind::Web);
    }
    host.push("acme/job", "1", Kind::Job);
    for (tag, more) in [("1", ""), ("2", "  new: {image: '@REGISTRY@/acme/web:1'}\n")] {
        let stack = format!(
            "services:\n  \
               db: {{image: '@REGISTRY@/acme/web:{tag}'}}\n  \
               migrate: {{image: '@REGISTRY@/acme/job:1', environment: {{TAG: '{tag}'}}, restart: 'no'}}\n  \
               web: {{image: '@REGISTRY@/acme/web:{tag}', depends_on: {{db: {{condition: service_started}}, migrate: {{condition: service_completed_successfully}}}}}}\n  \
               same: {{image: '@REGISTRY@/acme/web:1'}}\n{more}"
        );
        host.commit(&[("shop-@ID@/compose.yaml", &stack)]);
        host.pass().ends(0);
    }
    let before = host.containers();
    let run = host.run(&["rollback", "shop-@ID@", "--output", "json"]);
    run.ends(0).does(&["shop/db update done", "shop/web update done"]);
    assert_eq!(host.changed_since(&before), ["shop-db-1", "shop-web-1"]);
    host.pass().ends(0).does(&["shop/db held held", "shop/web held held"]);
    assert_eq!(host.changed_since(&before), ["shop-db-1", "shop-web-1"]);
}

#[test]
fn what_ran_last_is_deployed_again_when_it_is_gone_and_its_successor_was_rejected() {
    let host = deployed();
    host.push("acme/bad", "1", Kind::Exits);
    let bad = manifest("1", "a").replacen("/acme/web:1", "/acme/bad:1", 1);
    host.commit(&[("shop-@ID@/compose.yaml", &bad)]);
    host.pass().ends(4);
    let remark = "it has lost its container: the next pass deploys again what generation 2 ran";
    assert!(!host.run(&["plan"]).everything().contains(remark), "it has not");
    host.docker(&["rm", "-f", "shop-@ID@-web-1"]);
    host.run(&["plan"]).says(remark);
    host.run(&["plan", "--output", "json"]).says(remark);
    host.pass()
        .ends(1)
        .says("shop/web had lost its container: it runs again what generation 2 ran");
    runs(&host, "2");
    let before = host.containers();
    host.pass().ends(1);
    assert_eq!(host.changed_since(&before), Vec::<String>::new());
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("1", "a"))]);
    host.pass().ends(0).does(&["shop/web update done"]);
    runs(&host, "1");
    host.is_settled();
}

#[test]
fn a_rollback_that_was_told_to_stop_is_finished_by_the_next_pass_unless_unhold_ends_it() {
    const LONG: Duration = Duration::from_secs(60);
    let host = deployed();
    let quick = host.read("config.yaml");
    let slow =
        quick.replace("stable: 500ms", "stable: 30m").replace("deadline: 20s", "deadline: 1h");
    for is_finished in [true, false] {
        fs::write(host.path("config.yaml"), &slow).unwrap();
        let mut rollback = host.start(&["rollback", "shop-@ID@/web"], "rollback.log");
        eventually(LONG, "it is at its gate", || {
            let format = ["ps", "--no-trunc", "--format", "{{.Names}} {{.Image}}"];
            let running = host.docker(&format);
            let tried = host.name("shop-web-1");
            let is_tried = |line: &str| line.starts_with(&tried) && line.contains("/acme/web:1@");
            running.lines().any(is_tried).then_some(())
        });
        rustix::process::kill_process(Pid::from_child(&rollback), Signal::TERM).unwrap();
        let ended = eventually(LONG, "it ends", || rollback.try_wait().unwrap());
        assert_eq!(ended.code(), Some(1), "{}", host.read("rollback.log"));
        fs::write(host.path("config.yaml"), &quick).unwrap();
        host.run(&["plan"]).says("web: it is on its way back to generation ");
        if is_finished {
            host.pass().ends(0).says("now it runs what generation 1 ran");
            runs(&host, "1");
            host.run(&["status"]).says("rolled back to generation 1");
        } else {
            host.run(&["hold", "shop-@ID@/web", "--reason", "enough"]).ends(0);
            host.pass().ends(0);
            runs(&host, "2");
        }
        host.run(&["unhold", "shop-@ID@/web"]).ends(0);
        host.pass().ends(0);
        runs(&host, "2");
        host.is_settled();
    }
}

#[test]
fn what_was_rolled_back_is_deployed_again_when_it_is_gone() {
    let host = deployed();
    host.run(&["rollback", "shop-@ID@/web"]).ends(0);
    host.docker(&["rm", "-f", "shop-@ID@-web-1"]);
    host.pass().ends(0).says("it runs again what generation 3 ran");
    runs(&host, "1");
    let before = host.containers();
    host.pass().ends(0).does(&["shop/web held held"]);
    assert_eq!(host.changed_since(&before), Vec::<String>::new());
}

#[test]
fn what_cannot_be_gone_back_to_is_said_with_the_next_move() {
    let mut host = deployed();
    host.run(&["rollback", "shpo-@ID@"]).ends(1).says("has no `shpo`").says("it has shop");
    host.run(&["rollback", "shop-@ID@/webb"]).ends(1).says("has no `shop/webb`");
    host.run(&["rollback", "shop-@ID@/other"]).ends(1).says("was never well with anything else");
    host.run(&["rollback", "shop-@ID@", "--to", "99"]).ends(1).says("no generation 99");
    host.push("acme/bad", "1", Kind::Exits);
    let bad = manifest("1", "a").replacen("/acme/web:1", "/acme/bad:1", 1);
    host.commit(&[("shop-@ID@/compose.yaml", &bad)]);
    host.pass().ends(4);
    let run = host.run(&["rollback", "shop-@ID@/web", "--to", "3"]);
    run.ends(1).says("generation 3 did not leave shop/web well").says("those that did are 2, 1");

    let digest = host.push("acme/gone", "1", Kind::Web);
    for image in ["gone:1", "web:2"] {
        let stack = manifest("1", "a").replacen("web:1", image, 1);
        host.commit(&[("shop-@ID@/compose.yaml", &stack)]);
        host.pass().ends(0);
    }
    host.docker(&["rmi", &format!("{}/acme/gone@{digest}", host.registry.host)]);
    host.registry.stop();
    let before = host.containers();
    let run = host.run(&["rollback", "shop-@ID@/web"]);
    run.ends(1).says("is not on this host any more").says("`--to` names another generation");
    assert_eq!(host.changed_since(&before), Vec::<String>::new());
    host.run(&["unhold", "shop-@ID@/web"]).ends(0).says("nothing of shop/web was held");
}
