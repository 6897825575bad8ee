//! Over http: what is asked of the server, what goes wrong, and how the mirror heals.

use std::fs;
use std::os::unix::ffi::OsStrExt;

use evenkeel::model::CommitId;
use evenkeel::model::tree::EntryKind;
use evenkeel::source::{Credentials, Reference, SourceError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::upstream::Upstream;
use crate::web_server::WebServer;
use crate::{Follower, stack_of, write};

const STACK: &str = "hosts/web-1/compose.yaml";

async fn served(upstream: &Upstream) -> (WebServer, Follower) {
    let server = WebServer::start(upstream.root()).await;
    let follower = Follower::of(server.url());
    (server, follower)
}

fn with_password(follower: Follower, password: &str) -> Follower {
    let password_file = follower.state.path().join("password");
    write(&password_file, password);
    let username = "user".to_owned();
    follower.with(|spec| spec.credentials = Credentials::Password { username, password_file })
}

#[tokio::test]
async fn a_poll_with_nothing_new_is_one_listing() {
    let upstream = Upstream::new();
    let (server, follower) = served(&upstream).await;
    let first = follower.latest().await;
    assert!(first.fetched && !first.rewritten && first.healed.is_none());
    assert_eq!(stack_of(&first.revision), "one");
    assert_eq!(server.take_kinds(), ["list", "fetch"]);

    let again = follower.latest().await;
    assert!(!again.fetched);
    assert_eq!(server.take_kinds(), ["list"]);
}

#[tokio::test]
async fn a_fetch_is_shallow_and_a_new_commit_is_seen() {
    let upstream = Upstream::new();
    let second = upstream.commit("main", &[(STACK, "two")]);
    let (server, follower) = served(&upstream).await;
    follower.check(&second, "two").await;
    assert!(follower.mirror().join("shallow").exists());

    let third = upstream.commit("main", &[(STACK, "three")]);
    server.take_seen();
    let fetched = follower.check(&third, "three").await;
    assert!(fetched.fetched && !fetched.rewritten);
    assert_eq!(server.take_kinds(), ["list", "fetch"]);

    upstream.commit("main", &[(STACK, "four")]);
    let fifth = upstream.commit("main", &[(STACK, "five")]);
    let fetched = follower.check(&fifth, "five").await;
    assert!(fetched.fetched && !fetched.rewritten, "two commits at once are no rewrite");
}

#[tokio::test]
async fn a_rewritten_branch_is_followed() {
    let upstream = Upstream::new();
    let first = upstream.git(&["rev-parse", "main"]);
    let (_server, follower) = served(&upstream).await;
    upstream.commit("main", &[(STACK, "two")]);
    follower.latest().await;

    let amended = upstream.commit_from("main", Some(&first), &[(STACK, "amended")]);
    assert!(follower.check(&amended, "amended").await.rewritten);
    upstream.git(&["update-ref", "refs/heads/main", &first]);
    assert!(follower.check(&first, "one").await.rewritten);
    let unrelated = upstream.commit_from("main", None, &[(STACK, "unrelated")]);
    assert!(follower.check(&unrelated, "unrelated").await.rewritten);
}

#[tokio::test]
async fn a_deleted_branch_names_what_there_is_and_the_last_revision_stays() {
    let upstream = Upstream::new();
    let first = upstream.git(&["rev-parse", "main"]);
    upstream.commit("mains", &[(STACK, "other")]);
    let (_server, follower) = served(&upstream).await;
    follower.latest().await;
    upstream.git(&["update-ref", "-d", "refs/heads/main"]);

    let error = follower.failure().await;
    assert!(error.to_string().ends_with("has no branch `main`"), "{error}");
    assert_eq!(error.hint(), "did you mean `mains`?");
    let kept = follower.source.recorded().await.unwrap();
    assert_eq!((kept.commit.as_str(), stack_of(&kept).as_str()), (first.as_str(), "one"));
}

#[tokio::test]
async fn an_empty_repository_says_so() {
    let upstream = Upstream::empty();
    let (_server, follower) = served(&upstream).await;
    assert!(matches!(follower.failure().await, SourceError::Empty { .. }));
    let missing = follower.source.recorded().await.unwrap_err();
    assert!(matches!(missing, SourceError::NothingRecorded { .. }));
    let first = upstream.commit("main", &[(STACK, "one")]);
    follower.check(&first, "one").await;
}

#[tokio::test]
async fn a_missing_path_or_repository_is_named() {
    let upstream = Upstream::new();
    let (_server, follower) = served(&upstream).await;
    for path in ["hosts/web-2", STACK, "../hosts"] {
        let follower = Follower::of(&follower.spec.repo).with(|spec| spec.path = path.into());
        let error = follower.failure().await;
        assert!(matches!(&error, SourceError::NoSuchPath { path: named, .. } if named == path));
    }
    let elsewhere = Follower::of(follower.spec.repo.replace("repo", "nothing"));
    assert!(matches!(elsewhere.failure().await, SourceError::NoSuchRepository { .. }));
}

#[tokio::test]
async fn a_password_file_is_read_at_each_use() {
    let upstream = Upstream::new();
    let (server, follower) = served(&upstream).await;
    server.require("correct horse");
    assert!(matches!(follower.failure().await, SourceError::Denied { .. }));

    let follower = with_password(follower, "wrong\n");
    let error = follower.failure().await;
    assert!(matches!(error, SourceError::Denied { .. }));
    assert!(!format!("{error} {error:?}").contains("wrong"));

    write(&follower.state.path().join("password"), "correct horse\n");
    assert_eq!(stack_of(&follower.latest().await.revision), "one");
    fs::remove_file(follower.state.path().join("password")).unwrap();
    assert!(matches!(follower.failure().await, SourceError::Credentials { .. }));
}

#[tokio::test]
async fn a_credential_program_is_run_again_when_its_answer_is_refused() {
    let upstream = Upstream::new();
    let (server, follower) = served(&upstream).await;
    server.require("first");
    let token = follower.state.path().join("token");
    let runs = follower.state.path().join("runs");
    write(&token, "username=user\npassword=first\n");
    let script = format!("echo run >>{}; cat {}", runs.display(), token.display());
    let command = vec!["sh".to_owned(), "-c".to_owned(), script];
    let follower = follower.with(|spec| spec.credentials = Credentials::Command(command));
    follower.latest().await;
    follower.latest().await;
    assert_eq!(fs::read_to_string(&runs).unwrap(), "run\n");

    server.require("second");
    write(&token, "username=user\npassword=second\n");
    follower.latest().await;
    assert_eq!(fs::read_to_string(&runs).unwrap(), "run\nrun\n");
}

#[tokio::test]
async fn credentials_in_an_address_are_used_and_never_shown() {
    let upstream = Upstream::new();
    let (server, follower) = served(&upstream).await;
    server.require("s3cret");
    let with = |password: &str| server.url().replace("://", &format!("://user:{password}@"));
    Follower::of(with("s3cret")).latest().await;
    let wrong = Follower::of(with("wr0ng")).failure().await;
    assert!(!format!("{wrong:?} {wrong}").contains("wr0ng"));
    let spec = follower.with(|spec| spec.repo = with("s3cret")).spec;
    assert!(!format!("{spec:?}").contains("s3cret"));
}

#[tokio::test]
async fn a_redirect_to_another_server_gets_no_credentials() {
    let upstream = Upstream::new();
    let (first, follower) = served(&upstream).await;
    let second = WebServer::start(upstream.root()).await;
    first.redirect("/repo.git", &second.url());
    let follower = with_password(follower, "s3cret");
    assert_eq!(stack_of(&follower.latest().await.revision), "one");
    assert!(first.take_seen().iter().all(|seen| seen.with_credentials));
    let seen = second.take_seen();
    assert!(seen.len() >= 2);
    assert!(seen.iter().all(|seen| !seen.with_credentials));
}

#[tokio::test]
async fn passwords_are_not_sent_in_the_clear() {
    let follower = with_password(Follower::of("http://git.example.org/x.git"), "s3cret");
    let error = follower.failure().await;
    assert!(matches!(&error, SourceError::Credentials { why, .. } if why.contains("https://")));
}

#[tokio::test]
async fn a_server_that_is_gone_is_unreachable_and_the_last_revision_stays() {
    let upstream = Upstream::new();
    let (server, follower) = served(&upstream).await;
    follower.latest().await;
    let port = server.port;
    drop(server);
    // A listener that is never asked to accept would hang; this one is closed at once.
    let gone = Follower::of(format!("http://127.0.0.1:{}/repo.git", closed_port()));
    assert!(matches!(gone.failure().await, SourceError::Unreachable { .. }), "{port}");
    assert_eq!(stack_of(&follower.source.recorded().await.unwrap()), "one");
}

fn closed_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Accepts connections; reads a request from each, answers with `answer` and closes.
async fn answers(answer: &'static str) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            if let Ok(1..) = connection.read(&mut [0; 4096]).await {
                connection.write_all(answer.as_bytes()).await.ok();
            }
        }
    });
    port
}

