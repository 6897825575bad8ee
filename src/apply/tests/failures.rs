//! What fails: ways back, rejected specs, dependants.

use std::time::Duration;

use super::bench::*;
use crate::engine::EngineError;
use crate::engine::fake::{Fault, HealthStory, ImageBehaviour, Matcher, Verb};
use crate::model::spec::RestartPolicy;
use crate::model::stack::{Condition, FailureAction, Order};
use crate::model::{ContainerState, ServiceOutcome};
use crate::plan::{Block, Verdict};

#[tokio::test(start_paused = true)]
async fn a_failed_gate_goes_back_to_the_very_same_container() {
    let mut host = Bench::new();
    let app = host.app();
    let sick = host.image(
        "app",
        ImageBehaviour { logs: vec!["oh".into()], ..ImageBehaviour::health(HealthStory::Never) },
    );
    host.want("shop", [service("web", &app)]);
    host.converge().await;
    let before = (host.container_id("shop-web-1"), host.world.normalised());
    host.want("shop", [service("web", &sick).checked()]);
    let pass = host.pass().await;
    assert_eq!(pass.outcome("shop/web"), ServiceOutcome::RolledBack);
    let failure = pass.outcome.services[&id("shop/web")].failure.clone().unwrap();
    assert_eq!((failure.blames_spec, failure.logs), (true, vec!["oh".to_owned()]));
    assert_eq!((host.container_id("shop-web-1"), host.world.normalised()), before);
    assert!(host.memory().set_aside.is_empty());
    // The same spec is not tried again, another one is.
    host.world.forget_calls();
    let pass = host.pass().await;
    assert!(matches!(pass.verdict("shop/web"), Verdict::Rejected { .. }));
    assert_eq!(host.calls(), [""; 0]);
    host.want("shop", [service("web", &app).env("V", "2")]);
    host.converge().await;
}

#[tokio::test(start_paused = true)]
async fn failure_while_the_old_one_is_still_kept_goes_back_too() {
    let mut host = Bench::new();
    let app = host.app();
    let late = host.image("late", ImageBehaviour::exits(SECOND * 6, 1));
    host.want("shop", [service("web", &app).restart(RestartPolicy::No)]);
    host.converge().await;
    let before = host.container_id("shop-web-1");
    host.want("shop", [service("web", &late).restart(RestartPolicy::No)]);
    assert_eq!(host.pass().await.outcome("shop/web"), ServiceOutcome::RolledBack);
    assert_eq!(host.container_id("shop-web-1"), before);
}

#[tokio::test(start_paused = true)]
async fn a_spec_that_is_new_has_to_prove_itself_also_where_fewer_replicas_are_wanted() {
    let mut host = Bench::new();
    let (app, bad) = (host.app(), host.image("bad", ImageBehaviour::exits(SECOND, 3)));
    host.want("shop", [service("web", &app).replicas(2)]);
    host.converge().await;
    host.world.docker_rm_force("shop-web-1").unwrap();
    host.want("shop", [service("web", &bad)]);
    assert_eq!(host.pass().await.outcome("shop/web"), ServiceOutcome::Failed);
    assert!(matches!(host.pass().await.verdict("shop/web"), Verdict::Rejected { .. }));
    assert!(host.container("shop-web-2").is_running(), "it serves, though it is not wanted");
}

#[tokio::test(start_paused = true)]
async fn a_spec_whose_container_was_made_and_not_started_still_has_to_prove_itself() {
    let mut host = Bench::new();
    let bad = host.image("bad", ImageBehaviour::exits(SECOND, 3));
    host.want("shop", [service("web", &bad)]);
    host.world.fail_next(Matcher::any(Verb::Start), Fault::TimesOutBefore);
    assert_eq!(host.pass().await.outcome("shop/web"), ServiceOutcome::Failed);
    assert_eq!(host.container("shop-web-1").state, ContainerState::Created);
    assert!(host.memory().rejected.is_empty(), "the engine did not answer");
    let pass = host.pass().await;
    assert!(matches!(pass.verdict("shop/web"), Verdict::Start(_)));
    assert_eq!(pass.outcome("shop/web"), ServiceOutcome::Failed);
    assert!(matches!(host.container("shop-web-1").state, ContainerState::Exited { .. }));
    host.assert_quiet().await;
    assert!(matches!(host.pass().await.verdict("shop/web"), Verdict::Rejected { .. }));
}

