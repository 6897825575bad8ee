//! Commits that are pushed: to git's own http backend, through a real sshd, and into a directory.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};

use evenkeel::model::tree::Revision;
use evenkeel::source::checkout::Checkout;
use evenkeel::source::push::{Author, Draft, Head, PushError, Pushed};
use evenkeel::source::{Credentials, Reference, SourceError};

use crate::ssh_server::SshServer;
use crate::upstream::Upstream;
use crate::web_server::WebServer;
use crate::{Follower, stack_of, write};

const STACK: &str = "hosts/web-1/compose.yaml";

fn author() -> Author {
    Author { name: "evenkeel".into(), email: "evenkeel@web-1".into() }
}

fn draft(content: &str) -> Draft {
    let files = BTreeMap::from([(STACK.to_owned(), content.as_bytes().to_vec())]);
    Draft { files, message: "shop/api: 1 → 2 (evenkeel on web-1)".to_owned() }
}

fn now() -> jiff::Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

async fn push<T: Send + 'static>(
    follower: &Follower,
    prepare: impl FnMut(&Head<'_>) -> (Option<Draft>, T) + Send + 'static,
) -> Result<Pushed<T>, PushError> {
    follower.source.push(&author(), now(), prepare).await
}

async fn refusal(follower: &Follower) -> PushError {
    let error = push(follower, |_| (Some(draft("two")), ())).await.unwrap_err();
    assert!(!error.hint().is_empty());
    error
}

/// A repository with a past, served over http, ssh and as a directory, each with a follower.
struct Three {
    upstream: Upstream,
    followers: Vec<Follower>,
    _servers: (WebServer, SshServer),
}

impl Three {
    async fn new() -> Self {
        let upstream = Upstream::new();
        upstream.git(&["config", "http.receivepack", "true"]);
        upstream.commit("main", &[(STACK, "earlier")]);
        let files = [(STACK, "one"), ("exec:tools/run", "#!/bin/sh"), ("link:tools/go", "run")];
        upstream.commit("main", &files);
        let (web, ssh) = (WebServer::start(upstream.root()).await, SshServer::start());
        let keys = Credentials::SshKey {
            key_file: Some(ssh.file("key")),
            known_hosts_file: Some(ssh.file("known_hosts")),
        };
        let followers = vec![
            Follower::of(web.url()),
            Follower::of(ssh.url(&upstream.path())).with(|spec| spec.credentials = keys),
            Follower::of(format!("file://{}", upstream.path().display())),
        ];
        Self { upstream, followers, _servers: (web, ssh) }
    }
}

#[tokio::test]
async fn a_commit_lands_on_the_branch_with_all_else_as_it_was() {
    let three = Three::new().await;
    let git = |arguments: &[&str]| three.upstream.git(arguments);
    for (number, follower) in three.followers.iter().enumerate() {
        let head = git(&["rev-parse", "main"]);
        let modes = || git(&["ls-tree", "-r", "--format=%(objectmode) %(path)", "main"]);
        let before = modes();
        let content = format!("two {number}");
        let text = content.clone();
        let prepare = move |_: &Head<'_>| {
            let mut draft = draft(&text);
            draft.files.insert("tools/run".to_owned(), text.clone().into_bytes());
            (Some(draft), "said")
        };
        let pushed = push(follower, prepare).await.unwrap();
        assert!(pushed.is_new && pushed.said == "said");
        assert_eq!(stack_of(&pushed.revision), content);
        assert_eq!(git(&["rev-parse", "main"]), pushed.revision.commit.as_str());
        assert_eq!(git(&["rev-parse", "main^"]), head, "{}", follower.spec.repo);
        assert_eq!(git(&["show", &format!("main:{STACK}")]), content);
        assert_eq!(modes(), before);
        assert_eq!(git(&["diff", "--name-only", "main^", "main"]), format!("{STACK}\ntools/run"));
        let format = "--format=%an <%ae> %cn <%ce> %at: %B";
        assert_eq!(
            git(&["log", "-1", format, "main"]),
            "evenkeel <evenkeel@web-1> evenkeel <evenkeel@web-1> 1795262400: \
             shop/api: 1 → 2 (evenkeel on web-1)"
        );
        git(&["fsck", "--strict", "--no-dangling"]);
        // What was pushed is what is followed, and nothing new at the next poll.
        assert_eq!(follower.source.recorded().await.unwrap().commit, pushed.revision.commit);
        assert!(!follower.latest().await.fetched);
    }
}

#[tokio::test]
async fn what_was_in_git_before_can_be_looked_at_also_from_a_shallow_mirror() {
    let three = Three::new().await;
    for follower in &three.followers {
        follower.latest().await;
        let look = |head: &Head<'_>| {
            let contents: Vec<String> =
                head.earlier().map(|revision: Revision| stack_of(&revision)).collect();
            (None, contents)
        };
        let looked = push(follower, look).await.unwrap();
        assert!(!looked.is_new);
        assert_eq!(looked.said, ["earlier", "one"], "{}", follower.spec.repo);
        assert_eq!(stack_of(&looked.revision), "one");
    }
    assert_eq!(three.upstream.git(&["rev-list", "--count", "main"]), "3", "nothing was committed");
}