#[tokio::test]
async fn what_a_server_answers_decides_the_kind_of_error() {
    let failure = async |answer| {
        let port = answers(answer).await;
        Follower::of(format!("http://127.0.0.1:{port}/repo.git")).failure().await
    };
    let page =
        failure("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 0\r\n\r\n").await;
    assert!(matches!(page, SourceError::NoSuchRepository { .. }), "{page}");
    let down = failure("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n").await;
    assert!(matches!(down, SourceError::Unreachable { .. }), "{down}");
    let cut = failure(
        "HTTP/1.1 200 OK\r\ncontent-type: application/x-git-upload-pack-advertisement\r\n\
         content-length: 500\r\n\r\n001e# service=git-upload-pack\n0000",
    );
    let cut = cut.await;
    assert!(matches!(cut, SourceError::Unreachable { .. }), "{cut}");
    let garbage = failure("garbage\r\n\r\n").await;
    assert!(matches!(garbage, SourceError::Unreachable { .. }), "{garbage}");
    let forbidden = failure("HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n").await;
    assert!(matches!(forbidden, SourceError::Denied { .. }), "{forbidden}");
}

#[tokio::test]
async fn a_poll_that_is_dropped_lets_go_of_the_mirror() {
    let upstream = Upstream::new();
    let (_server, follower) = served(&upstream).await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/repo.git", silent.local_addr().unwrap());
    let follower = follower.with(|spec| spec.repo = url);
    let mut held_open = Vec::new();
    for _ in 0..2 {
        tokio::select! {
            outcome = follower.source.latest() => panic!("{outcome:?}"),
            // The second round gets here only if the first has given its lock back.
            connection = silent.accept() => held_open.push(connection.unwrap()),
        }
    }
}

