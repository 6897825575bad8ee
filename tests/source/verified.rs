//! Commits that git has signed, and others: what may be followed.

use evenkeel::model::CommitId;
use evenkeel::source::verify::{Demands, Verdict};
use evenkeel::source::{Reference, SourceError};

use crate::signed::Signed;
use crate::ssh_server::SshServer;
use crate::web_server::WebServer;
use crate::{Follower, stack_of};

const ALICE: &str = "alice@acme.org ALICE\n";

/// What is asked where nothing else is said: the newest commit is signed by `alice` and builds on what was before.
fn demands(signed: &Signed, signers: &str) -> Demands {
    Demands {
        allowed_signers: Some(signed.signers(signers)),
        keyring: None,
        whole_range: false,
        fast_forward: true,
        before: None,
        now: "2026-12-01T00:00:00Z".parse().unwrap(),
    }
}

fn after(demands: Demands, before: &str) -> Demands {
    Demands { before: Some(before.into()), ..demands }
}

fn on_disk(signed: &Signed) -> Follower {
    Follower::of(format!("file://{}", signed.upstream.path().display()))
}

impl Follower {
    async fn verdict(&self, demands: &Demands) -> Verdict {
        let newest = self.source.newest().await.unwrap();
        self.source.judge(&newest.commit, demands).await.unwrap()
    }

    #[track_caller]
    fn is_accepted(verdict: Verdict) -> String {
        match verdict {
            Verdict::Accepted(by) => by,
            Verdict::Refused(refusal) => panic!("refused: {refusal:?}"),
        }
    }

    /// Expects that the newest commit is refused, and why.
    async fn refuses(&self, demands: &Demands, why: &str) {
        match self.verdict(demands).await {
            Verdict::Accepted(by) => panic!("accepted by {by}, not refused: {why}"),
            Verdict::Refused(refusal) => {
                assert!(refusal.reason.contains(why), "{why}: {}", refusal.reason);
            }
        }
    }

    async fn accepts(&self, demands: &Demands) -> String {
        Self::is_accepted(self.verdict(demands).await)
    }
}

#[tokio::test]
async fn a_commit_is_accepted_by_the_key_of_somebody_who_may_sign() {
    let signed = Signed::new();
    let follower = on_disk(&signed);
    let by = follower.accepts(&demands(&signed, ALICE)).await;
    assert!(by.starts_with("alice@acme.org (SHA256:"), "{by}");
    for (signers, why) in [
        ("alice@acme.org MALLORY", "does not know its key SHA256:"),
        (
            "alice@acme.org valid-before=\"20251231Z\" ALICE",
            "not for git at the time of the commit",
        ),
        ("alice@acme.org valid-after=\"20270101Z\" ALICE", "not for git at the time of the commit"),
        ("alice@acme.org namespaces=\"file\" ALICE", "not for git at the time of the commit"),
        ("alice@acme.org cert-authority ALICE", "does not know its key"),
        ("alice@acme.org unknown=\"x\" ALICE", "does not know its key"),
        ("", "does not know its key"),
    ] {
        follower.refuses(&demands(&signed, signers), why).await;
    }
    let none = Demands { allowed_signers: None, ..demands(&signed, ALICE) };
    follower.refuses(&none, "none may sign").await;
    let gone = Demands { allowed_signers: Some(signed.path("nowhere")), ..demands(&signed, ALICE) };
    follower.refuses(&gone, "nobody is known who may sign").await;
    let earlier = "2025-12-31T23:00:00Z".parse().unwrap();
    let earlier = Demands { now: earlier, ..demands(&signed, ALICE) };
    follower.refuses(&earlier, "dated later than now: 2026-01-01T").await;
    signed.commit(None, "two");
    let who = "it is not signed; Tester <t@example.org> committed it";
    follower.refuses(&demands(&signed, ALICE), who).await;
    signed.commit(Some("mallory"), "three");
    follower.refuses(&demands(&signed, ALICE), "does not know its key").await;
}