#[tokio::test]
async fn a_commit_is_made_anew_where_another_one_was_faster() {
    let three = Three::new().await;
    let upstream = Arc::new(Mutex::new(three.upstream));
    for follower in &three.followers {
        let (theirs, mut heads) = (Arc::clone(&upstream), Vec::new());
        let prepare = move |head: &Head<'_>| {
            heads.push(stack_of(&head.revision));
            if heads.len() < 3 {
                // Behind the back of the one who is about to push.
                let content = format!("theirs {}", heads.len());
                theirs
                    .lock()
                    .unwrap()
                    .commit("main", &[(STACK, &content), ("their/file", &content)]);
            }
            (Some(draft("ours")), heads.clone())
        };
        let pushed = push(follower, prepare).await.unwrap();
        assert_eq!(pushed.said[1..], ["theirs 1", "theirs 2"], "{}", follower.spec.repo);
        let git = |arguments: &[&str]| upstream.lock().unwrap().git(arguments);
        assert_eq!(git(&["show", "main:their/file"]), "theirs 2");
        assert_eq!(git(&["show", &format!("main:{STACK}")]), "ours");
    }
}

#[tokio::test]
async fn a_branch_that_never_rests_is_given_up() {
    let upstream = Upstream::new();
    let follower = Follower::of(upstream.path().display().to_string());
    let upstream = Mutex::new(upstream);
    let mut tries = 0;
    let prepare = move |_: &Head<'_>| {
        tries += 1;
        upstream.lock().unwrap().commit("main", &[("their/file", &tries.to_string())]);
        (Some(draft("ours")), ())
    };
    let error = push(&follower, prepare).await.unwrap_err();
    assert!(matches!(&error, PushError::Moving { branch, .. } if branch == "main"), "{error}");
}

#[tokio::test]
async fn a_server_that_lets_nobody_write_and_a_hook_that_declines_are_told() {
    let three = Three::new().await;
    let [http, ssh, file] = three.followers.as_slice() else { panic!("three") };
    let hook = three.upstream.path().join("hooks/pre-receive");
    write(&hook, "#!/bin/sh\necho 'no pushes on friday' >&2\nexit 1\n");
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    for follower in [http, ssh] {
        let error = refusal(follower).await;
        let told = error.to_string();
        assert!(matches!(error, PushError::Refused { .. }), "{error}");
        assert!(told.contains("no pushes on friday") && told.contains("hook declined"), "{told}");
    }
    let error = refusal(file).await;
    assert!(error.to_string().contains("would not be run"), "{error}");
    std::fs::remove_file(&hook).unwrap();

    three.upstream.git(&["config", "http.receivepack", "false"]);
    let error = refusal(http).await;
    assert!(matches!(error, PushError::Source(SourceError::Denied { .. })), "{error}");
    assert!(error.hint().contains("may write"), "{}", error.hint());
    assert_eq!(three.upstream.git(&["rev-list", "--count", "main"]), "3");
}

#[tokio::test]
async fn only_a_branch_can_be_committed_to() {
    let upstream = Upstream::new();
    let first = upstream.git(&["rev-parse", "main"]);
    upstream.git(&["tag", "v1"]);
    let path = upstream.path().display().to_string();
    for reference in [Reference::Tag("v1".into()), Reference::Commit(first)] {
        let error = refusal(&Follower::of(path.clone()).following(reference)).await;
        assert!(matches!(error, PushError::NoBranch { .. }), "{error}");
    }
    let plain = tempfile::tempdir().unwrap();
    write(&plain.path().join(STACK), "one");
    let error = refusal(&Follower::of(plain.path().display().to_string())).await;
    assert!(matches!(error, PushError::NoBranch { .. }), "{error}");

    let default = Follower::of(path).following(Reference::DefaultBranch);
    assert!(push(&default, |_| (Some(draft("two")), ())).await.unwrap().is_new);
    assert_eq!(upstream.git(&["show", &format!("main:{STACK}")]), "two");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkout_commits_anew_on_what_others_push_meanwhile() {
    let three = Three::new().await;
    let addresses = [&three.followers[0], &three.followers[2]].map(|one| one.spec.repo.clone());
    for address in addresses {
        let directory = tempfile::tempdir().unwrap();
        let clone = directory.path().join("infra");
        let at = clone.display().to_string();
        three.upstream.git(&["clone", "-q", &address, &at]);
        for (key, value) in [("user.name", "Ada"), ("user.email", "ada@example.org")] {
            three.upstream.git(&["-C", &at, "config", key, value]);
        }
        let mut tries = 0;
        let prepare = |head: &Revision| {
            tries += 1;
            if tries < 3 {
                three.upstream.commit("main", &[("their/file", &format!("{address} {tries}"))]);
            }
            assert_eq!(stack_of(head), "one");
            Ok::<_, ()>(Some(draft("ours")))
        };
        let never = || panic!("the checkout is behind");
        let landed = tokio::task::block_in_place(|| {
            let checkout = Checkout::open::<()>(&clone).unwrap();
            checkout.push(&"infra".into(), "hosts/web-1", prepare, never).unwrap()
        });
        assert!(landed.is_new && !landed.is_here && landed.upstream == "origin/main");
        assert_eq!(tries, 3, "{address}");
        let git = |arguments: &[&str]| three.upstream.git(arguments);
        assert_eq!(git(&["rev-parse", "main"]), landed.commit.as_str());
        assert_eq!(git(&["show", "main:their/file"]), format!("{address} 2"));
        assert_eq!(git(&["log", "-1", "--format=%an", "main"]), "Ada");
        three.upstream.commit("main", &[(STACK, "one")]);
    }
}

#[tokio::test]
async fn files_that_somebody_works_with_are_not_left_behind() {
    let upstream = Upstream::new();
    let clone = tempfile::tempdir().unwrap();
    let target = clone.path().display().to_string();
    upstream.git(&["clone", "-q", ".", &target]);
    let error = refusal(&Follower::of(target)).await;
    assert!(error.to_string().contains("checked out"), "{error}");
}