#[tokio::test]
async fn a_tag_is_followed_to_its_commit() {
    let upstream = Upstream::new();
    let first = upstream.git(&["rev-parse", "main"]);
    upstream.git(&["tag", "-a", "-m", "t", "v1", "main"]);
    upstream.commit("main", &[(STACK, "two")]);
    let (server, follower) = served(&upstream).await;
    let follower = follower.following(Reference::Tag("v1".into()));
    follower.check(&first, "one").await;
    server.take_seen();
    assert!(!follower.check(&first, "one").await.fetched);
    assert_eq!(server.take_kinds(), ["list"]);
}

#[tokio::test]
async fn a_branch_whose_name_is_not_utf_8_disturbs_nobody() {
    let upstream = Upstream::new();
    let first = upstream.git(&["rev-parse", "main"]);
    let odd = std::ffi::OsStr::from_bytes(b"refs/heads/\xff");
    fs::write(upstream.path().join(odd), format!("{first}\n")).unwrap();
    let (_server, follower) = served(&upstream).await;
    follower.check(&first, "one").await;
}

#[tokio::test]
async fn the_default_branch_is_what_head_points_to() {
    let upstream = Upstream::new();
    let other = upstream.commit("other", &[(STACK, "other")]);
    upstream.git(&["symbolic-ref", "HEAD", "refs/heads/other"]);
    let (_server, follower) = served(&upstream).await;
    follower.following(Reference::DefaultBranch).check(&other, "other").await;
}

