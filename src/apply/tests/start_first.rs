//! New containers that prove themselves beside the old ones, and replicas in batches.

use super::bench::*;
use crate::engine::EngineError;
use crate::engine::fake::{Fault, HealthStory, ImageBehaviour, Matcher, Verb};
use crate::model::spec::{Hook, Hooks, Mount, MountSource, RestartPolicy};
use crate::model::stack::{FailureAction, Order};
use crate::model::{ContainerId, PinnedImage, ServiceOutcome};
use crate::plan::{Block, Verdict};

fn api(image: &PinnedImage, value: &str) -> Wanted {
    let start_first = |service: &mut crate::model::Service| {
        service.rollout.order = Order::StartFirst;
    };
    service("api", image).env("V", value).checked().with(start_first)
}

/// A host on which the first version runs.
async fn deployed() -> (Bench, PinnedImage) {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [api(&app, "1")]);
    host.converge().await;
    (host, app)
}

/// One pass, looked at every tenth of a second.
async fn watched(host: &Bench, mut look: impl FnMut(&Bench)) -> Pass {
    let pass = host.pass();
    tokio::pin!(pass);
    loop {
        tokio::select! {
            biased;
            pass = &mut pass => return pass,
            () = tokio::time::sleep(SECOND / 10) => look(host),
        }
    }
}

fn found(host: &Bench) -> Vec<ContainerId> {
    host.world.resolve("shop_default", "api")
}

