//! Holds, suspensions, data at risk, things that are in the way.

use super::bench::*;
use crate::engine::fake::ImageBehaviour;
use crate::model::memory::HeldBy;
use crate::model::spec::{MountSource, RestartPolicy};
use crate::model::stack::{Condition, Suspension};
use crate::plan::{Block, Verdict};

fn hold(host: &Bench, by: HeldBy) {
    host.hold_web(by, Some("looking into it"));
}

async fn one_service() -> Bench {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("web", &app)]);
    host.converge().await;
    let app = host.app();
    host.want("shop", [service("web", &app).env("V", "2")]);
    host
}

#[tokio::test(start_paused = true)]
async fn what_is_held_stays_and_says_what_would_change() {
    let host = one_service().await;
    hold(&host, HeldBy::Operator);
    host.assert_quiet().await;
    let plan = host.plan().await;
    let Verdict::Held(held) = verdict(&plan, "shop/web") else { panic!() };
    assert!(held.desired);
    assert!(held.differences.iter().any(|one| one.field == "env.V"));
    host.memory.lock().unwrap().holds.clear();
    host.converge().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_held_as_git_says_is_called_held_and_keeps_nobody_waiting() {
    let mut host = Bench::new();
    let app = host.app();
    let job = host.image("job", ImageBehaviour::exits(SECOND, 0));
    let stack = |value| {
        let job = service("web", &job).restart(RestartPolicy::No);
        [job, service("api", &app).needs("web", Condition::Completed).env("V", value)]
    };
    host.want("shop", stack("1"));
    host.converge().await;
    hold(&host, HeldBy::Operator);
    host.assert_quiet().await;
    let plan = host.plan().await;
    let Verdict::Held(held) = verdict(&plan, "shop/web") else { panic!() };
    assert!(held.in_sync && held.differences.is_empty());
    host.want("shop", stack("2"));
    let pass = host.converge().await;
    assert!(matches!(pass.verdict("shop/api"), Verdict::Update(_)));
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_is_mended_is_told_from_a_crash() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("web", &app), service("db", &app)]);
    host.converge().await;
    host.world.docker_stop("shop-web-1").unwrap();
    host.world.kill("shop-db-1", 3).unwrap();
    let pass = host.converge().await;
    let was_stopped = |name| {
        let change = pass.plan.changes.iter().find(|change| change.service == id(name));
        change.unwrap().was_stopped
    };
    assert!(was_stopped("shop/web") && !was_stopped("shop/db"));
}

#[tokio::test(start_paused = true)]
async fn a_hold_ends_by_itself() {
    let host = one_service().await;
    hold(&host, HeldBy::Operator);
    host.memory.lock().unwrap().holds[0].until = Some(host.now);
    host.converge().await;
}

#[tokio::test(start_paused = true)]
async fn a_rollbacks_hold_ends_when_git_asks_for_another_image_and_for_good() {
    let host = one_service().await;
    let ended = |image: Option<&str>, by| {
        hold(&host, by);
        let mut memory = host.memory.lock().unwrap();
        memory.holds[0].image = image.map(str::to_owned);
        let ended = memory.end_rollbacks(&host.desired);
        let left = std::mem::take(&mut memory.holds);
        assert_eq!(ended.len() + left.len(), 1);
        !ended.is_empty()
    };
    assert!(!ended(Some("registry.test/app:1"), HeldBy::Rollback), "only `env.V` has changed");
    assert!(ended(Some("registry.test/app:0"), HeldBy::Rollback));
    assert!(ended(None, HeldBy::Rollback), "git did not name it then");
    assert!(!ended(Some("registry.test/app:0"), HeldBy::Operator));
}

#[tokio::test(start_paused = true)]
async fn a_suspended_stack_stays() {
    let mut host = one_service().await;
    host.stack("shop").suspended = Some(Suspension { until: None, reason: None });
    host.assert_quiet().await;
    host.stack("shop").suspended = Some(Suspension { until: Some(host.now), reason: None });
    host.converge().await;
}

#[tokio::test(start_paused = true)]
async fn other_data_behind_a_mount_needs_a_person() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("web", &app).volume("shop_data")]);
    host.converge().await;
    host.want("shop", [service("web", &app).mount(MountSource::bind("/srv/shop/data"))]);
    host.assert_quiet().await;
    let plan = host.plan().await;
    let Verdict::Held(held) = verdict(&plan, "shop/web") else { panic!() };
    assert!(held.why.contains("volume shop_data") && held.why.contains("/srv/shop/data"));
    let adopted = (id("shop/web"), host.hash("shop/web"));
    host.memory.lock().unwrap().adopted.insert(adopted);
    host.converge().await;
}

#[tokio::test(start_paused = true)]
async fn a_name_that_somebody_else_has_blocks() {
    let mut host = Bench::new();
    let app = host.world.load_image("registry.test/app", "1", ImageBehaviour::default());
    let stranger =
        host.world.add_foreign("shop-web-1", &app, Default::default(), Default::default());
    host.want("shop", [service("web", &app), service("db", &app)]);
    let pass = host.pass().await;
    assert!(matches!(pass.verdict("shop/web"), Verdict::Blocked(Block::World { .. })));
    assert_eq!(host.container_id("shop-web-1"), stranger.unwrap());
    assert!(host.container("shop-db-1").is_running());
}

