//! A package at GitHub, as a stand-in has it, with a real registry beside it.

use evenkeel::model::Needed;
use evenkeel::plan::registry_retention::Policy;
use evenkeel::reconcile::registry_cleanup::{Cleaned, clean};
use evenkeel::registry::repository::GithubApi;
use evenkeel::registry::{Repository, RepositoryError};
use tokio_util::sync::CancellationToken;

use super::versions::{GithubVersions, PACKAGE, Refusal, TOKEN, Trouble};
use super::*;

const WEB: &str = "acme/tools/web";

/// A package: `1` to `3`, each an index with a part of its own and one that all share; and what has lost its tag.
struct Package {
    registry: Registry,
    github: GithubVersions,
    /// Index and part, oldest first.
    indexes: Vec<[u64; 2]>,
    shared: u64,
    loose: u64,
    loose_digest: Digest,
}

impl Package {
    async fn new() -> Self {
        let (registry, github) = (Registry::start(Auth::None), GithubVersions::start().await);
        let old = "2026-01-01T00:00:00Z";
        let shared = registry.push_child(WEB, "arm64", None);
        let shared_id = github.add(&shared, &[], old);
        let mut indexes = Vec::new();
        for tag in ["1", "2", "3"] {
            let created = format!("2026-01-0{tag}T00:00:00Z");
            let part = registry.push_child(WEB, "amd64", Some(&created));
            let entries = [entry(&part, Some("amd64")), entry(&shared, Some("arm64"))];
            let index = registry.push_entries(WEB, Some(tag), &entries);
            let part = github.add(&part, &[], &created);
            indexes.push([github.add(&index, &[tag], &created), part]);
        }
        let loose_digest = registry.push_child(WEB, "riscv64", None);
        let loose = github.add(&loose_digest, &[], old);
        Self { registry, github, indexes, shared: shared_id, loose, loose_digest }
    }

    async fn clean(&self, policy: &Policy, token: &str) -> Result<Cleaned, RepositoryError> {
        let done = self.clean_until(&CancellationToken::new(), policy, token).await?;
        Ok(done.expect("nobody stopped it"))
    }

    async fn clean_until(
        &self,
        stop: &CancellationToken,
        policy: &Policy,
        token: &str,
    ) -> Result<Option<Cleaned>, RepositoryError> {
        let (asking, _home) = logged_in(&docker_config(self.registry.host(), "acme-bot", token));
        let image = ImageRef::parse(&format!("{}/{WEB}", self.registry.host())).expect("a name");
        let api = GithubApi { base: self.github.base(), pause: Duration::ZERO };
        let mut repository = Repository::of(&asking, &image, Some(api));
        let now = jiff::Timestamp::now();
        clean(&mut repository, policy, now, stop).await
    }

    fn deletions(&self) -> Vec<u64> {
        let log = self.github.log();
        let of = |line: &String| {
            let id = line.strip_prefix(&format!("DELETE {PACKAGE}/"))?;
            Some(id.parse().expect("a number"))
        };
        log.iter().filter_map(of).collect()
    }
}

fn keep(keep: usize, needed: Option<Needed>) -> Policy {
    let min_age = Duration::from_secs(24 * 3600);
    Policy { keep, protect: Vec::new(), min_age, needed }
}

fn without_a_list() -> Policy {
    keep(1, None)
}

#[tokio::test]
async fn versions_go_by_their_number_and_parts_of_what_stays_do_not() {
    let package = Package::new().await;
    let done = package.clean(&without_a_list(), TOKEN).await.expect("a list");
    assert_eq!(done.ended_by, None);
    let [[one, of_one], [two, of_two], [three, of_three]] = package.indexes[..] else { panic!() };
    assert_eq!(package.deletions(), [two, of_two, one, of_one], "an index goes before its part");
    assert_eq!(package.github.left(), [package.shared, of_three, three, package.loose]);
}

#[tokio::test]
async fn what_has_no_tag_goes_where_hosts_have_said_that_they_do_not_need_it() {
    let package = Package::new().await;
    let list = format!("acme/other@{}\n", package.loose_digest);
    let mut needed = Needed::default();
    needed.read("a", &list).expect("a list");
    package.clean(&keep(3, Some(needed)), TOKEN).await.expect("a list");
    assert_eq!(package.deletions(), [0_u64; 0]);
    package.clean(&keep(3, Some(Needed::default())), TOKEN).await.expect("a list");
    assert_eq!(package.deletions(), [package.loose]);
}

#[tokio::test]
async fn what_hosts_need_stays_though_it_has_no_tag_and_so_do_its_parts() {
    let package = Package::new().await;
    let part = package.registry.push_child(WEB, "s390x", None);
    let index = package.registry.push_entries(WEB, None, &[entry(&part, Some("s390x"))]);
    let ids = [(&part, "a"), (&index, "b")]
        .map(|(digest, _)| package.github.add(digest, &[], "2026-01-01T00:00:00Z"));
    let mut needed = Needed::default();
    let name = format!("{}/{WEB}", package.registry.host());
    needed.read("a", &format!("{name}@{index}\n")).expect("a list");
    package.clean(&keep(3, Some(needed)), TOKEN).await.expect("a list");
    assert_eq!(package.deletions(), [package.loose]);
    assert!(ids.iter().all(|id| package.github.left().contains(id)));
}

