//! `prune --registry` against the reference registry: what goes, what stays, and what ends it.

use std::collections::BTreeSet;
use std::process::Command;

use evenkeel::model::Needed;
use evenkeel::plan::registry_retention::{Policy, Protect};
use evenkeel::reconcile::registry_cleanup::{Cleaned, clean, look};
use evenkeel::registry::{Repository, RepositoryError};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::said::Said;
use super::token_server::TokenServer;
use super::*;

const WEB: &str = "acme/web";
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A CI job: no configuration, no engine, no state.
struct Job {
    home: tempfile::TempDir,
}

impl Job {
    fn new() -> Self {
        Self { home: tempfile::tempdir().expect("a directory") }
    }

    fn file(&self, name: &str, text: &str) -> String {
        let file = self.home.path().join(name);
        std::fs::create_dir_all(file.parent().expect("it has one")).expect("the directory is ours");
        std::fs::write(&file, text).expect("the directory is ours");
        file.display().to_string()
    }

    /// Runs it elsewhere, so that a gateway of this test can answer.
    async fn prune(&self, host: &str, words: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
        command.env("HOME", self.home.path()).env_remove("DOCKER_HOST");
        let repository = format!("{host}/{WEB}");
        command.args(["prune", "--registry", &repository]).args(words);
        let output = tokio::task::spawn_blocking(move || command.output());
        let output = output.await.expect("no panic").expect("it runs");
        output.into()
    }
}

fn built(registry: &Registry, tag: &str, created: &str) -> Digest {
    registry.push_built(WEB, Some(tag), "amd64", Some(&format!("{created}T00:00:00Z")))
}

/// The tag under which cosign keeps the signature of `digest`.
fn signature(digest: &Digest) -> String {
    format!("{}.sig", digest.as_str().replace(':', "-"))
}

async fn tags(host: &str) -> Vec<String> {
    let image = ImageRef::parse(&format!("{host}/{WEB}")).expect("a reference");
    let tags = anonymous().tags(&image).await.expect("a list");
    tags.iter().map(str::to_owned).collect()
}

async fn has(host: &str, digest: &Digest) -> bool {
    let accept = media_type(Kind::OciManifest).to_owned() + "," + media_type(Kind::OciIndex);
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let url = format!("http://{host}/v2/{WEB}/manifests/{digest}");
    let answer = client.head(url).header("accept", accept).send().await.expect("an answer");
    answer.status().is_success()
}

fn deletions(gateway: &Gateway) -> Vec<String> {
    gateway.log().into_iter().filter(|line| line.starts_with("DELETE")).collect()
}

fn policy(keep: usize) -> Policy {
    Policy { keep, protect: Vec::new(), min_age: DAY, needed: Some(Needed::default()) }
}

fn repository<'a>(asking: &'a Distribution, host: &str) -> Repository<'a> {
    let image = ImageRef::parse(&format!("{host}/{WEB}")).expect("a reference");
    Repository::new(asking, &image)
}

async fn cleaned(asking: &Distribution, host: &str) -> Result<Cleaned, RepositoryError> {
    let now = jiff::Timestamp::now();
    let stop = CancellationToken::new();
    let done = clean(&mut repository(asking, host), &policy(1), now, &stop).await;
    done.map(|done| done.expect("nobody stopped it"))
}

/// Images of one platform and of two, signed and attested; some are needed, one has a further tag.
struct Shop {
    registry: Registry,
    four: Digest,
    needed: [Digest; 2],
    old: Digest,
    /// Of the old index alone.
    old_parts: [Digest; 2],
    /// Of both indexes.
    shared: Digest,
}

impl Shop {
    fn open() -> Self {
        let registry = Registry::start_deletable(Auth::None);
        built(&registry, "1", "2026-01-01");
        built(&registry, "stable", "2026-01-01");
        let two = built(&registry, "2", "2026-01-02");
        let three = built(&registry, "3", "2026-01-03");
        let four = built(&registry, "4", "2026-01-04");
        built(&registry, "5", "2026-01-05");
        let child = |architecture, created| registry.push_child(WEB, architecture, Some(created));
        let shared = child("arm64", "2026-01-01T00:00:00Z");
        let amd64 = child("amd64", "2025-12-01T00:00:00Z");
        let attestation = child("unknown", "2025-12-01T00:00:01Z");
        let mut attests = entry(&attestation, Some("unknown"));
        attests["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest"});
        let entries = [entry(&amd64, Some("amd64")), entry(&shared, Some("arm64")), attests];
        let old = registry.push_entries(WEB, Some("m1"), &entries);
        let newer = child("amd64", "2026-06-01T00:00:00Z");
        let entries = [entry(&newer, Some("amd64")), entry(&shared, Some("arm64"))];
        let new = registry.push_entries(WEB, Some("m2"), &entries);
        for (of, at) in [(&old, "1970-01-01T00:00:01Z"), (&new, "1970-01-01T00:00:02Z")] {
            registry.push_built(WEB, Some(&signature(of)), "signature", Some(at));
        }
        let (needed, old_parts) = ([two, three], [amd64, attestation]);
        Self { registry, four, needed, old, old_parts, shared }
    }

    fn lists(&self, job: &Job) -> [String; 2] {
        let [two, three] = &self.needed;
        let host = self.registry.host();
        let image = json!({
            "repository": format!("{host}/{WEB}"), "digest": three, "children": [], "because": "x",
        });
        let json = json!({"schema": "evenkeel.images/v1", "host": "web-1", "images": [image]});
        [
            job.file("web-2.txt", &format!("{host}/{WEB}@{two}\n")),
            job.file("web-1.json", &json.to_string()),
        ]
    }
}