#[tokio::test(start_paused = true)]
async fn nobody_finds_the_new_one_before_it_is_good_and_the_old_one_serves_until_it_has_proved_itself()
 {
    let (mut host, app) = deployed().await;
    let old = host.container_id("shop-api-1");
    host.want("shop", [api(&app, "2")]);
    let (mut alone, mut both) = (0, 0);
    let pass = watched(&host, |host| {
        let found = found(host);
        let next = host.world.container("shop-api-1.next");
        match next.is_some_and(|next| next.health != crate::model::Health::Healthy) {
            true => assert_eq!(found, std::slice::from_ref(&old), "found before it is healthy"),
            false => assert!(!found.is_empty()),
        }
        alone += usize::from(found == std::slice::from_ref(&old));
        both += usize::from(found.len() == 2);
    })
    .await;
    assert_eq!(pass.outcome("shop/api"), ServiceOutcome::Done);
    assert!(alone >= 5 && both >= 40, "alone for {alone}, both for {both} tenths of a second");
    assert_eq!(host.world.names(), ["shop-api-1"]);
    assert_eq!(found(&host), [host.container_id("shop-api-1")]);
    assert_ne!(host.container_id("shop-api-1"), old);
    assert_eq!(host.container("shop-api-1").settings.restart, RestartPolicy::UnlessStopped);
    host.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_is_never_good_is_never_found_and_the_old_one_is_not_touched() {
    let (mut host, _) = deployed().await;
    let before = (host.container("shop-api-1").started_at, host.world.normalised());
    let sick = host.image("app", ImageBehaviour::health(HealthStory::Never));
    host.want("shop", [api(&sick, "1")]);
    let old = host.container_id("shop-api-1");
    let pass = watched(&host, |host| assert_eq!(found(host), std::slice::from_ref(&old))).await;
    assert_eq!(pass.outcome("shop/api"), ServiceOutcome::RolledBack);
    assert_eq!((host.container("shop-api-1").started_at, host.world.normalised()), before);
    host.world.forget_calls();
    assert!(matches!(host.pass().await.verdict("shop/api"), Verdict::Rejected { .. }));
    assert_eq!(host.calls(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn one_that_dies_while_it_is_watched_goes_and_the_old_one_has_served_all_along() {
    let (mut host, _) = deployed().await;
    let before = (host.container("shop-api-1").started_at, host.world.normalised());
    let story = HealthStory::HealthyUntil { healthy_after: SECOND, unhealthy_after: SECOND * 4 };
    let late = host.image("app", ImageBehaviour::health(story));
    host.want("shop", [api(&late, "1")]);
    let old = host.container_id("shop-api-1");
    let pass = watched(&host, |host| assert!(found(host).contains(&old))).await;
    assert_eq!(pass.outcome("shop/api"), ServiceOutcome::RolledBack);
    assert_eq!((host.container("shop-api-1").started_at, host.world.normalised()), before);
}

#[tokio::test(start_paused = true)]
async fn what_is_run_after_a_start_is_not_run_again_in_one_that_was_never_stopped() {
    let mut host = Bench::new();
    let app = host.app();
    let hooked = |image: &PinnedImage| {
        let hook = Hook { command: vec!["warm-up".into()], ..Hook::default() };
        let hooks = Hooks { post_start: vec![hook], ..Hooks::default() };
        api(image, "1").with(|service| service.settings.hooks = hooks)
    };
    host.want("shop", [hooked(&app)]);
    host.converge().await;
    let sick = host.image("app", ImageBehaviour::health(HealthStory::Never));
    host.want("shop", [hooked(&sick)]);
    host.world.forget_calls();
    assert_eq!(host.pass().await.outcome("shop/api"), ServiceOutcome::RolledBack);
    let runs = host.calls().into_iter().filter(|call| call.starts_with("Exec"));
    assert_eq!(runs.collect::<Vec<_>>(), ["Exec shop-api-1.next"]);
}

#[tokio::test(start_paused = true)]
async fn one_whose_address_changes_by_taking_its_names_is_started_again() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("first", &app), api(&app, "1")]);
    host.converge().await;
    host.want("shop", [service("first", &app), api(&app, "2")]);
    host.world.forget_calls();
    let mut before = None;
    let pass = watched(&host, |host| {
        // A lower address is free from now on.
        if let (Some(next), Some(_)) =
            (host.world.container("shop-api-1.next"), host.world.container("shop-first-1"))
        {
            before.clone_from(&next.attached[&"shop_default".into()].address);
            host.world.docker_rm_force("shop-first-1").unwrap();
        }
    })
    .await;
    assert_eq!(pass.outcome("shop/api"), ServiceOutcome::Done);
    assert_ne!(host.address("shop-api-1", "shop_default"), before);
    let calls = host.calls();
    let starts = calls.iter().filter(|call| *call == "Start shop-api-1.next").count();
    assert_eq!(starts, 2, "{calls:#?}");
    host.converge().await;
}

#[tokio::test(start_paused = true)]
async fn a_volume_of_the_image_is_not_given_to_two() {
    let mut host = Bench::new();
    let mut behaviour = ImageBehaviour::default();
    behaviour.defaults.mounts = vec![Mount::new("/cache", MountSource::Anonymous, false)];
    let image = host.image("app", behaviour);
    host.want("shop", [api(&image, "1")]);
    host.converge().await;
    host.want("shop", [api(&image, "2")]);
    let Verdict::Blocked(Block::World { message, hint }) =
        verdict(&host.plan().await, "shop/api").clone()
    else {
        panic!("{:?}", verdict(&host.plan().await, "shop/api"));
    };
    assert!(message.contains("the anonymous volume at /cache"), "{message}");
    assert!(hint.unwrap().contains("shared_writers: true"));
    let shared = api(&image, "2").with(|service| service.rollout.shared_writers = true);
    host.want("shop", [shared]);
    let volume = host.container("shop-api-1").anonymous_volumes;
    host.converge().await;
    let new = host.container("shop-api-1");
    assert_eq!((new.spec(), &new.anonymous_volumes), (Some(&host.hash("shop/api")), &volume));

    // One that does not run writes to nothing.
    host.world.docker_stop("shop-api-1").unwrap();
    host.want("shop", [api(&image, "3")]);
    host.converge().await;
    assert_eq!(host.container("shop-api-1").spec(), Some(&host.hash("shop/api")));
}

fn four(image: &PinnedImage, value: &str, order: Order) -> Wanted {
    api(image, value).replicas(4).with(|service| {
        service.rollout.order = order;
        service.rollout.parallelism = 2;
        service.rollout.delay = SECOND * 20;
    })
}

/// The most containers that were gone, and that were there beyond the four.
async fn most(order: Order) -> (usize, usize) {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [four(&app, "1", order)]);
    let begun = tokio::time::Instant::now();
    host.converge().await;
    assert!(begun.elapsed() < SECOND * 10, "first ones wait for nobody: {:?}", begun.elapsed());
    host.want("shop", [four(&app, "2", order)]);
    let begun = tokio::time::Instant::now();
    let (mut gone, mut beyond) = (0, 0);
    let pass = watched(&host, |host| {
        let names = host.world.names();
        let up = names.iter().filter(|name| host.container(name).is_running()).count();
        gone = gone.max(4_usize.saturating_sub(up));
        beyond = beyond.max(up.saturating_sub(4));
    })
    .await;
    assert_eq!(pass.outcome("shop/api"), ServiceOutcome::Done);
    assert!(begun.elapsed() > SECOND * 20, "the pause between batches: {:?}", begun.elapsed());
    host.assert_quiet().await;
    (gone, beyond)
}

#[tokio::test(start_paused = true)]
async fn replicas_are_replaced_so_many_at_a_time() {
    let (gone, beyond) = most(Order::StartFirst).await;
    assert_eq!((gone, beyond), (0, 2));
    let (gone, beyond) = most(Order::StopFirst).await;
    assert!(gone <= 2 && beyond == 0, "{gone} gone, {beyond} beyond");
}

#[tokio::test(start_paused = true)]
async fn more_and_fewer_replicas_leave_the_others_alone() {
    let (mut host, app) = deployed().await;
    let first = host.container("shop-api-1");
    host.want("shop", [api(&app, "1").replicas(3)]);
    host.converge().await;
    assert_eq!(host.world.names(), ["shop-api-1", "shop-api-2", "shop-api-3"]);
    host.want("shop", [api(&app, "1").replicas(2)]);
    host.converge().await;
    assert_eq!(host.world.names(), ["shop-api-1", "shop-api-2"]);
    let still = host.container("shop-api-1");
    assert_eq!((still.id, still.started_at), (first.id, first.started_at));
}