#[tokio::test(start_paused = true)]
async fn an_earlier_spec_that_never_was_good_is_started_once_beside_a_rejected_one() {
    let mut host = Bench::new();
    let earlier = host.image("earlier", ImageBehaviour::exits(SECOND, 1));
    let sick = host.image("sick", ImageBehaviour::health(HealthStory::Never));
    host.want("shop", [service("web", &earlier)]);
    host.superseded.extend([id("shop/web")]);
    host.pass().await;
    assert!(host.memory().rejected.is_empty(), "a newer commit came");
    host.superseded = Default::default();
    host.world.docker_start("shop-web-1").unwrap();
    tokio::time::sleep(SECOND * 2).await;
    host.want("shop", [service("web", &sick).checked()]);
    host.pass().await;
    assert_eq!(host.memory().rejected.len(), 1);
    assert!(!host.container("shop-web-1").is_up());
    let pass = host.pass().await;
    assert!(matches!(pass.verdict("shop/web"), Verdict::Rejected { .. }));
    assert_eq!(pass.outcome("shop/web"), ServiceOutcome::Failed);
    assert_eq!(host.memory().rejected.len(), 2, "its own failing is held against it, too");
    host.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn an_earlier_spec_that_was_good_is_started_again_whatever_came_of_it_the_last_time() {
    let mut host = Bench::new();
    let app = host.app();
    let sick = host.image("sick", ImageBehaviour::health(HealthStory::Never));
    host.want("shop", [service("web", &app)]);
    host.converge().await;
    host.want("shop", [service("web", &sick).checked()]);
    assert_eq!(host.pass().await.outcome("shop/web"), ServiceOutcome::RolledBack);
    host.world.docker_stop("shop-web-1").unwrap();
    let broken = Fault::Refused(EngineError::CannotStart("no such device".into()));
    host.world.fail_next(Matcher::any(Verb::Start), broken);
    let pass = host.pass().await;
    assert!(matches!(pass.verdict("shop/web"), Verdict::Rejected { .. }));
    let failure = pass.outcome.services[&id("shop/web")].failure.clone().unwrap();
    assert!(failure.blames_spec, "{failure:?}");
    assert_eq!(pass.outcome("shop/web"), ServiceOutcome::Failed);
    assert!(!host.container("shop-web-1").is_up(), "once a pass is enough");
    assert_eq!(host.memory().rejected.len(), 1, "nothing is held against what was good before");
    host.pass().await;
    assert!(host.container("shop-web-1").is_running());
}

#[tokio::test(start_paused = true)]
async fn a_failed_first_deploy_stops_and_is_reported() {
    let mut host = Bench::new();
    let bad = host.image("bad", ImageBehaviour::exits(SECOND, 3));
    host.want("shop", [service("web", &bad)]);
    let pass = host.pass().await;
    assert_eq!(pass.outcome("shop/web"), ServiceOutcome::Failed);
    assert!(matches!(host.container("shop-web-1").state, ContainerState::Exited { .. }));
    assert!(matches!(host.pass().await.verdict("shop/web"), Verdict::Rejected { .. }));
    host.world.forget_calls();
    host.pass().await;
    assert_eq!(host.calls(), [""; 0]);
    let app = host.app();
    host.want("shop", [service("web", &app)]);
    host.converge().await;
}

#[tokio::test(start_paused = true)]
async fn dependants_of_what_failed_are_blocked_and_independents_go_on() {
    let mut host = Bench::new();
    let (bad, app) = (host.image("bad", ImageBehaviour::exits(SECOND, 3)), host.app());
    host.want(
        "shop",
        [
            service("db", &bad),
            service("web", &app).needs("db", Condition::Healthy),
            service("proxy", &app).needs("web", Condition::Started),
            service("mail", &app),
        ],
    );
    let pass = host.pass().await;
    assert_eq!(pass.outcome("shop/db"), ServiceOutcome::Failed);
    assert_eq!(pass.outcome("shop/web"), ServiceOutcome::Blocked);
    assert_eq!(pass.outcome("shop/proxy"), ServiceOutcome::Blocked);
    assert_eq!(pass.outcome("shop/mail"), ServiceOutcome::Done);
    let pass = host.pass().await;
    assert_eq!(*pass.verdict("shop/web"), Verdict::Blocked(Block::On(vec![id("shop/db")])));
}

#[tokio::test(start_paused = true)]
async fn a_failed_stack_blocks_all_that_come_after_it_and_others_go_on() {
    let mut host = Bench::new();
    let (bad, app) = (host.image("bad", ImageBehaviour::exits(SECOND, 3)), host.app());
    host.want("top", [service("web", &app)]).after = vec!["app".into()];
    host.want("app", [service("web", &app)]).after = vec!["other".into(), "base".into()];
    host.want("base", [service("db", &bad)]);
    host.want("other", [service("web", &app)]);
    let pass = host.pass().await;
    assert_eq!(pass.outcome("base/db"), ServiceOutcome::Failed);
    assert_eq!(pass.outcome("app/web"), ServiceOutcome::Blocked);
    assert_eq!(pass.outcome("top/web"), ServiceOutcome::Blocked);
    assert_eq!(pass.outcome("other/web"), ServiceOutcome::Done);
    // Later passes say which stack each of them waits for.
    let pass = host.pass().await;
    assert!(matches!(pass.verdict("base/db"), Verdict::Rejected { .. }));
    assert_eq!(*pass.verdict("app/web"), Verdict::Blocked(Block::OnStack("base".into())));
    assert_eq!(*pass.verdict("top/web"), Verdict::Blocked(Block::OnStack("app".into())));
    assert_eq!(*pass.verdict("other/web"), Verdict::InSync);
    host.want("base", [service("db", &app)]);
    host.converge().await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_stack_stops_nothing_that_runs_of_those_after_it() {
    let mut host = Bench::new();
    let (bad, app) = (host.image("bad", ImageBehaviour::exits(SECOND, 3)), host.app());
    host.want("base", [service("db", &app)]);
    host.want("app", [service("web", &app)]).after = vec!["base".into()];
    host.converge().await;
    let before = host.container_id("app-web-1");
    host.want("base", [service("db", &bad)]);
    host.want("app", [service("web", &app).env("V", "2")]).after = vec!["base".into()];
    let pass = host.pass().await;
    assert_eq!(pass.outcome("base/db"), ServiceOutcome::RolledBack);
    assert_eq!(pass.outcome("app/web"), ServiceOutcome::Blocked);
    assert_eq!(host.container_id("app-web-1"), before);
    assert!(host.container("app-web-1").is_running());
}

#[tokio::test(start_paused = true)]
async fn the_way_back_never_starts_a_job() {
    let mut host = Bench::new();
    let job = host.image("job", ImageBehaviour::exits(SECOND, 0));
    let (bad, app) = (host.image("bad", ImageBehaviour::exits(SECOND, 3)), host.app());
    let wanted = |image| {
        [
            service("job", image).restart(RestartPolicy::No),
            service("web", &app).needs("job", Condition::Completed),
        ]
    };
    host.want("shop", wanted(&job));
    host.converge().await;
    let before = host.container("shop-job-1");
    host.want("shop", wanted(&bad));
    let pass = host.pass().await;
    assert_eq!(pass.outcome("shop/job"), ServiceOutcome::Failed);
    let after = host.container("shop-job-1");
    assert_eq!((after.id, after.started_at), (before.id, before.started_at));
}

#[tokio::test(start_paused = true)]
async fn a_failing_second_replica_takes_the_first_one_back_too() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("web", &app).replicas(2)]);
    host.converge().await;
    let before = (host.container_id("shop-web-1"), host.container_id("shop-web-2"));
    host.want("shop", [service("web", &app).replicas(2).env("V", "2")]);
    let trouble = || Fault::Refused(EngineError::Refused("no".into()));
    host.world.fail_next(Matcher::on(Verb::CreateContainer, "shop-web-2.next"), trouble());
    let pass = host.pass().await;
    assert_eq!(pass.outcome("shop/web"), ServiceOutcome::RolledBack);
    assert_eq!((host.container_id("shop-web-1"), host.container_id("shop-web-2")), before);
    assert_eq!(host.world.names(), ["shop-web-1", "shop-web-2"]);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_cannot_go_back_keeps_no_other_from_it() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("web", &app).replicas(2)]);
    host.converge().await;
    let second = host.container_id("shop-web-2");
    host.want("shop", [service("web", &app).replicas(2).env("V", "2")]);
    let trouble = || Fault::Refused(EngineError::Refused("no".into()));
    host.world.fail_next(Matcher::on(Verb::Start, "shop-web-2"), trouble());
    host.world.fail_next(Matcher::on(Verb::Start, "shop-web-1.previous"), trouble());
    let pass = host.pass().await;
    assert_eq!(pass.outcome("shop/web"), ServiceOutcome::Failed);
    assert_eq!(host.container_id("shop-web-2"), second);
    assert!(host.container("shop-web-2").is_running());
}

