//! Whether the registries that stacks name let us in, and for how long.

use futures_util::future::join_all;
use jiff::Timestamp;

use super::{Finding, WITHIN, expiry, silent};
use crate::model::ImageRef;
use crate::model::login;
use crate::reconcile::World;
use crate::registry::{self, Left, RegistryError};
use crate::report::span;

/// Less than this share of what a registry allows is worth a word.
const LITTLE: u64 = 10;

/// The registries of `images`, each asked for one of them, side by side.
pub(super) async fn look(
    world: &World,
    mut images: Vec<&ImageRef>,
    now: Timestamp,
) -> Vec<Finding> {
    images.sort_by(|a, b| a.registry().cmp(b.registry()));
    images.dedup_by(|a, b| a.registry() == b.registry());
    let asked = images.into_iter().map(async |image| {
        let what = format!("registry {}", image.registry());
        let asking = tokio::time::timeout(WITHIN, one(world, image, &what, now));
        asking.await.unwrap_or_else(|_| vec![silent(&what)])
    });
    join_all(asked).await.into_iter().flatten().collect()
}

async fn one(world: &World, image: &ImageRef, what: &str, now: Timestamp) -> Vec<Finding> {
    let answer = registry::digest(&*world.registry, image).await;
    let mut findings = vec![judged(what, answer.map(|_| ()), world.registry.left(image))];
    if let Ok(Some(found)) = world.registry.login(image).await {
        let token = found.identity_token.as_ref().unwrap_or(&found.password);
        let expires = login::expiry(token.reveal());
        findings.extend(expires.and_then(|at| expiry::judged(what, at, now)));
    }
    findings
}

fn judged(what: &str, answer: Result<(), RegistryError>, left: Option<Left>) -> Finding {
    match answer {
        Ok(()) => with_left(what, "answers, and lets us in", left),
        Err(RegistryError::NoSuchImage { .. } | RegistryError::NotForPlatform { .. }) => {
            with_left(what, "answers", left)
        }
        Err(RegistryError::Denied { why, .. }) => Finding::failed(
            what,
            format!("refuses access: {why}"),
            "log in with `docker login`, or set `registry.hosts` in the configuration",
        ),
        Err(RegistryError::Credentials { why, .. }) => Finding::failed(
            what,
            format!("credentials cannot be used: {why}"),
            "see `registry.docker_config` and `registry.hosts` in the configuration",
        ),
        Err(RegistryError::Unknown { why, .. } | RegistryError::NotAsked { why, .. }) => {
            Finding::warning(
                what,
                format!("gives no answer: {why}"),
                "what runs goes on; new images cannot be pulled until it answers",
            )
        }
    }
}

fn with_left(what: &str, says: &str, left: Option<Left>) -> Finding {
    let Some(Left { remaining, limit, window }) = left else { return Finding::ok(what, says) };
    let of = limit.map(|limit| format!(" of {limit}")).unwrap_or_default();
    let within = window.map(|it| format!(" within {}", span::took(it))).unwrap_or_default();
    let says = format!("{says}; {remaining}{of} requests are left{within}");
    if remaining > limit.map_or(LITTLE, |limit| limit / LITTLE) {
        return Finding::ok(what, says);
    }
    let remedy = "log in (`docker login`, or `registry.hosts`), since known users may ask more, or raise `registry.interval`";
    Finding::warning(what, says, remedy)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::State;
    use super::*;

    #[test]
    fn a_registry_that_refuses_is_a_failure_and_a_silent_one_a_warning() {
        let (registry, image, why) = ("r".to_owned(), "r/a".to_owned(), "no".to_owned());
        let check = |answer, state| assert_eq!(judged("registry r", answer, None).state, state);
        check(Ok(()), State::Ok);
        check(
            Err(RegistryError::NoSuchImage { registry: registry.clone(), image: image.clone() }),
            State::Ok,
        );
        let refused = RegistryError::Denied { registry: registry.clone(), image, why: why.clone() };
        check(Err(refused), State::Failed);
        let broken = RegistryError::Credentials { registry: registry.clone(), why: why.clone() };
        check(Err(broken), State::Failed);
        check(Err(RegistryError::Unknown { registry, why, retry_after: None }), State::Warning);
    }

    #[test]
    fn a_registry_of_which_little_is_left_is_a_warning() {
        let check = |remaining, limit, state, part: &str| {
            let left = Left { remaining, limit, window: Some(Duration::from_secs(21_600)) };
            let found = judged("registry r", Ok(()), Some(left));
            assert_eq!(found.state, state, "{}", found.says);
            assert!(found.says.contains(part), "{}", found.says);
        };
        check(76, Some(100), State::Ok, "76 of 100 requests are left within 6h");
        check(10, Some(100), State::Warning, "10 of 100");
        check(11, None, State::Ok, "11 requests");
        check(10, None, State::Warning, "10 requests");
    }
}