/// Four replicas one after the other, the second of which cannot be made.
async fn with_a_bad_second(
    change: impl Fn(&mut crate::model::Service),
) -> (Bench, Pass, Vec<ContainerId>) {
    let mut host = Bench::new();
    let app = host.app();
    let wanted = |value| {
        four(&app, value, Order::StartFirst).with(|service| {
            service.rollout.parallelism = 1;
            change(service);
        })
    };
    host.want("shop", [wanted("1")]);
    host.converge().await;
    let names = host.world.names();
    let before = names.iter().map(|name| host.container_id(name)).collect();
    host.want("shop", [wanted("2")]);
    let trouble = EngineError::Refused("no".into());
    let second = Matcher::on(Verb::CreateContainer, "shop-api-2.next");
    host.world.fail_next(second, Fault::Refused(trouble));
    let pass = host.pass().await;
    assert_eq!(host.world.names(), names);
    (host, pass, before)
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_is_not_wanted_any_more_serves_until_one_that_stays_does() {
    for (order, lost) in [(Order::StartFirst, true), (Order::StopFirst, false)] {
        let mut host = Bench::new();
        let app = host.app();
        let wanted = |value: &str, replicas| {
            let web = service("web", &app).env("V", value).replicas(replicas);
            web.with(|service| service.rollout.order = order)
        };
        host.want("shop", [wanted("1", 2)]);
        host.converge().await;
        if lost {
            host.world.docker_rm_force("shop-web-1").unwrap();
        }
        host.want("shop", [wanted(if lost { "1" } else { "2" }, 1)]);
        host.world.forget_calls();
        host.pass().await;
        let calls = host.calls();
        let place = |call: &str| calls.iter().position(|one| one == call).unwrap();
        assert!(place("Start shop-web-1") < place("Stop shop-web-2"), "{calls:?}");
        assert_eq!(host.world.names(), ["shop-web-1"]);
    }
}

/// Which of the four are others than before.
fn replaced(host: &Bench, before: &[ContainerId]) -> Vec<bool> {
    let names = host.world.names();
    names.iter().zip(before).map(|(name, old)| host.container_id(name) != *old).collect()
}

#[tokio::test(start_paused = true)]
async fn so_many_replicas_may_fail_and_go_back_alone() {
    let (host, pass, before) =
        with_a_bad_second(|service| service.rollout.max_failure_ratio = 250_000).await;
    assert_eq!(pass.outcome("shop/api"), ServiceOutcome::RolledBack);
    let failure = pass.outcome.services[&id("shop/api")].failure.clone().unwrap();
    assert!(failure.message.starts_with("replica 2 went back alone: "), "{}", failure.message);
    assert_eq!(replaced(&host, &before), [true, false, true, true]);
    // The spec has failed here, and is not tried again.
    host.world.forget_calls();
    assert!(matches!(host.pass().await.verdict("shop/api"), Verdict::Rejected { .. }));
    assert_eq!(host.calls(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn one_more_than_may_fail_takes_all_of_them_back() {
    let (host, pass, before) =
        with_a_bad_second(|service| service.rollout.max_failure_ratio = 249_999).await;
    assert_eq!(pass.outcome("shop/api"), ServiceOutcome::RolledBack);
    assert_eq!(replaced(&host, &before), [false; 4]);
}

#[tokio::test(start_paused = true)]
async fn going_on_means_that_each_replica_is_on_its_own() {
    let (host, _, before) =
        with_a_bad_second(|service| service.rollout.failure_action = FailureAction::Continue).await;
    assert_eq!(replaced(&host, &before), [true, false, true, true]);
}

#[tokio::test(start_paused = true)]
async fn a_second_failure_beyond_what_is_borne_takes_back_what_went_well_too() {
    let mut host = Bench::new();
    let app = host.app();
    let wanted = |value| {
        four(&app, value, Order::StopFirst).with(|service| {
            service.rollout.parallelism = 1;
            service.rollout.max_failure_ratio = 250_000;
        })
    };
    host.want("shop", [wanted("1")]);
    host.converge().await;
    let names = host.world.names();
    let before: Vec<ContainerId> = names.iter().map(|name| host.container_id(name)).collect();
    host.want("shop", [wanted("2")]);
    for number in [2, 4] {
        let matcher = Matcher::on(Verb::CreateContainer, &format!("shop-api-{number}.next"));
        host.world.fail_next(matcher, Fault::Refused(EngineError::Refused("no".into())));
    }
    assert_eq!(host.pass().await.outcome("shop/api"), ServiceOutcome::RolledBack);
    assert_eq!(host.world.names(), names);
    assert_eq!(replaced(&host, &before), [false; 4]);
    let all = before.iter().zip(&names);
    assert!(all.into_iter().all(|(_, name)| host.container(name).is_running()));
}