#[tokio::test]
async fn it_is_told_first_then_only_what_nobody_needs_is_deleted_and_again_nothing() {
    let (shop, job) = (Shop::open(), Job::new());
    let host = shop.registry.host();
    let before = tags(host).await;
    let lists = shop.lists(&job);
    let words = ["--keep", "2", "--protect", "stable", "--needed", &lists[0], &lists[1]];

    let told = job.prune(host, &words).await;
    told.ends(0).says("nothing was deleted: `--yes` does it");
    told.says("with 3 parts and signatures would go").says("--protect stable covers stable");
    let line = |tag: &str| {
        let line = told.stdout.lines().find(|line| line.starts_with(tag));
        line.unwrap_or_else(|| panic!("no {tag}: {}", told.stdout)).to_owned()
    };
    assert!(line("TAG ").ends_with("VERDICT  WHY"));
    let four = format!("{}  2026-01-04 00:00  goes   ", shop.four.short());
    assert!(line("4 ").contains(&four), "{}", line("4 "));
    assert!(line("1, stable").contains("stays"));
    assert_eq!(tags(host).await, before, "nothing was deleted");

    let json = job.prune(host, &[&words[..], &["--output", "json"]].concat()).await;
    let report = json.ends(0).json();
    assert_eq!(report["schema"], "evenkeel.registry-prune/v1");
    assert_eq!(report["repository"], format!("{host}/{WEB}"));
    assert_eq!((&report["dry_run"], &report["deleted"]), (&true.into(), &0.into()));
    let manifests = report["manifests"].as_array().expect("a list");
    let because = |digest: &Digest| {
        let one = manifests.iter().find(|one| one["digest"] == digest.as_str());
        let one = one.expect("all are told");
        format!("{}: {}", one["verdict"], one["because"]).replace('"', "")
    };
    assert_eq!(because(&shop.needed[0]), "stays: the list web-2.txt needs it");
    assert_eq!(because(&shop.needed[1]), "stays: web-1 needs it");
    assert_eq!(because(&shop.shared), "stays: a part of m2, which stays");
    assert_eq!(because(&shop.old_parts[1]), "goes: a part of m1, which goes");

    let done = job.prune(host, &[&words[..], &["--yes"]].concat()).await;
    done.ends(0).says("2 images with 3 parts and signatures deleted");
    let gone: BTreeSet<String> = ["4", "m1", &signature(&shop.old)].map(String::from).into();
    let left: Vec<String> = before.into_iter().filter(|tag| !gone.contains(tag)).collect();
    assert_eq!(tags(host).await, left);
    for digest in [&shop.four, &shop.old].into_iter().chain(&shop.old_parts) {
        assert!(!has(host, digest).await, "{digest}");
    }
    assert!(has(host, &shop.shared).await, "the index that stays has it, too");
    job.prune(host, &[&words[..], &["--yes"]].concat()).await.ends(0).says("nothing was deleted");
}

