//! What a host reads of a source whose commits have to be signed: what was accepted, and nothing else.

use std::collections::BTreeMap;

use evenkeel::asked::accept::accept;
use evenkeel::config::{Ambient, Config};
use evenkeel::history::{Accepted, History, SourceState};
use evenkeel::model::{CommitId, SourceName};
use evenkeel::reconcile::World;
use evenkeel::reconcile::places::Places;
use evenkeel::reconcile::sources::{self, Freshness, Read, SourceSeen};
use jiff::Timestamp;

use crate::signed::Signed;

/// A host that follows a signed repository. What it has accepted is in its record, as after a pass.
struct Host {
    signed: Signed,
    state: tempfile::TempDir,
    world: World,
}

fn manifest(tag: &str) -> String {
    format!("services: {{web: {{image: 'acme/web:{tag}'}}}}\n")
}

impl Host {
    fn new(more: &str) -> Self {
        let signed = Signed::new();
        signed.signers("alice@acme.org ALICE\n");
        signed.commit(Some("alice"), &manifest("1"));
        let state = tempfile::tempdir().unwrap();
        rustls::crypto::ring::default_provider().install_default().ok();
        let world = world(&signed, &state, "branch: main", more);
        Self { signed, state, world }
    }

    /// The same host with another configuration, as after a restart.
    fn following(mut self, reference: &str, more: &str) -> Self {
        self.world = world(&self.signed, &self.state, reference, more);
        self
    }

    fn history(&self) -> History {
        History::open(self.world.config.state_dir.as_path(), Timestamp::now()).unwrap().history
    }

    async fn read_at(&self, freshness: Freshness, now: Timestamp) -> (SourceSeen, Read) {
        let history = self.history();
        let fetched = sources::fetch(&self.world, freshness, now).await;
        let accepted: BTreeMap<SourceName, Accepted> = history.accepted().unwrap();
        let read = sources::read(&self.world, fetched, &accepted, Places::new(), now).await;
        let seen = read.sources[0].clone();
        if let Some(accepted) = &seen.accepted {
            history.record_accepted(&seen.name, accepted).unwrap();
        }
        (seen, read)
    }

    async fn read(&self, freshness: Freshness) -> (SourceSeen, Read) {
        self.read_at(freshness, Timestamp::now()).await
    }

    /// Reads, and expects the stack of `commit`.
    async fn follows(&self, freshness: Freshness, commit: &str) -> SourceSeen {
        let (seen, read) = self.read(freshness).await;
        let stacks: Vec<&str> = read.loaded.stacks.iter().map(|it| it.commit.as_str()).collect();
        assert_eq!(stacks, [commit], "{freshness:?} {:?}", seen.report);
        assert!(read.loaded.stacks[0].content.is_ok());
        assert!(read.loaded.sources_read.contains(&seen.name));
        assert_eq!(seen.report.commit, Some(CommitId::new(commit)));
        seen
    }
}

fn world(signed: &Signed, state: &tempfile::TempDir, reference: &str, more: &str) -> World {
    let at = |below: &str| state.path().join(below).display().to_string();
    let text = format!(
        "sources:\n- name: infra\n  repo: 'file://{}'\n  {reference}\n  path: hosts/web-1\n  \
         verify: {{allowed_signers: {}{more}}}\nstate_dir: {}\nenv_dir: {}\ndata_dir: {}\n",
        signed.upstream.path().display(),
        signed.path("signers").display(),
        at("state"),
        at("env"),
        at("data"),
    );
    let ambient = Ambient { hostname: "web-1".into(), ..Ambient::default() };
    World::new(Config::parse("config.yaml", &text, &ambient).unwrap()).unwrap()
}

