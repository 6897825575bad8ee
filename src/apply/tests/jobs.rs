//! Jobs: what runs to its end once for each spec.

use super::bench::*;
use crate::engine::fake::ImageBehaviour;
use crate::model::spec::RestartPolicy;
use crate::model::stack::Condition;
use crate::model::{PinnedImage, ServiceOutcome};
use crate::plan::{Block, Verdict};

/// A migration that ends well, and what waits for it.
fn migrated(job: &PinnedImage, web: &PinnedImage, version: &str) -> [Wanted; 2] {
    [
        service("job", job).restart(RestartPolicy::No).env("V", version),
        service("web", web).env("V", version).needs("job", Condition::Completed),
    ]
}

fn job(host: &Bench) -> PinnedImage {
    host.image("job", ImageBehaviour::exits(SECOND, 0))
}

#[tokio::test(start_paused = true)]
async fn a_revert_in_git_does_not_run_the_older_job_again() {
    let mut host = Bench::new();
    let (job, app) = (job(&host), host.app());
    host.want("shop", migrated(&job, &app, "1"));
    host.converge().await;
    host.want("shop", migrated(&job, &app, "2"));
    host.converge().await;
    let newer = host.container("shop-job-1");
    host.want("shop", migrated(&job, &app, "1"));
    let pass = host.converge().await;
    assert_eq!(*pass.verdict("shop/job"), Verdict::InSync);
    assert!(matches!(pass.verdict("shop/web"), Verdict::Update(_)));
    let after = host.container("shop-job-1");
    assert_eq!((after.id, after.started_at), (newer.id, newer.started_at));
    // What has not run yet does.
    host.want("shop", migrated(&job, &app, "3"));
    assert!(matches!(host.converge().await.verdict("shop/job"), Verdict::Update(_)));
}

#[tokio::test(start_paused = true)]
async fn what_goes_back_after_its_job_runs_no_job() {
    let mut host = Bench::new();
    let (job, app) = (job(&host), host.app());
    let bad = host.image("bad", ImageBehaviour::exits(SECOND, 3));
    host.want("shop", migrated(&job, &app, "1"));
    host.converge().await;
    host.want("shop", migrated(&job, &bad, "2"));
    let pass = host.pass().await;
    assert_eq!(pass.outcome("shop/job"), ServiceOutcome::Done);
    assert_eq!(pass.outcome("shop/web"), ServiceOutcome::RolledBack);
    assert!(host.container("shop-web-1").is_running());
    host.world.forget_calls();
    host.pass().await;
    assert_eq!(host.calls(), [""; 0], "neither job is run again");
}

#[tokio::test(start_paused = true)]
async fn a_failed_job_blocks_what_waits_for_it_and_leaves_what_runs() {
    let mut host = Bench::new();
    let (job, app) = (job(&host), host.app());
    let bad = host.image("bad", ImageBehaviour::exits(SECOND, 3));
    host.want("shop", migrated(&job, &app, "1"));
    host.converge().await;
    let before = host.container("shop-web-1");
    host.want("shop", migrated(&bad, &app, "2"));
    let pass = host.pass().await;
    assert_eq!(pass.outcome("shop/job"), ServiceOutcome::Failed);
    assert_eq!(pass.outcome("shop/web"), ServiceOutcome::Blocked);
    let pass = host.pass().await;
    assert!(matches!(pass.verdict("shop/job"), Verdict::Rejected { .. }));
    assert_eq!(*pass.verdict("shop/web"), Verdict::Blocked(Block::On(vec![id("shop/job")])));
    let after = host.container("shop-web-1");
    assert_eq!((after.id, after.started_at), (before.id, before.started_at));
}

#[tokio::test(start_paused = true)]
async fn a_job_has_a_deadline_only_where_one_is_written() {
    let mut host = Bench::new();
    let (long, app) = (host.image("long", ImageBehaviour::exits(SECOND * 900, 0)), host.app());
    assert!(host.rules.deadline < SECOND * 900);
    host.want("shop", migrated(&long, &app, "1"));
    host.converge().await;
    let [job, web] = migrated(&long, &app, "2");
    let hurried = job.with(|service| service.rollout.deadline = Some(SECOND * 20));
    host.want("shop", [hurried, web]);
    let pass = host.pass().await;
    let failure = pass.outcome.services[&id("shop/job")].failure.clone().unwrap();
    assert!(failure.message.contains("not done within 20 s"), "{}", failure.message);
    assert!(failure.blames_spec);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_nobody_awaits_and_that_was_stopped_is_no_job() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("web", &app).restart(RestartPolicy::Unset)]);
    host.converge().await;
    host.world.docker_stop("shop-web-1").unwrap();
    assert!(host.container("shop-web-1").ended_well());
    assert!(matches!(host.converge().await.verdict("shop/web"), Verdict::Start(_)));
    assert!(host.container("shop-web-1").is_running());
}

#[tokio::test(start_paused = true)]
async fn what_ended_well_as_a_job_stays_done_when_nobody_awaits_it_any_more() {
    let mut host = Bench::new();
    let (job, app) = (job(&host), host.app());
    let job = || service("job", &job).restart(RestartPolicy::Unset);
    host.want("shop", [job(), service("web", &app).needs("job", Condition::Completed)]);
    host.converge().await;
    let before = host.container("shop-job-1");
    host.want("shop", [job(), service("web", &app)]);
    let pass = host.pass().await;
    assert_eq!(*pass.verdict("shop/job"), Verdict::InSync);
    assert_eq!(host.container("shop-job-1").started_at, before.started_at);
}