#[tokio::test]
async fn what_a_host_needs_is_found_without_a_tag_and_keeps_its_parts() {
    let registry = Registry::start_deletable(Auth::None);
    let child = |created| registry.push_child(WEB, "arm64", Some(created));
    let (shared, old) = (child("2026-01-01T00:00:00Z"), child("2026-01-02T00:00:00Z"));
    let [of_shared, of_old] = [&shared, &old].map(|part| entry(part, Some("arm64")));
    registry.push_entries(WEB, Some("1"), &[of_shared.clone(), of_old]);
    let untagged = registry.push_entries(WEB, None, &[of_shared]);
    built(&registry, "2", "2026-06-01");
    let mut needed = Needed::default();
    let absent = Digest::parse(&format!("sha256:{}", "0".repeat(64))).expect("a digest");
    let lines = format!("{host}/{WEB}@{untagged}\n{absent}\n", host = registry.host());
    needed.read("a", &lines).expect("a list");
    let (asking, stop) = (anonymous(), CancellationToken::new());
    let mut repository = repository(&asking, registry.host());
    let policy = Policy { needed: Some(needed), ..policy(1) };
    let done = clean(&mut repository, &policy, jiff::Timestamp::now(), &stop).await;
    let deleted = done.expect("a list").expect("nobody stopped it").deleted;
    assert_eq!(deleted.len(), 2, "the index and the part that it has alone: {deleted:?}");
    assert!(has(registry.host(), &shared).await && has(registry.host(), &untagged).await);
    assert!(!has(registry.host(), &old).await);
}