#[tokio::test(start_paused = true)]
async fn an_external_network_that_is_missing_blocks_and_nothing_is_made() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("web", &app)]).networks[0].external = true;
    host.assert_quiet().await;
    let plan = host.plan().await;
    assert!(matches!(verdict(&plan, "shop/web"), Verdict::Blocked(Block::World { .. })));
    host.world.docker_network_create(&network("shop_default")).unwrap();
    host.converge().await;
    assert!(host.container("shop-web-1").is_running());
}

#[tokio::test(start_paused = true)]
async fn an_external_volume_that_is_missing_blocks_only_who_uses_it() {
    let mut host = Bench::new();
    let app = host.app();
    let stack = host.want("shop", [service("web", &app).volume("data"), service("api", &app)]);
    stack.volumes[0].external = true;
    let pass = host.pass().await;
    let Verdict::Blocked(Block::World { message, hint }) = pass.verdict("shop/web") else {
        panic!("{:?}", pass.verdict("shop/web"));
    };
    assert_eq!(message, "the external volume data does not exist on this host");
    assert_eq!(hint.as_deref(), Some("create it: docker volume create data"));
    assert!(host.container("shop-api-1").is_running());
    assert_eq!(host.world.names(), ["shop-api-1"]);
}

#[tokio::test(start_paused = true)]
async fn what_an_operator_holds_and_stops_stays_stopped_and_a_crash_is_mended() {
    for policy in [RestartPolicy::No, RestartPolicy::UnlessStopped] {
        let mut host = Bench::new();
        let app = host.app();
        host.want("shop", [service("web", &app).restart(policy)]);
        host.converge().await;
        hold(&host, HeldBy::Operator);
        host.world.docker_stop("shop-web-1").unwrap();
        host.assert_quiet().await;
        host.world.docker_start("shop-web-1").unwrap();
        host.world.kill("shop-web-1", 3).unwrap();
        host.pass().await;
        tokio::time::advance(SECOND * 2).await;
        assert!(host.container("shop-web-1").is_running(), "{policy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_changed_network_is_said_and_what_a_person_is_told_to_do_mends_it() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("db", &app), service("web", &app).needs("db", Condition::Started)]);
    host.converge().await;
    host.stack("shop").networks[0].internal = true;
    host.assert_quiet().await;
    let plan = host.plan().await;
    for name in ["shop/db", "shop/web"] {
        let Verdict::Blocked(Block::World { message, hint }) = verdict(&plan, name) else {
            panic!()
        };
        assert!(message.contains("shop_default") && message.contains("internal: false → true"));
        let commands = "`docker stop shop-db-1 shop-web-1 && docker network rm shop_default`";
        assert!(hint.as_ref().unwrap().contains(commands), "{hint:?}");
        assert!(hint.as_ref().unwrap().ends_with("what was stopped"), "{hint:?}");
    }
    for name in ["shop-db-1", "shop-web-1"] {
        host.world.docker_stop(name).unwrap();
    }
    host.world.docker_network_rm("shop_default").unwrap();
    host.converge().await;
    assert!(host.container("shop-web-1").is_running());
}

#[tokio::test(start_paused = true)]
async fn who_is_on_a_changed_network_without_a_stack_is_named() {
    let mut host = Bench::new();
    let app = host.world.load_image("registry.test/app", "1", ImageBehaviour::default());
    host.want("shop", [service("web", &app)]);
    host.converge().await;
    let deployment = host.desired.deployment(&"shop".into()).unwrap();
    let settings = deployment.services[0].service.settings.clone();
    host.world.add_foreign("stranger", &app, settings, Default::default()).unwrap();
    host.stack("shop").networks[0].internal = true;
    let plan = host.plan().await;
    let Verdict::Blocked(Block::World { hint, .. }) = verdict(&plan, "shop/web") else { panic!() };
    let command = "docker network disconnect --force shop_default stranger && docker stop";
    assert!(hint.as_ref().unwrap().contains(command), "{hint:?}");
    let told = "(not stranger, which no stack here describes)";
    assert!(hint.as_ref().unwrap().ends_with(told), "{hint:?}");
}

#[tokio::test(start_paused = true)]
async fn a_changed_volume_is_a_remark_without_its_options_values() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("db", &app).volume("shop_data"), service("web", &app)]);
    host.converge().await;
    let volume = &mut host.stack("shop").volumes[0];
    volume.driver_opts.insert("o".into(), "password=hunter2".into());
    volume.labels.insert("team".into(), "red".into());
    host.assert_quiet().await;
    let plan = host.plan().await;
    let remarks = |name| {
        let change = plan.changes.iter().find(|change| change.service == id(name));
        change.unwrap().remarks.clone()
    };
    let [remark] = &remarks("shop/db")[..] else { panic!() };
    assert!(remark.contains("shop_data was made otherwise (driver_opts.o changed; labels.team"));
    assert!(!remark.contains("hunter2"));
    assert_eq!(remarks("shop/web"), [""; 0]);
}