#[tokio::test]
async fn what_was_tampered_with_is_refused() {
    let signed = Signed::new();
    let follower = on_disk(&signed);
    let demands = demands(&signed, ALICE);
    let first = signed.git(&["rev-parse", "HEAD"]);
    let raw = signed.raw(&first);
    assert_eq!(signed.put(raw.as_bytes()), first, "the bytes are those of git");
    signed.write("evil");
    let evil = signed.commit_as_it_is(None);
    let tree = signed.git(&["rev-parse", &format!("{evil}^{{tree}}")]);
    let (header, _) = raw.split_once("\n\n").unwrap();
    let signature = header.split_once("gpgsig ").unwrap().1;
    let raw_evil = signed.raw(&evil);
    let with = |raw: &str, more: &str| raw.replacen("\n\n", &format!("\n{more}\n\n"), 1);
    let other = "its signature is over something else";
    for (changed, why) in [
        (format!("tree {tree}{}", &raw[45..]), other),
        (with(&raw_evil, &format!("gpgsig {signature}")), other),
        (raw.replace("Tester", "Master"), other),
        (raw.clone() + " ", other),
        (with(&raw, "x-note y"), other),
        (with(&raw, &format!("gpgsig {signature}")), "more than one signature"),
        (with(&raw, "gpgsig-sha256 x"), "more than one signature"),
        (raw.replace("SSH SIGNATURE", "SIGNED MESSAGE"), "of a kind that is not verified"),
        (raw.replace("-----END SSH", "-----END SSX"), "cannot be read"),
        (raw.replacen("gpgsig", "gpgsib", 1), "it is not signed"),
    ] {
        assert_ne!(signed.put(changed.as_bytes()), first);
        follower.refuses(&demands, why).await;
    }
    // Signed for something else than git, by the right key and over the right bytes.
    let payload = raw.replacen(&format!("gpgsig {signature}\n"), "", 1);
    let payload = payload.replace(&format!("\ngpgsig {signature}"), "");
    std::fs::write(signed.path("payload"), &payload).unwrap();
    let key = signed.path("alice").display().to_string();
    for (namespace, accepted) in [("git", true), ("file", false)] {
        signed.run("ssh-keygen", &["-q", "-Y", "sign", "-f", &key, "-n", namespace, "payload"]);
        let made = std::fs::read_to_string(signed.path("payload.sig")).unwrap();
        std::fs::remove_file(signed.path("payload.sig")).unwrap();
        signed.put(
            with(&payload, &format!("gpgsig {}", made.trim().replace('\n', "\n "))).as_bytes(),
        );
        match accepted {
            true => drop(follower.accepts(&demands).await),
            false => follower.refuses(&demands, "made for something else than git").await,
        }
    }
}

#[tokio::test]
async fn a_certificate_is_good_for_those_its_authority_names() {
    let signed = Signed::new();
    let key = signed.path("mallory").display().to_string();
    let ca = signed.path("alice").display().to_string();
    signed.run(
        "ssh-keygen",
        &["-q", "-s", &ca, "-I", "x", "-n", "bob@acme.org", &format!("{key}.pub")],
    );
    signed.commit(Some("mallory-cert.pub"), "two");
    let follower = on_disk(&signed);
    let by = follower.accepts(&demands(&signed, "*@acme.org cert-authority ALICE")).await;
    assert!(by.starts_with("bob@acme.org (SHA256:"), "{by}");
    follower.refuses(&demands(&signed, "*@acme.org ALICE"), "does not know its key").await;
    follower.refuses(&demands(&signed, "eve@acme.org cert-authority ALICE"), "not for git").await;
}