#[tokio::test]
async fn a_refused_commit_is_never_read_and_the_accepted_one_is_followed_on() {
    let host = Host::new("");
    let good = host.signed.git(&["rev-parse", "HEAD"]);
    let seen = host.follows(Freshness::Latest, &good).await;
    assert!(seen.is_well() && seen.accepted.is_some());
    assert!(seen.report.signed_by.unwrap().starts_with("alice@acme.org (SHA256:"));
    let again = host.follows(Freshness::Latest, &good).await;
    assert!(again.is_well() && again.accepted.is_none());

    // Neither manifests that nobody can read nor a path that has gone are seen.
    let junk = host.signed.commit(None, "services: [");
    std::fs::remove_dir_all(host.signed.path("work/hosts")).unwrap();
    let gone = host.signed.commit_as_it_is(None);
    for bad in [junk, gone] {
        host.signed.push(&bad);
        for freshness in [Freshness::Latest, Freshness::Due, Freshness::Recorded] {
            let seen = host.follows(freshness, &good).await;
            assert!(seen.accepted.is_none() && seen.words.is_none());
            if freshness == Freshness::Recorded {
                assert!(seen.is_well(), "nothing newer was asked for");
                continue;
            }
            assert_eq!(seen.report.state, SourceState::Failing);
            let refused = seen.report.refused.clone().unwrap();
            assert_eq!(refused.commit.as_str(), bad);
            let error = seen.report.error.clone().unwrap();
            let expected =
                format!("the newest commit {} is refused: it is not signed; Tester", &bad[..7]);
            assert!(error.starts_with(&expected), "{error}");
            assert!(error.ends_with(&format!("; {} is followed on", &good[..7])), "{error}");
            let accept = format!("`evenkeel accept infra {}` takes it as it is", &bad[..7]);
            assert!(seen.hint.unwrap().ends_with(&accept));
        }
    }
    host.signed.git(&["reset", "-q", "--hard", &good]);
    let better = host.signed.commit(Some("alice"), &manifest("2"));
    host.follows(Freshness::Due, &good).await;
    assert!(host.follows(Freshness::Latest, &better).await.is_well());
    assert!(host.follows(Freshness::Due, &better).await.is_well());
}

#[tokio::test]
async fn a_commit_is_judged_once_for_each_time_that_the_repository_is_asked() {
    let host = Host::new("");
    let good = host.signed.git(&["rev-parse", "HEAD"]);
    host.follows(Freshness::Latest, &good).await;
    let other = host.signed.commit(Some("mallory"), &manifest("2"));
    // As where the engine did not answer: fetched, and not judged yet.
    drop(sources::fetch(&host.world, Freshness::Latest, Timestamp::now()).await);
    let seen = host.follows(Freshness::Due, &good).await;
    assert!(seen.report.error.unwrap().contains("does not know its key"));
    host.signed.signers("alice@acme.org ALICE\nmallory@acme.org MALLORY\n");
    assert!(!host.follows(Freshness::Due, &good).await.is_well());
    let seen = host.follows(Freshness::Latest, &other).await;
    assert!(seen.report.signed_by.unwrap().starts_with("mallory@acme.org"));
}

#[tokio::test]
async fn where_nothing_was_accepted_before_a_refused_commit_leaves_everything_alone() {
    let host = Host::new("");
    host.signed.commit(None, &manifest("2"));
    for freshness in [Freshness::Recorded, Freshness::Latest, Freshness::Due, Freshness::Recorded] {
        let (seen, read) = host.read(freshness).await;
        assert!(!seen.is_well() && seen.accepted.is_none(), "{freshness:?}");
        assert!(read.loaded.stacks.is_empty() && read.loaded.sources_read.is_empty());
        assert!(read.revisions.is_empty() && seen.report.commit.is_none());
    }
}