#[tokio::test]
async fn a_list_that_is_missing_or_broken_deletes_nothing_and_asks_nobody() {
    let (shop, job) = (Shop::open(), Job::new());
    let gateway = Gateway::start(shop.registry.host(), Door::Open).await;
    let [good, _] = shop.lists(&job);
    let bad = [
        (job.file("empty", ""), "it is empty"),
        (job.file("half.json", r#"{"schema": "evenkeel.images/v1", "#), "evenkeel.images/v1"),
        (job.file("error.txt", "error: the source infra cannot be read\n"), "line 1"),
        (job.home.path().join("absent").display().to_string(), "No such file"),
    ];
    for (file, why) in bad {
        let words = ["--keep", "1", "--needed", &good, &file, "--yes"];
        let run = job.prune(&gateway.host(), &words).await;
        run.ends(1).says(why).says("what hosts need is not known");
        assert_eq!(gateway.log(), [""; 0]);
    }
}

#[tokio::test]
async fn where_the_registry_tells_only_a_part_nothing_is_deleted() {
    let (shop, job) = (Shop::open(), Job::new());
    let words = ["--keep", "1", "--yes"];
    for fault in [Fault::BrokenPages(2), Fault::Halfway, Fault::Left(0), Fault::Status(500)] {
        let gateway = Gateway::start(shop.registry.host(), Door::Open).await;
        gateway.fail(fault);
        job.prune(&gateway.host(), &words).await.ends(1);
        assert_eq!(deletions(&gateway), [""; 0]);
    }
    let gateway = Gateway::start(shop.registry.host(), Door::Open).await;
    gateway.fail(Fault::Pages(2));
    job.prune(&gateway.host(), &words).await.ends(0).says("what hosts need is not known");
    assert_eq!(tags(shop.registry.host()).await.len(), 2, "the newest and its signature");
}

#[tokio::test]
async fn a_registry_that_deletes_nothing_is_told_of_with_the_next_move() {
    let registry = Registry::start(Auth::None);
    let job = Job::new();
    built(&registry, "1", "2026-01-01");
    built(&registry, "2", "2026-01-02");
    let run = job.prune(registry.host(), &["--keep", "1", "--yes", "--output", "json"]).await;
    run.ends(1).says("does not allow to delete").says("REGISTRY_STORAGE_DELETE_ENABLED=true");
    let report = run.json();
    assert_eq!(report["deleted"], 0);
    assert_eq!(tags(registry.host()).await, ["1", "2"]);
}

#[tokio::test]
async fn what_ends_half_way_is_said_and_can_be_run_again() {
    let (shop, job) = (Shop::open(), Job::new());
    let gateway = Gateway::start(shop.registry.host(), Door::Open).await;
    let words = ["--keep", "1", "--yes", "--output", "json"];
    gateway.fail(Fault::Deletes(3));
    let run = job.prune(&gateway.host(), &words).await;
    run.ends(1).says("run it again later");
    let report = run.json();
    assert_eq!(report["deleted"], 3);
    assert!(report["error"].as_str().expect("an error").contains("503"), "{report}");
    let manifests = report["manifests"].as_array().expect("a list");
    let missed = manifests.iter().filter(|one| one["error"] == "it was not reached").count();
    assert!(missed > 0, "{report}");
    assert_eq!(deletions(&gateway).len(), 4, "nothing is deleted after the first failure");

    gateway.mend();
    job.prune(&gateway.host(), &words).await.ends(0);
    let kept = tags(shop.registry.host()).await;
    assert!(kept.contains(&"m2".to_owned()) && kept.len() == 2, "{kept:?}");
    assert!(!kept.contains(&signature(&shop.old)), "what spoke of what is gone went, too");
}

#[tokio::test]
async fn what_was_pushed_or_moved_since_the_first_look_stays() {
    let registry = Registry::start_deletable(Auth::None);
    for (tag, created) in [("1", "2026-01-01"), ("2", "2026-01-02"), ("3", "2026-01-03")] {
        built(&registry, tag, created);
    }
    let asking = anonymous();
    let mut repository = repository(&asking, registry.host());
    let now = jiff::Timestamp::now();
    let told = look(&mut repository, &policy(1), now).await.expect("a list");
    assert_eq!(told.going().count(), 2);
    // The newest is pushed anew, to what is to go; another one gets a tag that is protected.
    built(&registry, "3", "2026-01-02");
    built(&registry, "stable", "2026-01-01");
    let protect = vec![Protect::parse("stable").expect("a glob")];
    let policy = Policy { protect, ..policy(1) };
    let done = clean(&mut repository, &policy, now, &CancellationToken::new()).await;
    let done = done.expect("a list").expect("nobody stopped it");
    assert_eq!(done.deleted.len(), 0);
    assert_eq!(tags(registry.host()).await, ["1", "2", "3", "stable"]);
}

#[tokio::test]
async fn a_token_that_may_delete_is_asked_for_only_where_something_is_deleted() {
    let open = Registry::start_deletable(Auth::None);
    let tokens = TokenServer::start().await;
    built(&open, "1", "2026-01-01");
    built(&open, "2", "2026-01-02");
    let guarded = open.guarded_by(&tokens);
    let (asking, _home) = logged_in(&docker_config(guarded.host(), USER, PASSWORD));
    let done = cleaned(&asking, guarded.host()).await.expect("a list");
    assert_eq!((done.deleted.len(), done.ended_by), (1, None));
    assert_eq!(tags(open.host()).await, ["2"]);
    assert_eq!(tokens.log().len(), 2, "one to look, one to delete");
}

#[tokio::test]
async fn a_password_of_docker_s_configuration_or_of_a_file_is_enough() {
    let registry = Registry::start_deletable(Auth::Basic);
    let job = Job::new();
    for (tag, created) in [("1", "2026-01-01"), ("2", "2026-01-02"), ("3", "2026-01-03")] {
        built(&registry, tag, created);
    }
    let host = registry.host();
    job.prune(host, &["--keep", "2", "--yes"]).await.ends(1).says("credentials");
    job.file(".docker/config.json", &docker_config(host, USER, PASSWORD));
    job.prune(host, &["--keep", "2", "--yes"]).await.ends(0).says("1 image deleted");

    let password = job.file("password", PASSWORD);
    let config = job.file(
        "config.yaml",
        &format!(
            "sources: [{{repo: /srv/infra}}]\nregistry:\n  docker_config: /nonexistent\n  hosts:\n    \
             \"{host}\": {{username: {USER}, password_file: {password}}}\n"
        ),
    );
    let words = ["--keep", "1", "--yes", "--config", &config];
    job.prune(host, &words).await.ends(0).says("1 image deleted");
    let absent = ["--keep", "1", "--config", "/nonexistent/config.yaml"];
    job.prune(host, &absent).await.ends(1).says("there is no configuration");
}

#[tokio::test]
async fn what_the_registry_lists_as_speaking_of_an_image_goes_with_it() {
    let registry = Registry::start_deletable(Auth::None);
    let old = built(&registry, "1", "2026-01-01");
    built(&registry, "2", "2026-01-02");
    let bill = registry.push_about(WEB, &old);
    let gateway = Gateway::start(registry.host(), Door::Open).await;
    let list = json!({"manifests": [entry(&bill, None)]}).to_string();
    gateway.fail(Fault::Referrers(old.to_string(), list));
    let done = cleaned(&anonymous(), &gateway.host()).await.expect("a list");
    assert_eq!(done.deleted.keys().collect::<BTreeSet<_>>(), [&old, &bill].into());
    assert!(!has(registry.host(), &bill).await);
}

#[tokio::test]
async fn usage_that_makes_no_sense_ends_with_64() {
    let job = Job::new();
    for words in [
        &[][..],
        &["--keep", "0"],
        &["--keep", "1", "--repo", "x"],
        &["--keep", "1", "--include-foreign"],
        &["--keep", "1", "--dry-run", "--yes"],
        &["--keep", "1", "--needed"],
        &["--keep", "1", "--protect", "v["],
    ] {
        job.prune("registry.lan", words).await.ends(64);
    }
    job.prune("registry.lan:x@", &["--keep", "1"]).await.ends(64);
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
        command.args(words).output().expect("it runs").status.code()
    };
    assert_eq!(run(&["prune", "--keep", "1"]), Some(64));
    assert_eq!(run(&["prune", "--yes"]), Some(64));
    assert_eq!(run(&["prune", "--registry", "ghcr.io/a/b:1", "--keep", "1"]), Some(64));
}
