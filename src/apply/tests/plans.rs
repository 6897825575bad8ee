//! What stands in a plan, where a host in memory would bear other things just as well.

use std::collections::BTreeSet;

use super::bench::*;
use crate::engine::Engine;
use crate::engine::fake::ImageBehaviour;
use crate::model::memory::{HeldBy, Hold, HoldScope};
use crate::model::observed::ObservedNetwork;
use crate::model::spec::RestartPolicy;
use crate::model::stack::{Condition, FailureAction, Order};
use crate::model::{ContainerState, ObservedState, labels};
use crate::plan::{self, Change, Plan, Step, StepId, Target, Verdict};

fn change<'p>(plan: &'p Plan, service: &str) -> &'p Change {
    plan.changes.iter().find(|change| change.service == id(service)).unwrap()
}

/// The steps of a kind.
fn steps(plan: &Plan, is_one: fn(&Step) -> bool) -> Vec<StepId> {
    plan.steps.iter().filter(|planned| is_one(&planned.step)).map(|planned| planned.id).collect()
}

#[tokio::test(start_paused = true)]
async fn what_several_containers_need_is_made_once_as_the_stacks_own_and_waited_for_by_all() {
    let mut host = Bench::new();
    let app = host.app();
    let services = ["db", "web"].map(|name| service(name, &app).volume("shop_data"));
    host.want("shop", services.clone());
    let plan = host.plan().await;
    let made = [
        steps(&plan, |step| matches!(step, Step::PullImage { .. })),
        steps(&plan, |step| matches!(step, Step::CreateNetwork { .. })),
        steps(&plan, |step| matches!(step, Step::CreateVolume { .. })),
    ];
    assert!(made.iter().all(|steps| steps.len() == 1), "{made:?}");
    let created = plan.steps.iter().filter(|one| matches!(one.step, Step::CreateContainer(_)));
    for planned in created.clone() {
        assert!(made.iter().flatten().all(|step| planned.after.contains(step)), "{planned:#?}");
    }
    assert_eq!(created.count(), 2);
    host.converge().await;
    let volume = host.world.volume_labels("shop_data").unwrap();
    assert_eq!(volume[labels::COMPOSE_PROJECT], "shop");
    // What is there is not made again, and what is not wanted from a registry is not pulled.
    let other = host.image("other", Default::default());
    let [db, web] = services;
    let built = service("built", &other)
        .with(|service| service.pull_policy = crate::model::PullPolicy::Never);
    host.want("shop", [db, web.env("V", "2"), built]);
    let plan = host.plan().await;
    let made = steps(&plan, |step| {
        matches!(
            step,
            Step::PullImage { .. } | Step::CreateNetwork { .. } | Step::CreateVolume { .. }
        )
    });
    assert_eq!(made, []);
}

#[tokio::test(start_paused = true)]
async fn a_replica_more_of_a_spec_that_runs_has_nothing_to_prove() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("web", &app)]);
    assert!(change(&host.plan().await, "shop/web").tries_spec);
    host.converge().await;
    host.want("shop", [service("web", &app).replicas(2)]);
    assert!(!change(&host.plan().await, "shop/web").tries_spec);
    host.want("shop", [service("web", &app).replicas(2).env("V", "2")]);
    assert!(change(&host.plan().await, "shop/web").tries_spec);
    host.want("shop", [service("web", &app)]);
    host.world.docker_stop("shop-web-1").unwrap();
    assert!(!change(&host.plan().await, "shop/web").tries_spec, "it only runs again");
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_is_right_already_takes_no_place_in_a_batch() {
    let mut host = Bench::new();
    let app = host.app();
    let three = service("web", &app).replicas(3).with(|service| {
        service.rollout.parallelism = 2;
        service.rollout.delay = SECOND * 10;
    });
    host.want("shop", [three.clone()]);
    host.converge().await;
    host.want("shop", [three.env("V", "2")]);
    let mut observed = host.observe().await.unwrap();
    let pauses = |host: &Bench, observed: &ObservedState| {
        let plan = plan::plan(&host.situation(observed, &host.memory()));
        steps(&plan, |step| matches!(step, Step::Pause(_))).len()
    };
    assert_eq!(pauses(&host, &observed), 1);
    let first = &mut observed.containers[0];
    let mut labels = (*first.labels).clone();
    labels.insert(labels::SPEC.into(), host.hash("shop/web").to_string());
    first.labels = labels.into();
    assert_eq!(pauses(&host, &observed), 0);
}

