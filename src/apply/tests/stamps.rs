//! Variables that a container is stamped with: there from its start, and never a reason for a new one.

use super::bench::*;
use crate::model::stack::Stamp;
use crate::model::{Hidden, SpecHash, StackContent};
use crate::plan::Verdict;

const ALL: [(&str, Stamp); 3] =
    [("RELEASE", Stamp::Commit), ("IMAGE", Stamp::Image), ("DIGEST", Stamp::Digest)];

fn stamped(wanted: Wanted, stamps: &[(&str, Stamp)]) -> Wanted {
    let stamps = stamps.iter().map(|(name, stamp)| ((*name).to_owned(), *stamp)).collect();
    wanted.with(|service| service.stamps = stamps)
}

fn value(host: &Bench, name: &str) -> Option<String> {
    let environment = host.container("shop-web-1").settings.environment.clone();
    environment.get(name).map(|value| value.as_ref().map_or("", Hidden::reveal).to_owned())
}

/// Gives what is wanted a hash of another version, as an older evenkeel would have.
fn as_an_older_one_would(host: &mut Bench) {
    let StackContent::Usable(deployment) = &mut host.desired.stacks[0].content else { return };
    let pinned = deployment.services[0].image.as_mut().unwrap();
    pinned.hash = SpecHash::new(pinned.hash.as_str().replacen("1:", "0:", 1));
}

#[tokio::test(start_paused = true)]
async fn a_new_container_carries_its_stamps() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [stamped(service("web", &app), &ALL)]).commit = "c7".into();
    host.converge().await;
    assert_eq!(value(&host, "RELEASE").unwrap(), "c7");
    assert_eq!(value(&host, "IMAGE").unwrap(), "registry.test/app:1");
    assert_eq!(value(&host, "DIGEST").unwrap(), app.digest().as_str());
}

#[tokio::test(start_paused = true)]
async fn a_new_commit_and_a_new_stamp_are_no_reason_for_a_new_container() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("web", &app)]);
    host.converge().await;
    host.want("shop", [stamped(service("web", &app), &ALL)]);
    host.assert_quiet().await;
    // The next one that is made for another reason is stamped.
    let other = || service("web", &app).env("V", "2");
    host.want("shop", [stamped(other(), &ALL)]);
    let verdict = host.plan().await.changes[0].verdict.clone();
    let told: Vec<_> = verdict.differences().iter().map(|one| one.field.as_str()).collect();
    assert_eq!(told, ["env.V"]);
    host.converge().await;
    assert_eq!(value(&host, "RELEASE").unwrap(), "c1");
    host.want("shop", [stamped(other(), &ALL)]).commit = "c2".into();
    host.assert_quiet().await;
    assert_eq!(value(&host, "RELEASE").unwrap(), "c1");
    host.want("shop", [other()]);
    host.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_container_whose_hash_says_nothing_is_compared_without_stamps() {
    // What it was stamped with, and what is wanted of a new one.
    for (had, wanted) in [(&ALL[..], &ALL[1..]), (&ALL[1..], &ALL[..]), (&ALL, &[]), (&[], &ALL)] {
        let mut host = Bench::new();
        let app = host.app();
        host.want("shop", [stamped(service("web", &app), had)]).commit = "c7".into();
        as_an_older_one_would(&mut host);
        host.converge().await;
        host.want("shop", [stamped(service("web", &app), wanted)]);
        host.assert_quiet().await;
        host.want("shop", [stamped(service("web", &app).env("V", "2"), wanted)]);
        assert!(matches!(host.pass().await.verdict("shop/web"), Verdict::Update(_)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_variable_of_the_same_name_that_was_no_stamp_is_a_difference() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("web", &app).env("RELEASE", "by hand")]);
    as_an_older_one_would(&mut host);
    host.converge().await;
    host.want("shop", [service("web", &app)]);
    assert!(matches!(host.pass().await.verdict("shop/web"), Verdict::Update(_)));
    assert_eq!(value(&host, "RELEASE"), None);
}
