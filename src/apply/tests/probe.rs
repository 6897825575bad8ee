//! A question to a new container before it counts as good.

use serde_json::json;

use super::bench::*;
use crate::engine::fake::{HealthStory, ImageBehaviour};
use crate::model::probe::{Expected, Probe, ProbeHost, Question};
use crate::model::spec::RestartPolicy;
use crate::model::stack::{Condition, Order};
use crate::model::{PinnedImage, ServiceOutcome};
use crate::plan::Verdict;

fn probe(question: Question) -> Probe {
    let host = ProbeHost::OnNetwork("shop_default".into());
    Probe { host, port: 80, question, hidden: false }
}

/// Asks for a version.
fn version(version: &str) -> Probe {
    let json = Some(json!({"version": version}));
    let expects = Expected { status: 200, json, body: None };
    probe(Question::Get { path: "/health".into(), expects })
}

fn probed(image: &PinnedImage, probe: Probe) -> Wanted {
    service("web", image).with(|service| service.probe = Some(probe))
}

/// An image whose containers answer with this version.
fn answering(host: &mut Bench, name: &str, version: &str) -> PinnedImage {
    let image = host.image(name, ImageBehaviour::default());
    let body = json!({"version": version, "uptime": 1}).to_string();
    host.answers.insert(image.clone(), (200, body));
    image
}

fn message(pass: &Pass, service: &str) -> String {
    pass.outcome.services[&id(service)].failure.clone().unwrap().message
}

#[tokio::test(start_paused = true)]
async fn the_right_answer_passes_the_gate() {
    for order in [Order::StopFirst, Order::StartFirst] {
        let mut host = Bench::new();
        let (one, two) = (answering(&mut host, "one", "1"), answering(&mut host, "two", "2"));
        let ordered = |image, asked| {
            probed(image, version(asked)).with(|service| service.rollout.order = order)
        };
        host.want("shop", [ordered(&one, "1")]);
        host.converge().await;
        host.want("shop", [ordered(&two, "2")]);
        host.converge().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_answer_goes_back_to_the_one_that_would_give_it_too() {
    for order in [Order::StopFirst, Order::StartFirst] {
        let mut host = Bench::new();
        let (one, two) = (answering(&mut host, "one", "1"), answering(&mut host, "two", "1"));
        let ordered = |image, asked| {
            probed(image, version(asked)).with(|service| service.rollout.order = order)
        };
        host.want("shop", [ordered(&one, "1")]);
        host.converge().await;
        let before = (host.container_id("shop-web-1"), host.world.normalised());
        let started_at = host.container("shop-web-1").started_at;
        host.want("shop", [ordered(&two, "2")]);
        let pass = host.pass().await;
        assert_eq!(pass.outcome("shop/web"), ServiceOutcome::RolledBack);
        let told = message(&pass, "shop/web");
        assert!(told.contains("within 60 s; `http :80/health`"), "{told}");
        assert!(told.contains(r#"expected version = "2", came version = "1""#), "{told}");
        assert_eq!((host.container_id("shop-web-1"), host.world.normalised()), before);
        if order == Order::StartFirst {
            assert_eq!(host.container("shop-web-1").started_at, started_at, "it served all along");
        }
        assert!(matches!(host.pass().await.verdict("shop/web"), Verdict::Rejected { .. }));
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_before_the_health_check_passes() {
    let mut host = Bench::new();
    let sick = host.image("sick", ImageBehaviour::health(HealthStory::Never));
    host.want("shop", [probed(&sick, version("1")).checked()]);
    let told = message(&host.pass().await, "shop/web");
    assert!(told.contains("its health check failed"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn who_does_not_answer_or_ends_meanwhile_has_not_passed() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [probed(&app, probe(Question::Connect))]);
    let told = message(&host.pass().await, "shop/web");
    assert!(told.contains("`tcp :80`: expected a connection, came connection refused"), "{told}");

    let short = host.image("short", ImageBehaviour::exits(SECOND * 8, 0));
    host.want("shop", [probed(&short, version("1")).restart(RestartPolicy::No)]);
    let told = message(&host.pass().await, "shop/web");
    assert!(told.contains("it ended, with code 0, and was to run on"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn what_holds_a_value_of_the_server_is_not_shown() {
    let mut host = Bench::new();
    let one = answering(&mut host, "one", "first-sesame");
    let asked = Probe { hidden: true, ..version("second-sesame") };
    host.want("shop", [probed(&one, asked)]);
    let told = message(&host.pass().await, "shop/web");
    assert!(!told.contains("sesame") && !told.contains("health"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn another_question_is_no_reason_for_another_container() {
    let mut host = Bench::new();
    let one = answering(&mut host, "one", "1");
    host.want("shop", [service("web", &one)]);
    host.converge().await;
    host.want("shop", [probed(&one, version("2"))]);
    host.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_is_not_asked() {
    let mut host = Bench::new();
    let job = host.image("job", ImageBehaviour::exits(SECOND, 0));
    let app = host.app();
    let migrate = service("migrate", &job).restart(RestartPolicy::No);
    let migrate = migrate.with(|service| service.probe = Some(version("1")));
    host.want("shop", [migrate, service("web", &app).needs("migrate", Condition::Completed)]);
    host.converge().await;
}

#[tokio::test(start_paused = true)]
async fn how_it_ended_last_is_told_of_one_that_is_restarted_again_and_again() {
    let ends = |oom| ImageBehaviour { out_of_memory: oom, ..ImageBehaviour::exits(SECOND, 3) };
    for (name, oom, expected) in [
        ("crashes", false, "it was restarted 3 times; the last time it exited with code 3"),
        ("greedy", true, "3 times; the last time it was killed because it ran out of memory"),
    ] {
        let mut host = Bench::new();
        let image = host.image(name, ends(oom));
        host.want("shop", [service("web", &image)]);
        let told = message(&host.pass().await, "shop/web");
        assert!(told.contains(expected), "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn how_it_ended_last_is_told_at_the_deadline_too() {
    let mut host = Bench::new();
    let image = host.image("crashes", ImageBehaviour::exits(SECOND, 3));
    let patient = service("web", &image).with(|service| {
        service.rollout.restarts = 1000;
        service.rollout.deadline = Some(SECOND * 20);
    });
    host.want("shop", [patient]);
    let told = message(&host.pass().await, "shop/web");
    assert!(told.contains("not good within 20 s; the last time it exited with code 3"), "{told}");
}
