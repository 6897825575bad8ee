//! First deploys, updates, dependencies, jobs, replicas: what goes well.

use super::bench::*;
use crate::engine::fake::{HealthStory, ImageBehaviour};
use crate::model::spec::RestartPolicy;
use crate::model::stack::Condition;
use crate::model::{ContainerState, Health};
use crate::plan::{Block, Step, Verdict};

fn place(calls: &[String], wanted: &str) -> usize {
    calls.iter().position(|call| call == wanted).unwrap_or_else(|| panic!("{wanted}: {calls:#?}"))
}

#[tokio::test(start_paused = true)]
async fn a_first_deploy_makes_everything_and_the_second_pass_does_nothing() {
    let mut host = Bench::new();
    let app = host.app();
    host.want(
        "shop",
        [service("db", &app).checked().volume("shop_data"), service("web", &app).port("80")],
    );
    let pass = host.converge().await;
    assert_eq!(*pass.verdict("shop/web"), Verdict::Create);
    assert!(host.container("shop-web-1").is_running());
    assert_eq!(host.container("shop-db-1").health, Health::Healthy);
    assert!(host.world.volume_labels("shop_data").is_some());
}

#[tokio::test(start_paused = true)]
async fn an_update_creates_first_and_removes_the_old_one_last() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("web", &app)]);
    host.converge().await;
    let (old, address) =
        (host.container_id("shop-web-1"), host.address("shop-web-1", "shop_default"));
    host.world.forget_calls();
    host.want("shop", [service("web", &app).env("LEVEL", "debug")]);
    let pass = host.pass().await;
    let Verdict::Update(differences) = pass.verdict("shop/web") else { panic!() };
    assert_eq!(differences[0].field, "env.LEVEL");
    let calls = host.calls();
    assert_eq!(
        calls,
        [
            "CreateContainer shop-web-1.next",
            "Update shop-web-1",
            "Stop shop-web-1",
            "Rename shop-web-1",
            "Rename shop-web-1.next",
            "Start shop-web-1",
            "RemoveContainer shop-web-1.previous",
        ]
    );
    assert_ne!(host.container_id("shop-web-1"), old);
    assert_eq!(host.address("shop-web-1", "shop_default"), address);
    host.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_image_is_an_update_that_names_the_image() {
    let mut host = Bench::new();
    let (one, two) =
        (host.app(), host.image("app", ImageBehaviour { size: 1, ..Default::default() }));
    host.want("shop", [service("web", &one)]);
    host.converge().await;
    host.want("shop", [service("web", &two)]);
    let pass = host.converge().await;
    let Verdict::Update(differences) = pass.verdict("shop/web") else { panic!() };
    assert_eq!(differences[0].field, "image");
    assert_eq!(differences.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn two_services_updated_in_one_pass_keep_their_addresses() {
    let mut host = Bench::new();
    let app = host.app();
    let names = ["a", "b", "c", "d"];
    let all = |value: &str| names.iter().map(|name| service(name, &app).env("V", value)).collect();
    host.want_all("shop", all("1"));
    host.converge().await;
    let addresses =
        |host: &Bench| names.map(|n| host.address(&format!("shop-{n}-1"), "shop_default"));
    let before = addresses(&host);
    host.want_all("shop", all("2"));
    host.converge().await;
    assert_eq!(addresses(&host), before);
}

#[tokio::test(start_paused = true)]
async fn dependants_wait_for_started_healthy_and_completed() {
    let mut host = Bench::new();
    let slow = host.image("slow", ImageBehaviour::health(HealthStory::HealthyAfter(SECOND * 20)));
    let job = host.image("job", ImageBehaviour::exits(SECOND * 8, 0));
    let app = host.app();
    host.want(
        "shop",
        [
            service("db", &slow).checked(),
            service("migrate", &job).restart(RestartPolicy::No).needs("db", Condition::Healthy),
            service("web", &app).needs("migrate", Condition::Completed),
            service("proxy", &app).needs("web", Condition::Started),
        ],
    );
    host.converge().await;
    let started = |name: &str| host.container(name).started_at.unwrap();
    let db = started("shop-db-1");
    assert!(started("shop-migrate-1").duration_since(db).as_secs() >= 20);
    assert!(started("shop-web-1").duration_since(started("shop-migrate-1")).as_secs() >= 8);
    assert!(started("shop-proxy-1").duration_since(started("shop-web-1")).as_secs() < 3);
}

#[tokio::test(start_paused = true)]
async fn a_completed_job_whose_container_is_gone_does_not_run_again_until_its_spec_changes() {
    let mut host = Bench::new();
    let job = host.image("job", ImageBehaviour::exits(SECOND, 0));
    let app = host.app();
    let wanted = |value: &str| {
        [
            service("job", &job).restart(RestartPolicy::No).env("V", value),
            service("web", &app).needs("job", Condition::Completed),
        ]
    };
    host.want("shop", wanted("1"));
    host.converge().await;
    host.world.docker_rm_force("shop-job-1").unwrap();
    host.assert_quiet().await;
    host.want("shop", wanted("2"));
    host.converge().await;
    assert_eq!(
        host.container("shop-job-1").state,
        ContainerState::Exited { code: 0, oom_killed: false }
    );
}

#[tokio::test(start_paused = true)]
async fn a_running_job_is_not_replaced_and_its_dependants_wait() {
    let mut host = Bench::new();
    let job = host.image("job", ImageBehaviour::exits(SECOND * 500, 0));
    let app = host.app();
    let wanted = |value: &str| {
        [
            service("job", &job).restart(RestartPolicy::No).env("V", value),
            service("web", &app).needs("job", Condition::Completed),
        ]
    };
    host.want("shop", wanted("1"));
    // The program dies right after it has started the job.
    for n in 1.. {
        let fork = host.fork();
        fork.world.crash_after(n);
        assert!(fork.try_pass().await.is_none());
        fork.world.revive();
        if fork.world.container("shop-job-1").is_some_and(|job| job.is_running()) {
            host = fork;
            break;
        }
    }
    let before = host.container_id("shop-job-1");
    let mut other = host.fork();
    other.want("shop", wanted("2"));
    let pass = other.pass().await;
    assert_eq!(*pass.verdict("shop/job"), Verdict::Blocked(Block::RunningJob));
    assert_eq!(*pass.verdict("shop/web"), Verdict::Blocked(Block::On(vec![id("shop/job")])));
    assert_eq!(other.container_id("shop-job-1"), before);
    // With the same spec it is waited for.
    host.converge().await;
    let web = host.container("shop-web-1").started_at.unwrap();
    let job = host.container("shop-job-1").started_at.unwrap();
    assert!(web.duration_since(job).as_secs() >= 500);
    assert!(host.memory().completed_jobs.contains(&(id("shop/job"), host.hash("shop/job"))));
    assert!(!host.memory().completed_jobs.contains(&(id("shop/web"), host.hash("shop/web"))));
}

#[tokio::test(start_paused = true)]
async fn replicas_go_up_and_down_and_are_updated_one_after_the_other() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("web", &app).replicas(3)]);
    host.converge().await;
    assert_eq!(host.world.names(), ["shop-web-1", "shop-web-2", "shop-web-3"]);
    host.want("shop", [service("web", &app).replicas(3).env("V", "2")]);
    host.world.forget_calls();
    host.pass().await;
    let calls = host.calls();
    assert!(place(&calls, "Start shop-web-1") < place(&calls, "Stop shop-web-2"), "{calls:#?}");
    assert!(
        place(&calls, "Start shop-web-3") < place(&calls, "RemoveContainer shop-web-1.previous")
    );
    host.assert_quiet().await;
    host.want("shop", [service("web", &app).replicas(1).env("V", "2")]);
    let pass = host.converge().await;
    assert_eq!(pass.verdict("shop/web").differences()[0].to_string(), "replicas: 3 → 1");
    assert_eq!(host.world.names(), ["shop-web-1"]);
    host.want("shop", [service("web", &app).replicas(2).env("V", "2")]);
    host.converge().await;
    assert_eq!(host.world.names(), ["shop-web-1", "shop-web-2"]);
}

