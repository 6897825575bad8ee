//! Trouble of the world that an earlier pass met: what is waited out, and what is not.

use super::bench::*;
use crate::model::ContainerState;
use crate::model::memory::Trouble;
use crate::model::spec::RestartPolicy;
use crate::plan::{Block, Retries, Verdict};

/// Remembers that `service` was tried a moment ago, and is tried again in a minute.
fn remember(host: &Bench, service: &str) -> Trouble {
    let trouble = Trouble {
        about: host.hash(service).to_string(),
        since: host.now - SECOND,
        times: 3,
        next_try: host.now + SECOND * 60,
        error: "the port is taken".to_owned(),
    };
    host.memory.lock().unwrap().troubles.insert(id(service), trouble.clone());
    trouble
}

fn waits(trouble: &Trouble) -> Verdict {
    Verdict::Blocked(Block::Trouble(trouble.clone()))
}

#[tokio::test(start_paused = true)]
async fn a_service_waits_until_its_time_has_come_and_others_do_not() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("db", &app), service("web", &app)]);
    let trouble = remember(&host, "shop/web");
    let pass = host.pass().await;
    assert_eq!(*pass.verdict("shop/web"), waits(&trouble));
    assert_eq!(host.world.names(), ["shop-db-1"]);
    host.now = trouble.next_try - SECOND;
    host.world.forget_calls();
    assert_eq!(*host.pass().await.verdict("shop/web"), waits(&trouble));
    assert_eq!(host.calls(), [""; 0]);
    host.now = trouble.next_try;
    host.converge().await;
    assert_eq!(host.world.names(), ["shop-db-1", "shop-web-1"]);
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_it_or_wants_something_else_does_not_wait() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("web", &app)]);
    let trouble = remember(&host, "shop/web");
    let mut asked = host.fork();
    asked.rules.retries = Retries::AtOnce;
    asked.converge().await;
    host.want("shop", [service("web", &app).env("V", "2")]);
    host.converge().await;
    // Once it is as it should be, what was in the way is of no interest.
    assert_eq!(*asked.pass().await.verdict("shop/web"), Verdict::InSync);
    // Who only looks sees it waiting, its time come or not.
    let mut looking = Bench::new();
    let app = looking.app();
    looking.want("shop", [service("web", &app)]);
    let seen = remember(&looking, "shop/web");
    (looking.now, looking.rules.retries) = (trouble.next_try + SECOND, Retries::Never);
    assert_eq!(*looking.pass().await.verdict("shop/web"), waits(&seen));
}

#[tokio::test(start_paused = true)]
async fn a_container_that_cannot_be_started_is_not_started_before_its_time_and_an_old_one_is() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("web", &app).restart(RestartPolicy::No)]);
    host.converge().await;
    host.world.kill("shop-web-1", 1).unwrap();
    let trouble = remember(&host, "shop/web");
    assert_eq!(*host.pass().await.verdict("shop/web"), waits(&trouble));
    assert!(matches!(host.container("shop-web-1").state, ContainerState::Exited { .. }));
    // What is waited for is the new one.
    host.want("shop", [service("web", &app).restart(RestartPolicy::No).env("V", "2")]);
    let trouble = remember(&host, "shop/web");
    assert_eq!(*host.pass().await.verdict("shop/web"), waits(&trouble));
    assert_eq!(host.container("shop-web-1").state, ContainerState::Running);
}
