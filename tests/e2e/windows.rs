//! Deployments wait for their window; what was deployed is kept up and put back meanwhile.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::support::host::Host;
use crate::support::registry::Kind;

/// A whole day of the week, which it is not for some days to come.
fn another_day() -> String {
    let day = Timestamp::now().to_zoned(TimeZone::UTC).date().saturating_add(3.days());
    format!("{} 00:00-24:00 UTC", day.strftime("%a"))
}

fn manifest(tag: &str, more: &str) -> String {
    format!(
        "services:\n  web: {{image: '@REGISTRY@/acme/web:{tag}', restart: unless-stopped}}\n{more}"
    )
}

const BEFORE: &str =
    "  other: {image: '@REGISTRY@/acme/web:1'}\n  old: {image: '@REGISTRY@/acme/web:1'}\n";
const AFTER: &str =
    "  other: {image: '@REGISTRY@/acme/web:1'}\n  new: {image: '@REGISTRY@/acme/web:1'}\n";

#[test]
fn a_change_waits_for_its_window_and_mending_and_going_back_do_not() {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.push("acme/web", "2", Kind::Web);
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("1", BEFORE))]);
    host.pass().ends(0);
    let rollout = "rollout: {stable: 500ms, monitor: 0s, deadline: 20s}";
    host.configure(&format!("{rollout}\nwindow: '{}'", another_day()));
    let before = host.containers();
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("2", AFTER))]);

    let waits = ["shop/new blocked", "shop/old blocked", "shop/web blocked"];
    let done = waits.map(|line| format!("{line} blocked"));
    let done: Vec<&str> = done.iter().map(String::as_str).collect();
    host.plan().ends(0).does(&waits).because("shop/web", "image");
    host.pass().ends(0).does(&done).says("waits for the window");
    assert_eq!(host.changed_since(&before), Vec::<String>::new());
    let status = host.run(&["status", "--output", "json"]);
    let services = status.ends(0).stack("shop")["services"].clone();
    let waiting = services.as_array().unwrap().iter().filter(|it| it["service"] != "other");
    for service in waiting {
        assert_eq!(service["state"], "pending", "{service}");
        let until: Timestamp = service["until"].as_str().unwrap().parse().unwrap();
        assert!(until > Timestamp::now(), "{service}");
    }
    host.run(&["status"]).ends(0).says("`evenkeel reconcile --once --now`");

    // What runs is kept up, and what is lost comes back as it was.
    host.docker(&["stop", "shop-@ID@-other-1"]);
    host.docker(&["rm", "--force", "shop-@ID@-web-1"]);
    host.pass().ends(0).says("had lost its container");
    assert_eq!(host.inspect("shop-other-1", "{{.State.Running}}"), "true");
    assert!(host.inspect("shop-web-1", "{{.Config.Image}}").contains("acme/web:1@"));

    let now = ["reconcile", "--once", "--now", "--output", "json"];
    host.run(&["plan", "--now", "--exit-code"]).ends(3);
    host.run(&now).ends(0).does(&[
        "shop/new create done",
        "shop/old remove done",
        "shop/web update done",
    ]);
    host.is_settled();
    host.docker(&["rm", "--force", "shop-@ID@-web-1"]);
    host.pass().ends(0).does(&["shop/web create done"]);
    host.run(&["rollback", "shop-@ID@/web"]).ends(0);
    assert!(host.inspect("shop-web-1", "{{.Config.Image}}").contains("acme/web:1@"));
}
