//! The program dies at every single call: the next passes put everything in order.

use super::bench::*;
use crate::engine::EngineError;
use crate::engine::fake::{Fault, HealthStory, ImageBehaviour, Matcher, Process, Verb};
use crate::model::spec::RestartPolicy;
use crate::model::stack::{Condition, FailureAction, Order};
use crate::model::{ContainerState, PinnedImage, Service};
use crate::plan::{PlannedStep, Step};

/// Passes until stable, at most so many.
const PASSES: usize = 3;

pub async fn settle(host: &Bench) -> String {
    for _ in 0..=PASSES {
        host.world.forget_calls();
        host.pass().await;
        if host.calls().is_empty() {
            break;
        }
    }
    assert_eq!(host.calls(), [""; 0], "not stable after {PASSES} passes");
    // Nobody waits for the health of what was not changed.
    tokio::time::advance(SECOND * 10).await;
    host.world.normalised()
}

/// Whether a crash may lead to another end than none. A spec that fails is tried again after a crash.
async fn check(host: &Bench) {
    let straight = host.fork();
    let expected = settle(&straight).await;
    for n in 1.. {
        for before in [true, false] {
            let host = host.fork();
            match before {
                true => host.world.crash_before(n),
                false => host.world.crash_after(n),
            }
            let survived = host.try_pass().await.is_some();
            if survived {
                assert!(n > 3, "nothing was crashed");
                return;
            }
            host.world.revive();
            let half_way = host.world.normalised();
            let ended = settle(&host).await;
            let when = if before { "before" } else { "after" };
            assert_eq!(ended, expected, "died {when} call {n}; half-way was:\n{half_way}");
        }
    }
}

