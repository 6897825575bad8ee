//! Stacks that are changed as a whole or not at all.

use super::bench::*;
use crate::engine::EngineError;
use crate::engine::fake::{Fault, HealthStory, ImageBehaviour, Matcher, Verb};
use crate::model::memory::HeldBy;
use crate::model::spec::RestartPolicy;
use crate::model::stack::{Condition, Order};
use crate::model::{PinnedImage, ServiceOutcome};
use crate::plan::{Block, Step, Verdict};

fn want<const N: usize>(host: &mut Bench, services: [Wanted; N]) {
    host.want("shop", services).atomic = true;
}

/// A database that is replaced in place, what serves from it beside its predecessor, and what is behind that.
fn shop(app: &PinnedImage, web: &PinnedImage, version: &str) -> [Wanted; 3] {
    let start_first = |service: &mut crate::model::Service| {
        service.rollout.order = Order::StartFirst;
    };
    [
        service("db", app).env("V", version).checked(),
        service("api", app)
            .env("V", version)
            .checked()
            .needs("db", Condition::Healthy)
            .with(start_first),
        service("web", web).env("V", version).checked().needs("api", Condition::Healthy),
    ]
}

fn sick(host: &Bench) -> PinnedImage {
    host.image("sick", ImageBehaviour::health(HealthStory::Never))
}

/// Healthy at first, and no longer while it is watched.
fn late(host: &Bench) -> PinnedImage {
    let story = HealthStory::HealthyUntil { healthy_after: SECOND, unhealthy_after: SECOND * 3 };
    host.image("late", ImageBehaviour::health(story))
}

/// A host on which the first version runs.
async fn deployed() -> (Bench, PinnedImage) {
    let mut host = Bench::new();
    let app = host.app();
    want(&mut host, shop(&app, &app, "1"));
    host.converge().await;
    (host, app)
}

fn rejected(host: &Bench) -> Vec<String> {
    host.memory().rejected.keys().map(|(id, _)| id.to_string()).collect()
}

fn on_whole(service: &str) -> Verdict {
    Verdict::Blocked(Block::OnWhole(vec![id(service)]))
}