/// What becomes of a rollout, and how long that takes, when a newer commit comes while it waits at its gate.
async fn superseded(order: Order) -> (Bench, Pass, Duration) {
    let mut host = Bench::new();
    let app = host.app();
    let slow = HealthStory::HealthyAfter(SECOND * 1000);
    let stuck = host.image("stuck", ImageBehaviour::health(slow));
    let wanted =
        |image| service("web", image).checked().with(|service| service.rollout.order = order);
    host.want("shop", [wanted(&app)]);
    host.converge().await;
    let before = host.container_id("shop-web-1");
    host.want("shop", [wanted(&stuck)]);
    let begun = tokio::time::Instant::now();
    let commit = async {
        tokio::time::sleep(SECOND * 5).await;
        host.superseded.extend([id("shop/web")]);
    };
    let (pass, ()) = tokio::join!(host.pass(), commit);
    assert_eq!(host.container_id("shop-web-1"), before);
    assert!(host.container("shop-web-1").is_running());
    (host, pass, begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_newer_commit_ends_the_wait_at_a_gate_and_is_no_blame() {
    for order in [Order::StopFirst, Order::StartFirst] {
        let (host, pass, took) = superseded(order).await;
        assert_eq!(pass.outcome("shop/web"), ServiceOutcome::RolledBack);
        let failure = pass.outcome.services[&id("shop/web")].failure.clone().unwrap();
        assert!(failure.message.ends_with("a newer commit changes it"), "{}", failure.message);
        assert!(took < SECOND * 20, "{took:?}");
        assert!(host.memory().rejected.is_empty());
        assert_eq!(host.world.names(), ["shop-web-1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_container_under_our_name_is_never_touched_on_the_way_back() {
    let mut host = Bench::new();
    let app = host.world.load_image("registry.test/app", "1", ImageBehaviour::default());
    host.want("shop", [service("web", &app)]);
    let plan_made_before = host.observe().await.unwrap();
    let plan = crate::plan::plan(&host.situation(&plan_made_before, &host.memory()));
    host.world.add_foreign("shop-web-1", &app, Default::default(), Default::default()).unwrap();
    host.carry_out(&plan).await;
    assert!(host.container("shop-web-1").is_running());
    let pass = host.pass().await;
    assert!(matches!(pass.verdict("shop/web"), Verdict::Blocked(Block::World { .. })));
    assert!(host.container("shop-web-1").is_running());
}

#[tokio::test(start_paused = true)]
async fn trouble_at_any_call_of_an_update_ends_with_the_old_or_the_new_one_in_service() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("web", &app)]);
    host.converge().await;
    host.want("shop", [service("web", &app).env("V", "2")]);
    let verbs = [
        Verb::CreateContainer,
        Verb::Update,
        Verb::Stop,
        Verb::Rename,
        Verb::Start,
        Verb::RemoveContainer,
    ];
    for verb in verbs {
        for fault in [
            Fault::Refused(EngineError::Other("trouble".into())),
            Fault::DoneButError(EngineError::Other("trouble".into())),
            Fault::TimesOutBefore,
        ] {
            let host = host.fork();
            host.world.fail_next(Matcher::any(verb), fault.clone());
            host.pass().await;
            assert!(host.container("shop-web-1").is_running(), "{verb:?} {fault:?}");
            host.pass().await;
            host.assert_quiet().await;
            assert_eq!(host.world.names(), ["shop-web-1"], "{verb:?} {fault:?}");
            assert_eq!(
                host.container("shop-web-1").label("evenkeel.spec"),
                Some(host.hash("shop/web").as_str())
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_pauses_is_left_half_way_until_somebody_says_how_to_go_on() {
    for order in [Order::StopFirst, Order::StartFirst] {
        let mut host = Bench::new();
        let app = host.app();
        let sick = host.image("sick", ImageBehaviour::health(HealthStory::Never));
        let wanted = |image| {
            service("web", image).checked().with(|service| {
                service.rollout.order = order;
                service.rollout.failure_action = FailureAction::Pause;
            })
        };
        host.want("shop", [wanted(&app)]);
        host.converge().await;
        let before = host.container_id("shop-web-1");
        host.want("shop", [wanted(&sick)]);
        assert_eq!(host.pass().await.outcome("shop/web"), ServiceOutcome::Failed);
        let half_way = host.world.names();
        assert_eq!(half_way.len(), 2, "{half_way:?}");
        host.world.forget_calls();
        let pass = host.pass().await;
        assert!(matches!(pass.verdict("shop/web"), Verdict::Rejected { .. }), "{order:?}");
        assert_eq!((host.calls(), host.world.names()), (Vec::new(), half_way));
        // The old spec again: the old container is put back in its place.
        let fork = host.fork();
        host.want("shop", [wanted(&app)]);
        host.pass().await;
        host.assert_quiet().await;
        assert_eq!(host.container_id("shop-web-1"), before, "{order:?}");
        // Another spec takes its place.
        let mut host = fork;
        host.want("shop", [wanted(&app).env("V", "2")]);
        host.pass().await;
        host.assert_quiet().await;
        assert_eq!(host.world.names(), ["shop-web-1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pull_that_would_not_fit_is_refused_before_it_begins() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("web", &app)]);
    host.layers.insert(app.clone(), 6 << 30);
    host.world.has_disk(100 << 30, 86 << 30, 0);
    let pass = host.pass().await;
    let failure = pass.outcome.services[&id("shop/web")].failure.clone().unwrap();
    assert!(failure.message.contains("it takes about 15 GiB (6.0 GiB of layers"), "{failure:?}");
    assert!(failure.message.contains("of the 14 GiB that are free in /var/lib/docker"));
    assert!(!failure.blames_spec && failure.hint.unwrap().contains("make room"));
    let calls = host.world.mutating_calls();
    assert!(calls.iter().all(|call| call.verb != Verb::Pull), "{calls:?}");
    assert!(host.pulls.lock().unwrap().is_empty());
    // A hotfix gets through on a disk that is fuller than anybody likes, as long as it fits.
    host.layers.insert(app.clone(), 5 << 30);
    host.converge().await;
    assert!(host.pulls.lock().unwrap().contains(&app), "written down before");
    assert!(host.container("shop-web-1").is_running());
}