fn three(host: &mut Bench, value: &str) {
    let app = host.app();
    host.want(
        "shop",
        [
            service("db", &app).env("V", value).checked().volume("shop_data"),
            service("web", &app).env("V", value).needs("db", Condition::Healthy),
            service("proxy", &app).env("V", value).port("80").needs("web", Condition::Started),
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn a_first_deploy_may_die_anywhere() {
    let mut host = Bench::new();
    three(&mut host, "1");
    check(&host).await;
}

#[tokio::test(start_paused = true)]
async fn an_update_may_die_anywhere() {
    let mut host = Bench::new();
    three(&mut host, "1");
    host.converge().await;
    three(&mut host, "2");
    check(&host).await;
}

/// A service, one in its network, and one in the network of that one.
fn nested(host: &mut Bench, app: &PinnedImage, value: &str, inner: &str, image: &PinnedImage) {
    host.want(
        "shop",
        [
            service("vpn", app).env("V", value).checked().port("80"),
            service("web", app).env("V", inner).within("vpn"),
            service("side", image).checked().within("web"),
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn a_first_deploy_into_anothers_network_may_die_anywhere() {
    let mut host = Bench::new();
    let app = host.app();
    nested(&mut host, &app, "1", "1", &app);
    check(&host).await;
}

#[tokio::test(start_paused = true)]
async fn an_update_of_whom_others_are_in_the_network_of_may_die_anywhere() {
    let mut host = Bench::new();
    let app = host.app();
    nested(&mut host, &app, "1", "1", &app);
    host.converge().await;
    nested(&mut host, &app, "2", "1", &app);
    check(&host).await;
    nested(&mut host, &app, "2", "2", &app);
    check(&host).await;
}

#[tokio::test(start_paused = true)]
async fn an_update_that_fails_in_anothers_network_may_die_anywhere() {
    let mut host = Bench::new();
    let app = host.app();
    let sick = host.image("sick", ImageBehaviour::health(HealthStory::Never));
    nested(&mut host, &app, "1", "1", &app);
    host.converge().await;
    nested(&mut host, &app, "2", "1", &sick);
    check(&host).await;
}

#[tokio::test(start_paused = true)]
async fn an_update_beside_the_old_one_on_two_networks_may_die_anywhere() {
    let mut host = Bench::new();
    let app = host.app();
    let beside = |value| {
        let api = service("api", &app).env("V", value).checked().networks(&["front", "back"]);
        api.with(|service| service.rollout.order = Order::StartFirst)
    };
    host.want("shop", [beside("1")]);
    host.converge().await;
    host.want("shop", [beside("2")]);
    check(&host).await;
}

#[tokio::test(start_paused = true)]
async fn a_removal_may_die_anywhere() {
    let mut host = Bench::new();
    three(&mut host, "1");
    host.converge().await;
    host.forget("shop");
    check(&host).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_and_what_waits_for_it_may_die_anywhere() {
    let mut host = Bench::new();
    let job = host.image("job", ImageBehaviour::exits(SECOND * 5, 0));
    let app = host.app();
    host.want(
        "shop",
        [
            service("job", &job).restart(RestartPolicy::No),
            service("web", &app).needs("job", Condition::Completed),
        ],
    );
    check(&host).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_completed_is_known_to_though_the_program_died_before_it_wrote_that_down() {
    let mut host = Bench::new();
    let job = host.image("job", ImageBehaviour::exits(SECOND, 0));
    let app = host.app();
    host.want(
        "shop",
        [
            service("job", &job).restart(RestartPolicy::No),
            service("web", &app).needs("job", Condition::Completed),
        ],
    );
    host.converge().await;
    host.memory.lock().unwrap().completed_jobs.clear();
    assert_eq!(host.plan().await.completed, [(id("shop/job"), host.hash("shop/job"))]);
    host.assert_quiet().await;
    assert_eq!(host.plan().await.completed, []);
    host.world.docker_rm_force("shop-job-1").unwrap();
    host.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_of_which_nothing_is_known_runs() {
    let mut host = Bench::new();
    let job = host.image("job", ImageBehaviour::exits(SECOND, 0));
    let app = host.app();
    let services = [
        service("job", &job).restart(RestartPolicy::No),
        service("web", &app).needs("job", Condition::Completed),
    ];
    host.want("shop", services);
    host.converge().await;
    host.memory.lock().unwrap().completed_jobs.clear();
    host.world.docker_rm_force("shop-job-1").unwrap();
    assert_eq!(*verdict(&host.plan().await, "shop/job"), crate::plan::Verdict::Create);
    assert_eq!(host.plan().await.completed, []);
}

#[tokio::test(start_paused = true)]
async fn networks_made_again_may_die_anywhere() {
    let mut host = Bench::new();
    three(&mut host, "1");
    host.converge().await;
    for name in ["shop-proxy-1", "shop-web-1", "shop-db-1"] {
        host.world.docker_stop(name).unwrap();
    }
    host.world.docker_network_rm("shop_default").unwrap();
    check(&host).await;
}

/// A request that was sent by a program that died, and carried out after the next pass has looked.
#[tokio::test(start_paused = true)]
async fn a_container_that_an_earlier_pass_still_makes_is_no_obstacle() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("web", &app)]);
    let creates = |planned: &&PlannedStep| matches!(planned.step, Step::CreateContainer(_));
    // First the network, which a pass would find; then the container, which it does not.
    let mut groundwork = host.plan().await;
    let created = groundwork.steps.iter().find(creates).unwrap().id;
    groundwork.steps.retain(|planned| planned.id < created);
    host.carry_out(&groundwork).await;
    let plan = host.plan().await;
    let mut early = plan.clone();
    let created = early.steps.iter().find(creates).unwrap().id;
    early.steps.retain(|planned| planned.id <= created);
    host.carry_out(&early).await;
    assert_eq!(host.container("shop-web-1").state, ContainerState::Created);
    let outcome = host.carry_out(&plan).await;
    assert_eq!(outcome.services[&id("shop/web")].failure, None);
    host.assert_quiet().await;
}

/// A stack that is changed as a whole, of services that stop first and one that starts first.
fn whole(host: &mut Bench, app: &PinnedImage, last: &PinnedImage, value: &str) {
    let job = host.image("job", ImageBehaviour::exits(SECOND, 0));
    let services = [
        service("db", app).env("V", value).checked(),
        service("job", &job)
            .restart(RestartPolicy::No)
            .env("V", value)
            .needs("db", Condition::Healthy),
        service("api", app)
            .env("V", value)
            .checked()
            .needs("job", Condition::Completed)
            .with(|service| service.rollout.order = Order::StartFirst),
        service("web", last).env("V", value).checked().needs("api", Condition::Healthy),
    ];
    host.want("shop", services).atomic = true;
}

#[tokio::test(start_paused = true)]
async fn an_update_of_a_stack_as_a_whole_may_die_anywhere() {
    let mut host = Bench::new();
    let app = host.app();
    whole(&mut host, &app, &app, "1");
    host.converge().await;
    whole(&mut host, &app, &app, "2");
    check(&host).await;
}

#[tokio::test(start_paused = true)]
async fn a_stack_as_a_whole_that_goes_back_may_die_anywhere() {
    let mut host = Bench::new();
    let app = host.app();
    let sick = host.image("sick", ImageBehaviour::health(HealthStory::Never));
    whole(&mut host, &app, &app, "1");
    host.converge().await;
    whole(&mut host, &app, &sick, "2");
    check(&host).await;
}

#[tokio::test(start_paused = true)]
async fn what_never_ran_is_not_started_on_the_way_back() {
    let mut host = Bench::new();
    let cannot_start = Process::CannotStart("exec format error".into());
    let broken = host.image("broken", ImageBehaviour::process(cannot_start));
    host.want("shop", [service("web", &broken)]);
    // The world's fault, so that nothing is held against the spec.
    let trouble = Fault::Refused(EngineError::Other("no".into()));
    host.world.fail_next(Matcher::any(Verb::Start), trouble.clone());
    host.pass().await;
    let app = host.app();
    host.want("shop", [service("web", &app)]);
    // Pulled, created, restart policy, two names: it dies before the new one is started.
    host.world.crash_after(5);
    assert!(host.try_pass().await.is_none());
    host.world.revive();
    assert_eq!(host.world.names(), ["shop-web-1", "shop-web-1.previous"]);

    host.world.fail_next(Matcher::any(Verb::Start), trouble);
    host.pass().await;
    settle(&host).await;
    assert_eq!(host.world.names(), ["shop-web-1"]);
    assert!(host.container("shop-web-1").is_running());
    assert!(host.container("shop-web-1").image.contains("app"));
}

#[tokio::test(start_paused = true)]
async fn what_was_set_aside_and_started_again_by_hand_gives_way_to_what_replaces_it() {
    let mut host = Bench::new();
    let app = host.app();
    let wanted = |value: &str| {
        let pauses = |service: &mut Service| service.rollout.failure_action = FailureAction::Pause;
        service("web", &app).env("V", value).port("80").with(pauses)
    };
    host.want("shop", [wanted("1")]);
    host.converge().await;
    host.want("shop", [wanted("2")]);
    // Created, restart policy, stopped, two names: it dies before the new one is started.
    host.world.crash_after(5);
    assert!(host.try_pass().await.is_none());
    host.world.revive();
    host.world.docker_start("shop-web-1.previous").unwrap();
    settle(&host).await;
    assert_eq!(host.world.names(), ["shop-web-1"]);
    let new = host.container("shop-web-1");
    assert_eq!((new.is_running(), new.spec()), (true, Some(&host.hash("shop/web"))));
}

#[tokio::test(start_paused = true)]
async fn a_switch_that_had_come_to_the_new_container_goes_on_with_it() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("web", &app), service("db", &app)]);
    host.converge().await;
    host.want("shop", [service("web", &app).env("V", "2"), service("db", &app)]);
    host.world.crash_after(5);
    assert!(host.try_pass().await.is_none());
    host.world.revive();
    assert_eq!(host.world.names(), ["shop-db-1", "shop-web-1", "shop-web-1.previous"]);
    let new = host.container_id("shop-web-1");
    let pass = host.converge().await;
    assert_eq!((host.container_id("shop-web-1"), host.world.names().len()), (new, 2));
    assert!(pass.repair.changes.is_empty(), "nothing is to be put in order: {:?}", pass.repair);
}
