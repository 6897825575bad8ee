//! What relates services to each other and to networks, as passes carry it out.

use super::bench::*;
use crate::engine::EngineError;
use crate::engine::fake::{Fault, HealthStory, ImageBehaviour, Matcher, Verb};
use crate::model::memory::HeldBy;
use crate::model::spec::{Attachment, Endpoint, Hook, Hooks};
use crate::model::stack::Condition;
use crate::model::{PinnedImage, ServiceOutcome};
use crate::plan::{Block, Verdict};

#[tokio::test(start_paused = true)]
async fn what_the_engine_is_too_old_for_is_told_with_both_versions_and_nothing_is_done() {
    let mut host = Bench::new();
    let app = host.app();
    let named = |name: &str| {
        let mut endpoint = Endpoint::plain("shop_default".into());
        endpoint.driver_opts.insert(name.into(), "eth7".into());
        Attachment::Networks(vec![endpoint])
    };
    let on = |network| service("web", &app).with(|service| service.settings.network = network);
    host.want("shop", [on(named(Endpoint::INTERFACE_NAME))]);
    let plan = host.plan().await;
    let Verdict::Blocked(Block::World { message, hint }) = verdict(&plan, "shop/web") else {
        panic!("{:?}", verdict(&plan, "shop/web"));
    };
    for part in ["networks.shop_default.interface_name", "API 1.49", "Docker 28.0.0, has 1.48"] {
        assert!(message.contains(part), "{message}");
    }
    assert!(hint.as_ref().unwrap().contains("Docker 28.1"), "{hint:?}");
    assert_eq!(plan.steps.len(), 0);
    host.want("shop", [on(named("any.other"))]);
    assert_eq!(*verdict(&host.plan().await, "shop/web"), Verdict::Create);
}

/// One service, and one in its network.
fn want(host: &mut Bench, app: &PinnedImage, value: &str, inner: &str) {
    let vpn = service("vpn", app).env("V", value);
    host.want("shop", [vpn, service("web", app).env("V", inner).within("vpn")]);
}

/// A host on which both run.
async fn deployed() -> (Bench, PinnedImage) {
    let mut host = Bench::new();
    let app = host.app();
    want(&mut host, &app, "1", "1");
    host.converge().await;
    (host, app)
}

fn sick(host: &Bench) -> PinnedImage {
    host.image("sick", ImageBehaviour::health(HealthStory::Never))
}