#[tokio::test]
async fn a_commit_is_fetched_whether_the_server_hands_it_out_by_id_or_not() {
    for allow in ["true", "false"] {
        let upstream = Upstream::new();
        upstream.git(&["config", "uploadpack.allowReachableSHA1InWant", allow]);
        let first = upstream.git(&["rev-parse", "main"]);
        upstream.commit("main", &[(STACK, "two")]);
        let (server, follower) = served(&upstream).await;
        let follower = follower.following(Reference::Commit(first.clone()));
        follower.check(&first, "one").await;
        server.take_seen();
        follower.check(&first, "one").await;
        assert_eq!(server.take_kinds(), [""; 0], "what cannot change is not asked for");
    }
}

#[tokio::test]
async fn an_earlier_commit_can_be_had_again() {
    let upstream = Upstream::new();
    let first = upstream.git(&["rev-parse", "main"]);
    let second = upstream.commit("main", &[(STACK, "two")]);
    let (_server, follower) = served(&upstream).await;
    follower.check(&second, "two").await;
    let earlier = follower.source.at(&CommitId::new(&first)).await.unwrap();
    assert_eq!(stack_of(&earlier), "one");
    assert_eq!(follower.source.recorded().await.unwrap().commit.as_str(), second);

    let unknown = CommitId::new("1234567890123456789012345678901234567890");
    let error = follower.source.at(&unknown).await.unwrap_err();
    assert!(matches!(error, SourceError::NoSuchCommit { .. }), "{error}");
}

#[tokio::test]
async fn links_are_reported_and_never_followed() {
    let upstream = Upstream::new();
    let files = [("link:hosts/web-1/link", "compose.yaml"), ("exec:hosts/web-1/run", "x")];
    upstream.commit("main", &files);
    let (_server, follower) = served(&upstream).await;
    let tree = follower.latest().await.revision.tree;
    assert_eq!(tree.kind("hosts/web-1/link").unwrap(), Some(EntryKind::Symlink));
    let executable = EntryKind::File { executable: true };
    assert_eq!(tree.kind("hosts/web-1/run").unwrap(), Some(executable));
    for path in ["hosts/web-1/link", "hosts/web-1/../web-1/run", "/hosts/web-1/run", "hosts"] {
        assert_eq!(tree.read(path, 100).unwrap(), None, "{path}");
    }
    assert!(tree.read(STACK, 2).is_err(), "larger than the limit");
    assert!(tree.fingerprint("hosts/web-1/run").unwrap().unwrap().starts_with("exec:"));
}

/// Fetches, breaks the mirror with `harm`, and expects the next poll to give the same revision.
async fn heals(harm: impl Fn(&std::path::Path)) -> Option<String> {
    let upstream = Upstream::new();
    let first = upstream.git(&["rev-parse", "main"]);
    let (_server, follower) = served(&upstream).await;
    follower.latest().await;
    harm(&follower.mirror());
    let healed = follower.check(&first, "one").await.healed;
    assert_eq!(follower.check(&first, "one").await.healed, None, "healed once is enough");
    let second = upstream.commit("main", &[(STACK, "two")]);
    follower.check(&second, "two").await;
    healed
}

