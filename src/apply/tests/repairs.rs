//! What is done about a rollout that did not end, by all that may have come about meanwhile. That every death is
//! made good is in [`super::crashes`].

use super::bench::*;
use crate::engine::fake::ImageBehaviour;
use crate::model::memory::{HoldScope, Rejection};
use crate::model::spec::RestartPolicy;
use crate::model::stack::Condition;
use crate::model::{ContainerState, ObservedContainer, ObservedState, SpecHash};
use crate::plan::{self, Plan, Step};

const BACK: [&str; 7] = [
    "StopContainer",
    "RemoveContainer",
    "RemoveContainer",
    "Restore",
    "StartContainer",
    "RenameContainer",
    "AwaitGate",
];
const BACK_WITHOUT_A_START: [&str; 5] =
    ["StopContainer", "RemoveContainer", "RemoveContainer", "Restore", "RenameContainer"];

fn repair(host: &Bench, observed: &ObservedState) -> Plan {
    plan::repair::repair(&host.situation(observed, &host.memory()))
}

/// The kinds of the steps, in order.
fn told(plan: &Plan) -> Vec<String> {
    let kind = |step: &Step| format!("{step:?}").split(['(', ' ']).next().unwrap().to_owned();
    plan.steps.iter().map(|planned| kind(&planned.step)).collect()
}

/// A host that died in an update of `shop/web`, as soon as there are containers of those names.
async fn died_with(names: &[&str]) -> Bench {
    let mut host = Bench::new();
    let app = host.app();
    let web = |value: &str| [service("web", &app).env("V", value), service("db", &app)];
    host.want("shop", web("1"));
    host.converge().await;
    host.want("shop", web("2"));
    for n in 1.. {
        let host = host.fork();
        host.world.crash_after(n);
        assert!(host.try_pass().await.is_none(), "{names:?} did not come about");
        host.world.revive();
        if names.iter().all(|&name| host.world.container(name).is_some()) {
            return host;
        }
    }
    unreachable!()
}

/// A host on which the new container has taken the name, and the old one is set aside.
async fn switched() -> Bench {
    died_with(&["shop-web-1", "shop-web-1.previous"]).await
}

fn reject(host: &Bench, service: &str, spec: SpecHash, paused: bool) {
    let rejection = Rejection { since: host.now, error: "sick".into(), paused };
    host.memory.lock().unwrap().rejected.insert((id(service), spec), rejection);
}

fn previous(observed: &mut ObservedState) -> &mut ObservedContainer {
    let mut all = observed.containers.iter_mut();
    all.find(|one| one.name.as_str() == "shop-web-1.previous").unwrap()
}

#[tokio::test(start_paused = true)]
async fn nothing_is_said_of_what_is_in_order() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("web", &app)]);
    host.converge().await;
    let plan = repair(&host, &host.observe().await.unwrap());
    assert!(plan.steps.is_empty() && plan.changes.is_empty(), "{plan:?}");
}