#[tokio::test]
async fn a_range_is_as_good_as_its_worst_commit() {
    let signed = Signed::new();
    let follower = on_disk(&signed);
    let first = signed.git(&["rev-parse", "HEAD"]);
    let head = after(demands(&signed, ALICE), &first);
    let range = Demands { whole_range: true, ..head.clone() };
    let unsigned = signed.commit(None, "two");
    signed.commit(Some("alice"), "three");
    follower.accepts(&head).await;
    let why = format!("it brings along commit {}, of which: it is not signed", &unsigned[..7]);
    follower.refuses(&range, &why).await;
    // Whatever was accepted is vouched for.
    follower.accepts(&after(range.clone(), &unsigned)).await;
    let begins = Demands { before: None, ..range.clone() };
    follower.accepts(&begins).await;

    signed.git(&["reset", "-q", "--hard", &first]);
    signed.git(&["switch", "-q", "-c", "side"]);
    let side = signed.commit_as_it_is(None);
    signed.git(&["switch", "-q", "main"]);
    signed.commit(Some("alice"), "two");
    let key = format!("user.signingkey={}", signed.path("alice").display());
    let merge =
        ["-c", "gpg.format=ssh", "-c", &key, "merge", "-q", "-S", "--no-ff", "-m", "m", "side"];
    signed.git(&merge);
    signed.push("main");
    follower.accepts(&head).await;
    follower.refuses(&range, &format!("it brings along commit {}", &side[..7])).await;
}

#[tokio::test]
async fn a_branch_that_was_wound_back_or_rewritten_is_refused() {
    let signed = Signed::new();
    let follower = on_disk(&signed);
    let first = signed.git(&["rev-parse", "HEAD"]);
    let second = signed.commit(Some("alice"), "two");
    let third = signed.commit(Some("alice"), "three");
    let strict = after(demands(&signed, ALICE), &third);
    let lax = Demands { fast_forward: false, ..strict.clone() };
    follower.accepts(&after(strict.clone(), &first)).await;
    for wound in [first.clone(), second] {
        signed.push(&wound);
        let why = format!("does not build on {}, which was accepted last", &third[..7]);
        follower.refuses(&strict, &why).await;
        follower.accepts(&lax).await;
    }
    signed.git(&["reset", "-q", "--hard", &first]);
    signed.commit(Some("alice"), "another two");
    follower.refuses(&strict, "rewritten or wound back").await;
    follower.accepts(&Demands { whole_range: true, ..lax.clone() }).await;
    signed.commit(None, "unsigned");
    signed.commit(Some("alice"), "another three");
    let range = Demands { whole_range: true, ..lax };
    follower.refuses(&range, "it brings along commit").await;
}

#[tokio::test]
async fn a_shallow_mirror_gets_as_much_of_the_past_as_is_needed() {
    let signed = Signed::new();
    let first = signed.git(&["rev-parse", "HEAD"]);
    let web = WebServer::start(signed.upstream.root()).await;
    let by_ssh = SshServer::start();
    let secure = Follower::of(by_ssh.url(&signed.upstream.path())).with(|spec| {
        spec.credentials = evenkeel::source::Credentials::SshKey {
            key_file: Some(by_ssh.file("key")),
            known_hosts_file: Some(by_ssh.file("known_hosts")),
        };
    });
    let followers = [Follower::of(web.url()), secure];
    for follower in &followers {
        follower.accepts(&demands(&signed, ALICE)).await;
    }
    for number in 0..40 {
        signed.write(&format!("number {number}"));
        signed.commit_as_it_is(Some("alice"));
    }
    signed.push("HEAD");
    let elsewhere = "1234567890123456789012345678901234567890";
    for follower in &followers {
        let head = after(demands(&signed, ALICE), &first);
        follower.accepts(&head).await;
        follower.accepts(&Demands { whole_range: true, ..head.clone() }).await;
        follower.refuses(&after(head, elsewhere), "does not build on 1234567").await;
    }
    // One more commit needs no more than itself.
    let before = signed.git(&["rev-parse", "HEAD"]);
    signed.commit(Some("alice"), "one more");
    web.take_seen();
    followers[0].accepts(&after(demands(&signed, ALICE), &before)).await;
    assert_eq!(web.take_kinds(), ["list", "fetch"]);
    let before = signed.git(&["rev-parse", "HEAD"]);
    for content in ["a", "b"] {
        signed.write(content);
        signed.commit_as_it_is(Some("alice"));
    }
    signed.push("HEAD");
    let range = Demands { whole_range: true, ..after(demands(&signed, ALICE), &before) };
    followers[0].accepts(&range).await;
}