fn only_file(directory: &std::path::Path, extension: &str) -> std::path::PathBuf {
    let mut files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files.find(|file| file.to_string_lossy().contains(extension)).unwrap()
}

fn overwrite(file: &std::path::Path, content: &[u8]) {
    // git makes packs read-only.
    fs::remove_file(file).ok();
    fs::write(file, content).unwrap();
}

#[tokio::test]
async fn a_truncated_pack_heals() {
    let healed = heals(|mirror| {
        let pack = only_file(&mirror.join("objects/pack"), ".pack");
        let content = fs::read(&pack).unwrap();
        overwrite(&pack, &content[..content.len() / 2]);
    });
    assert!(healed.await.unwrap().contains("fetched anew"));
}

#[tokio::test]
async fn an_empty_ref_heals() {
    let healed = heals(|mirror| overwrite(&only_file(&mirror.join("refs/evenkeel"), "head-"), b""));
    assert!(healed.await.unwrap().starts_with("removed or restored in the mirror: head-"));
}

#[tokio::test]
async fn a_garbled_head_heals() {
    let healed = heals(|mirror| overwrite(&mirror.join("HEAD"), b"\0\0\0"));
    assert!(healed.await.unwrap().contains("HEAD"));
}

#[tokio::test]
async fn a_garbled_configuration_or_a_lost_directory_heals() {
    assert!(heals(|mirror| overwrite(&mirror.join("config"), b"[[[")).await.is_some());
    assert!(heals(|mirror| fs::remove_dir_all(mirror.join("objects")).unwrap()).await.is_some());
    heals(|mirror| fs::remove_dir_all(mirror).unwrap()).await;
}

#[tokio::test]
async fn locks_and_half_written_packs_of_a_dead_process_are_removed() {
    let healed = heals(|mirror| {
        let head = only_file(&mirror.join("refs/evenkeel"), "head-");
        fs::write(head.with_extension("lock"), "").unwrap();
        fs::write(mirror.join("shallow.lock"), "").unwrap();
        fs::write(mirror.join("objects/pack/pack_a1b2c3"), "half").unwrap();
    });
    let healed = healed.await.unwrap();
    assert!(healed.contains("shallow.lock") && healed.contains("pack_a1b2c3"), "{healed}");
}

#[tokio::test]
async fn a_mirror_of_many_packs_is_made_anew() {
    let healed = heals(|mirror| {
        for number in 0..64 {
            fs::write(mirror.join(format!("objects/pack/{number}.pack")), "").unwrap();
        }
    });
    assert!(healed.await.unwrap().ends_with("it had grown to 65 packs"));
}

#[tokio::test]
async fn a_replacement_that_was_interrupted_is_finished() {
    heals(|mirror| fs::rename(mirror, mirror.with_extension("old")).unwrap()).await;
    heals(|mirror| fs::create_dir(mirror.with_extension("new")).unwrap()).await;
}

#[tokio::test]
async fn a_file_that_turns_out_damaged_heals_at_the_next_poll() {
    let upstream = Upstream::new();
    let first = upstream.git(&["rev-parse", "main"]);
    let (_server, follower) = served(&upstream).await;
    let revision = follower.latest().await.revision;
    let pack = follower.mirror().join("objects/pack");
    fs::remove_dir_all(&pack).unwrap();
    assert!(revision.tree.read(STACK, 100).is_err() || follower.source.recorded().await.is_err());
    assert!(follower.check(&first, "one").await.healed.is_some());
}

#[tokio::test]
async fn two_processes_may_poll_at_once() {
    let upstream = Upstream::new();
    let (_server, follower) = served(&upstream).await;
    let beside = evenkeel::source::Source::open(follower.spec.clone(), follower.state.path());
    let (one, other) = tokio::join!(follower.source.latest(), beside.latest());
    assert_eq!(one.unwrap().revision.commit, other.unwrap().revision.commit);
}