#[tokio::test]
async fn a_list_of_versions_that_is_not_whole_deletes_nothing() {
    let reset = (jiff::Timestamp::now().as_second() + 90).to_string();
    let now = jiff::fmt::rfc2822::DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&jiff::Timestamp::now())
        .expect("a date");
    let used_up = vec![
        ("x-ratelimit-remaining", "0".to_owned()),
        ("x-ratelimit-reset", reset),
        ("date", now),
    ];
    let elsewhere = vec![("link", "<http://127.0.0.2:1/x>; rel=\"next\"".to_owned())];
    for (status, headers, why) in [
        (403, used_up.clone(), "asked too often (it answers 403 Forbidden); again in "),
        (429, vec![("retry-after", "60".to_owned())], "again in 60 s"),
        (403, vec![], "no; a token needs the scopes `read:packages` and `delete:packages`"),
        (500, vec![], "no"),
        (200, vec![], "cannot be read"),
        (200, elsewhere, "another host"),
        (404, vec![], "no"),
    ] {
        let package = Package::new().await;
        let trouble = Trouble { answer: Some((status, headers)), spares_first: true };
        package.github.fail(trouble);
        let error = package.clean(&without_a_list(), TOKEN).await.expect_err("half a list");
        assert!(error.to_string().contains(why), "{status}: {error}");
        assert_eq!(package.deletions(), [0_u64; 0]);
    }
    let package = Package::new().await;
    package.registry.push(WEB, "new", Kind::OciManifest);
    let error = package.clean(&without_a_list(), TOKEN).await.expect_err("a tag is missing");
    assert!(error.to_string().contains("lacks the tag `new`"), "{error}");
}

#[tokio::test]
async fn a_package_that_is_not_there_or_not_shown_says_what_a_token_needs() {
    let package = Package::new().await;
    let asked = Trouble { answer: Some((404, vec![])), spares_first: false };
    package.github.fail(asked);
    let error = package.clean(&without_a_list(), TOKEN).await.expect_err("no package");
    assert!(error.to_string().contains("delete:packages"), "{error}");
    let asked: Vec<String> = package.github.log();
    assert!(asked[0].contains("/orgs/acme/") && asked[1].contains("/users/acme/"), "{asked:?}");

    let error = package.clean(&without_a_list(), "ghp_wrong-horse").await.expect_err("no access");
    assert!(error.to_string().contains("Bad credentials"), "{error}");
    assert!(!format!("{error} {error:?}").contains("wrong-horse"), "{error}");
}

#[tokio::test]
async fn a_version_that_github_wants_to_keep_keeps_its_parts_and_the_others_go() {
    let package = Package::new().await;
    let [[one, of_one], [two, of_two], [three, of_three]] = package.indexes[..] else { panic!() };
    package.github.refuse(two, Refusal::NotThisOne);
    let done = package.clean(&without_a_list(), TOKEN).await.expect("a list");
    assert_eq!(done.ended_by, None);
    assert_eq!(package.deletions(), [two, one, of_one]);
    let left = [package.shared, of_two, two, of_three, three, package.loose];
    assert_eq!(package.github.left(), left);
    let errors: Vec<&String> = done.deleted.values().flatten().collect();
    assert_eq!(errors.len(), 2);
    assert!(errors.iter().any(|error| error.contains("last tagged version")), "{errors:?}");
}

#[tokio::test]
async fn a_token_that_may_only_read_ends_it_and_what_is_gone_already_does_not() {
    let package = Package::new().await;
    let [[one, of_one], [two, of_two], _] = package.indexes[..] else { panic!() };
    package.github.refuse(two, Refusal::NotYou);
    let done = package.clean(&without_a_list(), TOKEN).await.expect("a list");
    let error = done.ended_by.expect("it ended").to_string();
    assert!(error.contains("does not let this token delete"), "{error}");
    assert_eq!(package.deletions(), [two], "nothing after that");
    assert_eq!(package.github.left().len(), 8);
    assert!([one, of_one, of_two].iter().all(|id| package.github.left().contains(id)));
}

#[tokio::test]
async fn a_stop_lets_the_image_under_way_go_as_a_whole_and_no_other() {
    let package = Package::new().await;
    let [[one, of_one], [two, of_two], _] = package.indexes[..] else { panic!() };
    let stop = CancellationToken::new();
    package.github.stop_at_the_first_deletion(&stop);
    let done = package.clean_until(&stop, &without_a_list(), TOKEN).await.expect("a list");
    assert_eq!(done.expect("it had begun").ended_by, None);
    assert_eq!(package.deletions(), [two, of_two]);
    assert!([one, of_one].iter().all(|id| package.github.left().contains(id)));

    let done = package.clean_until(&stop, &without_a_list(), TOKEN).await.expect("no error");
    assert!(done.is_none(), "it did not begin");
    assert_eq!(package.github.log(), [""; 0]);
}