#[tokio::test(start_paused = true)]
async fn what_was_set_aside_stays_until_the_last_one_has_passed() {
    let (mut host, app) = deployed().await;
    want(&mut host, shop(&app, &app, "2"));
    let plan = host.plan().await;
    let watched = plan.steps.iter().filter(|one| matches!(one.step, Step::Monitor { .. }));
    let watched: Vec<_> = watched.map(|one| one.id).collect();
    assert_eq!(watched.len(), 3);
    let removals = plan.steps.iter().filter(|one| matches!(one.step, Step::RemoveContainer(_)));
    for removal in removals {
        assert!(watched.iter().all(|id| removal.after.contains(id)), "{removal:#?}");
    }
    host.world.forget_calls();
    host.pass().await;
    let calls = host.calls();
    let first = calls.iter().position(|call| call.starts_with("Remove")).unwrap();
    let last_start = calls.iter().rposition(|call| call.starts_with("Start")).unwrap();
    assert!(last_start < first, "{calls:#?}");
    assert_eq!(host.world.names(), ["shop-api-1", "shop-db-1", "shop-web-1"]);
    host.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_takes_back_all_that_were_changed_before_it() {
    for bad in [sick, late] {
        let (mut host, app) = deployed().await;
        let names = host.world.names();
        let before: Vec<_> = names.iter().map(|name| host.container_id(name)).collect();
        let image = bad(&host);
        want(&mut host, shop(&app, &image, "2"));
        let pass = host.pass().await;
        for one in ["shop/db", "shop/api", "shop/web"] {
            let result = &pass.outcome.services[&id(one)];
            assert_eq!(result.outcome, ServiceOutcome::RolledBack, "{one}: {:?}", result.failure);
        }
        assert_eq!(host.world.names(), names);
        let after: Vec<_> = names.iter().map(|name| host.container_id(name)).collect();
        assert_eq!(after, before);
        assert!(names.iter().all(|name| host.container(name).is_running()));
        assert!(host.memory().set_aside.is_empty());
        assert_eq!(rejected(&host), ["shop/web"], "the others may be right");
    }
}

#[tokio::test(start_paused = true)]
async fn they_go_back_dependants_first_and_start_again_dependants_last() {
    let (mut host, app) = deployed().await;
    let image = sick(&host);
    let [db, _, web] = shop(&app, &image, "2");
    let [_, api, _] = shop(&app, &app, "2");
    let api = api.with(|service| service.rollout.order = Order::StopFirst);
    want(&mut host, [db, api, web]);
    host.world.forget_calls();
    host.pass().await;
    let calls = host.calls();
    let last = |call: &str| calls.iter().rposition(|one| one == call).unwrap();
    let order = [
        last("Stop shop-web-1"),
        last("Stop shop-api-1"),
        last("Stop shop-db-1"),
        last("Start shop-db-1.previous"),
        last("Start shop-api-1.previous"),
        last("Start shop-web-1.previous"),
    ];
    assert!(order.is_sorted(), "{calls:#?}");
}

#[tokio::test(start_paused = true)]
async fn the_others_wait_until_what_failed_is_changed_or_freed() {
    let (mut host, app) = deployed().await;
    let image = sick(&host);
    want(&mut host, shop(&app, &image, "2"));
    host.pass().await;
    host.assert_quiet().await;
    let plan = host.plan().await;
    assert!(matches!(verdict(&plan, "shop/web"), Verdict::Rejected { .. }));
    for one in ["shop/db", "shop/api"] {
        assert_eq!(*verdict(&plan, one), on_whole("shop/web"));
    }
    want(&mut host, shop(&app, &app, "3"));
    host.converge().await;
    assert_eq!(rejected(&host), ["shop/web"]);
}

#[tokio::test(start_paused = true)]
async fn without_the_word_each_is_judged_alone() {
    let (mut host, app) = deployed().await;
    let before = host.container_id("shop-db-1");
    let image = sick(&host);
    host.want("shop", shop(&app, &image, "2"));
    let pass = host.pass().await;
    assert_eq!(pass.outcome("shop/db"), ServiceOutcome::Done);
    assert_eq!(pass.outcome("shop/web"), ServiceOutcome::RolledBack);
    assert_ne!(host.container_id("shop-db-1"), before);
}

#[tokio::test(start_paused = true)]
async fn what_is_still_to_be_changed_is_not_begun() {
    let mut host = Bench::new();
    let app = host.app();
    let services = |first: &PinnedImage, version: &str| {
        [
            service("one", first).env("V", version).checked(),
            service("two", &app).env("V", version).needs("one", Condition::Healthy),
        ]
    };
    want(&mut host, services(&app, "1"));
    host.converge().await;
    let before = host.container("shop-two-1");
    let image = sick(&host);
    want(&mut host, services(&image, "2"));
    let pass = host.pass().await;
    assert_eq!(pass.outcome("shop/one"), ServiceOutcome::RolledBack);
    assert_eq!(pass.outcome("shop/two"), ServiceOutcome::Blocked);
    let after = host.container("shop-two-1");
    assert_eq!((after.id, after.started_at), (before.id, before.started_at));
}

#[tokio::test(start_paused = true)]
async fn what_waits_in_vain_for_one_that_nothing_is_done_to_takes_back_the_others() {
    let mut host = Bench::new();
    let story = HealthStory::HealthyUntil { healthy_after: SECOND, unhealthy_after: SECOND * 60 };
    let (app, ill) = (host.app(), host.image("ill", ImageBehaviour::health(story)));
    let services = |version: &str| {
        [
            service("ill", &ill).checked(),
            service("one", &app).env("V", version),
            service("two", &app).env("V", version).needs("ill", Condition::Healthy),
        ]
    };
    want(&mut host, services("1"));
    host.converge().await;
    tokio::time::sleep(SECOND * 120).await;
    let before = (host.container_id("shop-one-1"), host.container_id("shop-two-1"));
    want(&mut host, services("2"));
    let pass = host.pass().await;
    assert_eq!(pass.outcome("shop/one"), ServiceOutcome::RolledBack);
    assert_eq!(pass.outcome("shop/two"), ServiceOutcome::Failed);
    assert_eq!((host.container_id("shop-one-1"), host.container_id("shop-two-1")), before);
    assert!(rejected(&host).is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_image_that_cannot_be_had_keeps_all_from_being_changed() {
    let (mut host, app) = deployed().await;
    let new = host.image("new", ImageBehaviour::default());
    want(&mut host, shop(&app, &new, "2"));
    host.world.fail_next(Matcher::any(Verb::Pull), Fault::Refused(EngineError::Other("no".into())));
    host.world.forget_calls();
    host.pass().await;
    assert!(host.calls().iter().all(|call| call.starts_with("Pull")), "{:#?}", host.calls());
    host.converge().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_was_not_there_before_goes_again_and_the_one_that_failed_is_kept_to_be_looked_at()
{
    let (mut host, app) = deployed().await;
    let image = sick(&host);
    let [db, api, web] = shop(&app, &app, "1");
    want(
        &mut host,
        [
            db,
            api,
            web,
            service("good", &app),
            service("bad", &image).checked().needs("good", Condition::Started),
        ],
    );
    let pass = host.pass().await;
    assert_eq!(pass.outcome("shop/good"), ServiceOutcome::RolledBack);
    assert_eq!(pass.outcome("shop/bad"), ServiceOutcome::Failed);
    assert_eq!(host.world.names(), ["shop-api-1", "shop-bad-1", "shop-db-1", "shop-web-1"]);
    assert!(!host.container("shop-bad-1").is_up());
    host.assert_quiet().await;
    assert_eq!(*verdict(&host.plan().await, "shop/good"), on_whole("shop/bad"));
}

/// A migration between the database and what serves from it.
fn migrated(host: &Bench, web: &PinnedImage, version: &str) -> [Wanted; 3] {
    let (app, job) = (host.app(), host.image("job", ImageBehaviour::exits(SECOND * 5, 0)));
    [
        service("db", &app).env("V", version).checked(),
        service("job", &job)
            .restart(RestartPolicy::No)
            .env("V", version)
            .needs("db", Condition::Healthy),
        service("web", web).env("V", version).checked().needs("job", Condition::Completed),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_job_is_neither_taken_back_nor_run_again() {
    let mut host = Bench::new();
    let (app, image) = (host.app(), sick(&host));
    let services = migrated(&host, &app, "1");
    want(&mut host, services);
    host.converge().await;
    let before = (host.container_id("shop-db-1"), host.container_id("shop-web-1"));
    let services = migrated(&host, &image, "2");
    want(&mut host, services);
    let pass = host.pass().await;
    assert_eq!(pass.outcome("shop/job"), ServiceOutcome::Done);
    assert_eq!(pass.outcome("shop/db"), ServiceOutcome::RolledBack);
    assert_eq!((host.container_id("shop-db-1"), host.container_id("shop-web-1")), before);
    assert!(host.container("shop-job-1").ended_well());
    assert_eq!(host.world.names(), ["shop-db-1", "shop-job-1", "shop-web-1"]);
    host.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_fails_takes_back_what_was_changed_before_it() {
    let mut host = Bench::new();
    let app = host.app();
    let services = migrated(&host, &app, "1");
    want(&mut host, services);
    host.converge().await;
    let before = ["db", "job", "web"].map(|one| host.container_id(&format!("shop-{one}-1")));
    let bad = host.image("bad", ImageBehaviour::exits(SECOND, 3));
    let [db, _, web] = migrated(&host, &app, "2");
    let job = service("job", &bad).restart(RestartPolicy::No).needs("db", Condition::Healthy);
    want(&mut host, [db, job, web]);
    let pass = host.pass().await;
    assert_eq!(pass.outcome("shop/db"), ServiceOutcome::RolledBack);
    assert_eq!(pass.outcome("shop/job"), ServiceOutcome::Failed);
    assert_eq!(pass.outcome("shop/web"), ServiceOutcome::Blocked);
    let after = ["db", "job", "web"].map(|one| host.container_id(&format!("shop-{one}-1")));
    assert_eq!(after, before);
    host.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_under_way_comes_to_its_end_before_the_others_go_back() {
    let mut host = Bench::new();
    let app = host.app();
    let long = host.image("long", ImageBehaviour::exits(SECOND * 100, 0));
    let services = |web: &PinnedImage, version: &str| {
        [
            service("db", &app).env("V", version).checked(),
            service("job", &long)
                .restart(RestartPolicy::No)
                .env("V", version)
                .needs("db", Condition::Healthy),
            service("web", web).env("V", version).checked(),
            service("after", &app).needs("job", Condition::Completed),
        ]
    };
    want(&mut host, services(&app, "1"));
    host.converge().await;
    let image = sick(&host);
    want(&mut host, services(&image, "2"));
    host.world.forget_calls();
    let begun = tokio::time::Instant::now();
    let pass = host.pass().await;
    assert!(begun.elapsed() >= SECOND * 100, "{:?}", begun.elapsed());
    assert_eq!(pass.outcome("shop/job"), ServiceOutcome::Done);
    assert_eq!(pass.outcome("shop/db"), ServiceOutcome::RolledBack);
    assert_eq!(pass.outcome("shop/web"), ServiceOutcome::RolledBack);
    assert_eq!(host.world.names(), ["shop-after-1", "shop-db-1", "shop-job-1", "shop-web-1"]);
    host.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn what_git_no_longer_names_goes_last_or_not_at_all() {
    let (mut host, app) = deployed().await;
    let image = sick(&host);
    let [db, api, _] = shop(&app, &app, "1");
    let [_, _, web] = shop(&app, &image, "1");
    let [db, api, web] = [db, api, web].map(|one| one.env("V", "2"));
    want(&mut host, [db, web.with(|service| service.depends_on.clear())]);
    host.pass().await;
    assert!(host.container("shop-api-1").is_running());
    host.assert_quiet().await;
    assert_eq!(*verdict(&host.plan().await, "shop/api"), on_whole("shop/web"));
    want(&mut host, [api.with(|service| service.depends_on.clear())]);
    host.converge().await;
    assert_eq!(host.world.names(), ["shop-api-1"]);
}

#[tokio::test(start_paused = true)]
async fn who_was_restarted_for_the_sake_of_one_that_goes_back_is_started_once_more() {
    let mut host = Bench::new();
    let app = host.app();
    let services = |web: &PinnedImage, version: &str| {
        [
            service("db", &app).env("V", version),
            service("proxy", &app).restarts_with("db"),
            service("web", web).env("V", version).checked().needs("proxy", Condition::Started),
        ]
    };
    want(&mut host, services(&app, "1"));
    host.converge().await;
    let image = sick(&host);
    want(&mut host, services(&image, "2"));
    host.world.forget_calls();
    let pass = host.pass().await;
    assert_eq!(pass.outcome("shop/proxy"), ServiceOutcome::RolledBack);
    let calls = host.calls();
    let starts = calls.iter().filter(|call| *call == "Start shop-proxy-1");
    assert_eq!(starts.count(), 2, "{calls:#?}");
    let last = |call: &str| calls.iter().rposition(|one| one == call).unwrap();
    assert!(last("Start shop-db-1.previous") < last("Start shop-proxy-1"), "{calls:#?}");
    assert_eq!(rejected(&host), ["shop/web"]);
    host.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn who_shares_a_network_goes_back_with_the_rest_too() {
    let mut host = Bench::new();
    let app = host.app();
    let services = |web: &PinnedImage, version: &str| {
        [
            service("vpn", &app).env("V", version),
            service("inner", &app).within("vpn"),
            service("web", web).env("V", version).checked().needs("inner", Condition::Started),
        ]
    };
    want(&mut host, services(&app, "1"));
    host.converge().await;
    let names = host.world.names();
    let before: Vec<_> = names.iter().map(|name| host.container_id(name)).collect();
    let image = sick(&host);
    want(&mut host, services(&image, "2"));
    let pass = host.pass().await;
    for one in ["shop/vpn", "shop/inner", "shop/web"] {
        assert_eq!(pass.outcome(one), ServiceOutcome::RolledBack, "{one}");
    }
    let after: Vec<_> = names.iter().map(|name| host.container_id(name)).collect();
    assert_eq!((host.world.names(), after), (names, before));
    assert_eq!(rejected(&host), ["shop/web"]);
    host.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_an_operator_holds_keeps_nobody_from_being_changed() {
    let (mut host, app) = deployed().await;
    host.hold_web(HeldBy::Operator, None);
    want(&mut host, shop(&app, &app, "2"));
    let pass = host.pass().await;
    assert_eq!(pass.outcome("shop/db"), ServiceOutcome::Done);
    assert_eq!(pass.outcome("shop/api"), ServiceOutcome::Done);
}

#[tokio::test(start_paused = true)]
async fn what_runs_is_kept_up_while_something_new_waits() {
    let (mut host, app) = deployed().await;
    let image = sick(&host);
    want(&mut host, shop(&app, &image, "2"));
    host.pass().await;
    host.world.docker_kill("shop-db-1").unwrap();
    host.pass().await;
    assert!(host.container("shop-db-1").is_running());
    host.assert_quiet().await;
}