/// The container in whose network another one is; it says so itself where that one was started later.
fn network_of(host: &Bench, name: &str) -> String {
    let normal = host.world.normalised();
    let (_, own) = normal.split_once(&format!("container {name}\n")).unwrap();
    let line = own.lines().find_map(|line| line.trim().strip_prefix("network of "));
    line.unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn who_is_in_anothers_network_is_made_after_it_and_joins_it_by_its_id() {
    let (host, _) = deployed().await;
    let joined = host.container("shop-web-1").settings.joined("network_mode").unwrap().to_owned();
    assert_eq!(joined, host.container_id("shop-vpn-1").to_string());
}

#[tokio::test(start_paused = true)]
async fn who_is_in_anothers_network_follows_when_that_one_is_replaced() {
    let (mut host, app) = deployed().await;
    let (hash, before) = (host.hash("shop/web"), host.container_id("shop-web-1"));
    want(&mut host, &app, "2", "1");
    assert_eq!(host.hash("shop/web"), hash, "the hash holds the service's name");
    let pass = host.converge().await;
    let Verdict::Recreate(reasons) = pass.verdict("shop/web") else { panic!() };
    assert_eq!(reasons[0].field, "network_mode.container");
    assert_eq!(reasons[0].to.as_deref(), Some("a new one of service vpn"));
    assert_ne!(host.container_id("shop-web-1"), before);
    assert_eq!(network_of(&host, "shop-web-1"), "shop-vpn-1");
}

#[tokio::test(start_paused = true)]
async fn a_container_that_is_no_longer_the_current_one_is_left() {
    let (host, app) = deployed().await;
    host.world.docker_rm_force("shop-vpn-1").unwrap();
    host.converge().await;
    assert_eq!(network_of(&host, "shop-web-1"), "shop-vpn-1");
    // Somebody made it anew, of the same settings.
    let vpn = host.container("shop-vpn-1");
    host.world.docker_rm_force("shop-vpn-1").unwrap();
    host.world
        .add_foreign("shop-vpn-1", &app, (*vpn.settings).clone(), (*vpn.labels).clone())
        .unwrap();
    let pass = host.converge().await;
    assert!(
        matches!(pass.verdict("shop/web"), Verdict::Recreate(_)),
        "{:?}",
        pass.verdict("shop/web")
    );
    assert_eq!(*pass.verdict("shop/vpn"), Verdict::InSync);
    assert_eq!(network_of(&host, "shop-web-1"), "shop-vpn-1");
}

#[tokio::test(start_paused = true)]
async fn who_stands_still_in_a_network_that_is_there_is_started_as_it_is() {
    let (host, _) = deployed().await;
    let before = host.container_id("shop-web-1");
    // The second time both stand still: the one goes before the other.
    for stopped in [vec!["shop-web-1"], vec!["shop-web-1", "shop-vpn-1"]] {
        stopped.iter().for_each(|name| host.world.docker_stop(name).unwrap());
        let pass = host.converge().await;
        let verdict = pass.verdict("shop/web");
        assert!(matches!(verdict, Verdict::Start(_)), "{stopped:?}: {verdict:?}");
        assert_eq!(host.container_id("shop-web-1"), before);
    }
    assert_eq!(network_of(&host, "shop-web-1"), "shop-vpn-1");
}

#[tokio::test(start_paused = true)]
async fn who_is_held_keeps_whom_it_is_joined_to_from_being_replaced_only_while_that_one_runs() {
    let (mut host, app) = deployed().await;
    host.hold_web(HeldBy::Operator, None);
    want(&mut host, &app, "2", "1");
    let plan = host.plan().await;
    let held = verdict(&plan, "shop/vpn").held().unwrap();
    assert!(held.why.starts_with("shop/web, which is in its network, is held"), "{held:?}");
    assert!(!held.in_sync, "the other one is as git says, and this one is not");
    // It has nothing left to cut anybody off from.
    host.world.docker_stop("shop-vpn-1").unwrap();
    let plan = host.plan().await;
    assert!(
        matches!(verdict(&plan, "shop/vpn"), Verdict::Update(_)),
        "{:?}",
        verdict(&plan, "shop/vpn")
    );
}

#[tokio::test(start_paused = true)]
async fn who_is_in_the_network_of_one_that_is_mended_as_it_runs_is_left_alone() {
    let (host, _) = deployed().await;
    host.world.docker_rename("shop-vpn-1", "vpn").unwrap();
    let pass = host.converge().await;
    assert!(matches!(pass.verdict("shop/vpn"), Verdict::Mend(_)));
    assert_eq!(*pass.verdict("shop/web"), Verdict::InSync);
}

#[tokio::test(start_paused = true)]
async fn who_is_cut_off_is_started_again() {
    let (host, _) = deployed().await;
    let before = host.container_id("shop-web-1");
    tokio::time::advance(SECOND).await;
    host.world.docker_stop("shop-vpn-1").unwrap();
    host.world.docker_start("shop-vpn-1").unwrap();
    assert_eq!(network_of(&host, "shop-web-1"), "shop-vpn-1 (cut off)");
    let pass = host.converge().await;
    assert!(
        matches!(pass.verdict("shop/web"), Verdict::Start(_)),
        "{:?}",
        pass.verdict("shop/web")
    );
    tokio::time::advance(SECOND).await;
    host.world.docker_stop("shop-vpn-1").unwrap();
    host.converge().await;
    assert_eq!(network_of(&host, "shop-web-1"), "shop-vpn-1");
    assert_eq!(host.container_id("shop-web-1"), before, "a restart is enough");
}

#[tokio::test(start_paused = true)]
async fn who_is_in_the_network_of_one_that_fails_is_back_in_that_of_the_old_one() {
    let (mut host, app) = deployed().await;
    let before = (host.container_id("shop-vpn-1"), host.container_id("shop-web-1"));
    let sick = sick(&host);
    host.want("shop", [service("vpn", &sick), service("web", &app).env("V", "1").within("vpn")]);
    let pass = host.pass().await;
    assert_eq!(pass.outcome("shop/vpn"), ServiceOutcome::RolledBack);
    assert_eq!((host.container_id("shop-vpn-1"), host.container_id("shop-web-1")), before);
    assert_eq!(network_of(&host, "shop-web-1"), "shop-vpn-1");
    let rejected: Vec<_> = host.memory().rejected.keys().map(|(id, _)| id.to_string()).collect();
    assert_eq!(rejected, ["shop/vpn"]);
    host.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_in_anothers_network_takes_that_one_back_with_it() {
    let (mut host, app) = deployed().await;
    let before = (host.container_id("shop-vpn-1"), host.container_id("shop-web-1"));
    let sick = sick(&host);
    host.want("shop", [service("vpn", &app).env("V", "2"), service("web", &sick).within("vpn")]);
    let pass = host.pass().await;
    for one in ["shop/vpn", "shop/web"] {
        assert_eq!(pass.outcome(one), ServiceOutcome::RolledBack, "{one}");
    }
    assert_eq!((host.container_id("shop-vpn-1"), host.container_id("shop-web-1")), before);
    assert_eq!(network_of(&host, "shop-web-1"), "shop-vpn-1");
    let rejected: Vec<_> = host.memory().rejected.keys().map(|(id, _)| id.to_string()).collect();
    assert_eq!(rejected, ["shop/web"], "the other one may be right");
    // Replacing the one would cut off the other, which is left as it is.
    host.assert_quiet().await;
    let on = Verdict::Blocked(Block::On(vec![id("shop/web")]));
    assert_eq!(*verdict(&host.plan().await, "shop/vpn"), on);
    want(&mut host, &app, "2", "2");
    host.converge().await;
}

#[tokio::test(start_paused = true)]
async fn an_image_that_cannot_be_had_for_who_follows_stops_all_before_anything_is_switched() {
    let (mut host, app) = deployed().await;
    let before = host.container_id("shop-vpn-1");
    let new = host.image("new", ImageBehaviour::default());
    host.want("shop", [service("vpn", &app).env("V", "2"), service("web", &new).within("vpn")]);
    host.world.fail_next(Matcher::any(Verb::Pull), Fault::Refused(EngineError::Other("no".into())));
    host.pass().await;
    assert_eq!(host.container_id("shop-vpn-1"), before);
    assert_eq!(network_of(&host, "shop-web-1"), "shop-vpn-1");
    host.converge().await;
}

#[tokio::test(start_paused = true)]
async fn whom_a_held_one_is_in_the_network_of_is_held_too() {
    let (mut host, app) = deployed().await;
    host.hold_web(HeldBy::Operator, Some("on call"));
    want(&mut host, &app, "2", "1");
    host.assert_quiet().await;
    let plan = host.plan().await;
    let Verdict::Held(held) = verdict(&plan, "shop/vpn") else { panic!() };
    assert!(held.why.contains("shop/web, which is in its network, is held: on call"), "{held:?}");
    assert!(held.desired);
}

#[tokio::test(start_paused = true)]
async fn the_network_of_somebody_elses_container_can_be_joined_once_it_is_there() {
    let mut host = Bench::new();
    let app = host.app();
    let mode = Attachment::Mode("container:tunnel".into());
    host.want("shop", [service("web", &app).with(|service| service.settings.network = mode)]);
    let plan = host.plan().await;
    let Verdict::Blocked(Block::World { message, .. }) = verdict(&plan, "shop/web") else {
        panic!()
    };
    assert!(message.contains("the container tunnel, which it shares with, is not on this host"));
    let make = |host: &Bench| {
        let settings = crate::model::ContainerSpec::default();
        host.world.add_foreign("tunnel", &app, settings, Default::default()).unwrap()
    };
    let pulled = host.image("other", ImageBehaviour::default());
    host.want("other", [service("any", &pulled), service("app", &app)]);
    host.pass().await;
    make(&host);
    host.converge().await;
    host.world.docker_rm_force("tunnel").unwrap();
    let again = make(&host);
    host.converge().await;
    let web = host.container("shop-web-1");
    assert_eq!(web.settings.joined("network_mode"), Some(again.as_str()));
}

#[tokio::test(start_paused = true)]
async fn a_dependant_that_says_so_is_restarted_when_whom_it_needs_was_replaced() {
    let mut host = Bench::new();
    let app = host.app();
    let want = |host: &mut Bench, value: &str| {
        let db = service("db", &app).env("V", value).replicas(2);
        host.want(
            "shop",
            [
                db,
                service("web", &app).restarts_with("db"),
                service("other", &app).needs("db", Condition::Started),
            ],
        );
    };
    want(&mut host, "1");
    host.converge().await;
    let started = |host: &Bench, name: &str| host.container(name).started_at;
    let before = (
        started(&host, "shop-web-1"),
        started(&host, "shop-other-1"),
        host.container_id("shop-web-1"),
    );
    want(&mut host, "2");
    host.converge().await;
    assert!(started(&host, "shop-web-1") > before.0);
    assert_eq!(started(&host, "shop-other-1"), before.1);
    assert_eq!(host.container_id("shop-web-1"), before.2);
    // One replica of two made anew by hand is no replacement.
    host.world.docker_rm_force("shop-db-2").unwrap();
    let pass = host.converge().await;
    assert_eq!(*pass.verdict("shop/web"), Verdict::InSync);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_made_for_one_that_waits_in_vain_however_far_away_the_trouble_is() {
    let mut host = Bench::new();
    let story = HealthStory::HealthyUntil { healthy_after: SECOND, unhealthy_after: SECOND * 60 };
    let (app, db) = (host.app(), host.image("db", ImageBehaviour::health(story)));
    let want = |host: &mut Bench, value: &str| {
        let api = service("api", &app).env("V", value).needs("db", Condition::Healthy);
        let web = service("web", &app).env("V", value).needs("api", Condition::Started);
        host.want("shop", [service("db", &db).checked(), api, web]);
    };
    want(&mut host, "1");
    host.converge().await;
    tokio::time::sleep(SECOND * 120).await;
    want(&mut host, "2");
    let pass = host.pass().await;
    assert_eq!(pass.outcome("shop/api"), ServiceOutcome::Failed);
    assert_eq!(pass.outcome("shop/web"), ServiceOutcome::Blocked);
    host.world.forget_calls();
    host.pass().await;
    assert_eq!(host.calls(), [""; 0]);
}

fn hooked(app: &PinnedImage, value: &str, after: &[&str], before: &[&str]) -> Wanted {
    let hook = |words: &&str| Hook {
        command: words.split(' ').map(str::to_owned).collect(),
        ..Hook::default()
    };
    let hooks = Hooks {
        post_start: after.iter().map(hook).collect(),
        pre_stop: before.iter().map(hook).collect(),
    };
    service("web", app).env("V", value).with(|service| service.settings.hooks = hooks)
}

/// What was run in a container, and what was done to it.
fn deeds(host: &Bench) -> Vec<String> {
    let calls = host.calls().into_iter();
    calls
        .filter(|call| ["Start", "Stop", "Exec"].iter().any(|verb| call.starts_with(verb)))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn hooks_run_after_each_start_and_before_each_stop() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [hooked(&app, "1", &["a", "b"], &["c"])]);
    host.converge().await;
    host.world.docker_stop("shop-web-1").unwrap();
    host.converge().await;
    host.want("shop", [hooked(&app, "2", &["a"], &[])]);
    host.world.forget_calls();
    host.pass().await;
    let names = ["Exec shop-web-1", "Stop shop-web-1", "Start shop-web-1", "Exec shop-web-1"];
    assert_eq!(deeds(&host), names, "the old one carries its own hook");
    host.forget("shop");
    host.world.forget_calls();
    host.pass().await;
    assert_eq!(deeds(&host), ["Stop shop-web-1"], "and the new one has none");
}

#[tokio::test(start_paused = true)]
async fn a_hook_after_the_start_that_fails_fails_the_gate_and_one_before_the_stop_does_not() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [hooked(&app, "1", &[], &["false", "sleep 60", "never reached"])]);
    host.converge().await;
    let before = host.container_id("shop-web-1");
    host.want("shop", [hooked(&app, "2", &["false"], &[])]);
    let pass = host.pass().await;
    assert_eq!(pass.outcome("shop/web"), ServiceOutcome::RolledBack);
    let failure = pass.outcome.services[&id("shop/web")].failure.clone().unwrap();
    let expected = "its `post_start` 1 ended with code 1: it is no use";
    assert!(failure.message.contains(expected) && failure.blames_spec, "{failure:?}");
    assert_eq!(host.container_id("shop-web-1"), before);
    host.want("shop", [hooked(&app, "3", &["sleep 3600"], &[])]);
    let failure = host.pass().await.outcome.services[&id("shop/web")].failure.clone().unwrap();
    assert!(failure.message.contains("did not end within 60 s"), "{failure:?}");
    host.want("shop", [hooked(&app, "4", &[], &[])]);
    host.converge().await;
}