#[tokio::test]
async fn an_operator_s_word_stands_for_one_commit_and_what_builds_on_it() {
    let host = Host::new("");
    let (name, now) = (SourceName::new("infra"), Timestamp::now());
    let first = host.signed.git(&["rev-parse", "HEAD^"]);
    let good = host.signed.git(&["rev-parse", "HEAD"]);
    host.follows(Freshness::Latest, &good).await;
    host.signed.git(&["reset", "-q", "--hard", &first]);
    let other = host.signed.commit(Some("alice"), &manifest("2"));
    let seen = host.follows(Freshness::Latest, &good).await;
    assert!(seen.report.error.unwrap().contains("wound back"));
    host.follows(Freshness::Due, &good).await;

    let says = accept(&host.world, &name, &other[..7], now).await.unwrap();
    assert_eq!(says[0], format!("infra: {other} is accepted; before, it was {good}"));
    // The daemon knows of it though it need not ask the repository yet.
    let seen = host.follows(Freshness::Due, &other).await;
    assert!(seen.is_well() && seen.report.refused.is_none());
    assert_eq!(seen.report.signed_by.as_deref(), Some("an operator (accept)"));
    let unsigned = host.signed.commit(None, &manifest("3"));
    host.follows(Freshness::Latest, &other).await;
    accept(&host.world, &name, &unsigned, now).await.unwrap();
    assert!(host.follows(Freshness::Latest, &unsigned).await.is_well());
    let next = host.signed.commit(Some("alice"), &manifest("4"));
    assert!(host.follows(Freshness::Latest, &next).await.is_well());

    let refused = async |source: &str, digits: &str| {
        accept(&host.world, &source.into(), digits, now).await.unwrap_err().to_string()
    };
    assert!(refused("infro", &next).await.contains("the sources are infra"));
    assert!(refused("infra", "0123456").await.contains("none that is known here"));
}

#[tokio::test]
async fn a_newest_commit_that_is_old_raises_an_alarm_and_is_followed() {
    let host = Host::new(", max_age: 30d");
    let good = host.signed.git(&["rev-parse", "HEAD"]);
    let (_, read) = host.read_at(Freshness::Latest, "2026-01-20T00:00:00Z".parse().unwrap()).await;
    assert_eq!(read.sources[0].report.alarm, None);
    for freshness in [Freshness::Latest, Freshness::Due] {
        let (seen, read) = host.read_at(freshness, "2026-02-15T00:00:00Z".parse().unwrap()).await;
        assert!(seen.is_well() && read.loaded.stacks.len() == 1);
        let expected = format!(
            "the newest commit {} is 44 days old, more than 30 days (`max_age`)",
            &good[..7]
        );
        assert_eq!(seen.report.alarm, Some(expected));
    }
}

#[tokio::test]
async fn another_branch_begins_anew_and_a_commit_that_is_named_needs_nobody_s_word() {
    let host = Host::new("");
    let good = host.signed.git(&["rev-parse", "HEAD"]);
    host.follows(Freshness::Latest, &good).await;
    host.signed.git(&["switch", "-q", "--orphan", "other"]);
    host.signed.write(&manifest("2"));
    let other = host.signed.commit_as_it_is(Some("alice"));
    host.signed.git(&["push", "-q", "origin", "other"]);
    let host = host.following("branch: other", "");
    assert!(host.follows(Freshness::Latest, &other).await.is_well());
    host.signed.write(&manifest("3"));
    let unsigned = host.signed.commit_as_it_is(None);
    host.signed.git(&["push", "-q", "origin", "other"]);
    let seen = host.follows(Freshness::Latest, &other).await;
    assert!(!seen.is_well());
    let host = host.following(&format!("commit: {unsigned}"), "");
    let seen = host.follows(Freshness::Latest, &unsigned).await;
    assert!(seen.is_well() && seen.report.signed_by.is_none() && seen.accepted.is_none());
    let nothing = accept(&host.world, &"infra".into(), &good, Timestamp::now()).await.unwrap_err();
    assert!(nothing.to_string().contains("there is nothing to accept"), "{nothing}");
}

#[tokio::test]
async fn images_are_not_written_back_where_commits_have_to_be_signed() {
    let host = Host::new("");
    let writes = "services:\n  web:\n    image: acme/web:1.2.3\n    x-evenkeel: {update: {semver: '~1.2', write_back: true}}\n";
    let commit = host.signed.commit(Some("alice"), writes);
    let seen = host.follows(Freshness::Latest, &commit).await;
    assert!(!seen.is_well());
    let told = seen.problems[0].to_string();
    assert!(
        told.contains("web-1/web asks for `write_back`, and commits of source infra"),
        "{told}"
    );
}