#[tokio::test(start_paused = true)]
async fn a_stack_waits_for_the_stacks_it_comes_after() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("app", [service("web", &app)]).after = vec!["base".into()];
    host.want("base", [service("db", &app).checked()]);
    host.world.forget_calls();
    let pass = host.pass().await;
    assert_eq!(pass.outcome.services.len(), 2);
    let calls = host.calls();
    assert!(place(&calls, "Start base-db-1") < place(&calls, "Start app-web-1"));
    host.assert_quiet().await;
    host.forget("base");
    host.want("app", [service("web", &app).env("V", "2")]).after = vec!["base".into()];
    host.rules.only = vec![crate::model::memory::HoldScope::Stack("app".into())];
    let pass = host.pass().await;
    assert_eq!(*pass.verdict("app/web"), Verdict::Blocked(Block::OnStack("base".into())));
}

#[tokio::test(start_paused = true)]
async fn a_spec_label_of_another_version_restarts_nothing() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("web", &app)]);
    let hash = host.hash("shop/web");
    let older = crate::model::SpecHash::new(hash.as_str().replacen("1:", "0:", 1));
    let pinned = host.desired.stacks[0].clone();
    if let crate::model::StackContent::Usable(deployment) = &mut host.desired.stacks[0].content {
        deployment.services[0].image.as_mut().unwrap().hash = older;
    }
    host.converge().await;
    host.desired.stacks[0] = pinned;
    host.assert_quiet().await;
    let id = host.container_id("shop-web-1");
    assert!(host.memory().matched.contains(&(id, hash)));
}

#[tokio::test(start_paused = true)]
async fn what_is_merely_liked_may_fail() {
    let mut host = Bench::new();
    let bad = host.image("bad", ImageBehaviour::exits(SECOND, 1));
    let app = host.app();
    host.want(
        "shop",
        [
            service("cache", &bad).restart(RestartPolicy::No),
            service("web", &app).likes("cache", Condition::Healthy),
        ],
    );
    let pass = host.pass().await;
    assert_eq!(pass.outcome("shop/cache"), crate::model::ServiceOutcome::Failed);
    assert_eq!(pass.outcome("shop/web"), crate::model::ServiceOutcome::Done);
}

#[tokio::test(start_paused = true)]
async fn each_step_of_an_update_says_why_and_what_is_there_already_is_not_made() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("web", &app).volume("shop_data")]);
    host.converge().await;
    host.want("shop", [service("web", &app).volume("shop_data").env("LEVEL", "debug")]);
    let plan = host.plan().await;
    let create = plan.steps.iter().find(|planned| matches!(planned.step, Step::CreateContainer(_)));
    assert!(create.is_some_and(|planned| planned.because.contains("env.LEVEL")), "{create:?}");
    let makes_volumes = |step: &Step| matches!(step, Step::CreateVolume { .. });
    assert!(!plan.steps.iter().any(|planned| makes_volumes(&planned.step)));
}
