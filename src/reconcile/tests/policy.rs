//! What the operator does not allow is neither deployed nor gone back to, and what runs keeps running.

use super::*;
use crate::engine::Engine as _;
use crate::model::StackName;
use crate::policy::{Policy, Preset};
use crate::reconcile::rollback::{RollbackError, Wish, rollback};

/// The stack `shop` with these lines in its service.
fn want(host: &Host, lines: &str) {
    host.want("shop", &format!("good:1\n    {lines}"), 0);
}

/// What there is of it at the engine.
async fn containers(host: &Host) -> Vec<String> {
    let observed = host.engine.observe(&[StackName::new("shop")]).await.unwrap();
    let containers = observed.containers.iter();
    containers.map(|it| format!("{} {} {:?}", it.id, it.name, it.state)).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_denied_is_not_deployed_nor_gone_back_to() {
    let mut host = Host::new();
    host.world.config.policy.preset = Preset::Open;
    want(&host, "privileged: true");
    let first = host.pass(None).await.unwrap();
    assert_eq!(said(&first), ["shop/web create: done"]);
    want(&host, "privileged: false");
    assert_eq!(said(&host.pass(None).await.unwrap()), ["shop/web update: done"]);
    let before = (containers(&host).await, host.generations().len());
    assert_eq!(before.0.len(), 1, "{before:?}");

    // What was allowed then is not any more.
    host.world.config.policy = Policy::default();
    let wish = Wish { scope: HoldScope::Stack(StackName::new("shop")), to: None };
    let back = rollback(&host.world, &wish, &Quiet, &CancellationToken::new()).await;
    let Err(RollbackError::Record(_, problems)) = back else { panic!("it went back") };
    assert_eq!(problems.iter().map(|it| it.code).collect::<Vec<_>>(), ["policy-privileged"]);
    assert_eq!((containers(&host).await, host.generations().len()), before);

    // Nor does git get it.
    want(&host, "privileged: true");
    let refused = host.pass(None).await.unwrap();
    assert_eq!(said(&refused), Vec::<String>::new());
    assert_eq!((containers(&host).await, host.generations().len()), before);
}