#[tokio::test(start_paused = true)]
async fn neither_a_job_nor_who_shares_its_network_is_started_beside_the_old_one() {
    let first = |wanted: Wanted| wanted.with(|one| one.rollout.order = Order::StartFirst);
    let mut host = Bench::new();
    let app = host.app();
    let job = host.image("job", ImageBehaviour::exits(SECOND, 0));
    let want = |host: &mut Bench, value: &str| {
        let ended = Condition::Completed;
        let job = service("job", &job).restart(RestartPolicy::No);
        let services = [
            first(job.env("V", value)),
            first(service("api", &app).env("V", value)).needs("job", ended),
            first(service("vpn", &app).env("V", value)),
            first(service("web", &app).env("V", value).within("vpn")),
        ];
        host.want("shop", services);
    };
    want(&mut host, "1");
    host.converge().await;
    want(&mut host, "2");
    let plan = host.plan().await;
    let mut beside = Vec::new();
    for planned in &plan.steps {
        if let Step::StartContainer(Target::Name(name)) = &planned.step
            && name.as_str().ends_with(".next")
        {
            beside.push(name.as_str());
        }
    }
    assert_eq!(beside, ["shop-api-1.next"]);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_was_made_by_tag_runs_the_wanted_image_where_that_is_what_it_has() {
    let mut host = Bench::new();
    let (app, other) = (host.app(), host.image("other", ImageBehaviour::default()));
    host.want("shop", [service("web", &app), service("api", &other)]);
    host.converge().await;
    let mut observed = host.observe().await.unwrap();
    let [elses, own] = ["shop-api-1", "shop-web-1"].map(|name| host.container(name).image_id);
    for image in [&elses, &own] {
        let mut defaults = host.world.image_defaults(image).await.unwrap();
        host.world.defaults().await.unwrap().add_to(&mut defaults);
        observed.image_defaults.insert(image.clone(), defaults);
    }
    let web = observed.containers.iter_mut().find(|one| one.name.as_str() == "shop-web-1");
    let web = web.unwrap();
    let mut labels = (*web.labels).clone();
    labels.remove(labels::SPEC);
    (web.labels, web.image) = (labels.into(), "registry.test/app:1".into());
    for (image, is_right) in [(own, true), (elses, false)] {
        let web = observed.containers.iter_mut().find(|one| one.name.as_str() == "shop-web-1");
        web.unwrap().image_id = image;
        let plan = plan::plan(&host.situation(&observed, &host.memory()));
        let told = verdict(&plan, "shop/web").differences();
        let fields: Vec<_> = told.iter().map(|one| &*one.field).collect();
        assert_eq!(fields, if is_right { &[][..] } else { &["image"] });
    }
}

#[tokio::test(start_paused = true)]
async fn steps_are_a_replicas_own_only_where_some_may_fail() {
    let go_on = FailureAction::Continue;
    for (replicas, ratio, action, is_own) in [
        (2, 0, FailureAction::Rollback, false),
        (2, 400_000, FailureAction::Rollback, false),
        (2, 500_000, FailureAction::Rollback, true),
        (2, 0, go_on, true),
        // It has no others to spare.
        (1, 1_000_000, FailureAction::Rollback, false),
        (1, 0, go_on, false),
    ] {
        let mut host = Bench::new();
        let app = host.app();
        let wanted = service("web", &app).replicas(replicas).with(|service| {
            service.rollout.max_failure_ratio = ratio;
            service.rollout.failure_action = action;
        });
        host.want("shop", [wanted]);
        let plan = host.plan().await;
        let gates = plan.steps.iter().filter(|one| matches!(one.step, Step::AwaitGate { .. }));
        let told: Vec<_> = gates.map(|planned| planned.replica).collect();
        let expected: Vec<_> = (1..=replicas).map(|number| is_own.then_some(number)).collect();
        assert_eq!(told, expected, "{replicas}, {ratio}, {action:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_leads_back_to_a_container_that_never_ran() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("web", &app)]);
    host.converge().await;
    host.want("shop", [service("web", &app).env("V", "2")]);
    let mut observed = host.observe().await.unwrap();
    let plan_of = |host: &Bench, observed: &ObservedState| {
        plan::plan(&host.situation(observed, &host.memory()))
    };
    assert!(change(&plan_of(&host, &observed), "shop/web").has_way_back);
    observed.containers[0].state = ContainerState::Created;
    observed.containers[0].started_at = None;
    assert!(!change(&plan_of(&host, &observed), "shop/web").has_way_back);
}

#[tokio::test(start_paused = true)]
async fn what_a_service_depends_on_stands_on_its_container_as_compose_writes_it() {
    let mut host = Bench::new();
    let app = host.app();
    let web = service("web", &app).needs("db", Condition::Healthy).restarts_with("cache");
    host.want("shop", [service("db", &app).checked(), service("cache", &app), web]);
    host.converge().await;
    let web = host.container("shop-web-1");
    let told = web.label(labels::COMPOSE_DEPENDS_ON);
    assert_eq!(told, Some("db:service_healthy:false,cache:service_started:true"));
}

#[tokio::test(start_paused = true)]
async fn those_are_changed_as_one_that_share_and_are_replaced_however_many_share_with_how_many() {
    let mut host = Bench::new();
    let app = host.app();
    let want = |host: &mut Bench, values: [&str; 3]| {
        let [vpn, agent, web] = values;
        let inner = service("web", &app).env("V", web).within("vpn");
        let inner = inner.needs("agent", Condition::Started);
        host.want(
            "shop",
            [
                service("vpn", &app).env("V", vpn),
                service("agent", &app).env("V", agent),
                inner.with(|web| web.settings.namespaces.pid = Some("service:agent".into())),
            ],
        );
    };
    want(&mut host, ["1", "1", "1"]);
    host.converge().await;
    let all = ["shop/vpn", "shop/agent", "shop/web"];
    for (values, mates) in [
        (["1", "1", "2"], &[][..]),
        (["2", "1", "1"], &["shop/vpn", "shop/web"]),
        (["1", "2", "1"], &["shop/agent", "shop/web"]),
        (["2", "2", "2"], &all),
    ] {
        want(&mut host, values);
        let plan = host.plan().await;
        let mates: BTreeSet<_> = mates.iter().map(|mate| id(mate)).collect();
        for name in all {
            let told: BTreeSet<_> = change(&plan, name).mates.iter().cloned().collect();
            let expected = if mates.contains(&id(name)) { mates.clone() } else { BTreeSet::new() };
            assert_eq!(told, expected, "{name}, {values:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_in_the_network_of_one_is_restarted_for_the_sake_of_another_too() {
    let mut host = Bench::new();
    let app = host.app();
    let want = |host: &mut Bench, db: &str, cache: &str| {
        let web = service("web", &app).within("vpn").restarts_with("db");
        let (db, cache) =
            (service("db", &app).env("V", db), service("cache", &app).env("V", cache));
        let web = web.needs("cache", Condition::Started);
        host.want("shop", [service("vpn", &app), db, cache, web]);
    };
    want(&mut host, "1", "1");
    host.converge().await;
    want(&mut host, "2", "2");
    let plan = host.plan().await;
    let Verdict::Start(reasons) = verdict(&plan, "shop/web") else { panic!() };
    let fields: Vec<_> = reasons.iter().map(|reason| &*reason.field).collect();
    assert_eq!(fields, ["depends_on"]);
    assert_eq!(change(&plan, "shop/web").follows, [id("shop/db")]);
    want(&mut host, "1", "2");
    assert_eq!(*verdict(&host.plan().await, "shop/web"), Verdict::InSync);
}

#[tokio::test(start_paused = true)]
async fn who_crashed_in_anothers_network_is_started_once_that_one_runs() {
    let mut host = Bench::new();
    let app = host.app();
    let vpn = service("vpn", &app).restart(RestartPolicy::No);
    host.want("shop", [vpn, service("web", &app).within("vpn").restart(RestartPolicy::No)]);
    host.converge().await;
    for name in ["shop/vpn", "shop/web"] {
        let (scope, since) = (HoldScope::Service(id(name)), host.now);
        let (by, until, reason, image) = (HeldBy::Operator, None, None, None);
        let hold = Hold { scope, by, since, until, reason, image, going_to: None };
        host.memory.lock().unwrap().holds.push(hold);
    }
    let starts = |plan: &Plan| steps(plan, |step| matches!(step, Step::StartContainer(_))).len();
    // Who holds it has stopped it, and nobody starts it.
    host.world.docker_stop("shop-vpn-1").unwrap();
    host.world.kill("shop-web-1", 3).unwrap();
    assert_eq!(starts(&host.plan().await), 0);
    host.world.docker_start("shop-vpn-1").unwrap();
    assert_eq!(starts(&host.plan().await), 1);
    host.world.kill("shop-vpn-1", 3).unwrap();
    assert_eq!(starts(&host.plan().await), 2);
}

#[tokio::test(start_paused = true)]
async fn of_two_networks_of_one_name_the_one_without_containers_goes() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("web", &app)]);
    host.converge().await;
    let observed = host.observe().await.unwrap();
    let network = observed.network(&"shop_default".into()).unwrap().clone();
    let twin = |id: &str| ObservedNetwork { id: id.into(), ..network.clone() };
    let strange = |mut twin: ObservedNetwork| {
        twin.labels.remove(labels::SOURCE);
        twin
    };
    let removed = |host: &Bench, networks: Vec<ObservedNetwork>| -> Vec<String> {
        let observed = ObservedState { networks, ..observed.clone() };
        let plan = plan::repair::repair(&host.situation(&observed, &host.memory()));
        let ids = plan.steps.iter().map(|planned| {
            let Step::RemoveNetwork(id) = &planned.step else { panic!("{planned:?}") };
            id.to_string()
        });
        ids.collect()
    };
    assert_eq!(removed(&host, vec![network.clone()]), [""; 0]);
    assert_eq!(removed(&host, vec![network.clone(), twin("0")]), ["0"]);
    assert_eq!(removed(&host, vec![twin("0"), network.clone()]), ["0"]);
    assert_eq!(removed(&host, vec![twin("0"), network.clone(), twin("9")]), ["0", "9"]);
    // Whose it is nobody knows.
    assert_eq!(removed(&host, vec![network.clone(), strange(twin("0"))]), [""; 0]);
    // A container that no stack describes is known to be on one of them, and not on which.
    let settings = host.container("shop-web-1").settings;
    host.world.add_foreign("stranger", &app, (*settings).clone(), Default::default()).unwrap();
    let foreign = host.observe().await.unwrap().foreign;
    let both =
        ObservedState { networks: vec![network.clone(), twin("0")], foreign, ..observed.clone() };
    let plan = plan::repair::repair(&host.situation(&both, &host.memory()));
    assert_eq!(plan.steps.len(), 0);
    host.rules.busy = ["shop".into()].into();
    assert_eq!(removed(&host, both.networks), [""; 0], "another pass has the stack in hand");
}

#[test]
fn a_pass_concerns_the_stacks_that_it_names_or_names_a_service_of_but_none_in_anothers_hand() {
    let mut rules = Bench::new().rules;
    let (stack, service) = (HoldScope::Stack("shop".into()), HoldScope::Service(id("shop/web")));
    for (only, shop, web, blog) in [
        (vec![], true, true, true),
        (vec![HoldScope::Host], true, true, true),
        (vec![stack.clone()], true, true, false),
        (vec![service.clone()], true, true, false),
        (vec![HoldScope::Service(id("shop/db"))], true, false, false),
        (vec![HoldScope::Stack("blog".into()), service], true, true, true),
    ] {
        rules.only = only;
        let told = |rules: &plan::Rules| {
            let blog = rules.concerns(&"blog".into());
            (rules.concerns(&"shop".into()), rules.includes(&id("shop/web")), blog)
        };
        rules.busy.clear();
        assert_eq!(told(&rules), (shop, web, blog), "{:?}", rules.only);
        rules.busy.insert("shop".into());
        assert_eq!(told(&rules), (false, false, blog), "{:?}", rules.only);
    }
}