/// Puts so many unsigned commits on top of what is checked out.
fn many(signed: &Signed, count: u32) {
    let head = signed.git(&["rev-parse", "HEAD"]);
    let mut stream = String::new();
    for number in 0..count {
        let time = 1_767_300_000 + number;
        let from = if number == 0 { format!("from {head}\n") } else { String::new() };
        stream +=
            &format!("commit refs/heads/many\ncommitter T <t@x> {time} +0000\ndata 0\n{from}");
    }
    signed.upstream.import(stream.as_bytes());
    signed.git(&["fetch", "-q", "origin", "many"]);
    signed.git(&["reset", "-q", "--hard", "FETCH_HEAD"]);
}

#[tokio::test]
async fn there_is_an_end_to_what_is_fetched_and_looked_at() {
    let signed = Signed::new();
    let first = signed.git(&["rev-parse", "HEAD"]);
    let web = WebServer::start(signed.upstream.root()).await;
    let follower = Follower::of(web.url());
    let head = after(demands(&signed, ALICE), &first);
    let range = Demands { whole_range: true, ..head.clone() };
    many(&signed, 1000);
    signed.commit(Some("alice"), "two");
    follower.accepts(&head).await;
    follower.refuses(&range, "it brings along 1001 commits, more than 1000").await;
    many(&signed, 3200);
    signed.commit(Some("alice"), "three");
    let follower = Follower::of(web.url());
    let why = format!("its past cannot be had as far back as {}", &first[..7]);
    follower.refuses(&head, &why).await;
}

#[tokio::test]
async fn what_was_accepted_stays_in_the_mirror_whatever_becomes_of_the_branch() {
    let signed = Signed::new();
    let web = WebServer::start(signed.upstream.root()).await;
    let follower = Follower::of(web.url());
    let newest = follower.source.newest().await.unwrap().commit;
    follower.source.keep(&newest).await.unwrap();
    signed.git(&["commit", "-q", "--amend", "-m", "rewritten"]);
    signed.push("HEAD");
    signed.upstream.git(&["reflog", "expire", "--expire=now", "--all"]);
    signed.upstream.git(&["gc", "-q", "--prune=now"]);
    for _ in 0..2 {
        std::fs::write(follower.mirror().join("evenkeel-damaged"), "a test says so").unwrap();
        let healed = follower.source.newest().await.unwrap().healed.unwrap();
        assert!(healed.contains("a test says so"), "{healed}");
        assert_eq!(stack_of(&follower.source.kept(&newest).await.unwrap()), "one");
        assert!(follower.source.at(&newest).await.is_ok());
    }
    signed.commit(Some("alice"), "two");
    assert_eq!(follower.source.newest().await.unwrap().healed, None, "fetching goes on");
    let other = CommitId::new("1234567890123456789012345678901234567890");
    let gone = follower.source.kept(&other).await.unwrap_err();
    assert!(matches!(gone, SourceError::NoSuchCommit { .. }), "{gone}");
}

#[tokio::test]
async fn a_commit_is_found_by_the_first_digits_of_its_id() {
    let signed = Signed::new();
    let follower = on_disk(&signed);
    let first = follower.source.newest().await.unwrap().commit;
    let second = signed.commit(None, "two");
    assert_eq!(follower.source.find(&first.as_str()[..8]).await.unwrap(), first);
    assert_eq!(follower.source.find(&second).await.unwrap().as_str(), second, "it is fetched");
    let tree = signed.git(&["rev-parse", "HEAD^{tree}"]);
    for nothing in ["0123456", &tree[..12]] {
        let error = follower.source.find(nothing).await.unwrap_err();
        assert!(error.to_string().contains("none that is known here"), "{error}");
    }
}

