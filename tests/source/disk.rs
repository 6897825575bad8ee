//! Local directories: repositories of any kind, and plain ones.

use std::fs;
use std::process::Command;

use evenkeel::model::CommitId;
use evenkeel::source::{Reference, SourceError};

use crate::upstream::Upstream;
use crate::{Follower, stack_of, write};

const STACK: &str = "hosts/web-1/compose.yaml";

#[tokio::test]
async fn a_repository_on_disk_is_followed_like_any_other() {
    let upstream = Upstream::new();
    let path = upstream.path().display().to_string();
    for repo in [path.clone(), format!("file://{path}")] {
        let follower = Follower::of(repo);
        let newest = upstream.git(&["rev-parse", "main"]);
        assert!(follower.latest().await.fetched);
        assert!(!follower.latest().await.fetched);
        upstream.commit("main", &[(STACK, "two")]);
        let third = upstream.commit("main", &[(STACK, "three")]);
        assert!(!follower.check(&third, "three").await.rewritten);
        let rewritten = upstream.commit_from("main", Some(&newest), &[(STACK, "r")]);
        assert!(follower.check(&rewritten, "r").await.rewritten);
    }
}

#[tokio::test]
async fn a_commit_is_told_with_its_author_and_subject() {
    let upstream = Upstream::new();
    let follower = Follower::of(upstream.path().display().to_string());
    for _ in ["fetched", "known"] {
        let words = follower.latest().await.words.unwrap();
        assert_eq!(words.author, upstream.git(&["log", "-1", "--format=%an", "main"]));
        assert_eq!(words.subject, upstream.git(&["log", "-1", "--format=%s", "main"]));
        assert!(!words.author.is_empty() && !words.subject.is_empty());
    }
}

#[tokio::test]
async fn a_work_tree_is_read_by_commit_not_by_what_lies_in_it() {
    let upstream = Upstream::new();
    let clone = tempfile::tempdir().unwrap();
    let path = clone.path().join("wörk:tree");
    let cloned = Command::new("git").args(["clone", "-q"]).arg(upstream.path()).arg(&path).status();
    assert!(cloned.unwrap().success());
    write(&path.join(STACK), "not committed");
    let follower = Follower::of(path.display().to_string());
    assert_eq!(stack_of(&follower.latest().await.revision), "one");
    let empty = Follower::of(Upstream::empty().path().display().to_string());
    assert!(matches!(empty.failure().await, SourceError::Directory { .. }));
}

#[tokio::test]
async fn a_shallow_repository_on_disk_is_followed() {
    let upstream = Upstream::new();
    let second = upstream.commit("main", &[(STACK, "two")]);
    let clone = tempfile::tempdir().unwrap();
    let url = format!("file://{}", upstream.path().display());
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").arg("-C").arg(clone.path()).args(arguments);
        assert!(command.status().unwrap().success());
    };
    git(&["clone", "-q", "--bare", "--depth", "1", &url, "."]);
    let follower = Follower::of(clone.path().display().to_string());
    follower.check(&second, "two").await;
    let third = upstream.commit("main", &[(STACK, "three")]);
    git(&["fetch", "-q", "--depth", "1", "origin", "+main:main"]);
    follower.check(&third, "three").await;
}

#[tokio::test]
async fn a_repository_and_a_mirror_of_another_user_are_used() {
    let upstream = Upstream::new();
    let first = upstream.git(&["rev-parse", "main"]);
    let follower = Follower::of(upstream.path().display().to_string());
    // Only root may give files away; for others everything stays their own.
    std::os::unix::fs::chown(upstream.path(), Some(65_534), None).ok();
    follower.check(&first, "one").await;
    std::os::unix::fs::chown(follower.mirror(), Some(65_534), None).ok();
    follower.check(&first, "one").await;
}

#[tokio::test]
async fn a_missing_branch_and_an_empty_repository_on_disk_say_so() {
    let upstream = Upstream::empty();
    let follower = Follower::of(upstream.path().display().to_string());
    assert!(matches!(follower.failure().await, SourceError::Empty { .. }));
    upstream.commit("develop", &[(STACK, "one")]);
    let error = follower.failure().await;
    assert!(matches!(error, SourceError::NoSuchReference { .. }), "{error}");
    let follower = follower.following(Reference::Branch("develop".into()));
    follower.latest().await;
}

#[tokio::test]
async fn a_plain_directory_is_read_from_disk() {
    let directory = tempfile::tempdir().unwrap();
    write(&directory.path().join(STACK), "one");
    let follower = Follower::of(directory.path().display().to_string());
    let first = follower.latest().await;
    assert!(first.fetched);
    assert_eq!(stack_of(&first.revision), "one");
    assert!(!follower.latest().await.fetched);

    write(&directory.path().join(STACK), "two");
    let second = follower.latest().await;
    assert!(second.fetched);
    assert_ne!(second.revision.commit, first.revision.commit);
    assert_eq!(second.revision.commit.as_str().len(), 40);
    let gone = follower.source.at(&first.revision.commit).await.unwrap_err();
    assert!(matches!(gone, SourceError::NoSuchCommit { .. }));
    let here = follower.source.at(&CommitId::new(second.revision.commit.as_str())).await;
    assert_eq!(stack_of(&here.unwrap()), "two");
    assert!(!follower.state.path().join("git").exists(), "a directory needs no mirror");
}

#[tokio::test]
async fn a_broken_repository_is_not_taken_for_a_plain_directory() {
    let directory = tempfile::tempdir().unwrap();
    write(&directory.path().join(STACK), "one");
    fs::create_dir(directory.path().join(".git")).unwrap();
    let follower = Follower::of(directory.path().display().to_string());
    assert!(matches!(follower.failure().await, SourceError::Directory { .. }));
}

#[tokio::test]
async fn an_address_that_cannot_be_followed_says_why() {
    let error = Follower::of("git://example.org/x").failure().await;
    assert!(matches!(error, SourceError::Address { .. }));
    let error = Follower::of("/nothing/here").failure().await;
    assert!(matches!(error, SourceError::Directory { .. }));
}
