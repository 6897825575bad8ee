//! An operator holds something: it is left as it is until the hold ends, and all can see that.

use crate::support::host::Host;
use crate::support::registry::Kind;

fn manifest(tag: &str) -> String {
    format!(
        "services:\n  web: {{image: '@REGISTRY@/acme/web:{tag}', restart: unless-stopped}}\n  other: {{image: '@REGISTRY@/acme/web:1'}}\n"
    )
}

fn deployed() -> Host {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.push("acme/web", "2", Kind::Web);
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("1"))]);
    host.pass().ends(0);
    host
}

#[test]
fn what_is_held_stays_as_it_is_until_the_hold_ends() {
    let host = deployed();
    let before = host.containers();
    let hold = ["hold", "shop-@ID@/web", "--for", "2h", "--reason", "looking into it"];
    host.run(&hold).ends(0).says("shop/web is held until").says("evenkeel unhold shop/web");
    host.plan().ends(0).does(&["shop/web held"]);
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("2"))]);
    host.pass().ends(0).does(&["shop/web held held"]).because("shop/web", "image");
    let status = host.run(&["status", "--output", "json"]);
    let web = status.ends(0).stack("shop")["services"][0].clone();
    assert_eq!((&web["service"], &web["state"]), (&"web".into(), &"held".into()));
    assert_eq!((&web["held_by"], &web["reason"]), (&"operator".into(), &"looking into it".into()));
    assert!(web["since"].is_string() && web["until"].is_string(), "{web}");
    assert_eq!(host.changed_since(&before), Vec::<String>::new());

    host.docker(&["stop", "shop-@ID@-web-1"]);
    host.pass().ends(0).does(&["shop/web held held"]);
    assert_eq!(host.inspect("shop-web-1", "{{.State.Running}}"), "false", "it stays stopped");

    host.run(&["unhold", "shop-@ID@"]).ends(0).says("shop/web: the hold since");
    host.pass().ends(0).does(&["shop/web update done"]);
    host.is_settled();
}

#[test]
fn a_stop_without_a_hold_is_mended_and_says_how_to_hold() {
    let host = deployed();
    host.docker(&["stop", "shop-@ID@-web-1"]);
    host.run(&["status"]).ends(0).says("`evenkeel hold shop/web`");
    host.pass().ends(0).does(&["shop/web start done"]).says("`evenkeel hold shop/web`");
    host.is_settled();
}

#[test]
fn a_whole_host_is_held_and_narrower_words_leave_that_standing() {
    let host = deployed();
    host.run(&["hold", "--all"]).ends(0).says("this host is held");
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("2"))]);
    host.pass().ends(0).does(&["shop/other held held", "shop/web held held"]);
    host.run(&["unhold", "shop-@ID@"]).ends(0).says("`evenkeel unhold --all` ends that");
    host.pass().ends(0).does(&["shop/other held held", "shop/web held held"]);
    host.run(&["unhold", "--all"]).ends(0);
    host.pass().ends(0).does(&["shop/web update done"]);
}

#[test]
fn a_slip_of_the_pen_holds_nothing() {
    let host = deployed();
    host.run(&["hold", "shop-@ID@/webb"]).ends(1).says("webb").says("the stacks are shop");
    for words in [&["hold"][..], &["hold", "--all", "shop"], &["hold", "shop", "--for", "soon"]] {
        host.run(words).ends(64);
    }
    host.is_settled();
}