#[tokio::test]
async fn a_plain_directory_has_nothing_to_verify() {
    let directory = tempfile::tempdir().unwrap();
    let follower = Follower::of(directory.path().display().to_string());
    let error = follower.source.newest().await.unwrap_err();
    assert!(matches!(error, SourceError::NoCommits { .. }), "{error}");
    assert!(error.hint().contains("leave out this source's `verify`"));
}

#[tokio::test]
async fn a_tag_is_as_good_as_the_commit_it_leads_to() {
    let signed = Signed::new();
    let first = signed.git(&["rev-parse", "HEAD"]);
    signed.git(&["tag", "-a", "-m", "m", "v1"]);
    signed.git(&["push", "-q", "origin", "v1"]);
    let follower = on_disk(&signed).following(Reference::Tag("v1".into()));
    follower.accepts(&demands(&signed, ALICE)).await;
    signed.commit(None, "two");
    signed.git(&["tag", "-f", "-a", "-m", "m", "v1"]);
    signed.git(&["push", "-q", "--force", "origin", "v1"]);
    follower.refuses(&after(demands(&signed, ALICE), &first), "it is not signed").await;
}

#[tokio::test]
async fn openpgp_signatures_are_verified_by_gpgv() {
    let signed = Signed::new();
    let carol = signed.gpg_key("Carol <carol@acme.org>", "never", "");
    let old = signed.gpg_key("Old <old@acme.org>", "1d", "20260101T000000");
    let other = signed.gpg_key("Other <other@acme.org>", "never", "");
    let keyring = |name: &str, users: &[&str]| Demands {
        allowed_signers: None,
        keyring: Some(signed.keyring(name, users)),
        now: jiff::Timestamp::now(),
        ..demands(&signed, ALICE)
    };
    let (all, others) = (keyring("all", &[&carol, &old]), keyring("others", &[&other]));
    let follower = on_disk(&signed);
    follower.refuses(&all, "signed with an SSH key, and none may sign").await;
    let commit = signed.commit_by_gpg(&carol, "", "two");
    assert_eq!(follower.accepts(&all).await, format!("Carol <carol@acme.org> ({carol})"));
    follower.refuses(&others, "is not in the keyring").await;
    follower.refuses(&demands(&signed, ALICE), "no key of that kind may sign").await;
    let nonsense = Demands { keyring: Some(signed.signers("junk")), ..all.clone() };
    follower.refuses(&nonsense, "OpenPGP signature is no good").await;
    let missing = Demands { keyring: Some(signed.path("nowhere")), ..all.clone() };
    follower.refuses(&missing, "nobody is known who may sign").await;
    signed.put(signed.raw(&commit).replace("Tester", "Master").as_bytes());
    follower.refuses(&all, "over something else").await;
    signed.commit_by_gpg(&old, "20260101T010000", "three");
    follower.refuses(&all, "has expired").await;

    let revocation = signed.path("gnupg").join(format!("openpgp-revocs.d/{carol}.rev"));
    let text = std::fs::read_to_string(revocation).unwrap().replace(":-----BEGIN", "-----BEGIN");
    std::fs::write(signed.path("revocation"), text).unwrap();
    signed.put(signed.raw(&commit).as_bytes());
    let revoked = signed.path("revocation").display().to_string();
    signed.gpg("", &["--import", &revoked]);
    follower.refuses(&keyring("revoked", &[&carol]), "was revoked").await;
    let left = std::fs::read_dir(follower.state.path().join("git")).unwrap();
    let left = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(left.into_iter().all(|name| !name.ends_with(".asc")), "no file stays behind");
}