#[tokio::test(start_paused = true)]
async fn a_new_container_is_kept_where_it_is_what_is_wanted_and_has_not_failed() {
    let host = switched().await;
    let observed = host.observe().await.unwrap();
    let check = |host: &Bench, expected: &[&str], why: &str| {
        let plan = repair(host, &observed);
        assert_eq!(told(&plan), expected, "{why}");
        assert_eq!(plan.changes.len(), usize::from(!expected.is_empty()), "{why}");
    };
    check(&host, &[], "it is what is wanted");
    let app = host.app();

    let mut other = host.fork();
    other.want("shop", [service("web", &app).env("V", "3"), service("db", &app)]);
    check(&other, &BACK, "another one is wanted by now");

    let failed = host.fork();
    reject(&failed, "shop/web", failed.hash("shop/web"), false);
    check(&failed, &BACK, "it has failed");

    let paused = host.fork();
    reject(&paused, "shop/web", paused.hash("shop/web"), true);
    check(&paused, &[], "it was left half-way for somebody to look");

    let mut whole = host.fork();
    reject(&whole, "shop/db", whole.hash("shop/db"), false);
    check(&whole, &[], "another service has failed");
    whole.stack("shop").atomic = true;
    check(&whole, &BACK, "its stack has failed as a whole");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_of_this_pass_is_not_repaired() {
    let host = switched().await;
    reject(&host, "shop/web", host.hash("shop/web"), false);
    let observed = host.observe().await.unwrap();
    let check = |change: fn(&mut Bench), expected: &[&str]| {
        let mut host = host.fork();
        change(&mut host);
        assert_eq!(told(&repair(&host, &observed)), expected);
    };
    check(|_| {}, &BACK);
    check(|host| host.rules.only = vec![HoldScope::Service(id("shop/web"))], &BACK);
    check(|host| host.rules.only = vec![HoldScope::Service(id("shop/db"))], &[]);
    check(|host| host.rules.busy = ["shop".into()].into(), &[]);
    // Another program follows that source.
    check(|host| host.desired.sources_configured.clear(), &[]);
    // It goes with all that it has.
    check(|host| host.forget("shop"), &[]);
}

#[tokio::test(start_paused = true)]
async fn the_old_one_is_started_where_it_served_and_can_be() {
    let host = switched().await;
    reject(&host, "shop/web", host.hash("shop/web"), false);
    let observed = host.observe().await.unwrap();
    let old = previous(&mut observed.clone()).clone();
    let check = |host: &Bench, change: fn(&mut ObservedState), expected: &[&str], why: &str| {
        let mut observed = observed.clone();
        change(&mut observed);
        assert_eq!(told(&repair(host, &observed)), expected, "{why}");
    };
    check(&host, |_| {}, &BACK, "it served");
    let never_ran = |observed: &mut ObservedState| {
        let old = previous(observed);
        (old.state, old.started_at) = (ContainerState::Created, None);
    };
    check(&host, never_ran, &BACK_WITHOUT_A_START, "it never ran");
    check(&host, |all| all.networks.clear(), &BACK_WITHOUT_A_START, "its network is gone");
    let network_is_new = |all: &mut ObservedState| {
        all.networks.iter_mut().for_each(|network| network.id = "new".into());
    };
    check(&host, network_is_new, &BACK_WITHOUT_A_START, "its network is another one");
    let runs = |all: &mut ObservedState| previous(all).state = ContainerState::Running;
    let without_a_wait = &BACK[..BACK.len() - 1];
    check(&host, runs, without_a_wait, "somebody has started it");

    reject(&host, "shop/web", old.spec().unwrap().clone(), false);
    check(&host, |_| {}, &BACK, "it has failed once, and served when it was set aside");
    host.memory.lock().unwrap().set_aside.clear();
    check(&host, |_| {}, &BACK_WITHOUT_A_START, "it has failed, and did not run");
}

#[tokio::test(start_paused = true)]
async fn a_container_that_was_only_set_aside_serves_again() {
    let mut host = Bench::new();
    let app = host.app();
    let job = host.image("job", ImageBehaviour::exits(SECOND, 0));
    let ended = Condition::Completed;
    let once = service("once", &job).restart(RestartPolicy::No);
    host.want("shop", [once, service("web", &app).needs("once", ended)]);
    host.converge().await;
    let observed = host.observe().await.unwrap();
    assert_eq!(told(&repair(&host, &observed)), [""; 0]);
    for (name, started) in
        [("shop-web-1", &["Restore", "StartContainer"][..]), ("shop-once-1", &["Restore"])]
    {
        let host = host.fork();
        let container = host.container_id(name);
        let policy = RestartPolicy::UnlessStopped;
        host.memory.lock().unwrap().set_aside.insert(container, policy);
        assert_eq!(told(&repair(&host, &observed)), started, "{name}");
        let without = ObservedState { networks: Vec::new(), ..observed.clone() };
        assert_eq!(told(&repair(&host, &without)), ["Restore"], "{name} has no network");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_container_that_was_never_switched_to_goes() {
    let host = died_with(&["shop-web-1", "shop-web-1.next"]).await;
    let observed = host.observe().await.unwrap();
    assert_eq!(told(&repair(&host, &observed)), ["RemoveContainer"], "it never ran");
    let mut running = observed.clone();
    let next = running.containers.iter_mut().find(|one| one.name.as_str() == "shop-web-1.next");
    next.unwrap().state = ContainerState::Running;
    assert_eq!(told(&repair(&host, &running)), ["StopContainer", "RemoveContainer"]);
    reject(&host, "shop/web", host.hash("shop/web"), true);
    assert_eq!(told(&repair(&host, &observed)), [""; 0], "it was left for somebody to look");
}
